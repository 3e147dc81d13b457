"""The exact policy gradient of a softmax policy over the actions of every state."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from culpa.labs.mdp.values import advantages, visits
from culpa.labs.mdp.world import Mdp
from culpa.metrics.arrays import Array, finite

Watch = Callable[[int, Array], bool | None]


def softmax(logits: ArrayLike) -> Array:
    """pi(a | x) = exp(theta(x, a)) / sum_a exp(theta(x, a)), (..., a) to the like.

    >>> softmax([[0.0, 0.0]]).tolist()
    [[0.5, 0.5]]
    """
    given = finite(logits, "logits").astype(np.float64, copy=False)
    weight = np.exp(given - given.max(axis=-1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=-1, keepdims=True))


def policy_gradient(world: Mdp, logits: ArrayLike, reward: ArrayLike | None = None) -> Array:
    """The derivative of the expected return by the logits, (..., x, a).

    dJ / dtheta(x, a) = d(x, a) A(x, a),   d as in `visits`, A as in `advantages`

    Rows sum to 0. A potential-based shaping of the reward leaves it unchanged. Reference: Sutton et al., NIPS 1999.
    """
    policy = softmax(logits)
    return np.asarray(visits(world, policy) * advantages(world, policy, reward))


def ascend(
    world: Mdp,
    logits: ArrayLike,
    rate: float,
    updates: int,
    *,
    reward: ArrayLike | None = None,
    watch: Watch | None = None,
) -> Array:
    """The logits after so many steps theta + rate dJ / dtheta, (..., x, a).

    `watch(step, logits)` is asked before every step and after the last one; the walk stops where it says True.
    """
    now = np.array(finite(logits, "logits"), dtype=np.float64)
    for step in range(updates):
        if watch is not None and watch(step, now):
            return now
        now = now + rate * policy_gradient(world, now, reward)
    if watch is not None:
        watch(updates, now)
    return now
