"""What should a ranking of rewards go by, if nobody knows the run's length, its divergence or its optimiser?

python benchmarks/correlation_defaults.py      Markdown on standard output

Seven rules that need no such knowledge, in all ten columns. Worlds count alike: the last figures are means over the
columns of a world, then over A, B, C and C-Adam, and what a rule has more than rehearsals at a divergence of .4.
"""

import sys

import numpy as np
import numpy.typing as npt
from correlation import Table, cell, correlations
from correlation_rows import KL, Scores, ranks, read_off, tabular_candidates, tabular_rows
from correlation_shared import ask, feature_set, known, one_clock, tabular_cosine
from world_training import Outcome, outcomes
from worlds import PLANS, REPORTED, Plan, World, make_world, rollouts

from culpa import Rollouts

Array = npt.NDArray[np.float64]

USUAL = "rehearsal, KL .4"
RULES = {  # what the table calls it where nothing is shared, and where features are
    USUAL: ("tabular rehearsal, KL .4", "feature rehearsal, KL .4"),
    "rehearsal, KL 1": ("tabular rehearsal, KL 1", "feature rehearsal, KL 1"),
    "one clock to median KL 1": (
        "tabular rehearsal, one clock to median KL 1",
        "feature rehearsal, one clock to median KL 1",
    ),
    "one clock to median KL 2": (
        "tabular rehearsal, one clock to median KL 2",
        "feature rehearsal, one clock to median KL 2",
    ),
    "gradient cosine": ("gradient cosine", "gradient cosine"),
    "mean rank of cosine and rehearsal KL .4": (
        "mean rank of cosine and tabular rehearsal KL .4",
        "mean rank of cosine and rehearsal KL .4",
    ),
    "mean rank of cosine and rehearsal KL 1": (
        "mean rank of cosine and tabular rehearsal KL 1",
        "mean rank of cosine and rehearsal KL 1",
    ),
}


def ruled(world: World) -> dict[tuple[str, str], Array]:
    """What each rule says, (k,), by rule and column; the outcome under the empty name."""
    own, columns = rollouts(world), outcomes(world)
    found = {("", one.column): one.truth for one in columns}
    scores: dict[object, Scores] = {}
    for one in columns:
        if one.learner not in scores:
            scores[one.learner] = (_unshared if world.plan.name == "A" else _shared)(world, own, one)
        found |= {
            (rule, one.column): scores[one.learner][names[world.plan.name != "A"]] for rule, names in RULES.items()
        }
    return found


def _unshared(world: World, own: Rollouts, one: Outcome) -> Scores:
    cosine, _ = tabular_cosine(own, one.learner, np.random.default_rng([world.seed, ord(world.plan.name), 4]))
    rows = {"gradient cosine": cosine} | tabular_rows(own, [one], world)[0]
    return rows | tabular_candidates(own, one.learner, cosine, world.plan)


def _shared(world: World, own: Rollouts, one: Outcome) -> Scores:
    found = ask(own, feature_set(own), one.learner, np.ones(len(own.proxies)))
    cosine = known(found.cosine.values)
    near, far = (read_off(found.kl, found.truth, kl) for kl in (KL, 1.0))
    return one_clock(own, one, world.plan) | {
        "feature rehearsal, KL .4": near,
        "feature rehearsal, KL 1": far,
        "gradient cosine": cosine,
        "mean rank of cosine and rehearsal KL .4": ranks(cosine) + ranks(near),
        "mean rank of cosine and rehearsal KL 1": ranks(cosine) + ranks(far),
    }


def together(figures: Table, worlds: dict[str, list[str]]) -> dict[str, Array]:
    """For each rule and seed, the mean over the columns of a world, then over worlds. worlds: their columns."""
    rules = dict.fromkeys(rule for rule, _ in figures)
    return {
        rule: np.mean([np.mean([figures[rule, one] for one in some], axis=0) for some in worlds.values()], axis=0)
        for rule in rules
    }


def markdown(figures: Table, worlds: dict[str, list[str]]) -> str:
    """A line for each rule, best first."""
    means = together(figures, worlds)
    columns = [one for some in worlds.values() for one in some]
    lines = ["| rule | all worlds | more than KL .4 | " + " | ".join(columns) + " |"]
    lines.append("|---" * (len(columns) + 3) + "|")
    for rule in sorted(means, key=lambda one: -means[one].mean()):
        cells = [cell(means[rule].tolist()), cell((means[rule] - means[USUAL]).tolist())]
        cells += [cell(figures[rule, one]) for one in columns]
        lines.append(f"| {rule} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def table(plans: list[Plan], seeds: tuple[int, ...], proxies: int | None = None) -> tuple[Table, dict[str, list[str]]]:
    """Every figure of every seed, and the columns of each world."""
    figures: Table = {}
    worlds: dict[str, list[str]] = {}
    for plan in plans:
        for seed in seeds:
            found = correlations(ruled(make_world(plan, seed, proxies)))
            for place, value in found.items():
                figures.setdefault(place, []).append(value)
            worlds[f"{plan.name} {plan.adam}"] = list(dict.fromkeys(column for _, column in found))
            print(f"{plan.name}, seed {seed}", file=sys.stderr, flush=True)
    return figures, worlds


def main() -> None:
    print(markdown(*table(list(PLANS.values()), REPORTED)))


if __name__ == "__main__":
    main()
