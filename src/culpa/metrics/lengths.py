"""Whether longer outputs are the right ones."""

import numpy as np
from numpy.typing import ArrayLike

from culpa.metrics.arrays import known_or_nan, same_shape
from culpa.metrics.spread import centred


def length_accuracy(length: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None) -> float:
    """The correlation of length and correctness over all outputs, hard prompts and easy ones together.

    Negative: long outputs tend to be wrong (overthinking), and pulling towards the shortest correct ones costs nothing;
    positive: short ones do (underthinking), and it does harm. (p, s) each; cells where either is NaN are left out.
    weights: the policy's mass, every cell alike if not given. NaN where one of the two does not vary. Within prompts,
    difficulty apart: `correlation(length, correct)`. Reference: ICR, arXiv 2605.07316.

    >>> round(length_accuracy([[10.0, 20.0], [30.0, 40.0]], [[1.0, 1.0], [1.0, 0.0]]), 3)
    -0.775
    """
    x, y = known_or_nan(length, "length"), known_or_nan(correct, "correct")
    same_shape("correct", y.shape, (x.shape,), "Give one verdict for each length.")
    mass = np.ones(x.shape) if weights is None else known_or_nan(weights, "weights")
    same_shape("weights", mass.shape, (x.shape,), "Give one weight for each output.")
    cells = np.where(np.isnan(x) | np.isnan(y), 0.0, mass).ravel()
    _, dx, share = centred(np.where(cells > 0, x.ravel(), np.nan), cells)
    _, dy, _ = centred(np.where(cells > 0, y.ravel(), np.nan), cells)
    spread = float((share * dx**2).sum() * (share * dy**2).sum())
    return float((share * dx * dy).sum() / np.sqrt(spread)) if spread > 0.0 else float("nan")
