"""From one return an episode to a reward for every step, through a few factors that say what matters."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from culpa.errors import InputError
from culpa.metrics.arrays import Array, Mask, float64s, refuse


@dataclass(frozen=True)
class Redistribution:
    """A decoder of factors to rewards: f(z) = level + slope . z."""

    slope: Array  # (d,)
    level: float

    def __call__(self, factors: ArrayLike) -> Array:
        """The reward of steps (..., d), (...,); NaN where a factor is."""
        return np.asarray(float64s(factors, "factors") @ self.slope + self.level)


def fit_redistribution(
    factors: ArrayLike, returns: ArrayLike, *, ridge: float = 1e-3, subset: int | None = None
) -> Redistribution:
    """Step rewards whose mean over an episode is its return by the step: a decoder that is linear in the factors.

    min over f of  mean over episodes of (mean_t f(z_t) - G / T)^2 + (1 / K) var_t f(z_t) + ridge |slope / scale|^2

    factors: z (t, ..., d), NaN after an episode's end; returns: G (...). NaN is no verdict, and such an episode is left
    out. T: the steps of the episode. subset: K; the second term is what K steps drawn with replacement add on average
    where their mean stands in for that of all (randomised decomposition): it evens rewards out within an episode. Not
    given, it is not there: return decomposition, and as well the unbiased form of the randomised one. scale: a
    factor's sd over all steps, so that units do not matter; a factor that never changes gets 0.

    Departures from LaRe: 1. the decoder is linear and solved at once; theirs is a network of three layers. 2. the
    randomised form is taken in expectation, no steps are drawn. 3. nobody's language model writes the factors: they
    are the user's. Reference: Qu et al., arXiv 2412.11120; Ren et al., arXiv 2111.13485.

    >>> fit = fit_redistribution([[[1.0], [0.0]], [[0.0], [0.0]]], [3.0, 1.0], ridge=1e-9)
    >>> fit([[1.0], [0.0]]).round(3).tolist()
    [2.5, 0.5]
    """
    given, total = float64s(factors, "factors"), float64s(returns, "returns")
    steps = _steps(given, total)
    if not ridge > 0.0 or (subset is not None and subset < 1):
        raise InputError(f"ridge must be above 0 and subset at least 1, got {ridge} and {subset}.", remedy="See help.")
    flat = np.where(steps[..., None], given, 0.0).reshape(len(given), -1, given.shape[-1])
    alive = steps.reshape(len(given), -1)
    used = alive.any(axis=0) & ~np.isnan(total.ravel())
    if not used.any():
        raise InputError("no episode has both steps and a return.", remedy="Give finished episodes.")
    flat, alive, pay = flat[:, used], alive[:, used], total.ravel()[used]
    count = alive.sum(axis=0)
    middle = flat[alive].mean(axis=0)
    spread = flat[alive].std(axis=0)
    spread = np.where(spread > 0, spread, np.inf)
    scaled = np.where(alive[..., None], (flat - middle) / spread, 0.0)
    mean, target = scaled.sum(axis=0) / count[:, None], pay / count
    rows, wanted = mean - mean.mean(axis=0), target - target.mean()
    matrix = rows.T @ rows / len(rows) + ridge * np.eye(rows.shape[1])
    if subset is not None:
        within = np.where(alive[..., None], scaled - mean, 0.0) / np.sqrt(count)[:, None]
        matrix += np.einsum("ted,tef->df", within, within) / (subset * len(rows))
    slope = np.linalg.solve(matrix, rows.T @ wanted / len(rows))
    level = float(target.mean() - mean.mean(axis=0) @ slope)
    return Redistribution(slope / spread, level - float((slope / spread) @ middle))


def check_factors(function: Callable[[Array], ArrayLike], sample: ArrayLike) -> int:
    """How many factors a function gives for a sample of steps (n, ...): numbers (n, d), each step by itself.

    It is called on the sample, on its first half and with its rows turned round: what depends on the other rows of the
    batch, on chance or on earlier calls is refused.

    >>> check_factors(lambda steps: steps[:, :2] ** 2, np.ones((4, 3)))
    2
    """
    steps = float64s(sample, "sample")
    if len(steps) < 2:
        raise InputError(f"sample has {len(steps)} steps.", remedy="Give two at least.")
    whole = float64s(function(steps), "the factors")
    if whole.ndim != 2 or len(whole) != len(steps):
        raise InputError(f"for {len(steps)} steps the factors have shape {whole.shape}.", remedy="Return (n, d).")
    refuse(~np.isfinite(whole), "the factors", "a value that is not finite", "Guard divisions and logarithms.")
    half = len(steps) // 2
    for part, expected in ((steps[:half], whole[:half]), (steps[::-1], whole[::-1])):
        again = float64s(function(part), "the factors")
        if again.shape != expected.shape or not np.allclose(again, expected, rtol=1e-6, atol=1e-9):
            raise InputError("the factors of a step depend on the steps beside it.", remedy="Take each row by itself.")
    return int(whole.shape[1])


def _steps(factors: Array, returns: Array) -> Mask:
    if factors.ndim < 3 or factors.shape[1:-1] != returns.shape:
        raise InputError(
            f"factors have shape {factors.shape} and returns {returns.shape}.",
            remedy="Give factors (t, ..., d) and one return for each episode (...).",
        )
    refuse(np.isinf(factors), "factors", "an infinite value", "Guard divisions and logarithms.")
    refuse(np.isinf(returns), "returns", "an infinite value", "Write NaN where there is no verdict.")
    missing = np.isnan(factors)
    gone: Mask = np.asarray(missing.all(axis=-1))
    refuse(np.asarray(missing.any(axis=-1)) & ~gone, "factors", "a step known in part", "Fill it, or end there.")
    return ~gone
