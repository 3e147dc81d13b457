"""The tables of the honest test, from its files: which measure taken before training orders proxies as training did?

python -m benchmarks.honest.report [--folder DIR]      Markdown on standard output

A figure is Spearman's correlation over the proxies of a column, with a 95 % interval (proxies drawn with replacement).
Measures are judged against the truth at the end, mean over seeds; the parts of a run of the first seed against the end
of the second. Regret: the best of 13 proxies minus the one that was picked, the mean over all sets of 13.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from benchmarks.honest.columns import Column, columns
from benchmarks.honest.plan import FOLDER, MARKS

from culpa.metrics import spearman
from culpa.predictors.agreement import agreement

Array = npt.NDArray[np.float64]
Cells = list[dict[str, Any]]  # of one measure, a row of `agreement` for each column; {} where it has none

BASE = "HAcc"
CEILING = "the other training seed"
_SEED = 20  # of the draws of proxies
_TOLD = 10  # misses that are shown


def judged(one: Column) -> pl.DataFrame:
    """A row for each measure of a column: those taken before, the parts of a run, the other seed."""
    parts = [agreement(one.values, one.outcome, rng=np.random.default_rng(_SEED), against=BASE)]
    first, second = one.truth[0], one.truth[1, -1]
    if np.isfinite(first[-1] + second).sum() >= 3:
        micro = {f"micro-run, {mark:.0%}": first[place] for place, mark in enumerate(MARKS[:-1])}
        later = micro | {CEILING: first[-1], BASE: one.values[BASE]}
        found = agreement(later, second, rng=np.random.default_rng(_SEED), against=BASE)
        parts.append(found.filter(pl.col("measure") != BASE))
    return pl.concat(parts)


def sections(found: Sequence[Column]) -> Iterator[str]:
    """The page, table by table."""
    rows = by_measure(found)
    names = [one.name for one in found]
    yield "## What was trained\n\n" + grid(
        ["", "proxies", "runs", "before", "on the truth itself", "outcomes", "KL at the end", "seconds a run"],
        [trained(one) for one in found],
    )
    yield "## Spearman with the final truth\n\n" + grid(
        ["measure", *names, "mean"],
        [[name, *map(interval, cells), number(cells, "spearman")] for name, cells in rows.items()],
    )
    yield "## Means over columns\n\n" + grid(
        ["measure", "Spearman", "Kendall", "regret", f"regret / {BASE}'s", f"more than {BASE}", "columns above 0"],
        [
            [name, *means(cells), quotient(cells, rows[BASE]), number(cells, "gap"), surely(cells)]
            for name, cells in rows.items()
        ],
    )
    yield "## Regret, best of 13\n\n" + grid(
        ["measure", *names], [[name, *(interval(cell, "regret", 3) for cell in cells)] for name, cells in rows.items()]
    )
    yield "## Control: truths shuffled within prompts\n\n" + grid(["mean ± sd of draws", *names], controls(found))
    yield "## Where the measures part\n\n" + misses(found)


def by_measure(found: Sequence[Column]) -> dict[str, Cells]:
    """The figures of each measure, a dictionary for each column."""
    each = [{row["measure"]: row for row in judged(one).rows(named=True)} for one in found]
    return {name: [one.get(name, {}) for one in each] for name in dict.fromkeys(name for one in each for name in one)}


def trained(one: Column) -> list[str]:
    """What a column stands on."""
    outcome, far = one.outcome[np.isfinite(one.outcome)], one.kl[:, -1][np.isfinite(one.kl[:, -1])]
    runs = int(np.isfinite(one.truth[:, -1]).sum())
    spread = f"{outcome.min():.2f} to {outcome.max():.2f}, sd {outcome.std():.2f}"
    moved = f"{far.min():.1f} to {far.max():.1f}, median {np.median(far):.1f}"
    counts = [str(len(one.proxies)), str(runs)]
    return [one.name, *counts, f"{one.start:.2f}", _said(one.ideal), spread, moved, f"{np.nanmedian(one.seconds):.0f}"]


def interval(cell: dict[str, Any], name: str = "spearman", digits: int = 2) -> str:
    """A figure and its interval."""
    if cell.get(name) is None:
        return "–"
    low, high = (_said(cell[f"{name}{end}"], digits) for end in ("_low", "_high"))
    return f"{_said(cell[name], digits)} [{low} {high}]"


def number(cells: Cells, name: str, digits: int = 2) -> str:
    """The mean over the columns that have it."""
    return _said(_mean(cells, name), digits)


def means(cells: Cells) -> list[str]:
    """Correlations and regret, the mean over the columns."""
    return [number(cells, "spearman"), number(cells, "kendall"), number(cells, "regret", 3)]


def quotient(cells: Cells, base: Cells) -> str:
    """The mean regret over that of the base."""
    below = _mean(base, "regret")
    return "–" if not below > 0 else _said(_mean(cells, "regret") / below)


def surely(cells: Cells) -> str:
    """In how many columns the interval of the difference lies above 0."""
    known = [cell for cell in cells if cell.get("gap_low") is not None]
    return f"{sum(cell['gap_low'] > 0 for cell in known)} of {len(known)}" if known else "–"


def controls(found: Sequence[Column]) -> list[list[str]]:
    """Spearman of each measure by shuffled truths, mean and standard deviation over the shuffles."""
    rows = []
    for name in dict.fromkeys(name for one in found for name in one.shuffled):
        cells = []
        for one in found:
            known = np.isfinite(one.outcome)
            draws = one.shuffled.get(name, np.zeros((0, 0)))[:, known] if name in one.shuffled else None
            if draws is None:
                cells.append("–")
                continue
            each = spearman(draws, np.broadcast_to(one.outcome[known], draws.shape))
            cells.append(f"{np.nanmean(each):.2f} ± {np.nanstd(each):.2f}")
        rows.append([name, *cells])
    return rows


def misses(found: Sequence[Column]) -> str:
    """The proxies that the base puts furthest from where they end, and where the best other measure puts them."""
    best = max(
        (name for name in found[0].values if name != BASE),
        key=lambda name: np.mean([_correlation(one, name) for one in found]),
    )
    rows = []
    for one in found:
        known = np.isfinite(one.outcome)
        places = {name: _places(values[known]) for name, values in ((BASE, one.values[BASE]), (best, one.values[best]))}
        ends = _places(one.outcome[known])
        names = [name for name, there in zip(one.proxies, known, strict=True) if there]
        for at in np.argsort(-np.abs(places[BASE] - ends), kind="stable")[:_TOLD]:
            figures = [f"{ends[at]:.0f}", f"{places[BASE][at]:.0f}", f"{places[best][at]:.0f}"]
            rows.append([one.name, names[at], f"{one.outcome[known][at]:.2f}", *figures])
    return grid(["", "proxy", "truth at the end", "its place (1 = best)", f"by {BASE}", f"by {best}"], rows)


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _correlation(one: Column, name: str) -> float:
    known = np.isfinite(one.outcome) & np.isfinite(one.values[name])
    return float(np.nan_to_num(spearman(one.values[name][known][None], one.outcome[known][None])[0]))


def _places(values: Array) -> Array:
    """1 is the highest; equal values share the middle of their places."""
    higher, same = values[None] > values[:, None], values[None] == values[:, None]
    return np.asarray(higher.sum(axis=1) + (same.sum(axis=1) + 1) / 2)


def _mean(cells: Cells, name: str) -> float:
    known = [cell[name] for cell in cells if cell.get(name) is not None]
    return float(np.mean(known)) if known else float("nan")


def _said(value: float, digits: int = 2) -> str:
    return "–" if np.isnan(value) else f"{value:.{digits}f}"


def main() -> None:
    from benchmarks.honest.measure import everything_measured
    from benchmarks.honest.train import run_marks

    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--folder", type=Path, default=FOLDER)
    folder = asked.parse_args().folder
    found = columns(folder, everything_measured(folder), run_marks())
    print("\n\n".join(sections(found)) if found else "No run is done yet: python -m benchmarks.honest.run")


if __name__ == "__main__":
    main()
