"""Checks that stand one behind the other, each worth more than the last; and runs that nobody can be blamed for."""

from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike

from culpa.errors import InputError
from culpa.metrics.arrays import Array, Mask, Shape, same_shape
from culpa.signals.transform import Group, Transform, merges, stateless

INFRASTRUCTURE = frozenset({"timeout", "crash", "sandbox", "network", "out of memory", "rate limit", "cancelled"})


def layered(*values: float) -> Transform:
    """The worth of the last gate passed in a row: fail < compiles < compiles and is right.

    (k, ..., p, s) to (..., p, s). values: for 0, 1, .. k gates passed, rising; (0, .3, 1) if none are given. The gates,
    of 0 and 1, stand in order on the first axis; what lies behind the first that is not passed (.5 or less) counts for
    nothing, known or not. A gate without a verdict, where all before it are passed, leaves no verdict. Where outputs
    are unrelated to each other, a layer between can be a mediocre attractor: see `culpa papers run layered_gates`.
    Departure: the tier values of Signal Reshaping are not public, .3 is ours. Reference: arXiv 2605.07276.

    >>> from culpa.signals.transform import apply
    >>> apply(layered(), [[[0.0, 1.0, 1.0]], [[1.0, 0.0, 1.0]]]).tolist()
    [[0.0, 0.3, 1.0]]
    """
    worth = np.asarray(values or (0.0, 0.3, 1.0), dtype=np.float64)
    if not (np.isfinite(worth).all() and len(worth) >= 2 and (np.diff(worth) >= 0.0).all()):
        problem = f"layered needs two finite values or more in rising order, got {values}."
        raise InputError(problem, remedy="One for each number of gates passed: 0, 0.3, 1.")

    def act(signal: Array, _group: Group) -> Array:
        if signal.ndim < 3 or len(signal) != len(worth) - 1:
            raise InputError(
                f"layered with {len(worth)} values needs a signal of shape ({len(worth) - 1}, ..., p, s), "
                f"got {signal.shape}.",
                remedy="Stack the gates on the first axis; one value more than gates.",
            )
        open_, value = np.ones(signal.shape[1:], dtype=np.bool_), np.full(signal.shape[1:], worth[0])
        for gate, reached in zip(signal, worth[1:], strict=True):
            value = np.where(open_ & np.isnan(gate), np.nan, np.where(open_ & (gate > 0.5), reached, value))
            open_ = open_ & (gate > 0.5)
        return value

    return stateless(act, merges)


def valid_mask(causes: ArrayLike, drop: Collection[str] = INFRASTRUCTURE) -> Mask:
    """Outputs that may be compared: those whose run did not end by one of the causes in `drop`.

    causes: (p, s) strings, "" or None where a run ended by itself. `drop` is a starting point: a time-out is the
    output's own fault where the budget is part of the task.

    >>> valid_mask([["", "timeout", "wrong"]]).tolist()
    [[True, False, True]]
    """
    given = np.asarray(causes, dtype=np.object_)
    return np.asarray(~np.isin(given.astype(str), sorted(drop)), dtype=np.bool_)


def only_valid(valid: ArrayLike, *, least: int = 2) -> Transform:
    """Verdicts of outputs that are not valid become NaN, and so do those of groups with fewer than `least` left.

    So a group compares like with like: what a broken sandbox says leaves every statistic instead of entering as 0.
    valid: (p, s) of true and false, as `valid_mask` gives, or one truth value. An output without weight has no say.
    Outputs are left out, not drawn again. Reference: Signal Reshaping, arXiv 2605.07276.

    >>> from culpa.signals.transform import apply
    >>> apply(only_valid([[True, False, True], [True, False, False]]), [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]).tolist()
    [[1.0, nan, 0.0], [nan, nan, nan]]
    """
    if least < 1:
        raise InputError(f"least must be 1 or more, got {least}.", remedy="2: one output has nothing to compare with.")
    mask = np.asarray(valid, dtype=np.bool_)

    def act(signal: Array, group: Group) -> Array:
        cells = np.where(_fit(mask, signal.shape), signal, np.nan)
        count = (~np.isnan(cells) & (group.weight > 0)).sum(axis=-1, keepdims=True)
        return np.where(count >= least, cells, np.nan)

    return stateless(act)


def _fit(mask: Mask, shape: Shape) -> Mask:
    if mask.ndim:
        same_shape("valid", mask.shape[-2:], (shape[-2:],), "Give one truth value for each output.")
    return mask
