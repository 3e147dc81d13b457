"""The correlation table: which measure taken before training orders proxies as the true reward does afterwards?

python benchmarks/correlation.py [A B C C-Adam]      Markdown on standard output; all four worlds by default

Spearman over the proxies of a world (200, in C 160), mean over the worlds of five seeds with a 95 % interval (Student's
t over seeds). Measures see 100 prompts x 32 samples; the truth is judged on other prompts, after training on others
again.
"""

import sys
import time
from collections import defaultdict

import numpy as np
import numpy.typing as npt
from correlation_adam import ADAM, adam_rows
from correlation_candidates import CANDIDATES, candidate_rows
from correlation_rows import ROWS, Scores, plain_rows, same_steps_controls, tabular_candidates, tabular_rows, wrong
from correlation_shared import (
    ask,
    clock_rows,
    control_rows,
    feature_set,
    known,
    one_clock,
    shared_rows,
    shuffled_hacc,
    tabular_cosine,
)
from world_training import Outcome, again, outcomes
from worlds import PLANS, REPORTED, Plan, World, make_world, offline, rollouts

from culpa import Rollouts
from culpa.dynamics import Path
from culpa.metrics import spearman

Array = npt.NDArray[np.float64]
Table = dict[tuple[str, str], list[float]]  # row, column -> a figure for each seed

CEILINGS = {"B": "trained on the measured prompts", "C": "the other training seed"}
T_975 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # Student's t by number of seeds


def measured(world: World, samples: int = 32) -> dict[tuple[str, str], Array]:
    """Every row and column of one world: scores (k,), or (b, k) where there are several draws."""
    own = rollouts(world, samples)
    columns = outcomes(world)
    every = plain_rows(own, offline(world, own))
    rng = np.random.default_rng([world.seed, ord(world.plan.name), 4])
    every["HAcc on, truth shuffled"] = shuffled_hacc(own, rng)
    found = {(row, one.column): score for one in columns for row, score in every.items()}
    for one, scores in zip(columns, tabular_rows(own, columns, world), strict=True):
        found |= {(row, one.column): score for row, score in scores.items()}
    gradients = _unshared if world.plan.name == "A" else _shared
    for one, scores in gradients(world, own, columns, rng):
        found |= {(row, one.column): score for row, score in scores.items()}
    found |= {("", one.column): one.truth for one in columns}
    if world.plan.name in CEILINGS:
        found |= {(CEILINGS[world.plan.name], one.column): one.truth for one in again(world)}
    return found


def _unshared(
    world: World, own: Rollouts, columns: list[Outcome], rng: np.random.Generator
) -> list[tuple[Outcome, Scores]]:
    learner = columns[0].learner
    right, null = tabular_cosine(own, learner, rng)
    other, _ = tabular_cosine(own, wrong(learner), rng)
    rows = {"gradient cosine": right, "gradient cosine, wrong learner": other, "cosine, truth shuffled": null}
    rows |= tabular_candidates(own, learner, right, world.plan)
    later = np.random.default_rng([world.seed, ord(world.plan.name), 5])
    return [(one, rows | same_steps_controls(own, one, world.plan.step, later)) for one in columns]


def _shared(
    world: World, own: Rollouts, columns: list[Outcome], rng: np.random.Generator
) -> list[tuple[Outcome, Scores]]:
    features, result = feature_set(own), []
    asked: dict[Path, tuple] = {}
    later = np.random.default_rng([world.seed, ord(world.plan.name), 5])
    for one in columns:
        until = np.max([np.full(len(world.names), 1.6), *(other.kl for other in columns)], axis=0)
        if one.learner not in asked:
            right = ask(own, features, one.learner, until)
            other = ask(own, features, wrong(one.learner), until)
            rest = control_rows(own, one.learner, right, rng) | candidate_rows(right, rng)
            rest |= one_clock(own, one, world.plan)
            asked[one.learner] = right, other, rest
        right, other, rest = asked[one.learner]
        rows = shared_rows(one, right, other) | clock_rows(own, one, world.plan.step, later)
        if world.plan.adam:
            rows |= adam_rows(world, own, one)
        result.append((one, rows | rest))
    return result


def correlations(found: dict[tuple[str, str], Array]) -> dict[tuple[str, str], float]:
    """Spearman with the true outcome, by row and column; the mean over draws."""
    result = {}
    for (row, column), scores in found.items():
        if row:
            truth = found["", column]
            draws = known(np.atleast_2d(scores))
            result[row, column] = float(spearman(draws, np.broadcast_to(truth, draws.shape)).mean())
    return result


def table(plans: list[Plan], seeds: tuple[int, ...], proxies: int | None = None) -> Table:
    """Every figure of every seed."""
    figures: Table = defaultdict(list)
    for plan in plans:
        for seed in seeds:
            began = time.perf_counter()
            for place, value in correlations(measured(make_world(plan, seed, proxies))).items():
                figures[place].append(value)
            print(f"world {plan.name}, seed {seed}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return figures


def markdown(figures: Table) -> str:
    """One line a row, one column for each training; a dash where a row has no value."""
    columns = list(dict.fromkeys(column for _, column in figures))
    lines = ["| measure | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in (*ROWS, *CANDIDATES, *ADAM):
        cells = [cell(figures[row.name, column]) if (row.name, column) in figures else "–" for column in columns]
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(values: list[float]) -> str:
    """Mean and half of the 95 % interval over seeds."""
    mean = f"{np.mean(values):.2f}"
    if len(values) < 2:
        return mean
    return f"{mean} ± {T_975[len(values)] * np.std(values, ddof=1) / np.sqrt(len(values)):.2f}"


def main() -> None:
    wanted = sys.argv[1:] or list(PLANS)
    unknown = set(wanted) - set(PLANS)
    if unknown:
        sys.exit(f"no world is called {sorted(unknown)[0]!r}; there are {', '.join(PLANS)}")
    print(markdown(table([PLANS[name] for name in wanted], REPORTED)))


if __name__ == "__main__":
    main()
