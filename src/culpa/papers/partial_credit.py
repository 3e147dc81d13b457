"""When Errors Can Be Beneficial (2604.25872), application II: when should partially correct outputs be rewarded?

Claim: neither always nor never. Where checks are rare skills that outputs share, partial credit reaches joint success
ten times faster than binary. Where one check is easy and one hard, and where half-right outputs are likely and share
nothing with the right one, binary wins, and partial credit stalls on the half-right. What a policy does at the start
(success p, half-right q, neither r, groups of k) says which of these it is.

Departures: 1. no language models and no instruction constraints: policies over patterns of two passed checks, whose
logits are the patterns' own ("tabular"), or one weight per check ("skills"), or linear in features of which those of
half-right and right outputs overlap. 2. exact expected steps of the plain gradient instead of sampled GRPO; groups only
where their silence is counted. 3. not of the paper: the sign of the first effect, r + r^2 + p^2 + q^2 > 1, the switch
from partial to binary credit at p k = 1, and the recommendation from samples.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from culpa.advice import advise
from culpa.advice.course import Course, Run, World, walk_credit
from culpa.advice.credit import BINARY, PARTIAL, STAGED, Credit, credits
from culpa.advice.regime import boundary
from culpa.dynamics import Columns, Horizon, reinforce
from culpa.dynamics.linear import linear_walk
from culpa.dynamics.walk import log_softmax, walk
from culpa.papers.outcome import Check, Outcome, Size
from culpa.rollouts import Rollouts

SYSTEM = 0
Array = npt.NDArray[np.float64]

SKILLS = {
    "both rare": (0.02, 0.02),
    "both moderate": (0.3, 0.3),
    "one easy": (0.9, 0.02),
    "same p, alike": (0.1342,) * 2,
}
SKILL_STEPS, SKILL_ETA = {"full": 4_000, "quick": 2_000}, 1.0
GROUP = 8
TABLES = {  # success, half-right, credit of a half-right output, steps
    "likely half-right": (0.01, 0.3, 0.5, 1_000),
    "likely half-right, later": (0.01, 0.3, 0.5, 10_000),
    "rare half-right": (0.01, 0.005, 0.5, 1_500),
    "high credit": (0.05, 0.6, 0.9, 10_000),
}
TABLE_ETA = 0.1
POLICIES = {"full": 2_000, "quick": 300}  # random ones, for the sign
OVERLAPS, OVERLAP_STEPS = (-0.5, 0.0, 0.3, 0.6), 3_000
GROUPS = {"full": 20_000, "quick": 4_000}  # drawn, for the silent share
SIZES, RATES = (4, 32, 96), (0.001, 0.01)
PROMPTS, SAMPLES = 500, 32  # of the rollouts that are advised on, as in the paper
_BOTH = np.array([[False, False], [True, False], [False, True], [True, True]])
_INSTANT = 1e-5

# Thresholds, set before the first run
WON, LOST, FASTER, TIE = 0.9, 0.3, 8.0, 2.0
STALLED = 0.05
MISSED = 0.01  # share of random policies on the wrong side of a boundary
SPREADS = 5.0  # standard errors of a drawn share


def experiment(rng: np.random.Generator, size: Size = "full") -> Outcome:
    """All experiments; only random policies, drawn groups and samples take anything from `rng`."""
    data = {
        "skills": [_skills(name, rates, SKILL_STEPS[size]) for name, rates in SKILLS.items()],
        "tables": [_table(name, *setting) for name, setting in TABLES.items()],
        "overlap": _overlap(),
        "sign": _sign(POLICIES[size], rng),
        "silent": _silent(GROUPS[size], rng),
        "advice": [_advised(name, steps, rng) for name, steps in (("both rare", 300), ("one easy", 100))],
    }
    return Outcome(0, data)


def holds(outcome: Outcome) -> list[Check]:
    """The claims, each beside what must not show it."""
    skills = {row["name"]: row for row in outcome.data["skills"]}
    tables = {row["name"]: row for row in outcome.data["tables"]}
    return [
        *_skilled(skills),
        *_half_right(tables),
        *_overlapping(outcome.data["overlap"], skills["both rare"]),
        *_signs(outcome.data["sign"]),
        *_quiet(outcome.data["silent"]),
        *_staged(skills["both rare"], tables["likely half-right"]),
        *_advice(outcome.data["advice"]),
    ]


def _skilled(skills: dict[str, Any]) -> list[Check]:
    rare, moderate, easy, alike = skills.values()
    texts = {row["name"]: _versus(row, at) for row, at in ((rare, 300), (moderate, 100), (easy, 100), (alike, 100))}
    ratio, even = (row["half"][BINARY] / row["half"][PARTIAL] for row in (rare, moderate))
    won = rare["at"][300][PARTIAL] > WON and rare["at"][300][BINARY] < STALLED
    binary = easy["at"][100][BINARY] > WON and easy["at"][100][PARTIAL] < LOST
    other = alike["at"][100][BINARY] > WON and alike["at"][100][PARTIAL] < LOST
    return [
        Check("two rare skills: partial credit solves them by 300 steps, binary does not", texts["both rare"], won),
        Check("and is about ten times faster to half of the way", f"{ratio:.1f} times", ratio > FASTER),
        Check("control: two moderate skills are a tie", f"{even:.2f} times", 1 / TIE < even < TIE, control=True),
        Check("one easy and one hard skill: binary wins by 100 steps", texts["one easy"], binary),
        Check(
            "control: not where the same success is two like skills", texts["same p, alike"], not other, control=True
        ),
    ]


def _half_right(tables: dict[str, Any]) -> list[Check]:
    likely, later, rare, high = tables.values()
    stalls = [row[BINARY] > WON and row[PARTIAL] < STALLED for row in (likely, rare)]
    return [
        Check("likely half-right outputs: partial stalls, binary does not", _ends(likely), stalls[0]),
        Check("control: where half-right outputs are rarer than right ones nothing stalls", _ends(rare), not stalls[1],
              control=True),
        Check("the stall ends: partial credit arrives later", _ends(later), later[PARTIAL] > WON),
        Check("a higher credit stalls longer", _ends(high), high[PARTIAL] < LOST and high[BINARY] > WON),
    ]  # fmt: skip


def _overlapping(rows: list[dict[str, float]], rare: dict[str, Any]) -> list[Check]:
    best = max(row[PARTIAL] - row[BINARY] for row in rows)
    text = ", ".join(f"{row['rho']:g}: {row[BINARY]:.3f} v {row[PARTIAL]:.3f}" for row in rows)
    gain = rare["at"][300][PARTIAL] - rare["at"][300][BINARY]
    return [
        Check("overlap of features alone never makes partial credit better", text, best < STALLED),
        Check("control: shared skills do", f"{gain:+.3f}", gain > WON - STALLED, control=True),
    ]


def _signs(found: dict[str, float]) -> list[Check]:
    right, half = (f"{found[name]:.3f} of {found['policies']:,.0f} policies" for name in ("missed", "missed by half"))
    return [
        Check("r + r^2 + p^2 + q^2 > 1 tells where partial is faster at first", right, found["missed"] < MISSED),
        Check("control: r > 1/2 alone does not", half, found["missed by half"] > MISSED, control=True),
    ]


def _quiet(rows: list[dict[str, float]]) -> list[Check]:
    worst = max(abs(row["drawn"] - row["law"]) / row["error"] for row in rows)
    wrong = max(abs(row["drawn"] - (1.0 - row["p"] * row["k"])) / row["error"] for row in rows)
    text = ", ".join(f"{row['law']:.3f}" for row in rows)
    return [
        Check("groups without signal: (1 - p)^k + p^k", f"{text}; {worst:.1f} standard errors", worst < SPREADS),
        Check("control: not 1 - p k", f"{wrong:.0f} standard errors", wrong > SPREADS, control=True),
    ]


def _staged(rare: dict[str, Any], likely: dict[str, Any]) -> list[Check]:
    at = rare["at"][300]
    beats = at[STAGED] >= max(at[BINARY], at[PARTIAL])
    text = f"{at[STAGED]:.3f}, switched at {rare['switch']:,.0f}"
    lost = likely[STAGED] < likely[BINARY] - LOST
    control = "control: but is caught on likely half-right outputs before it can switch"
    return [
        Check("partial until p k = 1, then binary, is the best of all on rare skills", text, beats),
        Check(control, f"{likely[STAGED]:.3f} v {likely[BINARY]:.3f}", lost, control=True),
    ]


def _advice(rows: list[dict[str, Any]]) -> list[Check]:
    rare, easy = rows
    texts = [f"{row['kind']}: {row['credit']}, {row['confidence'] or 0:.0%} of draws" for row in rows]
    known = [row["kind"] == "use" and row["credit"] == best for row, best in ((rare, PARTIAL), (easy, BINARY))]
    return [
        Check("the advice from samples is partial credit for two rare skills", texts[0], known[0]),
        Check("control: and binary where one of them is easy", texts[1], known[1], control=True),
    ]


def _versus(row: dict[str, Any], at: int) -> str:
    return f"partial {row['at'][at][PARTIAL]:.3f} v binary {row['at'][at][BINARY]:.3f} at {at} steps"


def _ends(row: dict[str, Any]) -> str:
    return f"partial {row[PARTIAL]:.4f} v binary {row[BINARY]:.4f} at {row['steps']:,} steps"


def _skills(name: str, rates: tuple[float, ...], steps: int) -> dict[str, Any]:
    passed = np.array(rates)
    mass = np.where(_BOTH, passed, 1.0 - passed).prod(axis=1)
    ways = {one.name: one for one in credits(_BOTH, passed) if one.name in (BINARY, PARTIAL, STAGED)}
    world = World(np.log(mass)[None, None], np.ones((1, 1)), None, ways[BINARY].reward, _BOTH.astype(np.float64))
    courses = {
        way: walk_credit(world, one, Run(reinforce(), SKILL_ETA, steps, group=GROUP)) for way, one in ways.items()
    }
    return {
        "name": name,
        "rates": list(rates),
        "at": {step: {way: _success(course, step) for way, course in courses.items()} for step in (100, 300)},
        "half": {way: _half(course) for way, course in courses.items()},
        "switch": float(courses[STAGED].switch[0]),
    }


def _success(course: Course, step: int) -> float:
    return float(np.interp(step, course.step[:, 0], course.success[:, 0]))


def _half(course: Course) -> float:
    """The step at which half of the outputs succeed; success only rises here."""
    return float(np.interp(0.5, course.success[:, 0], course.step[:, 0]))


def _table(name: str, p: float, q: float, credit: float, steps: int) -> dict[str, Any]:
    binary, partial = np.array([0.0, 0.0, 1.0]), np.array([0.0, credit, 1.0])
    world = World(np.log([[[1.0 - p - q, q, p]]]), np.ones((1, 1)), None, binary, None)
    ways = (Credit(BINARY, binary), Credit(PARTIAL, partial), Credit(STAGED, partial, binary))
    run = Run(reinforce(), TABLE_ETA, steps, group=GROUP)
    ends = {way.name: float(walk_credit(world, way, run).success[-1, 0]) for way in ways}
    return {"name": name, "p": p, "q": q, "credit": credit, "steps": steps, **ends}


def _overlap() -> list[dict[str, float]]:
    """One right output, two half-right ones whose features overlap with its by rho, one wrong output; p = .01."""
    columns = [(rho, credit) for rho in OVERLAPS for credit in (0.0, 0.5)]
    features = np.tile(np.eye(4), (len(columns), 1, 1))
    for number, (rho, _) in enumerate(columns):
        features[number, 1:3, 0] = rho
        features[number, [1, 2], [1, 2]] = np.sqrt(1.0 - rho**2)
    start = np.log(np.tile(np.array([0.01, 0.3, 0.3, 0.39])[:, None], (1, len(columns))))
    reward = np.array([(1.0, credit, credit, 0.0) for _, credit in columns]).T
    kernel = features @ features.transpose(0, 2, 1)
    end = np.exp(log_softmax(linear_walk(start, kernel, reward, steps=OVERLAP_STEPS, eta=TABLE_ETA)))[0]
    return [
        {"rho": rho, BINARY: float(end[2 * number]), PARTIAL: float(end[2 * number + 1])}
        for number, rho in enumerate(OVERLAPS)
    ]


def _sign(policies: int, rng: np.random.Generator) -> dict[str, float]:
    """The first change of success under partial minus that under binary, by short walks, against the formula."""
    mass = rng.dirichlet(np.ones(3), size=policies).T  # none, half, right
    start = np.log(mass)
    ends = []
    for credit in (0.0, 0.5):
        reward = np.tile(np.array([0.0, credit, 1.0])[:, None], (1, policies))
        ends.append(np.exp(walk(Columns(start, start, reward), reinforce(), steps=1, eta=_INSTANT))[2])
    faster = ends[1] > ends[0]
    return {
        "policies": policies,
        "missed": float((faster != (boundary(mass[2], mass[1]) > 0)).mean()),
        "missed by half": float((faster != (mass[0] > 0.5)).mean()),
    }


def _silent(groups: int, rng: np.random.Generator) -> list[dict[str, float]]:
    rows = []
    for p in RATES:
        for k in SIZES:
            seen = rng.binomial(k, p, size=groups)
            law = (1.0 - p) ** k + p**k
            drawn = float(((seen == 0) | (seen == k)).mean())
            rows.append({"p": p, "k": k, "law": law, "drawn": drawn, "error": float(np.sqrt(law * (1 - law) / groups))})
    return rows


def _advised(name: str, steps: int, rng: np.random.Generator) -> dict[str, Any]:
    """Samples of two skills, and what is said of them."""
    shape = (PROMPTS, SAMPLES)
    checks = {
        f"check {number}": (rng.random(shape) < rate).astype(np.float64)
        for number, rate in enumerate(SKILLS[name], start=1)
    }
    names = np.array([f"prompt {number}" for number in range(PROMPTS)], dtype=object)
    record = Rollouts(names, np.ones(shape, dtype=bool), np.full(shape, 1.0 / SAMPLES), checks)
    found = advise(record, learner=reinforce(), horizon=Horizon(kl=None, steps=steps), eta=SKILL_ETA)
    return {"name": name, "steps": steps, **found.decision._asdict()}
