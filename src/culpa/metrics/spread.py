"""Mean, variance and spread of each prompt's group, and the groups that carry no signal.

A group is the last axis, (..., s); NaN is an absent cell, never 0. Every figure is taken from differences to one of
the group's own values, so that a large offset costs no digits; sums of squares would.
"""

import numpy as np
from numpy.typing import ArrayLike

from culpa.errors import InputError
from culpa.metrics.arrays import Array, Mask, known_or_nan, refuse, same_shape


def centred(values: ArrayLike, weights: ArrayLike | None = None) -> tuple[Array, Array, Array]:
    """Mean (...,) of each group, deviations from it (..., s), and the share of each cell (..., s).

    share = w / sum w over present cells,  mean = sum share x,  deviation = x - mean, 0 on absent cells

    weights: of the shape of the values, or of their last two axes; uniform if not given. A group without weight on any
    present cell has mean NaN, deviations 0 and shares 0. Adding a constant to a group moves its mean alone.

    >>> mean, deviation, share = centred([[1.0, 3.0, float("nan")]])
    >>> mean.tolist(), deviation.tolist(), share.tolist()
    ([2.0], [[-1.0, 1.0, 0.0]], [[0.5, 0.5, 0.0]])
    """
    cells = _groups(values)
    share = _shares(cells, weights)
    # The reference is a cell that counts: then a group that is constant where it counts has deviations of exactly 0.
    first = np.take_along_axis(cells, (share > 0).argmax(axis=-1)[..., None], axis=-1)
    first = np.where(share.any(axis=-1, keepdims=True), first, 0.0)
    difference = np.where(np.isnan(cells), 0.0, cells - first)
    centre = (share * difference).sum(axis=-1, keepdims=True)
    some: Mask = np.asarray(share.any(axis=-1))
    deviation = np.where(np.isnan(cells) | ~some[..., None], 0.0, difference - centre)
    return np.where(some, (first + centre)[..., 0], np.nan), deviation, share


def mean(values: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """Weighted mean of each group, (..., s) to (...,). NaN where no present cell has weight. Arguments as in `centred`.

    >>> mean([[1.0, 3.0]], [[3.0, 1.0]]).tolist()
    [1.5]
    """
    return centred(values, weights)[0]


def variance(values: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """Weighted population variance of each group, (..., s) to (...,): sum share (x - mean)^2, divided by n, not n - 1.

    NaN where no present cell has weight; 0 for a single one. Adding a constant changes nothing, scaling by c gives c^2.
    Arguments as in `centred`.

    >>> variance([[1.0, 3.0], [5.0, float("nan")]]).tolist()
    [1.0, 0.0]
    """
    centre, deviation, share = centred(values, weights)
    with np.errstate(over="ignore"):  # infinite where it is larger than a number can be
        return np.where(np.isnan(centre), np.nan, (share * np.square(deviation)).sum(axis=-1))


def spread(values: ArrayLike) -> Array:
    """Largest minus smallest present value of each group, (..., s) to (...,). NaN for an empty group, 0 for one value.

    >>> spread([[1.0, 4.0, float("nan")]]).tolist()
    [3.0]
    """
    cells = _groups(values)
    absent = np.isnan(cells)
    width = np.where(absent, -np.inf, cells).max(axis=-1) - np.where(absent, np.inf, cells).min(axis=-1)
    return np.where(absent.all(axis=-1), np.nan, width)


def dead_groups(values: ArrayLike, tol: float = 0.0) -> Mask:
    """Groups of two or more present values that all agree: max - min <= tol. (..., s) to (...,).

    Such a group gives a policy gradient no signal. Found by max - min, because a standard deviation of equal numbers
    need not be 0 in floating point. A group of fewer than two values is never called dead: see `lone_groups`.

    >>> dead_groups([[0.1, 0.1, 0.1], [0.1, 0.2, 0.1], [0.1, float("nan"), float("nan")]]).tolist()
    [True, False, False]
    """
    if not tol >= 0.0:
        raise InputError(f"tol must be zero or more, got {tol}.", remedy="0 asks for equal values.")
    result: Mask = (spread(values) <= tol) & ~lone_groups(values)
    return result


def lone_groups(values: ArrayLike) -> Mask:
    """Groups of fewer than two present values: neither dead nor alive, since there is nothing to compare.

    >>> lone_groups([[0.1, 0.1], [0.1, float("nan")]]).tolist()
    [False, True]
    """
    result: Mask = (~np.isnan(_groups(values))).sum(axis=-1) < 2
    return result


def _groups(values: ArrayLike) -> Array:
    cells = known_or_nan(values, "values")
    if cells.ndim == 0 or cells.size == 0:
        raise InputError(f"values must have shape (..., s), s > 0, got {cells.shape}.", remedy="Give a row a prompt.")
    return cells


def _shares(cells: Array, weights: ArrayLike | None) -> Array:
    present = ~np.isnan(cells)
    if weights is None:
        mass = present.astype(np.float64)
    else:
        given = known_or_nan(weights, "weights")
        same_shape("weights", given.shape, (cells.shape, cells.shape[-2:]), "Give one weight for each value.")
        refuse(np.isnan(given), "weights", "NaN", "A cell without weight has weight 0.")
        refuse(given < 0, "weights", "a negative value", "A weight is a mass: zero or more.")
        mass = np.where(present, given, 0.0)
    total = mass.sum(axis=-1, keepdims=True)
    result: Array = mass / np.where(total > 0, total, 1.0)
    return result
