"""A curve in one cell of a table."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

CELLS = 12
_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], low: float, high: float) -> str:
    """A bar for each value, on a scale from low to high; a value that is not known leaves a gap.

    >>> sparkline([0.0, 0.5, 1.0, float("nan")], 0.0, 1.0)
    '▁▅█ '
    """
    if not high > low:
        return "".join(_BARS[0] if np.isfinite(value) else " " for value in values)
    places = [(value - low) / (high - low) * len(_BARS) for value in values]
    return "".join(_BARS[int(np.clip(p, 0, len(_BARS) - 1))] if np.isfinite(p) else " " for p in places)


def along(steps: Sequence[int], values: Sequence[float], cells: int = CELLS) -> list[float]:
    """A curve at so many points between its first step and its last, evenly spaced in log(1 + step); the ends exact.

    >>> along([0, 1, 3], [0.0, 1.0, 5.0], cells=3)
    [0.0, 1.0, 5.0]
    """
    place = np.log1p(np.asarray(steps, dtype=np.float64))
    at: npt.NDArray[np.float64] = np.linspace(place[0], place[-1], cells)
    return [float(value) for value in np.interp(at, place, np.asarray(values, dtype=np.float64))]
