"""When Errors Can Be Beneficial: A Categorization of Imperfect Rewards for Policy Gradient (2604.25872).

Claim: a reward error need not hurt. Punishing a likely mediocre output outright frees the best one, which the true
reward would leave on a plateau for tens of thousands of steps; how long depends on the initial policy, and on whether
the outputs' features agree.

Controlled experiments: one prompt, five outputs (best, mediocre, three bad), linear softmax, exact policy gradient with
step .1 for 50,000 steps, no KL, temperature 1; six runs again with one sample a step.
Departures: 1. float64 throughout. 2. the sampled runs have seeds, and five of each. 3. options that no figure uses
(Adam, random features, random rewards) are left out. 4. three more experiments, not of the paper, on what it rests on:
how long a plateau lasts by the mass at its beginning; that the truth's rate of growth changes with a score by just the
speed at which training on the truth would raise that output; and how the share of harmful, benign and beneficial errors
changes with the horizon on random problems (16 outputs, Gaussian truth and initial logits, 40 % of the scores with an
error of standard deviation 1.5, step .2; an effect beyond 1e-3 of the truth counts).
"""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from culpa.dynamics.effect import effects
from culpa.dynamics.learner import reinforce
from culpa.dynamics.linear import linear_walk, sampled_walk
from culpa.dynamics.simulate import Horizon, simulate
from culpa.dynamics.stall import escape_steps
from culpa.dynamics.walk import Columns, expectations, log_softmax, walk
from culpa.papers.outcome import Check, Outcome, Size
from culpa.rollouts import Rollouts

SYSTEM = 0
Array = npt.NDArray[np.float64]

TRUE = (1.0, 0.8, -1.0, -1.0, -1.0)
PUNISHED = (1.0, -1.0, -1.0, -1.0, -1.0)
STARTS = (0.05, 0.10, 0.15)  # initial probability of the best output; the mediocre one has 1/2
STEPS = {"full": (0, 100, 1_000, 5_000, 10_000, 20_000, 50_000), "quick": (0, 100, 1_000, 5_000)}
ETA = 0.1
SEEDS = 5  # sampled runs of each setting
_TILT = 2**-0.5

STALLS = {"full": (0.05, 0.01, 0.003, 0.001), "quick": (0.05, 0.01, 0.003)}  # mass of the better one of two outputs
GAP = 0.2  # between the scores of the two
HORIZONS = (30, 200, 1_500)
PROBLEMS = {"full": 200, "quick": 60}
OUTPUTS, WRONG, ERROR = 16, 0.4, 1.5  # of a random problem: outputs, share of wrong scores, size of an error
_STEP = 0.2
_EFFECT = 1e-3  # of the truth: smaller ones do not count
_INSTANT = 1e-4  # a step so short that its central difference is a derivative

# Thresholds. From the published outcomes, before the first run:
STALLED, SOLVED = 0.80, 0.99
CARRIED, BURIED = 0.5, 1e-4
# From the derivations:
LAW, MISS = 0.01, 2.0  # relative error of the law; factor by which one without the mass must miss
DUAL, NO_DUAL = 1e-6, 0.1  # relative gap between the two sides of the duality
# Of the shares, from runs of other seeds, with room for 60 problems:
EVEN, MOST, OFTEN, FALL = 0.25, 0.6, 0.2, 0.7


def experiment(rng: np.random.Generator, size: Size = "full") -> Outcome:
    """All experiments; the nine exact runs and the plateaus draw nothing from `rng`."""
    steps = STEPS[size]
    data = {
        "runs": [*_identity_runs(steps), *_feature_runs(steps)],
        "sampled": _sampled_runs(steps, rng),
        "stall": _plateaus(STALLS[size]),
        "duality": _duality(rng),
        "errors": _errors_by_horizon(PROBLEMS[size], rng),
    }
    return Outcome(0, data)


def holds(outcome: Outcome) -> list[Check]:
    """The claims, each beside the run that must not show it."""
    runs = {run["name"]: run for run in outcome.data["runs"]}
    return [
        *_freed(runs, outcome.data["sampled"]),
        *_similar(runs),
        *_stalled(outcome.data["stall"]),
        *_dual(outcome.data["duality"]),
        *_shares(outcome.data["errors"]),
    ]


