"""Gradient flow: the walk in the limit of small steps, by an integrator that chooses its own.

    d theta / d tau = pi A,        tau = eta x steps

A policy-gradient walk slows down as it goes: the integrator's steps grow with the time that has passed, so that a
plateau of a million steps costs it some hundred. An explicit method of order 8 does (Dormand and Prince): the flow is
not stiff, and one for many columns at once costs less than an implicit one for each.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from culpa.dynamics.learner import Path
from culpa.dynamics.scale import scale_rule
from culpa.dynamics.walk import Columns, blocks, filled, log_softmax
from culpa.errors import InputError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

TOLERANCE = 1e-9  # of a logit, relative and absolute: errors grow by some hundred while a plateau is left
CELLS = 1 << 11  # integrated together: more share their steps, fewer waste less of them


def flow(columns: Columns, path: Path, taus: Array) -> Array:
    """Log-probabilities (t, s, m) after the times taus (t,), which rise from 0 on or later.

    >>> even = np.log(np.full((2, 1), 0.5))
    >>> at = Columns(even, even, np.array([[1.0], [0.0]]))
    >>> end = flow(at, Path("reinforce"), np.array([0.0, 2.0]))[-1]
    >>> odds = end[0, 0] - end[1, 0]
    >>> round(float(odds + np.sinh(odds)), 6)  # the law of two outputs
    2.0
    """
    result = np.empty((len(taus), *columns.logp.shape))
    for place, block in blocks(columns, CELLS):
        result[:, :, place] = _flow_block(block, path, taus)
    return result


def _flow_block(columns: Columns, path: Path, taus: Array) -> Array:
    from scipy.integrate import solve_ivp  # noqa: PLC0415 - a tenth of a second that other learners need not pay

    present = np.isfinite(columns.start)
    block, last = filled(columns, present), float(taus[-1])
    if last == 0.0:
        return np.repeat(columns.logp[None], len(taus), axis=0)
    speed, shape = _speed(block, path, present), block.logp.shape
    found = solve_ivp(
        lambda _, flat: speed(flat.reshape(shape)).ravel(),
        (0.0, last),
        block.logp.ravel(),
        method="DOP853",
        t_eval=taus,
        rtol=TOLERANCE,
        atol=TOLERANCE,
    )
    if not found.success:
        problem = f"the flow could not be followed to {last:g}: {found.message}"
        raise InputError(problem, remedy="Take the learner without as_flow(): it walks step by step.")
    logits = found.y.T.reshape(len(taus), *shape)
    return np.where(present, np.stack([log_softmax(one) for one in logits]), -np.inf)


def _speed(block: Columns, path: Path, present: Mask) -> Callable[[Array], Array]:
    """The mass times the advantage, as a function of the logits, (s, m)."""
    scale, whole = scale_rule(path, block.reward, present), np.ones(block.reward.shape[1])

    def speed(logits: Array) -> Array:
        shifted = logits - logits.max(axis=0)
        prob = np.exp(shifted)
        share = 1.0 / prob.sum(axis=0)
        prob *= share
        mean = (prob * block.reward).sum(axis=0)
        push = block.reward - mean
        if scale is not None:
            push *= scale(prob, push, mean, whole)
        if path.kl > 0.0:
            ratio = shifted + np.log(share) - block.start
            push -= path.kl * (ratio - (prob * ratio).sum(axis=0))
        return np.asarray(prob * push)

    return speed
