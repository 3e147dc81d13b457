"""Learning from drawn steps: tabular Q-learning, many runs side by side."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from culpa.errors import InputError
from culpa.labs.mdp.world import Mdp
from culpa.metrics.arrays import Array, finite


class Learnt(NamedTuple):
    """What runs of Q-learning leave behind."""

    length: NDArray[np.int64]  # (runs, e) steps of each episode
    values: Array  # (runs, k, x, a) the table after every k-th episode asked for
    after: NDArray[np.int64]  # (k,) those episodes, counted from 1


class Habits(NamedTuple):
    """How a table is learnt: the chance of any action at all, the step, the most steps of an episode."""

    explore: float = 0.05
    rate: float = 0.1
    cap: int = 100
    every: int = 1  # keep the table after every so many episodes


def paid(world: Mdp, reward: ArrayLike | None = None) -> Array:
    """A reward as a table of pay by state, action and next state, (..., x, a, x'); from (..., x, a) or the world's own.

    >>> from culpa.labs.mdp.worlds import chain
    >>> paid(chain(2)).tolist()
    [[[0.0, 0.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]
    """
    given = finite(world.reward if reward is None else reward, "reward").astype(np.float64, copy=False)
    states, actions = world.reward.shape
    if given.shape[-2:] == (states, actions) and given.shape[-3:] != (states, actions, states):
        return np.broadcast_to(given[..., None], (*given.shape, states))
    if given.shape[-3:] != (states, actions, states):
        problem = f"reward must have shape (..., x, a) or (..., x, a, x), got {given.shape}."
        raise InputError(problem, remedy=f"This world has {states} states and {actions} actions.")
    return np.asarray(given)


def q_learning(world: Mdp, pay: ArrayLike, episodes: int, rng: np.random.Generator, habits: Habits) -> Learnt:
    """Q(x, a) += rate (r + gamma max_a' Q(x', a') - Q(x, a)) along the agent's own steps, from a table of zeros.

    pay: (runs, x, a, x'), one table for each run (see `paid`). Among equal best actions one is drawn; an episode is
    over at an end or after `cap` steps, and only an end is worth 0. Runs share no draw.
    Reference: Watkins and Dayan, 1992.
    """
    table = finite(pay, "pay")
    runs, upto = np.arange(len(table)), np.cumsum(world.transition, axis=-1)[..., :-1]
    value = np.zeros((len(table), *world.reward.shape))
    first = np.cumsum(world.start)[:-1]
    length, kept = np.zeros((len(table), episodes), dtype=np.int64), []
    for episode in range(episodes):
        now = (rng.random(len(table))[:, None] > first).sum(axis=1)
        for _ in range(habits.cap):
            alive = ~world.ends[now]
            if not alive.any():
                break
            action = _chosen(value[runs, now], habits.explore, rng)
            then = (rng.random(len(table))[:, None] > upto[now, action]).sum(axis=1)
            aim = table[runs, now, action, then] + world.gamma * value[runs, then].max(axis=1)
            value[runs, now, action] += habits.rate * np.where(alive, aim - value[runs, now, action], 0.0)
            length[:, episode] += alive
            now = then  # an end leads to itself
        if (episode + 1) % habits.every == 0:
            kept.append(value.copy())
    return Learnt(length, np.stack(kept, axis=1), np.arange(habits.every, episodes + 1, habits.every))


def _chosen(value: Array, explore: float, rng: np.random.Generator) -> NDArray[np.intp]:
    """A best action of each row (runs, a), drawn among equals; with chance `explore` any."""
    draw = rng.random(value.shape)
    best = np.where(value == value.max(axis=1, keepdims=True), draw, -1.0)
    any_of_them = rng.random(len(value)) < explore
    return np.asarray(np.where(any_of_them[:, None], draw, best).argmax(axis=1))
