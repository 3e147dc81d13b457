"""Random worlds, and the slow obvious form of their values."""

import numpy as np

from culpa.labs.mdp.world import Mdp


def random_world(seed=0, states=5, actions=3, gamma=0.9, end=True):
    rng = np.random.default_rng(seed)
    transition = rng.dirichlet(np.full(states, 0.5), size=(states, actions))
    reward = rng.normal(size=(states, actions))
    if end:
        transition[-1], reward[-1] = np.eye(states)[-1], 0.0
    return Mdp(transition, reward, gamma, rng.dirichlet(np.ones(states)))


def random_policy(world, seed=1, lead=()):
    return np.random.default_rng(seed).dirichlet(np.ones(world.actions), size=(*lead, world.states))


def by_steps(world, policy, rounds=2000):
    """Return and visits by following the chances step by step."""
    now, total, count = world.start.copy(), 0.0, np.zeros(world.reward.shape)
    for h in range(rounds):
        now = np.where(world.ends, 0.0, now)
        taken = now[:, None] * policy
        total += world.gamma**h * (taken * world.reward).sum()
        count += world.gamma**h * taken
        now = np.einsum("xa,xay->y", taken, world.transition)
    return total, count
