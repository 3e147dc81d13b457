"""A reward mixed of parts so that what is learnt from it does best by the reward that counts: two levels, exactly.

The lower level learns: its logits theta settle where step(theta, phi) = 0. The upper level moves the mixture phi along
the derivative of the true return at the settled logits, by the implicit function theorem.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from culpa.errors import InputError
from culpa.labs.mdp.gradient import policy_gradient, softmax
from culpa.labs.mdp.values import expected_return
from culpa.labs.mdp.world import Mdp
from culpa.metrics.arrays import Array, finite, same_shape

_PROBE = 1e-5  # half the distance of a central difference
_STILL = 1e-10
_NEAR = 0.5  # of a logit: farther off, the slope here says little of there


class Lower(NamedTuple):
    """Who learns from the mixture: the exact policy gradient on it, its logits drawn back to 0.

    step(theta, phi) = dJ_phi / dtheta - decay theta,   r_phi = sum_k phi_k parts_k
    """

    world: Mdp
    parts: Array  # (k, x, a): the true reward, a heuristic, single cells, ...
    decay: float

    def step(self, logits: Array, phi: Array) -> Array:
        """The learner's move, (..., x, a), at logits (..., x, a)."""
        return np.asarray(policy_gradient(self.world, logits, blend(phi, self.parts)) - self.decay * logits)

    def slope(self, logits: Array, phi: Array) -> Array:
        """H = dstep / dtheta, (n, n) with n = x a, by central differences."""
        probes = _PROBE * np.eye(logits.size).reshape(-1, *logits.shape)
        both = self.step(logits + probes, phi) - self.step(logits - probes, phi)
        return np.asarray(both.reshape(logits.size, -1).T / (2.0 * _PROBE))

    def lean(self, logits: Array) -> Array:
        """A = dstep / dphi, (n, k): exact, since the move is linear in the reward."""
        each = policy_gradient(self.world, np.broadcast_to(logits, self.parts.shape), self.parts)
        return np.asarray(each.reshape(len(self.parts), -1).T)


def blend(phi: ArrayLike, parts: ArrayLike) -> Array:
    """r_phi = sum_k phi_k parts_k: phi (k,), parts (k, x, a).

    >>> blend([1.0, -0.5], [[[1.0, 0.0]], [[0.0, 2.0]]]).tolist()
    [[1.0, -1.0]]
    """
    weight, rewards = finite(phi, "phi").astype(np.float64), finite(parts, "parts").astype(np.float64)
    same_shape("phi", weight.shape, (rewards.shape[:1],), "Give one weight for each part.")
    return np.asarray(np.tensordot(weight, rewards, 1))


def single_cells(world: Mdp) -> Array:
    """Parts (x a, x, a) with 1 in one cell each: a mixture may then put any reward in any place."""
    return np.eye(world.reward.size).reshape(-1, *world.reward.shape)


def settle(lower: Lower, phi: ArrayLike, logits: ArrayLike, *, rate: float = 1.0, rounds: int = 10_000) -> Array:
    """The logits (x, a) where the learner comes to rest, from where it is: dJ_phi / dtheta = decay theta.

    Gradient steps, and Newton's once the rest is near: where the slope is that of a place to rest and its step short.
    """
    now, weight = np.array(finite(logits, "logits"), dtype=np.float64), finite(phi, "phi").astype(np.float64)
    near = True
    for count in range(rounds):
        move = lower.step(now, weight)
        if np.abs(move).max() < _STILL:
            return now
        newton = _newton(lower, now, weight, move) if near or count % 10 == 0 else None
        near = newton is not None
        now = now + (rate * move if newton is None else newton)
    raise InputError(f"the learner did not settle in {rounds} rounds.", remedy="Give a larger decay or a smaller rate.")


def _newton(lower: Lower, logits: Array, phi: Array, move: Array) -> Array | None:
    """The step to where the learner rests, if it is near: a place to which all moves lead back."""
    slope = lower.slope(logits, phi)
    step = np.linalg.solve(slope, -move.ravel()).reshape(logits.shape)
    near = np.abs(step).max() < _NEAR and np.linalg.eigvals(slope).real.max() < 0.0
    return np.asarray(step) if near else None


def hypergradient(lower: Lower, phi: ArrayLike, logits: ArrayLike, *, terms: int | None = None) -> Array:
    """The derivative (k,) of the true return by the mixture, at settled logits.

    dJ / dphi = - (dJ / dtheta) H^-1 A,   J under the world's own reward

    terms: so many of the Neumann series - H^-1 = rate sum_i (1 + rate H)^i, with rate 1 / |H|; not given, H is solved.
    Reference: BARFI, arXiv 2310.19007.
    """
    now, weight = finite(logits, "logits").astype(np.float64), finite(phi, "phi").astype(np.float64)
    rise = policy_gradient(lower.world, now).ravel()
    slope, lean = lower.slope(now, weight), lower.lean(now)
    if terms is None:
        return np.asarray(-np.linalg.solve(slope.T, rise) @ lean)
    rate = 1.0 / float(np.linalg.norm(slope, 2))
    term, total = rise, np.zeros_like(rise)
    for _ in range(terms):
        total = total + rate * term
        term = term + rate * (slope.T @ term)
    return np.asarray(total @ lean)


class Aligned(NamedTuple):
    """Where the two levels end, and the true return on the way."""

    phi: Array  # (k,)
    logits: Array  # (x, a)
    returns: Array  # (steps + 1,)


def align(lower: Lower, phi: ArrayLike, *, rate: float, steps: int, logits: ArrayLike | None = None) -> Aligned:
    """The mixture after so many steps phi + rate dJ / dphi, the learner settled anew before each, from where it was.

    Departures from BARFI: 1. the lower level is the exact policy gradient, not one from data, and is settled, not moved
    a few steps. 2. no discount is learnt. Reference: BARFI, arXiv 2310.19007.
    """
    weight = np.array(finite(phi, "phi"), dtype=np.float64)
    now = settle(lower, weight, np.zeros(lower.world.reward.shape) if logits is None else logits)
    returns = [float(expected_return(lower.world, softmax(now)))]
    for _ in range(steps):
        weight = weight + rate * hypergradient(lower, weight, now)
        now = settle(lower, weight, now)
        returns.append(float(expected_return(lower.world, softmax(now))))
    return Aligned(weight, now, np.array(returns))
