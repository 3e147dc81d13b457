"""Ways to reward an output by the checks that it passes, and what each is worth by pattern of passed checks."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]

BINARY, PARTIAL, WEIGHTED, STAGED = "binary", "partial", "weighted", "staged"
CREDITS = (BINARY, PARTIAL, WEIGHTED, STAGED)  # the simplest first: of equals it is recommended
_RAREST, _SUREST = 1e-6, 1.0 - 1e-6  # rates are held between these when weights are made from them


class Credit(NamedTuple):
    """The reward of every pattern, and what it becomes once successes are seen."""

    name: str
    reward: Array  # (z,) between 0 and 1
    then: Array | None = None  # (z,) from the step on at which a group is expected to hold one success


def credits(patterns: Bits, rates: Array) -> tuple[Credit, ...]:
    """The four of them: patterns (z, c) of passed checks, rates (c,) at which the checks are passed.

    binary      1 where all checks pass, else 0
    partial     the share of checks that pass
    weighted    as partial, each check weighted by -log of its rate: what passing it says
    staged      partial until success x group size is 1, then binary

    >>> both = np.array([[False, False], [True, False], [False, True], [True, True]])
    >>> {one.name: one.reward.round(3).tolist() for one in credits(both, np.array([0.9, 0.1]))}["weighted"]
    [0.0, 0.044, 0.956, 1.0]
    """
    binary = np.asarray(patterns.all(axis=1), dtype=np.float64)
    partial = np.asarray(patterns.mean(axis=1))
    weighted = patterns @ weights(rates)
    return (
        Credit(BINARY, binary),
        Credit(PARTIAL, partial),
        Credit(WEIGHTED, weighted),
        Credit(STAGED, partial, binary),
    )


def weights(rates: Array) -> Array:
    """Shares of the credit for checks passed at these rates, (c,): -log rate, to a sum of 1.

    >>> weights(np.array([0.1, 0.1, 0.01])).tolist()
    [0.25, 0.25, 0.5]
    """
    surprise = -np.log(np.clip(rates, _RAREST, _SUREST))
    return np.asarray(surprise / surprise.sum())
