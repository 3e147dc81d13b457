"""Learners that shape their own reward: one update against a loop, and each part by itself."""

import numpy as np
import pytest
from tests.labs.mdp.random_world import random_world

from culpa.labs.mdp.explore import Memory, Shaper, drawn, explore, fresh, returns, update
from culpa.labs.mdp.gradient import policy_gradient, softmax
from culpa.labs.mdp.worlds import bandit, chain

SHAPER = Shaper(bonus=0.7, most=0.5, rate=0.2, bound=0.15, policy_rate=0.4, recent=2, buffer=3)


def memory_of(world, runs, seed=0):
    rng = np.random.default_rng(seed)
    table = (runs, *world.reward.shape)
    return Memory(
        rng.normal(size=table),
        0.1 * rng.normal(size=table),
        rng.normal(size=table[:2]),
        rng.integers(0, 9, table[:2]) * 1.0,
    )


@pytest.mark.parametrize("run", [0, 1])
def test_one_update_is_that_of_a_loop(run):
    world = random_world(4)
    memory = memory_of(world, 2)
    seen = drawn(world, memory.logits, 6, 3, np.random.default_rng(3))
    found = update(world, memory, seen, SHAPER)
    logits, phi, values, counts = (np.array(part[run]) for part in memory)
    policy, before = softmax(logits), np.array(counts)
    pull, push = np.zeros(phi.shape), np.zeros(phi.shape)
    visited = {}
    for e in range(3):
        steps = [h for h in range(6) if seen.alive[h, e, run]]
        for h in steps:
            x, a = seen.state[h, e, run], seen.action[h, e, run]
            true = sum(world.gamma ** (j - h) * seen.pay[j, e, run] for j in steps if j >= h)
            score = np.eye(world.actions)[a] - policy[x]
            pull[x] += policy[x, a] * (true - values[x]) * score
            visited.setdefault(x, []).append(true)
    phi = np.clip(phi + 0.2 * pull, -0.15, 0.15)
    for e in (1, 2):
        steps = [h for h in range(6) if seen.alive[h, e, run]]
        for h in steps:
            shaped = 0.0
            for j in (j for j in steps if j >= h):
                x, a, y = seen.state[j, e, run], seen.action[j, e, run], seen.then[j, e, run]
                bonus = 0.7 / np.sqrt((0.7 / 0.5) ** 2 + before[y])
                shaped += world.gamma ** (j - h) * (seen.pay[j, e, run] + phi[x, a] + bonus)
            x, a = seen.state[h, e, run], seen.action[h, e, run]
            push[x] += shaped * (np.eye(world.actions)[a] - policy[x])
            counts[seen.then[h, e, run]] += 1
    assert found.phi[run] == pytest.approx(phi)
    assert found.logits[run] == pytest.approx(logits + 0.4 * push / (2 * 6))
    assert found.counts[run] == pytest.approx(counts)
    for x in range(world.states):
        own = visited.get(x, [])
        expected = values[x] + (np.mean(own) - values[x]) * (1 - 0.99 ** len(own)) if own else values[x]
        assert found.values[run, x] == pytest.approx(expected)


def test_without_either_part_it_is_reinforce():
    world = bandit([1.0, 0.0, 3.0])
    memory = fresh(world, 400)
    plain = Shaper(bonus=0.0, rate=0.0, policy_rate=1.0, recent=50, buffer=50)
    found = update(world, memory, drawn(world, memory.logits, 1, 50, np.random.default_rng(0)), plain)
    assert found.logits.mean(axis=0) == pytest.approx(policy_gradient(world, np.zeros((2, 3))), abs=0.02)
    assert not found.phi.any()


def test_settings_may_differ_by_run():
    world, rng = chain(4), np.random.default_rng
    several = Shaper(bonus=np.array([0.0, 1.0]), rate=np.array([0.0, 0.3]), bound=np.array([1.0, 0.2]))
    memory = memory_of(world, 2)
    seen = drawn(world, memory.logits, 5, 6, rng(1))
    both = update(world, memory, seen, several)
    for i, one in enumerate((Shaper(bonus=0.0, rate=0.0, bound=1.0), Shaper(bonus=1.0, rate=0.3, bound=0.2))):
        alone = update(world, memory, seen, one)
        for part, whole in zip(alone, both, strict=True):
            assert whole[i] == pytest.approx(part[i])


def test_draws_follow_the_chances_and_stop_at_an_end():
    world = random_world(5)
    logits = np.random.default_rng(0).normal(size=(1, *world.reward.shape))
    seen = drawn(world, logits, 30, 3000, np.random.default_rng(1))
    first = seen.state[0, :, 0]
    assert np.bincount(first, minlength=5) / 3000 == pytest.approx(world.start, abs=0.03)
    here = seen.state[..., 0] == 1
    taken = np.bincount(seen.action[here, 0], minlength=3) / here.sum()
    assert taken == pytest.approx(softmax(logits)[0, 1], abs=0.05)
    assert (seen.state[1:] == seen.then[:-1]).all()
    assert (seen.alive == ~world.ends[seen.state]).all()
    assert (seen.pay == world.reward[seen.state, seen.action]).all()


def test_returns_add_up_from_behind():
    pay = np.random.default_rng(0).normal(size=(4, 3))
    expected = [sum(0.9 ** (j - h) * pay[j] for j in range(h, 4)) for h in range(4)]
    assert returns(pay, 0.9) == pytest.approx(np.array(expected))


def test_rounds_tell_the_true_return_of_their_own_episodes():
    world = chain(3, 0.9)
    memory, found = explore(world, SHAPER, 2, steps=6, rounds=4, rng=np.random.default_rng(0))
    again = explore(world, SHAPER, 2, steps=6, rounds=4, rng=np.random.default_rng(0))
    assert found.shape == (4, 2)
    assert found.tobytes() == again[1].tobytes()
    assert set(np.unique(found)) <= {0.0, 0.5, 1.0}
    assert memory.counts.sum() > 0
