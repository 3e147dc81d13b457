"""Learners that shape their own reward: a bonus for what is new, and a part learnt from the true return alone."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from culpa.labs.mdp.gradient import softmax
from culpa.labs.mdp.world import Mdp
from culpa.metrics.arrays import Array

Cells = NDArray[np.int64]


_VALUE_RATE = 0.01  # of every step that V is taken towards the returns seen


class Shaper(NamedTuple):
    """How a learner shapes: r + phi(x, a) + B(x'). Every part may be one number, or one for each run (runs,).

    B(x) = bonus / sqrt((bonus / most)^2 + n(x)),   n: how often x was reached before
    phi(x, .) += rate sum_i pi(a_i | x) (G_i - V(x)) (e_{a_i} - pi(. | x)),   G: the true return from step i on
    """

    bonus: ArrayLike = 1.0  # 0: none, and the shaping is the learnt part alone (SelfRS)
    most: float = 1.0
    rate: ArrayLike = 0.01  # 0: none, and the shaping is the bonus alone (ExploB)
    bound: ArrayLike = np.inf  # |phi| never exceeds it
    policy_rate: float = 0.1  # of the mean over the steps that an episode may have
    recent: int = 5  # episodes between two updates, and those the policy learns from
    buffer: int = 10  # episodes that phi and V learn from


class Episodes(NamedTuple):
    """Drawn steps, (h, e, runs). After an end the same state stands on, and does not count."""

    state: Cells
    action: Cells
    pay: Array
    then: Cells
    alive: NDArray[np.bool_]


class Memory(NamedTuple):
    """What a shaping learner holds, all (runs, ...)."""

    logits: Array  # (runs, x, a)
    phi: Array  # (runs, x, a)
    values: Array  # (runs, x)
    counts: Array  # (runs, x)


def fresh(world: Mdp, runs: int) -> Memory:
    """Before the first episode: all zeros."""
    table = np.zeros((runs, *world.reward.shape))
    return Memory(table, table, table[..., 0], table[..., 0])


def drawn(world: Mdp, logits: Array, steps: int, episodes: int, rng: np.random.Generator) -> Episodes:
    """So many episodes of every run's policy, `steps` long at most."""
    cells = episodes, len(logits)
    runs, upto = np.arange(len(logits)), np.cumsum(softmax(logits), axis=-1)[..., :-1]
    ahead = np.cumsum(world.transition, axis=-1)[..., :-1]
    now = (rng.random(cells)[..., None] > np.cumsum(world.start)[:-1]).sum(axis=-1)
    rows: list[tuple[NDArray[Any], ...]] = []
    for _ in range(steps):
        action = (rng.random(cells)[..., None] > upto[runs, now]).sum(axis=-1)
        then = (rng.random(cells)[..., None] > ahead[now, action]).sum(axis=-1)
        rows.append((now, action, world.reward[now, action], then, ~world.ends[now]))
        now = then
    return Episodes(*(np.stack(column) for column in zip(*rows, strict=True)))


def returns(pay: Array, gamma: float) -> Array:
    """G_h = r_h + gamma G_{h+1} along the first axis, (h, ...).

    >>> returns(np.array([0.0, 0.0, 1.0]), 0.5).tolist()
    [0.25, 0.5, 1.0]
    """
    result = np.zeros_like(pay)
    after = np.zeros(pay.shape[1:])
    for h in reversed(range(len(pay))):
        after = pay[h] + gamma * after
        result[h] = after
    return result


def explore(
    world: Mdp, shaper: Shaper, runs: int, *, steps: int, rounds: int, rng: np.random.Generator
) -> tuple[Memory, Array]:
    """What runs of the learner hold after so many rounds, and the true return of every round, (rounds, runs).

    A round: `recent` episodes of the policy, then one `update`.
    """
    memory, found = fresh(world, runs), []
    buffer: Episodes | None = None
    for _ in range(rounds):
        new = drawn(world, memory.logits, steps, shaper.recent, rng)
        if buffer is not None:
            new = Episodes(
                *(np.concatenate(pair, axis=1)[:, -shaper.buffer :] for pair in zip(buffer, new, strict=True))
            )
        buffer, memory = new, update(world, memory, new, shaper)
        found.append(np.where(buffer.alive, buffer.pay, 0.0)[:, -shaper.recent :].sum(axis=0).mean(axis=0))
    return memory, np.stack(found)


def update(world: Mdp, memory: Memory, buffer: Episodes, shaper: Shaper) -> Memory:
    """One update from the buffer's episodes, the last `recent` of them new.

    The policy takes a step of REINFORCE, without a baseline, on the shaped return of the new episodes; phi a step from
    the true return of all of the buffer, and V of every state one of .01 for each return seen from there.
    Reference: ExploRS, NeurIPS 2022.
    """
    policy, runs = softmax(memory.logits), np.arange(len(memory.logits))
    true = returns(buffer.pay, world.gamma)
    gap = np.where(buffer.alive, true - memory.values[runs, buffer.state], 0.0)
    pull = _scores(buffer, policy[runs, buffer.state, buffer.action] * gap, policy)
    bound = _each(shaper.bound)
    phi = np.clip(memory.phi + _each(shaper.rate) * pull, -bound, bound)
    new = _latest(buffer, shaper.recent)
    bonus = np.asarray(shaper.bonus, dtype=np.float64).reshape(-1, 1)
    bonus = bonus / np.sqrt(np.where(bonus == 0.0, 1.0, (bonus / shaper.most) ** 2) + memory.counts)
    shaped = new.pay + phi[runs, new.state, new.action] + bonus[runs, new.then]
    gain = returns(np.where(new.alive, shaped, 0.0), world.gamma)
    step = shaper.policy_rate / (shaper.recent * len(new.pay))
    logits = memory.logits + step * _scores(new, np.where(new.alive, gain, 0.0), policy)
    counts = memory.counts + _added(new.then, new.alive.astype(np.float64), memory.counts.shape)
    return Memory(logits, phi, memory.values + _towards(buffer, gap, memory.values.shape), counts)


def _towards(buffer: Episodes, gap: Array, shape: tuple[int, ...]) -> Array:
    """What one step for each return seen from a state moves its value by, the returns at once."""
    count = _added(buffer.state, buffer.alive.astype(np.float64), shape)
    share = (1.0 - (1.0 - _VALUE_RATE) ** count) / np.maximum(count, 1.0)
    return share * _added(buffer.state, gap, shape)


def _latest(episodes: Episodes, number: int) -> Episodes:
    parts: list[Any] = [part[:, -number:] for part in episodes]
    return Episodes(*parts)


def _each(value: ArrayLike) -> Array:
    """A number for each run, beside a table (runs, x, a)."""
    return np.asarray(value, dtype=np.float64).reshape(-1, 1, 1)


def _scores(episodes: Episodes, weight: Array, policy: Array) -> Array:
    """The sum over steps of weight (e_a - pi(. | x)), (runs, x, a)."""
    actions = policy.shape[-1]
    cells = _added(episodes.state * actions + episodes.action, weight, (len(policy), policy[0].size))
    taken = cells.reshape(policy.shape)
    return np.asarray(taken - policy * taken.sum(axis=-1, keepdims=True))


def _added(cell: Cells, value: Array, shape: tuple[int, ...]) -> Array:
    """The sum of values (h, e, runs) in each numbered cell of a run, (runs, n)."""
    flat = cell + shape[1] * np.arange(shape[0])
    total = np.bincount(flat.ravel(), value.ravel(), minlength=shape[0] * shape[1])
    return np.asarray(total, dtype=np.float64).reshape(shape)
