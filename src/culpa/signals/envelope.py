"""A reward for outputs of a length that suits the task."""

import numpy as np

from culpa.errors import InputError
from culpa.metrics.arrays import Array
from culpa.signals.transform import Group, Transform, known_field, stateless


def length_band(least: float, low: float, high: float, most: float, *, factor: float = 1.0) -> Transform:
    """Signal plus what a length earns: nothing up to `least`, 1 from `low` to `high`, nothing from `most` on.

    r + factor * min((l - least) / (low - least), 1, (most - l) / (most - high)), not below 0   (..., p, s) to the like

    In tokens; reads the group's length l, and an output of unknown length becomes NaN. Two knots at one place are a
    step, at which the higher value holds. A long plateau suits reasoning, a short one pointing at things. The knots of
    the paper are not known. Reference: OpenVLThinkerV2 (G2RPO), arXiv 2604.08539.

    >>> from culpa.signals.transform import apply, equal_group
    >>> group = equal_group((1, 4), length=np.array([[15.0, 30.0, 50.0, 90.0]]))
    >>> apply(length_band(10, 20, 40, 60), [[0.0, 0.0, 1.0, 1.0]], group).tolist()
    [[0.5, 1.0, 1.5, 1.0]]
    """
    if not -np.inf < least <= low <= high <= most < np.inf:
        problem = f"length_band needs four lengths in rising order, got {least}, {low}, {high}, {most}."
        raise InputError(problem, remedy="Least, start and end of the plateau, most, in tokens.")
    if not np.isfinite(factor):
        raise InputError(f"factor must be a finite number, got {factor}.", remedy="0 leaves it out.")

    def act(signal: Array, group: Group) -> Array:
        length = known_field(group, "length", "length_band")
        earned = np.minimum(_rise(length - least, low - least), _rise(most - length, most - high))
        return signal + factor * earned

    return stateless(act)


def _rise(away: Array, width: float) -> Array:
    """From 0 at 0 to 1 at `width` and beyond; a step up at 0 if the width is 0."""
    if width == 0.0:
        return np.where(np.isnan(away), np.nan, (away >= 0.0).astype(np.float64))
    return np.clip(away / width, 0.0, 1.0)