def _freed(runs: dict[str, Any], sampled: list[dict[str, Any]]) -> list[Check]:
    checks = []
    for p in STARTS:
        helped, plain = runs[f"punished, p={p:.2f}"], runs[f"true, p={p:.2f}"]
        value, text = _reward(helped, helped["steps"].index(1_000))
        claim = f"p={p:.2f}: punishing the mediocre output solves it by 1,000 steps"
        checks.append(Check(claim, text, value > SOLVED))
        if p < 0.15:
            value, text = _reward(plain, plain["steps"].index(1_000))
            claim = f"control, p={p:.2f}: the true reward is still below .80 at 1,000 steps"
            checks.append(Check(claim, text, value < STALLED, control=True))
    helped, plain = runs["punished, p=0.05"], runs["true, p=0.05"]
    value, text = _reward(plain, -1)
    claim = f"control, p=0.05: the true reward is on its plateau at {plain['steps'][-1]:,} steps"
    checks.append(Check(claim, text, value < STALLED, control=True))
    behind, ahead = helped["true_reward"][1], plain["true_reward"][1]
    claim, text = (
        "control: at a short horizon the same error hurts (p=0.05)",
        f"{behind:.3f} v {ahead:.3f} at 100 steps",
    )
    checks.append(Check(claim, text, behind < ahead, control=True))
    freed = [run["true_reward"][-1] > STALLED for run in sampled if run["name"].startswith("punished")]
    checks.append(Check("one sample a step: the punished run always wins", f"{sum(freed)} of {len(freed)}", all(freed)))
    return checks


def _reward(run: dict[str, Any], at: int) -> tuple[float, str]:
    value = run["true_reward"][at]
    return value, f"true reward {value:.4f} at {run['steps'][at]:,} steps"


def _similar(runs: dict[str, Any]) -> list[Check]:
    positive, negative, neither = (runs[f"similarity {kind}"] for kind in ("positive", "negative", "orthogonal"))
    at = positive["steps"].index(1_000)
    carried, alone = (run["probabilities"][at][0] for run in (positive, neither))
    last, left = (run["probabilities"][-1][0] for run in (negative, neither))
    sunk = last < BURIED and last < left
    texts = [f"p = {value:.3f} at 1,000 steps" for value in (carried, alone)]
    return [
        Check("agreeing features carry the best output along", texts[0], carried > CARRIED),
        Check("control: orthogonal ones leave it on the plateau", texts[1], alone < CARRIED, control=True),
        Check("control: opposed ones bury it", f"p = {last:.1e} v {left:.1e} at the end", sunk, control=True),
    ]


def _stalled(rows: list[dict[str, float]]) -> list[Check]:
    """Rivals of the law are fitted to the first run, and are then asked for the last."""
    first, last = rows[0], rows[-1]
    gaps = [abs(row["law"] / row["simulated"] - 1.0) for row in rows]
    text = ", ".join(f"{row['simulated']:,.0f} v {row['law']:,.0f}" for row in rows)
    checks = [Check("the law gives the steps of a plateau from the mass at its start", text, max(gaps) < LAW)]
    for name, power in (("without the mass", 0.0), ("with its square root", 0.5)):
        guess = first["simulated"] * (first["p"] / last["p"]) ** power
        text = f"{last['simulated']:,.0f} v {guess:,.0f} at p={last['p']}"
        checks.append(Check(f"control: a law {name} misses", text, last["simulated"] > MISS * guess, control=True))
    return checks


def _dual(gaps: dict[str, float]) -> list[Check]:
    text = "a score speeds up the truth as the truth speeds up the output"
    checks = [Check(f"{text}, {kind}", f"gap {gaps[kind]:.1e}", gaps[kind] < DUAL) for kind in ("tabular", "features")]
    wrong = gaps["wrong kernel"]
    return [*checks, Check("control: not with another kernel", f"gap {wrong:.2f}", wrong > NO_DUAL, control=True)]


