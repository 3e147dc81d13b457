"""How well a measure taken before training agrees with what training made of each proxy.

Spearman's and Kendall's correlation with the final truth, and the regret of picking by it: what the best proxy of a set
would have ended with minus what the picked one did, over all sets of a size. Intervals are percentiles over proxies
drawn with replacement; two measures are compared on the same draws. Proxies of one family are not independent, so that
the intervals are, if anything, too narrow: shuffled truths beside them tell how far chance goes.
"""

from collections.abc import Mapping
from math import comb
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.errors import InputError
from culpa.metrics import kendall, percentile_interval, spearman

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SET = 13  # proxies to choose from
REPLICATES = 1000
_SMALLEST = 3  # proxies of which a correlation is told
_ENDS = ("", "_low", "_high")

AGREEMENT = {
    "measure": pl.String,
    "n": pl.Int64,
    **{f"{name}{end}": pl.Float64 for name in ("spearman", "kendall", "regret", "gap", "regret_gap") for end in _ENDS},
}


def regret(values: Array, outcome: Array, size: int = SET) -> Array:
    """What picking the highest value costs: best outcome minus that of the pick, the mean over all sets of `size`.

    regret = sum_i (C(i, size - 1) / C(k, size)) (o_(i) - picked_(i)),   i = 0, 1, .. proxies below

    o_(i) are the outcomes in rising order, picked_(i) those in rising order of the values: the i-th is the highest of a
    set if the others come from the i below. Ties are broken by chance. values, outcome: (..., k) to (...,).
    Exact: no set is drawn. Unchanged by any increasing map of the values; NaN for fewer proxies than `size`.

    >>> regret(np.array([3.0, 2.0, 1.0]), np.array([0.5, 1.0, 0.0]), size=2).round(6).tolist()
    0.166667
    """
    if size < 2:
        raise InputError(f"a set needs at least 2 proxies to choose from, got {size}.", remedy=f"{SET} is usual.")
    count = values.shape[-1]
    if count < size:
        return np.full(values.shape[:-1], np.nan)
    share = np.array([comb(place, size - 1) / comb(count, size) for place in range(count)])
    same = values[..., :, None] == values[..., None, :]
    tied = (same * outcome[..., None, :]).sum(axis=-1) / same.sum(axis=-1)
    picked = np.take_along_axis(tied, values.argsort(axis=-1, kind="stable"), axis=-1)
    return np.asarray(np.maximum((share * (np.sort(outcome, axis=-1) - picked)).sum(axis=-1), 0.0))


def agreement(
    values: Mapping[str, Array],
    outcome: Array,
    *,
    rng: np.random.Generator,
    against: str | None = None,
    size: int = SET,
    replicates: int = REPLICATES,
) -> pl.DataFrame:
    """One row per measure: each statistic with its 95 % interval, and what it is more than that of `against`.

    values: measure -> (k,); outcome: (k,), the final truth. A proxy without a value, or without an outcome, is left out
    of that measure's row; `n` counts the others. `gap` is Spearman minus that of the measure `against`, `regret_gap`
    the regret minus its own, both on the proxies that both have. Fewer than three proxies have no row of figures.

    >>> truth = np.arange(20.0)
    >>> found = agreement({"right": truth, "wrong": -truth}, truth, rng=np.random.default_rng(0), against="wrong")
    >>> found.select("measure", pl.col("spearman", "regret", "gap").round(6)).rows()
    [('right', 1.0, 0.0, 2.0), ('wrong', -1.0, 18.0, 0.0)]
    """
    if against is not None and against not in values:
        raise InputError(f"no measure is called {against!r}.", remedy=f"Known: {', '.join(values)}.")
    if replicates < 1:
        raise InputError(f"replicates must be at least 1, got {replicates}.", remedy="Use some thousands.")
    judge = _Judge(outcome, size, int(rng.integers(1 << 62)), replicates)
    rows = []
    for name, one in values.items():
        kept = np.isfinite(one) & np.isfinite(outcome)
        row = _named(("spearman", "kendall", "regret"), judge.seen(one, kept)) if kept.sum() >= _SMALLEST else {}
        if against is not None:
            both = kept & np.isfinite(values[against])
            if both.sum() >= _SMALLEST:
                gap = judge.seen(one, both) - judge.seen(values[against], both)
                row |= _named(("gap", "regret_gap"), gap[:, [0, 2]])
        rows.append({"measure": name, "n": int(kept.sum())} | row)
    return pl.DataFrame(rows, schema=AGREEMENT, nan_to_null=True)


class _Judge(NamedTuple):
    """One outcome, and the draws of proxies that all measures are judged on."""

    outcome: Array
    size: int
    seed: int
    replicates: int

    def seen(self, values: Array, kept: Mask) -> Array:
        """The three statistics on the proxies that are kept, and below them those of every draw, (1 + b, 3)."""
        number = int(kept.sum())
        drawn = np.random.default_rng(self.seed).integers(number, size=(self.replicates, number))
        places = np.concatenate([np.arange(number)[None], drawn])
        score, truth = values[kept][places], self.outcome[kept][places]
        return np.stack([spearman(score, truth), kendall(score, truth), regret(score, truth, self.size)], axis=-1)


def _named(names: tuple[str, ...], seen: Array) -> dict[str, float]:
    """The value of each statistic (first row) and the interval of its draws (the rows below)."""
    low, high = percentile_interval(seen[1:])
    found = zip(names, seen[0], low, high, strict=True)
    return {f"{name}{end}": float(x) for name, *three in found for end, x in zip(_ENDS, three, strict=True)}
