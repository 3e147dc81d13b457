"""Partial results that add up: what each prompt contributes to every measure of every proxy.

Every measure of the audit is a function of sums over prompts. So files are audited in chunks, results merge by
putting prompts side by side, and the bootstrap resamples prompts without looking at the data again. When there are
too many prompts to keep apart they are thrown into bins by a hash of their id, and the bins are resampled.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from culpa.errors import InputError
from culpa.rollouts import Array

BINS = 4096
KEPT_VALUES = 5_000_000  # 40 MB of sums are kept prompt by prompt; beyond that, bins


@dataclass(frozen=True, eq=False)
class Sums:
    """m named sums of k proxies for u units: prompts, or bins of prompts."""

    names: tuple[str, ...]
    table: Array  # (m, k, u)
    proxies: tuple[str, ...]
    prompts: int
    key: npt.NDArray[np.uint64]  # (u,) hash of the prompt id; the bin's number once binned
    binned: bool = False

    @property
    def units(self) -> int:
        """Number of things that the bootstrap draws from."""
        return len(self.key)

    @cached_property
    def values(self) -> Mapping[str, Array]:
        """Each sum by name, (k, u)."""
        return dict(zip(self.names, self.table, strict=True))

    @cached_property
    def totals(self) -> Mapping[str, Array]:
        """Each sum over everything, (k,)."""
        return dict(zip(self.names, self.table.sum(axis=-1), strict=True))

    def flat(self) -> Array:
        """All sums side by side, (u, m k): what the bootstrap multiplies."""
        return self.table.reshape(-1, self.units).T

    def named(self, flat: Array) -> dict[str, Array]:
        """The way back from `flat`, with any leading axes: name -> (..., k)."""
        return dict(zip(self.names, np.split(flat, len(self.names), axis=-1), strict=True))


def merge(parts: Iterable[Sums]) -> Sums:
    """All parts as one, in the order they come; into bins as soon as there are too many prompts to keep apart."""
    kept: list[Sums] = []
    binned: Sums | None = None
    for part in parts:
        _check_alike(binned if binned is not None else kept[0] if kept else part, part)
        kept.append(part)
        if binned is not None or part.binned or sum(one.table.size for one in kept) > KEPT_VALUES:
            for one in kept:
                binned = _added(binned, _in_bins(one))
            kept = []
    if binned is None and not kept:
        raise InputError("there are no rollouts.", remedy="Give at least one record, or one chunk.")
    return _side_by_side(kept) if binned is None else binned


def _check_alike(first: Sums, part: Sums) -> None:
    if (part.names, part.proxies) != (first.names, first.proxies):
        odd = {*part.names, *part.proxies} ^ {*first.names, *first.proxies}
        problem = f"the chunks do not hold the same columns: only some lead to {', '.join(sorted(odd)[:5])}."
        raise InputError(problem, remedy="Give every chunk a truth, lengths and texts, or none.")


def _side_by_side(parts: list[Sums]) -> Sums:
    table = np.concatenate([part.table for part in parts], axis=-1)
    key = np.concatenate([part.key for part in parts])
    return Sums(parts[0].names, table, parts[0].proxies, sum(part.prompts for part in parts), key)


def _in_bins(part: Sums) -> Sums:
    place = (part.key % np.uint64(BINS)).astype(np.int64)
    rows = [np.bincount(place, weights=row, minlength=BINS) for row in part.table.reshape(-1, part.units)]
    table: Array = np.stack(rows).reshape(*part.table.shape[:2], BINS).astype(np.float64, copy=False)
    return Sums(part.names, table, part.proxies, part.prompts, np.arange(BINS, dtype=np.uint64), binned=True)


def _added(first: Sums | None, second: Sums) -> Sums:
    if first is None:
        return second
    prompts = first.prompts + second.prompts
    return Sums(first.names, first.table + second.table, first.proxies, prompts, first.key, binned=True)
