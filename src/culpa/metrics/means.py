"""The mean of few independent runs, and how sure one may be of it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from culpa.errors import InputError
from culpa.metrics.arrays import finite


class Mean(NamedTuple):
    """A mean with its interval; as text `0.52 [0.41, 0.63]`."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        ends = "" if np.isnan(self.low) else f" [{self.low:.3g}, {self.high:.3g}]"
        return f"{self.mean:.3g}{ends}"


def mean_interval(values: ArrayLike, *, level: float = 0.95) -> Mean:
    """The mean of independent runs (n,) and its interval by Student's t with n - 1 degrees of freedom.

    mean -+ t_{n-1}((1 + level) / 2) s / sqrt(n),   s with n - 1

    Of one run the ends are NaN. A shift shifts all three, a positive factor scales them.

    >>> print(mean_interval([0.0, 1.0, 2.0]))
    1 [-1.48, 3.48]
    """
    given = finite(values, "values").astype(np.float64)
    if given.ndim != 1 or not given.size:
        raise InputError(f"values must have shape (n,), n > 0, got {given.shape}.", remedy="One value for each run.")
    if not 0.0 < level < 1.0:
        raise InputError(f"level must be between 0 and 1, got {level}.", remedy="0.95 is usual.")
    mean = float(given.mean())
    if given.size < 2:
        return Mean(mean, np.nan, np.nan)
    from scipy.special import stdtrit  # noqa: PLC0415 - slow to import

    half = float(stdtrit(given.size - 1, (1.0 + level) / 2.0)) * float(given.std(ddof=1)) / np.sqrt(given.size)
    return Mean(mean, mean - half, mean + half)
