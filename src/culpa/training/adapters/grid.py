"""Outputs in any order, each with the name of its prompt, as the dense (p, s) of signals; and back."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.metrics.arrays import Array, Mask, Shape

Index = npt.NDArray[np.int64]


class Grid(NamedTuple):
    """Where each of n outputs stands: prompts in the order in which they first come, outputs in theirs."""

    prompt: Index  # (n,)
    sample: Index  # (n,)
    shape: Shape

    @property
    def present(self) -> Mask:
        """(p, s), False = padding: prompts may have differently many outputs."""
        mask = np.zeros(self.shape, dtype=np.bool_)
        mask[self.prompt, self.sample] = True
        return mask

    @property
    def weight(self) -> Array:
        """(p, s): 1 / n of each of a prompt's n outputs."""
        return np.asarray(self.present / self.present.sum(axis=-1, keepdims=True), dtype=np.float64)

    def dense(self, values: npt.NDArray[Any]) -> Array:
        """Values (n,) as (p, s), or (n, t) as (t, p, s); NaN on padding."""
        full = np.full((*self.shape, *values.shape[1:]), np.nan)
        full[self.prompt, self.sample] = values
        return np.moveaxis(full, -1, 0) if values.ndim > 1 else full

    def rows(self, values: Array) -> Array:
        """The way back."""
        full = np.moveaxis(values, 0, -1) if values.ndim > 2 else values
        return np.asarray(full[self.prompt, self.sample])


def grid(names: Sequence[Any]) -> Grid:
    """The places of outputs whose prompts have these names.

    >>> grid(["b", "a", "b"]).dense(np.array([1.0, 2.0, 3.0])).tolist()
    [[1.0, 3.0], [2.0, nan]]
    """
    numbers: dict[str, int] = {}
    counts: list[int] = []
    places = []
    for name in map(str, names):
        number = numbers.setdefault(name, len(numbers))
        counts += [0] * (number == len(counts))
        places.append((number, counts[number]))
        counts[number] += 1
    both = np.array(places, dtype=np.int64).reshape(-1, 2)
    return Grid(both[:, 0], both[:, 1], (len(counts), max(counts, default=0)))