def _shares(rows: list[dict[str, float]]) -> list[Check]:
    early, late = rows[0], rows[-1]
    kinds = ("harmful", "benign", "beneficial")
    shown = [" / ".join(f"{row[kind]:.2f}" for kind in kinds) for row in rows]
    even = abs(early["harmful"] - early["beneficial"]) < EVEN
    settled = late["benign"] > MOST and late["beneficial"] < FALL * early["beneficial"]
    beats = ", ".join(f"{row['beats']:.2f} at {row['steps']:,.0f} steps" for row in rows)
    wins = early["beats"] > OFTEN and late["beats"] < FALL * early["beats"]
    clean = sum(row["clean"] for row in rows)
    return [
        Check(f"at {early['steps']} steps as many errors help as hurt", f"{shown[0]} {'/'.join(kinds)}", even),
        Check(f"at {late['steps']:,} steps most are benign, and fewer help", shown[-1], settled),
        Check(f"control: not yet at {early['steps']} steps", shown[0], not early["benign"] > MOST, control=True),
        Check("wrong scores beat the truth itself more often at first than at last", beats, wins),
        Check("control: a proxy without errors has none", f"{clean:.0f} errors", clean == 0, control=True),
    ]


def _initial(p: float) -> Array:
    return np.array([p, 0.5, *[(0.5 - p) / 3] * 3])


def _identity_runs(steps: tuple[int, ...]) -> list[dict[str, Any]]:
    settings = [(kind, p, reward) for kind, reward in (("true", TRUE), ("punished", PUNISHED)) for p in STARTS]
    start = np.log(np.stack([_initial(p) for _, p, _ in settings], axis=1))
    reward = np.array([reward for *_, reward in settings]).T
    states = [start]
    for before, after in pairwise(steps):
        states.append(walk(Columns(states[-1], start, reward), reinforce(), steps=after - before, eta=ETA))
    rows = [
        {"name": f"{kind}, p={p:.2f}", "settings": {"p": p, "features": "identity", "reward": list(used), "eta": ETA}}
        for kind, p, used in settings
    ]
    return [_recorded(row, [state[:, m] for state in states], steps) for m, row in enumerate(rows)]


def _feature_runs(steps: tuple[int, ...]) -> list[dict[str, Any]]:
    """The best output's features are 1.5 e1; the mediocre one's are orthogonal to it, opposed, or agree."""
    kinds = {"orthogonal": (0.0, 1.0), "negative": (-_TILT, _TILT), "positive": (_TILT, _TILT)}
    features = np.tile(np.eye(5), (len(kinds), 1, 1))
    features[:, 0, 0] = 1.5
    for number, (along, across) in enumerate(kinds.values()):
        features[number, 1, :2] = along, across
    kernel = features @ features.transpose(0, 2, 1)
    start = np.log(np.tile(_initial(STARTS[0])[:, None], (1, len(kinds))))
    reward = np.tile(np.array(TRUE)[:, None], (1, len(kinds)))
    states = [start]
    for before, after in pairwise(steps):
        states.append(linear_walk(states[-1], kernel, reward, steps=after - before, eta=ETA))
    rows = [
        {"name": f"similarity {kind}", "settings": {"p": STARTS[0], "features": features[number].tolist(), "eta": ETA}}
        for number, kind in enumerate(kinds)
    ]
    logs = [log_softmax(state) for state in states]
    return [_recorded(row, [state[:, m] for state in logs], steps) for m, row in enumerate(rows)]


def _sampled_runs(steps: tuple[int, ...], rng: np.random.Generator) -> list[dict[str, Any]]:
    settings = [
        (kind, p, r) for kind, r in (("true", TRUE), ("punished", PUNISHED)) for p in STARTS for _ in range(SEEDS)
    ]
    start = np.log(np.stack([_initial(p) for _, p, _ in settings], axis=1))
    reward = np.array([used for *_, used in settings]).T
    states = [start]
    for before, after in pairwise(steps):
        states.append(sampled_walk(states[-1], reward, steps=after - before, eta=ETA, rng=rng))
    logs = [log_softmax(state) for state in states]
    rows = [
        {
            "name": f"{kind}, p={p:.2f}, run {number % SEEDS}",
            "settings": {"p": p, "reward": list(used), "sampled": True},
        }
        for number, (kind, p, used) in enumerate(settings)
    ]
    return [_recorded(row, [state[:, m] for state in logs], steps) for m, row in enumerate(rows)]


