"""The exact policy gradient against differences of the exact return."""

import numpy as np
import pytest
from tests.labs.mdp.random_world import random_world

from culpa.labs.mdp.gradient import ascend, policy_gradient, softmax
from culpa.labs.mdp.values import expected_return


@pytest.mark.parametrize("end", [True, False])
def test_it_is_the_slope_of_the_return(end):
    world = random_world(2, end=end)
    logits = np.random.default_rng(0).normal(size=world.reward.shape)
    found = policy_gradient(world, logits)
    for cell in np.ndindex(*logits.shape):
        move = np.zeros(logits.shape)
        move[cell] = 1e-5
        ends = [float(expected_return(world, softmax(logits + sign * move))) for sign in (1, -1)]
        assert found[cell] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-8)
    assert found.sum(axis=1) == pytest.approx(np.zeros(world.states), abs=1e-12)


def test_a_large_logit_is_no_overflow():
    assert softmax([1000.0, 1000.0, 0.0]).tolist() == [0.5, 0.5, 0.0]


def test_a_walk_is_so_many_steps():
    world, rate = random_world(1), 0.3
    slow = np.zeros(world.reward.shape)
    for _ in range(5):
        slow = slow + rate * policy_gradient(world, slow, 2 * world.reward)
    assert ascend(world, np.zeros(slow.shape), rate, 5, reward=2 * world.reward) == pytest.approx(slow)


def test_who_watches_sees_every_place_and_may_stop():
    world, seen = random_world(1), []

    def watch(step, logits):
        seen.append((step, logits.copy()))
        return step == 3

    stopped = ascend(world, np.zeros(world.reward.shape), 0.3, 10, watch=watch)
    assert [step for step, _ in seen] == [0, 1, 2, 3]
    assert stopped == pytest.approx(seen[-1][1])
    assert stopped == pytest.approx(ascend(world, np.zeros(world.reward.shape), 0.3, 3))
    seen.clear()
    ascend(world, np.zeros(world.reward.shape), 0.3, 2, watch=lambda step, _: seen.append(step))
    assert seen == [0, 1, 2]
