"""Graded rewards where the distance to success can be measured: closeness in a few tiers, below every success."""

import numpy as np
from numpy.typing import ArrayLike

from culpa.errors import InputError
from culpa.metrics.arrays import Array, floats, known_or_nan
from culpa.signals.transform import Group, Transform, merges, stateless


def tiers(k: int = 4) -> Transform:
    """A score of 0 to 1 rounded down to one of k equal tiers: 0, 1 / (k - 1), .., 1.        (..., p, s) to the like

    min(floor(k s), k - 1) / (k - 1). Small differences, mostly noise, vanish within a tier: where all outputs are in
    the highest one a group has no spread, and a normalised advantage does not blow noise up. k = 2 is a threshold at
    one half. Scores outside 0..1 count as the nearest end. Reference: Sweet Spot Learning, arXiv 2601.22491 (k = 4).

    >>> from culpa.signals.transform import apply
    >>> apply(tiers(3), [[0.2, 0.4, 0.7, 1.0]]).tolist()
    [[0.0, 0.5, 1.0, 1.0]]
    """
    if k < 2:
        raise InputError(f"k must be 2 or more, got {k}.", remedy="One tier tells nothing apart.")

    def act(signal: Array, _group: Group) -> Array:
        return np.asarray(np.clip(np.floor(k * signal), 0.0, k - 1.0) / (k - 1.0))

    return stateless(act)


def outcome_plus(alpha: float = 0.5, *, k: int | None = 4) -> Transform:
    """Success plus alpha times closeness in tiers: R = C + alpha tiers(S).        (2, ..., p, s) to (..., p, s)

    The outcome C of 0 or 1 stands first on the first axis, the closeness S of 0 to 1 second. alpha below 1 keeps every
    success above every failure. k: None takes the closeness as it is. The paper averages S over a trajectory first; its
    alpha is not known. Reference: Sweet Spot Learning, arXiv 2601.22491.

    >>> from culpa.signals.transform import apply
    >>> apply(outcome_plus(0.5, k=2), [[[1.0, 0.0, 0.0]], [[0.9, 0.9, 0.1]]]).tolist()
    [[1.5, 0.5, 0.0]]
    """
    if not 0.0 <= alpha < 1.0:
        raise InputError(f"alpha must be 0 or more and below 1, got {alpha}.", remedy="From 1 on a failure may win.")
    step = None if k is None else tiers(k)

    def act(signal: Array, group: Group) -> Array:
        if signal.ndim < 3 or len(signal) != 2:
            raise InputError(
                f"outcome_plus needs a signal of shape (2, ..., p, s), got {signal.shape}.",
                remedy="Stack the outcome and the closeness on the first axis.",
            )
        close = np.clip(signal[1], 0.0, 1.0) if step is None else step.apply(signal[1], group, ())[0]
        return np.asarray(signal[0] + alpha * close)

    return stateless(act, merges)


def gaussian_closeness(points: ArrayLike, boxes: ArrayLike, *, width: float = 1.0) -> Array:
    """How close points are to the centres of boxes: exp(-d^2 / 2 width^2), d in half sides of the box.

    points: (..., 2) as x, y; boxes: (..., 4) as left, top, right, bottom, of the same leading axes or fewer. At the
    middle of a side d = 1. The paper's width is not known. Reference: Sweet Spot Learning, arXiv 2601.22491.

    >>> gaussian_closeness([[5.0, 5.0], [10.0, 5.0]], [0.0, 0.0, 10.0, 10.0]).round(4).tolist()
    [1.0, 0.6065]
    """
    at, box = known_or_nan(points, "points"), known_or_nan(boxes, "boxes")
    if at.shape[-1:] != (2,) or box.shape[-1:] != (4,):
        problem = f"points need shape (..., 2) and boxes (..., 4), got {at.shape} and {box.shape}."
        raise InputError(problem, remedy="x, y; left, top, right, bottom.")
    half = 0.5 * (box[..., 2:] - box[..., :2])
    if not (half > 0.0).all() or not width > 0.0:
        raise InputError(
            "a box needs a positive width and height.", remedy="left < right, top < bottom; width above 0."
        )
    distance = (at - 0.5 * (box[..., 2:] + box[..., :2])) / half
    return np.asarray(np.exp(-0.5 * np.square(distance).sum(axis=-1) / width**2))


def block_share(grid: ArrayLike, target: ArrayLike, *, block: int = 3) -> float:
    """The share of blocks of a grid that match the target in every cell: for puzzles, plans and pictures.

    Both (h, w); blocks of `block` x `block` cells from the top left, smaller at the edges. A grid of another shape than
    the target shares nothing with it. Reference: Sweet Spot Learning, arXiv 2601.22491 (blocks of 3).

    >>> block_share([[1, 2], [3, 4]], [[1, 2], [3, 9]], block=1)
    0.75
    """
    own, wanted = floats(grid, "grid"), floats(target, "target")
    if wanted.ndim != 2 or wanted.size == 0 or block < 1:
        problem = f"block_share needs a target of shape (h, w) and a block of 1 or more, got {wanted.shape}, {block}."
        raise InputError(problem, remedy="3 suits a Sudoku.")
    if own.shape != wanted.shape:
        return 0.0
    same = own == wanted
    rows, columns = (range(0, size, block) for size in same.shape)
    return float(np.mean([same[i : i + block, j : j + block].all() for i in rows for j in columns]))