def _recorded(row: dict[str, Any], logp: list[Array], steps: tuple[int, ...]) -> dict[str, Any]:
    prob = np.exp(np.stack(logp))
    return row | {
        "steps": list(steps),
        "true_reward": (prob @ np.array(TRUE)).tolist(),
        "probabilities": prob.tolist(),
        "final_probabilities": prob[-1].tolist(),
    }


def _plateaus(masses: tuple[float, ...]) -> list[dict[str, float]]:
    """Two outputs alone: the first step at which the better one has half of the mass, and what the law says of it."""
    p = np.array(masses)
    law = escape_steps(p, np.full(len(p), GAP), reinforce(), eta=ETA)
    start = np.log(np.stack([p, 1.0 - p]))
    reward, better = np.outer([GAP, 0.0], np.ones(len(p))), np.outer([1.0, 0.0], np.ones(len(p)))
    columns, steps = Columns(start, start, reward), int(law.max() * 1.1)
    _, mass = expectations(columns, reinforce(), better[None], steps=steps, eta=ETA)
    seen = (mass[0] < 0.5).sum(axis=0).astype(np.float64)  # it only rises
    return [
        dict(zip(("p", "simulated", "law"), row, strict=True))
        for row in zip(masses, seen.tolist(), law.tolist(), strict=True)
    ]


def _duality(rng: np.random.Generator) -> dict[str, float]:
    """Both sides by differences of short walks, on random problems: (6 outputs, 3 features, 20 problems)."""
    outputs, features, problems = 6, 3, 20
    logits, truth, proxy = rng.standard_normal((3, outputs, problems))
    matrix = rng.standard_normal((problems, outputs, features))
    plain, shared = np.tile(np.eye(outputs), (problems, 1, 1)), matrix @ matrix.transpose(0, 2, 1)

    def growth(kernel: Array, reward: Array) -> Array:
        return np.asarray((truth * _speeds(logits, kernel, reward)).sum(axis=0))

    def slopes(kernel: Array) -> Array:
        return np.stack([growth(kernel, proxy + unit[:, None]) - growth(kernel, proxy) for unit in np.eye(outputs)])

    pairs = {"tabular": (plain, plain), "features": (shared, shared), "wrong kernel": (shared, plain)}
    gaps = {}
    for name, (walked, asked) in pairs.items():
        slope = slopes(walked)
        gaps[name] = float(np.abs(slope - _speeds(logits, asked, truth)).max() / np.abs(slope).max())
    return gaps


def _speeds(logits: Array, kernel: Array, reward: Array) -> Array:
    """How fast training on a reward raises each output at this moment, (s, m)."""
    ends = (linear_walk(logits, kernel, reward, steps=1, eta=eta) for eta in (_INSTANT, -_INSTANT))
    ahead, behind = (np.exp(log_softmax(end)) for end in ends)
    return np.asarray((ahead - behind) / (2.0 * _INSTANT))


def _errors_by_horizon(problems: int, rng: np.random.Generator) -> list[dict[str, float]]:
    """Shares of the kinds, and how often the wrong proxy ends higher than the truth itself; `clean` counts errors."""
    shape = (problems, OUTPUTS)
    truth = rng.standard_normal(shape)
    proxy = truth + (rng.random(shape) < WRONG) * rng.normal(scale=ERROR, size=shape)
    mass = np.exp(log_softmax(rng.standard_normal(shape).T)).T
    names = np.array([f"{number}" for number in range(problems)], dtype=object)
    record = Rollouts(names, np.ones(shape, dtype=bool), mass, {"wrong": proxy, "clean": truth}, truth)
    rows = []
    for steps in HORIZONS:
        run = simulate(record, learner=reinforce(), horizon=Horizon(kl=None, steps=steps), eta=_STEP)
        table = effects(run, tolerance=_EFFECT / run.problem.truth_range)
        kinds = table.filter(proxy="wrong")["kind"].to_list()
        ends = (np.exp(run.final) * run.problem.truth).sum(axis=1)
        beats = float((ends[0] > ends[1] + _EFFECT).mean())
        row = {kind: kinds.count(kind) / max(1, len(kinds)) for kind in ("harmful", "benign", "beneficial")}
        rows.append({"steps": steps, **row, "beats": beats, "clean": table.filter(proxy="clean").height})
    return rows
