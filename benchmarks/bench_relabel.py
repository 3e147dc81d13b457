"""What relabelling is worth: the list of `culpa audit --budget N` against three plain orders, forecast and simulated.

Most truths of a record are hidden. Each order says, knowing only the rest, which outputs to have judged; the scores of
those outputs are then put right with the hidden truths, and the rehearsal is repeated with the mended reward. What the
truth ends higher than with the reward as it was is the gain of the order.

python benchmarks/bench_relabel.py      the tables of docs/relabel.md, and the gain of each proxy by itself
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from timing import row, title
from worlds import PLANS, REPORTED, make_world, rollouts

import culpa
from culpa.audit import relabel
from culpa.audit.expected import Expected, expected_truth
from culpa.dynamics import Horizon, reinforce
from culpa.dynamics.errors import right_scores, scale_of
from culpa.dynamics.problem import Problem, problem
from culpa.predictors.ground import Ground, forecast, ground
from culpa.rollouts import Rollouts

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

HIDDEN, BUDGETS, SEEDS = 0.8, (25, 100, 400), (0, 1, 2)
REHEARSAL = reinforce(), Horizon()
NEARLY_RIGHT = frozenset({"close_copy", "judge_with_timeouts", "per_prompt_scale"})  # of the bundled proxies
WORLD_PROXIES = 9  # one of each family of errors
OURS, FORECAST, ONCE, ALL = "culpa", "culpa, forecast", "culpa, in one round", "all that is unknown"
RIVALS = ("random", "largest error", "most uncertain", "mass x largest error")
ROWS = (FORECAST, OURS, ONCE, *RIVALS, ALL)


class Case(NamedTuple):
    """One record of which all is known, and what is known of it with most truths hidden."""

    whole: Ground
    partial: Ground
    expected: Expected
    unknown: npt.NDArray[np.bool_]  # (p, s)


def run() -> None:
    """The table of `make bench`: gains of the truth x 1000, means over proxies and seeds."""
    title("Relabelling: truth x 1000 gained with 25, 100, 400 scores put right")
    for name, gains, *_ in measured():
        mean = gains.mean(axis=(1, 2))
        ours = mean[ROWS.index(OURS)]
        for place, order in enumerate(ROWS):
            best = order in RIVALS and (mean[place] >= ours).any()
            aim = "below culpa's" + (": MISSED" if best else "") if order in RIVALS else ""
            row(f"{name}: {order}", "  ".join(f"{value:6.1f}" for value in mean[place]), aim)


def measured() -> Iterator[tuple[str, Array, tuple[str, ...], float]]:
    """Of each world its name, the gains (order, seed, proxy, budget) in truth x 1000, its proxies, and how many of the
    hidden truths lie within one spread of what is expected.
    """
    for name, records in (("bundled rollouts", [_bundled()] * len(SEEDS)), ("world B", _worlds())):
        gains, within = [], []
        for seed, record in zip(SEEDS, records, strict=True):
            case = hidden(record, np.random.default_rng(seed))
            off = np.abs(np.asarray(case.whole.record.truth) - case.expected.mean)[case.unknown]
            within.append(float((off < case.expected.spread[case.unknown]).mean()))
            names = tuple(record.proxies)
            gains.append([_gains(case, proxy, np.random.default_rng([seed, 1])) for proxy in names])
        yield name, 1000 * np.array(gains).transpose(2, 0, 1, 3), names, float(np.mean(within))


def _bundled() -> Rollouts:
    path = Path(culpa.__file__).parent / "cli" / "demo.parquet"
    names = [name for name in culpa.read(path).proxies if name not in NEARLY_RIGHT]
    return culpa.read(path, proxies=names)


def _worlds() -> list[Rollouts]:
    return [rollouts(make_world(PLANS["B"], seed, WORLD_PROXIES)) for seed in REPORTED[: len(SEEDS)]]


def hidden(record: Rollouts, rng: np.random.Generator) -> Case:
    """A record with most of its truths hidden at random, and what the rest tells of them."""
    whole = ground(record, learner=REHEARSAL[0])
    unknown = whole.record.present & (rng.random(whole.record.shape) < HIDDEN)
    truth = np.where(unknown, np.nan, np.asarray(whole.record.truth))
    partial = whole.record.with_truth(truth)
    values = None if whole.features is None else whole.features.values
    known = Ground(partial, problem(partial, missing="mean"), whole.features)
    return Case(whole, known, expected_truth(partial, values, truth), unknown)


def _gains(case: Case, proxy: str, rng: np.random.Generator) -> Array:
    """Of each order, by budget: what the truth ends higher, (order, budget)."""
    ways = orders(case, proxy, rng)
    ours = [relabel.picked(case.partial, *REHEARSAL, proxy, budget) for budget in BUDGETS]
    once = relabel.picked(case.partial, *REHEARSAL, proxy, max(BUDGETS), rounds=1)
    chosen = {
        OURS: [(one.rows, one.cells) for one in ours],
        ONCE: [(once.rows[:budget], once.cells[:budget]) for budget in BUDGETS],
        ALL: [np.nonzero(case.unknown)] * len(BUDGETS),
    }
    for name, order in ways.items():
        places = np.argsort(-np.where(case.unknown, order, -np.inf), axis=None, kind="stable")
        chosen[name] = [np.unravel_index(places[:budget], order.shape) for budget in BUDGETS]
    actual = _rehearsed(case, proxy, [cells for name in ROWS[1:] for cells in chosen[name]])
    forecasts = [one.gains.sum() / len(case.whole.case.prompts) for one in ours]
    return np.concatenate([[forecasts], actual.reshape(-1, len(BUDGETS))])


def orders(case: Case, proxy: str, rng: np.random.Generator) -> dict[str, Array]:
    """By what each rival asks, (p, s)."""
    record = case.partial.record.with_truth(case.expected.mean)
    known = problem(record, (proxy,), missing="mean")
    scale = scale_of(case.partial.case, _alone(case.partial.case, proxy).rewards[0])
    error = np.zeros(record.shape)
    error[known.prompts] = np.abs(known.rewards[0] - right_scores(known, known.rewards[0], scale)).T
    asked = rng.random(record.shape), error, case.expected.spread, record.weight * error
    return dict(zip(RIVALS, asked, strict=True))


def _rehearsed(case: Case, proxy: str, lists: list[tuple[Index, Index]]) -> Array:
    """What the truth ends higher once the scores of each list are right, (n,)."""
    full = _alone(case.whole.case, proxy)
    wrong = full.rewards[0]
    right = right_scores(full, wrong, scale_of(full, wrong))
    rewards = [wrong]
    for rows, cells in lists:
        asked = np.zeros(case.unknown.shape, dtype=bool)
        asked[rows, cells] = True
        rewards.append(np.where(asked[full.prompts].T, right, wrong))
    names = tuple(str(place) for place in range(len(rewards)))
    outcome = forecast(full._replace(rewards=np.stack(rewards), proxies=names), case.whole.values, *REHEARSAL).outcome
    return np.asarray(outcome[1:] - outcome[0])


def _alone(case: Problem, proxy: str) -> Problem:
    place = case.proxies.index(proxy)
    return case._replace(rewards=case.rewards[[place]], proxies=(proxy,))


def main() -> None:
    """The tables as they stand on the page."""
    heads = " | ".join(f"{budget}" for budget in BUDGETS)
    for name, gains, proxies, within in measured():
        ours = gains[ROWS.index(OURS)]
        print(f"\n{name}, {len(proxies)} proxies, seeds {', '.join(map(str, SEEDS))}; truth x 1000\n")
        print(f"| order | {heads} | per score: {heads} | below culpa's |\n|{' --- |' * (2 * len(BUDGETS) + 2)}")
        for order, rows in zip(ROWS, gains, strict=True):
            mean = rows.mean(axis=(0, 1))
            below = f"{(rows < ours).mean():.0%}" if order in (*RIVALS, ONCE) else ""
            cells = " | ".join([f"{value:.1f}" for value in mean] + [f"{x:.3f}" for x in mean / BUDGETS])
            print(f"| {order} | {cells} | {below} |")
        print(f"\nHidden truths within one spread of what is expected: {within:.0%}")
        print(f"\n| proxy, {BUDGETS[1]} scores | {' | '.join(ROWS)} |\n|{' --- |' * (len(ROWS) + 1)}")
        for place, proxy in enumerate(proxies):
            print(f"| {proxy} | {' | '.join(f'{value:.1f}' for value in gains[:, :, place, 1].mean(axis=1))} |")


if __name__ == "__main__":
    main()
