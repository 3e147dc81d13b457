"""The place of every signal in its group: the mass below, at and above it, under the policy's weights."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.metrics.arrays import Array

Index = npt.NDArray[np.int64]


class Levels(NamedTuple):
    """Of every cell (..., s): the mass of its group below, at and above its value; NaN where it has none."""

    below: Array
    mass: Array
    above: Array
    share: Array  # of the cell alone; a group's shares add up to 1
    place: Array  # 1 .. count among the weighted cells of the same value, in any order; 0 for others
    tied: Array  # number of weighted cells of the same value
    level: Index  # a number for each value of each group


def levels(values: Array, weight: Array) -> Levels:
    """The mass below, at and above each value of its group, under the weights; NaN leaves, weight 0 has no say.

    >>> found = levels(np.array([[5.0, 7.0, 5.0, 9.0]]), np.full((1, 4), 0.25))
    >>> found.below.tolist(), found.mass.tolist()
    ([[0.0, 0.5, 0.0, 0.75]], [[0.5, 0.25, 0.5, 0.25]])
    """
    known = ~np.isnan(values)
    counted = np.where(known, np.broadcast_to(weight, values.shape), 0.0)
    total = counted.sum(axis=-1, keepdims=True)
    share = counted / np.where(total > 0, total, 1.0)
    order = np.argsort(values, axis=-1, kind="stable")  # NaN last
    ranked, parts = (np.take_along_axis(array, order, axis=-1) for array in (values, share))
    new = np.ones(values.shape, dtype=np.bool_)
    new[..., 1:] = ranked[..., 1:] != ranked[..., :-1]
    level = np.cumsum(new.ravel()) - 1
    first = np.flatnonzero(new.ravel())
    last = np.append(first[1:], new.size) - 1
    before, after = _before(parts), _before(parts[..., ::-1])[..., ::-1]
    some = (parts > 0).ravel().astype(np.float64)
    so_far = np.cumsum(some)
    place = so_far - (so_far - some)[first][level]
    back = np.empty_like(order)
    np.put_along_axis(back, order, np.broadcast_to(np.arange(values.shape[-1]), order.shape), axis=-1)

    def unsorted(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.take_along_axis(array.reshape(values.shape), back, axis=-1)

    blank = ~known | (total == 0)
    return Levels(
        below=np.where(blank, np.nan, unsorted(before.ravel()[first][level])),
        mass=np.where(blank, np.nan, unsorted(np.bincount(level, parts.ravel())[level])),
        above=np.where(blank, np.nan, unsorted(after.ravel()[last][level])),
        share=share,
        place=unsorted(some * place),
        tied=unsorted(np.bincount(level, some)[level]),
        level=unsorted(level),
    )


def _before(parts: Array) -> Array:
    """The sum of all parts before each, along the last axis: of the first exactly 0."""
    return np.concatenate([np.zeros_like(parts[..., :1]), np.cumsum(parts[..., :-1], axis=-1)], axis=-1)
