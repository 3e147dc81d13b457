"""Policies that are known without a walk: the best of n outputs, and the tilted policy; and advantages of any learner.

tilt       pi_b = pi0 exp(b R) / Z, b from 0 to 1 / beta: at its end the maximiser of V_R - beta KL(pi || pi0)
best of n  pi_n(y) = pi0(y) / q (F^n - (F - q)^n) for the level of equal scores that y belongs to, where q is its mass
           under pi0 and F that of all scores up to its own: the chance that the best of n is of that level, shared out

All in logarithms: a level of mass 1e-300 is one like others.
"""

from collections.abc import Callable, Iterator
from itertools import repeat

import numpy as np
import numpy.typing as npt

from culpa.dynamics.advantage import Advantage
from culpa.dynamics.learner import TILT_PARTS, ClosedForm, Learner, Path
from culpa.dynamics.walk import Columns, log_softmax

__all__ = ["Learner", "advantages", "parts", "policy"]

Array = npt.NDArray[np.float64]

_FAINT = -460.0  # log of a share so small that its first order is all of it


def policy(start: Array, reward: Array, learner: ClosedForm) -> Array:
    """Log-probabilities at the end of the learner's way, (s, m), from the initial ones and the rewards.

    >>> start, reward = np.log(np.array([[0.5], [0.25], [0.25]])), np.array([[0.0], [1.0], [1.0]])
    >>> np.exp(policy(start, reward, ClosedForm("best of 2", best_of=2))).ravel().round(6).tolist()
    [0.25, 0.375, 0.375]
    """
    return _rule(start, reward, learner)(learner.parts)


def parts(columns: Columns, learner: ClosedForm) -> Iterator[Array]:
    """Log-probabilities (s, m) after 0, 1, 2, .. parts of the way, and then its end for ever.

    >>> even = np.log(np.full((2, 1), 0.5))
    >>> way = parts(Columns(even, even, np.array([[1.0], [0.0]])), ClosedForm("best of 3", best_of=3))
    >>> [round(float(np.exp(next(way)[0, 0])), 6) for _ in range(4)]
    [0.5, 0.75, 0.875, 0.875]
    """
    rule = _rule(columns.start, columns.reward, learner)
    for part in range(learner.parts + 1):
        last = rule(part)
        yield last
    yield from repeat(last)


def advantages(learner: Learner, rewards: Array, start: Array, *, length: Array | None = None) -> Array:
    """The advantage of any learner at the initial policy, (..., p, s): what tells where it sets out for.

    Of a path its own; of a closed form pi_T / pi0 - 1, which moves the initial policy to its end in one step of
    pi0 A. rewards: (..., p, s), NaN = no verdict; start: (p, s) log-probabilities, -inf = no output; length: (p, s).

    >>> even = np.log(np.full((1, 2), 0.5))
    >>> advantages(ClosedForm("best of 2", best_of=2), np.array([[1.0, 0.0]]), even).round(6).tolist()
    [[0.5, -0.5]]
    """
    prob = np.exp(start)
    if isinstance(learner, Path):
        return Advantage(learner, rewards, start, length)(prob, start)
    scores = Advantage(Path("reinforce"), rewards, start)(prob, start)
    flat = scores.reshape(-1, scores.shape[-1]).T
    at = np.broadcast_to(start, scores.shape).reshape(flat.T.shape).T
    ratio = policy(at, flat, learner) - np.where(np.isfinite(at), at, 0.0)
    return np.where(np.isfinite(at), np.expm1(ratio), 0.0).T.reshape(scores.shape)


def _rule(start: Array, reward: Array, learner: ClosedForm) -> Callable[[int], Array]:
    return _tilted(start, reward, 1.0 / learner.beta) if learner.beta is not None else _best(start, reward)


def _tilted(start: Array, reward: Array, most: float) -> Callable[[int], Array]:
    present = np.isfinite(start)
    below = np.where(present, reward - np.where(present, reward, -np.inf).max(axis=0), 0.0)

    def rule(part: int) -> Array:
        return start if part == 0 else log_softmax(start + below * (most * part / TILT_PARTS))

    return rule


def _best(start: Array, reward: Array) -> Callable[[int], Array]:
    level, upto = _levels(start, np.where(np.isfinite(start), reward, -np.inf))
    held = np.isfinite(start)
    share = np.where(held, level - np.where(held, upto, 0.0), 0.0)  # log of q / F
    own, whole = np.where(held, start - np.where(held, level, 0.0), 0.0), np.where(held, upto, 0.0)

    def rule(part: int) -> Array:
        n = part + 1
        if part == 0:
            return start
        with np.errstate(divide="ignore"):
            some = np.log(-np.expm1(n * np.log1p(-np.exp(np.minimum(share, 0.0)))))
        chance = np.where(share < _FAINT, np.log(n) + share, some)
        return log_softmax(np.where(held, own + n * whole + chance, -np.inf))

    return rule


def _levels(start: Array, score: Array) -> tuple[Array, Array]:
    """Logs of the mass of each output's level and of all scores up to its own, (s, m)."""
    order = np.argsort(score, axis=0, kind="stable")
    logp, sorted_score = np.take_along_axis(start, order, axis=0), np.take_along_axis(score, order, axis=0)
    upto, level = np.logaddexp.accumulate(logp, axis=0), logp.copy()
    tied = sorted_score[1:] == sorted_score[:-1]
    for number in range(1, len(logp)):
        level[number] = np.where(tied[number - 1], np.logaddexp(level[number - 1], logp[number]), level[number])
    for number in range(len(logp) - 2, -1, -1):
        for array in (level, upto):
            array[number] = np.where(tied[number], array[number + 1], array[number])
    result = np.empty_like(level), np.empty_like(upto)
    for into, array in zip(result, (level, upto - upto[-1]), strict=True):
        np.put_along_axis(into, order, array, axis=0)
    return result
