"""Q-learning against a loop, its draws against the world's chances, and what it finds."""

import numpy as np
import pytest
from tests.labs.mdp.random_world import random_world

from culpa.errors import InputError
from culpa.labs.mdp.learn import Habits, paid, q_learning
from culpa.labs.mdp.values import optimal
from culpa.labs.mdp.worlds import chain


def test_one_run_is_that_of_a_loop():
    world, habits = random_world(1), Habits(explore=0.3, rate=0.2, cap=7)
    pay = np.random.default_rng(5).normal(size=(1, *world.transition.shape))
    found = q_learning(world, pay, 6, np.random.default_rng(0), habits)
    rng, value, length = np.random.default_rng(0), np.zeros(world.reward.shape), []
    for _ in range(6):
        x, count = int((rng.random(1) > np.cumsum(world.start)[:-1]).sum()), 0
        for _ in range(7):
            if world.ends[x]:
                break
            draw = rng.random((1, 3))[0]
            free = rng.random(1)[0] < 0.3
            ranked = draw if free else np.where(value[x] == value[x].max(), draw, -1.0)
            a = int(ranked.argmax())
            y = int((rng.random(1) > np.cumsum(world.transition[x, a])[:-1]).sum())
            value[x, a] += 0.2 * (pay[0, x, a, y] + world.gamma * value[y].max() - value[x, a])
            x, count = y, count + 1
        length.append(count)
    assert found.values[0, -1] == pytest.approx(value)
    assert found.length[0].tolist() == length
    assert found.after.tolist() == [1, 2, 3, 4, 5, 6]


def test_it_comes_to_the_optimal_values():
    world = chain(5, 0.9)
    found = q_learning(world, paid(world)[None], 300, np.random.default_rng(0), Habits(explore=0.5, rate=0.5))
    assert found.values[0, -1] == pytest.approx(optimal(world), abs=1e-3)


def test_an_end_is_worth_nothing_and_a_cut_is_no_end():
    world = chain(3, 0.9)
    habits = Habits(explore=1.0, rate=1.0, cap=1)
    found = q_learning(world, np.ones((1, 3, 2, 3)), 50, np.random.default_rng(0), habits)
    assert found.values[0, -1, 0, 0] > 1.5  # the step back to itself goes on being worth more
    assert not found.values[0, -1, 2].any()
    assert (found.length == 1).all()


def test_runs_differ_and_seeds_repeat():
    world = chain(8)
    pay = np.repeat(paid(world)[None], 3, axis=0)
    one, other = (q_learning(world, pay, 20, np.random.default_rng(4), Habits(every=5)) for _ in range(2))
    assert one.values.tobytes() == other.values.tobytes()
    assert one.values.shape == (3, 4, 8, 2)
    assert one.after.tolist() == [5, 10, 15, 20]
    assert len({tuple(row) for row in one.length.tolist()}) == 3


def test_pay_by_action_is_pay_wherever_it_leads():
    world = random_world(2)
    table = paid(world, 2 * world.reward)
    assert table.shape == world.transition.shape
    assert (table == 2 * world.reward[..., None]).all()
    assert paid(world, table) == pytest.approx(table)
    assert paid(world, np.stack([table, table])).shape == (2, *table.shape)


def test_pay_of_another_shape_is_refused():
    with pytest.raises(InputError) as error:
        paid(chain(3), np.zeros((3, 3)))
    assert str(error.value) == (
        "reward must have shape (..., x, a) or (..., x, a, x), got (3, 3). This world has 3 states and 2 actions."
    )
