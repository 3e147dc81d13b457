"""What a policy is worth in a world, and where it goes: exact, by linear equations.

A policy is (..., x, a), its rows sum to 1; a reward (..., x, a) stands for the world's own where it is given. Leading
axes (policies, rewards, seeds) are broadcast against each other. Ends are worth 0 and are never counted as visited.
"""

import numpy as np
from numpy.typing import ArrayLike

from culpa.errors import InputError
from culpa.labs.mdp.world import Mdp
from culpa.metrics.arrays import Array, Mask, finite, same_shape

_SWEEPS = 100  # of value iteration for a round of policy iteration
_CLOSE = 1e-9  # values that differ by less, relative to the largest, count as equal


def state_values(world: Mdp, policy: ArrayLike, reward: ArrayLike | None = None) -> Array:
    """What is to be expected from each state on, (..., x).

    V = (I - gamma P_pi)^-1 r_pi,   r_pi(x) = sum_a pi(a | x) R(x, a)

    Adding a potential's F(x, a) = gamma sum_x' P(x' | x, a) Phi(x') - Phi(x), Phi = 0 at ends, adds -Phi(x).
    """
    chosen, pay = _policy(world, policy), _reward(world, reward)
    return _solved(_staying(world, chosen), (chosen * pay).sum(axis=-1), world)


def action_values(world: Mdp, policy: ArrayLike, reward: ArrayLike | None = None) -> Array:
    """What is to be expected from each action on, (..., x, a): Q(x, a) = R(x, a) + gamma sum_x' P(x' | x, a) V(x')."""
    return backed_up(world, state_values(world, policy, reward), reward)


def backed_up(world: Mdp, values: Array, reward: ArrayLike | None = None) -> Array:
    """R(x, a) + gamma sum_x' P(x' | x, a) V(x') for any V (..., x): one step looked ahead, (..., x, a)."""
    later = values @ world.transition.reshape(-1, world.states).T
    ahead = later.reshape(*values.shape[:-1], world.states, world.actions)
    return np.asarray(_reward(world, reward) + world.gamma * ahead)


def advantages(world: Mdp, policy: ArrayLike, reward: ArrayLike | None = None) -> Array:
    """A(x, a) = Q(x, a) - V(x), (..., x, a). A potential-based shaping leaves it unchanged (see `state_values`)."""
    values = state_values(world, policy, reward)
    return np.asarray(backed_up(world, values, reward) - values[..., None])


def expected_return(world: Mdp, policy: ArrayLike, reward: ArrayLike | None = None) -> Array:
    """J = sum_x start(x) V(x), (...,)."""
    return np.asarray(state_values(world, policy, reward) @ world.start)


def visits(world: Mdp, policy: ArrayLike) -> Array:
    """How often each action is taken, later ones discounted: (..., x, a).

    d(x, a) = pi(a | x) sum_h gamma^h P(x_h = x)

    J = sum d(x, a) R(x, a). In a world without ends they sum to 1 / (1 - gamma).
    """
    chosen = _policy(world, policy)
    turned = np.swapaxes(_staying(world, chosen), -1, -2)
    start = np.broadcast_to(world.start, chosen.shape[:-1])
    return np.asarray(_solved(turned, start, world)[..., None] * chosen)


def occupancy(world: Mdp, policy: ArrayLike) -> Array:
    """The share of each action in all visits, (..., x, a); sums to 1."""
    count = visits(world, policy)
    return np.asarray(count / count.sum(axis=(-2, -1), keepdims=True))


def optimal(world: Mdp, reward: ArrayLike | None = None, rounds: int = 1000) -> Array:
    """The values of actions under an optimal policy, (x, a), by policy iteration; for gamma = 1 by value iteration.

    For gamma = 1 all actions alike have to reach an end from everywhere, and it starts from what they are worth: of
    two best actions one may then be a way to put the end off for ever, so that `greedy` need not end.

    >>> optimal(Mdp([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[0, 1], [0, 0]], 0.5, [1, 0])).tolist()
    [[0.5, 1.0], [0.0, 0.0]]
    """
    policy = np.full((world.states, world.actions), 1.0 / world.actions)
    value = action_values(world, policy, reward)
    for _ in range(rounds if world.gamma < 1.0 else _SWEEPS * rounds):
        if world.gamma < 1.0:
            improved = action_values(world, greedy(value), reward)
        else:
            improved = backed_up(world, np.where(world.ends, 0.0, value.max(axis=-1)), reward)
        if np.allclose(improved, value, rtol=_CLOSE, atol=_CLOSE * np.abs(value).max(initial=1.0)):
            return np.asarray(np.where(world.ends[:, None], 0.0, improved))
        value = improved
    raise InputError(f"no optimal policy was found in {rounds} rounds.", remedy="Give gamma below 1.")


def best_actions(value: Array, tolerance: float = _CLOSE) -> Mask:
    """(..., x, a) which actions are best by their values, ties within `tolerance` of the largest value included."""
    slack = tolerance * max(1.0, float(np.abs(value).max(initial=0.0)))
    return np.asarray(value >= value.max(axis=-1, keepdims=True) - slack)


def greedy(value: ArrayLike) -> Array:
    """The policy that takes a best action, the first among equals, (..., x, a).

    >>> greedy([[0.0, 1.0, 1.0]]).tolist()
    [[0.0, 1.0, 0.0]]
    """
    given = finite(value, "value").astype(np.float64)
    return np.asarray(np.eye(given.shape[-1])[best_actions(given).argmax(axis=-1)])


def _policy(world: Mdp, policy: ArrayLike) -> Array:
    given = finite(policy, "policy").astype(np.float64, copy=False)
    same_shape("policy", given.shape[-2:], (world.reward.shape,), "Its last axes are states and actions.")
    if not np.allclose(given.sum(axis=-1), 1.0, atol=1e-6):
        raise InputError("a row of the policy does not sum to 1.", remedy="softmax(logits) gives one that does.")
    return given


def _reward(world: Mdp, reward: ArrayLike | None) -> Array:
    if reward is None:
        return world.reward
    given = finite(reward, "reward").astype(np.float64, copy=False)
    same_shape("reward", given.shape[-2:], (world.reward.shape,), "Its last axes are states and actions.")
    return np.where(world.ends[:, None], 0.0, given)


def _staying(world: Mdp, policy: Array) -> Array:
    """I - gamma P_pi, where what leads to an end leads nowhere."""
    inner = np.where(world.ends, 0.0, world.transition)
    moved = np.einsum("...xa,xay->...xy", policy, inner)
    return np.asarray(np.eye(world.states) - world.gamma * moved)


def _solved(matrix: Array, right: Array, world: Mdp) -> Array:
    known = np.where(world.ends, 0.0, right)
    shape = np.broadcast_shapes(matrix.shape[:-2], known.shape[:-1])
    try:
        found = np.linalg.solve(matrix, np.broadcast_to(known, (*shape, world.states))[..., None])[..., 0]
    except np.linalg.LinAlgError:
        found = np.full(known.shape, np.inf)
    if not np.isfinite(found).all():
        raise InputError("with gamma 1 this policy never ends.", remedy="Give gamma below 1, or a policy that ends.")
    return np.asarray(found)
