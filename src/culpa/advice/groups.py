"""What a trainer's group makes of a credit of several levels: the expected advantage of an output at each of them.

An output of level l sits in a group with k - 1 others, drawn from the same policy. Divided by the group's spread, its
advantage is, in expectation over the others' counts n of each level,

    a_l = sum_n P(n) (r_l - mean) / (std + eps),        P = multinomial(k - 1; pi),  mean and std of n and the output

Without division it is r_l - sum pi r, whatever the group. sum_l pi_l a_l = 0 either way.
"""

from collections.abc import Callable
from itertools import combinations
from math import comb, lgamma, sqrt

import numpy as np
import numpy.typing as npt

from culpa.dynamics.learner import Path

Array = npt.NDArray[np.float64]
LevelAdvantage = Callable[[Array], Array]  # (..., l) masses of the levels -> (..., l)

MOST = 2500  # ways in which the others of a group may fall; beyond it the limit of large groups is taken
_TINY = 1e-300


def level_advantage(levels: Array, path: Path, *, most: int = MOST) -> LevelAdvantage:
    """The expected advantage of each level as a function of the policy's mass on them, (..., l) to (..., l).

    levels: (l,) distinct credits, or where groups are not counted through any (..., l). Exact for the learner's own
    group size where they can be (`exact`), else in the limit of large groups, where no output is further from the mean
    than the root of k - 1 standard deviations: in no group of k can one be. A group without spread gives 0.

    >>> from culpa.dynamics.learner import grpo, reinforce
    >>> level_advantage(np.array([0.0, 0.5, 1.0]), reinforce())(np.array([0.5, 0.0, 0.5])).tolist()
    [-0.5, 0.0, 0.5]
    >>> float(level_advantage(np.array([0.0, 1.0]), grpo(5))(np.array([1.0, 0.0]))[1].round(9))  # one of five: sqrt(4)
    2.0
    """
    if not path.normalise:
        return lambda mass: np.asarray(levels - (mass * levels).sum(axis=-1, keepdims=True))
    return _counted(levels, path) if exact(levels.shape[-1], path, most=most) else _limit(levels, path)


def exact(levels: int, path: Path, *, most: int = MOST) -> bool:
    """Whether a credit of so many levels is known for the learner's own group size, or only in the limit.

    >>> from culpa.dynamics.learner import grpo
    >>> exact(3, grpo(8)), exact(8, grpo(64))
    (True, False)
    """
    return not path.normalise or (path.group is not None and comb(path.group + levels - 2, levels - 1) <= most)


def _counted(levels: Array, path: Path) -> LevelAdvantage:
    group = path.group or 2
    others = _counts(group - 1, len(levels))
    ways = np.array([lgamma(group) - sum(lgamma(n + 1.0) for n in row) for row in others])
    found = np.stack([_standing(others, levels, place, path) for place in range(len(levels))], axis=1)

    def advantage(mass: Array) -> Array:
        chance = np.exp(np.log(np.maximum(mass, _TINY)) @ others.T + ways)
        return np.asarray(chance @ found)

    return advantage


def _standing(others: Array, levels: Array, place: int, path: Path) -> Array:
    """The advantage of an output at one level beside each of the ways in which the others fall."""
    group = others.copy()
    group[:, place] += 1.0
    size = group.sum(axis=1)
    above = levels - levels[place]  # from the output itself: a group of equals has spread 0, not a rounding
    mean = group @ above / size
    variance = (group * (above - mean[:, None]) ** 2).sum(axis=1) / (size - 1.0 if path.sample_std else size)
    return np.asarray(np.divide(-mean, np.sqrt(variance) + path.eps, out=np.zeros(len(group)), where=variance > 0))


def _limit(levels: Array, path: Path) -> LevelAdvantage:
    size = path.group
    furthest = np.inf if size is None else sqrt(size - 1) * (sqrt((size - 1) / size) if path.sample_std else 1.0)

    def advantage(mass: Array) -> Array:
        gap = levels - (mass * levels).sum(axis=-1, keepdims=True)
        spread = np.sqrt((mass * gap**2).sum(axis=-1, keepdims=True))
        scaled = np.divide(gap, spread + path.eps, out=np.zeros_like(gap), where=spread > 0)
        held = np.clip(scaled, -furthest, furthest)
        return np.asarray(held - (mass * held).sum(axis=-1, keepdims=True))

    return advantage


def _counts(size: int, levels: int) -> Array:
    """All ways to share so many outputs among the levels, (n, l)."""
    bars = combinations(range(size + levels - 1), levels - 1)
    edges = np.array([(-1, *row, size + levels - 1) for row in bars], dtype=np.float64)
    return np.diff(edges, axis=1) - 1.0
