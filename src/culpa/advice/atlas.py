"""The atlas of defects and remedies as data: its runs, its cells with their intervals, and what is looked up in it.

A cell is a remedy for a defect of a size. Its effect is the level of the runs with it minus that of the runs without,
in pairs of the same world and seed: the mean over seeds of each kind of world, and the mean of those. Level 0 is the
initial policy, 1 what the same learner makes of the truth. `culpa.labs.finite` makes the runs.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.errors import InputError, shorten

Array = npt.NDArray[np.float64]

STORED = Path(__file__).with_name("atlas.parquet")
UNTOUCHED, NONE = "untouched", "none"
LEAST = 0.02  # an effect that matters: a fiftieth of what the truth gains
RATE = 0.05  # of the cells called helping or hurting, those that are not: Benjamini and Hochberg over all cells
FAR = 1.5  # times beyond the atlas's sizes, from where on it says little
_KEY = "culpa.atlas"


class Atlas(NamedTuple):
    """Runs, and what they were. A row: world, defect, size, remedy, level (thousandths, by seed), kl (hundredths)."""

    runs: pl.DataFrame
    recipe: Mapping[str, Any]


def write_atlas(atlas: Atlas, path: Path) -> None:
    """The atlas as one Parquet file, its recipe in the metadata."""
    kinds = dict.fromkeys(("world", "defect", "remedy"), pl.Categorical)
    atlas.runs.cast(kinds).write_parquet(  # type: ignore[arg-type]  # names to types, as documented
        path, compression="zstd", compression_level=19, metadata={_KEY: json.dumps(dict(atlas.recipe))}
    )


@lru_cache(maxsize=2)
def read_atlas(path: Path = STORED) -> Atlas:
    """The atlas that comes with the package, or another one.

    >>> sorted(read_atlas().recipe["worlds"])
    ['apart', 'shared', 'verified']
    """
    recipe = json.loads(pl.read_parquet_metadata(path)[_KEY])
    return Atlas(pl.read_parquet(path).with_columns(pl.col("world", "defect", "remedy").cast(pl.String)), recipe)


@lru_cache(maxsize=2)
def read_cells(path: Path = STORED) -> pl.DataFrame:
    """The cells of a stored atlas."""
    return cells(read_atlas(path))


def cells(atlas: Atlas) -> pl.DataFrame:
    """A row for each defect, size and remedy: effect, 95 % interval, and the verdict.

    effect = mean over worlds of m_w,  se^2 = sum_w s_w^2 / n / W^2,  m_w and s_w of n paired differences; the interval
    has Student's t of n - 1. Columns: defect, size, remedy, untouched and level (without and with the remedy), effect,
    low, high, p, worlds (W), least and most (the lowest and highest m_w), apart (whether two worlds contradict each
    other, each by .02 or more and by an interval of its own), n (runs, all worlds), kl, verdict.

    helps, hurts   p stands among all cells at a false discovery rate of 5 %, and the effect is .02 or more
    depends        worlds contradict each other
    no difference  the interval lies within -.02 and .02
    cannot tell    none of these
    """
    keys = ["world", "defect", "size"]
    base = atlas.runs.filter(pl.col("remedy") == UNTOUCHED).select(*keys, pl.col("level").alias("base"))
    pairs = atlas.runs.filter(pl.col("remedy") != UNTOUCHED).join(base, on=keys, how="left")
    grouped = pairs.group_by("defect", "size", "remedy", maintain_order=True).agg("level", "base", "kl")
    found = pl.DataFrame([_cell(row) for row in grouped.iter_rows(named=True)])
    return found.with_columns(verdict=pl.Series(_verdicts(found)))


def _cell(row: Mapping[str, Any]) -> dict[str, Any]:
    with_it, without = (np.array(row[name], dtype=np.float64) / 1000.0 for name in ("level", "base"))
    gap = with_it - without  # (W, n)
    count = gap.shape[1]
    means, errors = gap.mean(axis=1), gap.std(axis=1, ddof=1) / np.sqrt(count)
    effect, error = float(means.mean()), float(np.sqrt(np.square(errors).sum())) / len(means)
    width, own = _quantile(count - 1) * error, _quantile(count - 1) * errors
    return {
        **{key: row[key] for key in ("defect", "size", "remedy")},
        "untouched": float(without.mean()),
        "level": float(with_it.mean()),
        "effect": effect,
        "low": effect - width,
        "high": effect + width,
        "p": _p_value(effect, error, count - 1),
        "worlds": len(means),
        "least": float(means.min()),
        "most": float(means.max()),
        "apart": bool(_sided(means, own) and _sided(-means, own)),
        "n": int(gap.size),
        "kl": float(np.mean(row["kl"])) / 100.0,
    }


def _sided(means: Array, half: Array) -> bool:
    """Whether a kind of world has an effect that matters, above 0 by its own interval."""
    return bool(((means - half > 0) & (means >= LEAST)).any())


def _verdicts(found: pl.DataFrame) -> list[str]:
    stands = discovered(found["p"].to_numpy(), RATE)
    verdicts = []
    for row, sure in zip(found.iter_rows(named=True), stands, strict=True):
        if row["apart"]:
            verdicts.append("depends")
        elif sure and abs(row["effect"]) >= LEAST:
            verdicts.append("helps" if row["effect"] > 0 else "hurts")
        else:
            verdicts.append("no difference" if -LEAST <= row["low"] <= row["high"] <= LEAST else "cannot tell")
    return verdicts


def discovered(p: Array, rate: float) -> npt.NDArray[np.bool_]:
    """Which p values stand at a false discovery rate: p <= rate k / m for the largest k for which the k-th does.

    Reference: Benjamini and Hochberg (1995).

    >>> discovered(np.array([0.01, 0.04, 0.03, 0.9]), 0.05).tolist()
    [True, False, False, False]
    """
    order = np.argsort(p)
    passed = np.flatnonzero(p[order] <= rate * np.arange(1, len(p) + 1) / max(len(p), 1))
    stands = np.zeros(len(p), dtype=np.bool_)
    stands[order[: passed[-1] + 1 if len(passed) else 0]] = True
    return stands


def _quantile(freedom: int) -> float:
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    return float(stdtrit(freedom, 0.975))


def _p_value(effect: float, error: float, freedom: int) -> float:
    from scipy.special import stdtr  # noqa: PLC0415 - slow to import

    if error == 0.0:
        return 1.0 if effect == 0.0 else 0.0
    return float(2.0 * stdtr(freedom, -abs(effect) / error))


class Found(NamedTuple):
    """What the atlas says of a defect. `rows`: the cells of the sizes beside the one asked for."""

    defect: str
    size: float | None  # as asked for; None: all sizes
    beside: tuple[float, ...]  # the atlas's sizes next to it
    outside: float  # how many times as large, or as small, as the nearest size of the atlas; 1 within its range
    rows: pl.DataFrame

    def remedies(self) -> list["Judgement"]:
        """A judgement on every remedy: what helps most first, what hurts most last."""
        parts = self.rows.group_by("remedy", maintain_order=True)
        found = [self._judge(str(key[0]), list(part.sort("size").iter_rows(named=True))) for key, part in parts]
        return sorted(found, key=lambda one: -one.mean)

    def _judge(self, remedy: str, cells: list[dict[str, Any]]) -> "Judgement":
        verdicts = {cell["verdict"] for cell in cells}
        if "depends" in verdicts or {"helps", "hurts"} <= verdicts:
            kind = "depends"
        else:
            kind = next((one for one in ("helps", "hurts", "cannot tell") if one in verdicts), "no difference")
        sign = {"helps": 1.0, "hurts": -1.0}.get(kind, 0.0)
        alike = all(sign * cell["least"] > 0 and sign * cell["most"] > 0 for cell in cells)
        if not sign:
            sure = ""
        elif self.outside > FAR:
            sure = "weak"
        else:
            several = alike and all(cell["worlds"] > 1 for cell in cells)
            sure = "sure" if len(verdicts) == 1 and several and self.outside == 1.0 else "likely"
        return Judgement(remedy, kind, sure, cells)


class Judgement(NamedTuple):
    """What a remedy does to a defect, over the sizes looked at.

    kind: helps or hurts where a size says so and none the opposite; depends where worlds or sizes contradict each
    other. sure: "sure" where all sizes say so, in every one of several kinds of worlds, within the atlas's range;
    "likely" where not all of this holds; "weak" where the size is more than `FAR` times beyond the range.
    """

    remedy: str
    kind: str
    sure: str
    cells: list[dict[str, Any]]  # by size

    @property
    def mean(self) -> float:
        """The mean effect over sizes."""
        return float(np.mean([cell["effect"] for cell in self.cells]))


def look_up(found: pl.DataFrame, recipe: Mapping[str, Any], defect: str, size: float | None = None) -> Found:
    """The cells of a defect: of the sizes on both sides of `size`, or of all.

    >>> look_up(read_cells(), read_atlas().recipe, "spurious", 1.4).beside
    (1.0, 2.0)
    """
    known = recipe["defects"]
    if defect not in known:
        raise InputError(f"the atlas has no defect {shorten(defect)!r}.", remedy=f"Known: {', '.join(known)}.")
    sizes: list[float] = known[defect]["sizes"]
    if size is None:
        beside, outside = tuple(sizes), 1.0
    else:
        if not 0.0 < size < np.inf:
            raise InputError(f"the size of {defect} must be positive, got {size:g}.", remedy=_sizes(known[defect]))
        lower, upper = [one for one in sizes if one <= size], [one for one in sizes if one >= size]
        beside = tuple(dict.fromkeys([*lower[-1:], *upper[:1]]))
        outside = max(1.0, size / sizes[-1], sizes[0] / size)
    rows = found.filter((pl.col("defect") == defect) & pl.col("size").is_in(beside))
    return Found(defect, size, beside, outside, rows)


def _sizes(defect: Mapping[str, Any]) -> str:
    return f"The atlas has {', '.join(f'{one:g}' for one in defect['sizes'])} ({defect['size_is']})."
