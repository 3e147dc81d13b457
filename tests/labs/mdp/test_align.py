"""Two levels: where the learner rests, and the derivative of the true return there against differences."""

import numpy as np
import pytest
from tests.labs.mdp.random_world import random_world

from culpa.errors import InputError
from culpa.labs.mdp.align import Lower, align, blend, hypergradient, settle, single_cells
from culpa.labs.mdp.gradient import policy_gradient, softmax
from culpa.labs.mdp.values import expected_return
from culpa.labs.mdp.worlds import bandit


def lower(seed=0, decay=0.3):
    world = random_world(seed, states=4, actions=3)
    heuristic = np.random.default_rng(seed).normal(size=world.reward.shape)
    return Lower(world, np.stack([world.reward, heuristic]), decay)


def test_at_rest_the_gradient_is_what_draws_back():
    low, phi = lower(), np.array([1.0, 0.5])
    rest = settle(low, phi, np.zeros((4, 3)))
    pushed = policy_gradient(low.world, rest, low.parts[0] + 0.5 * low.parts[1])
    assert pushed == pytest.approx(0.3 * rest, abs=1e-9)


def test_two_arms_rest_where_their_equation_says():
    world = bandit([1.0, 0.0])
    rest = settle(Lower(world, world.reward[None], 0.05), [1.0], np.zeros((2, 2)))[0]
    chance = 1.0 / (1.0 + np.exp(rest[1] - rest[0]))
    assert chance * (1.0 - chance) == pytest.approx(0.05 * rest[0])
    assert rest.sum() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_slopes_are_those_of_differences(seed):
    low, phi, rng = lower(seed), np.array([1.0, -0.4]), np.random.default_rng(9)
    logits = rng.normal(size=(4, 3))
    move = rng.normal(size=(4, 3))
    ahead = low.step(logits + 1e-6 * move, phi) - low.step(logits - 1e-6 * move, phi)
    assert low.slope(logits, phi) @ move.ravel() == pytest.approx(ahead.ravel() / 2e-6, abs=1e-6)
    turn = np.array([0.7, -0.3])
    ahead = low.step(logits, phi + turn) - low.step(logits, phi)
    assert low.lean(logits) @ turn == pytest.approx(ahead.ravel(), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_hypergradient_is_the_slope_of_the_true_return(seed):
    low, phi = lower(seed), np.array([0.8, 0.6])
    rest = settle(low, phi, np.zeros((4, 3)))
    found = hypergradient(low, phi, rest)
    for k in range(2):
        ends = []
        for sign in (1, -1):
            there = settle(low, phi + sign * 1e-4 * np.eye(2)[k], rest)
            ends.append(float(expected_return(low.world, softmax(there))))
        assert found[k] == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-5, abs=1e-8)
    series = hypergradient(low, phi, rest, terms=400)
    assert series == pytest.approx(found, rel=1e-4, abs=1e-8)
    assert hypergradient(low, phi, rest, terms=3) != pytest.approx(found, rel=1e-4)


def test_a_wrong_heuristic_is_undone():
    world = bandit([1.0, 0.0, 0.0])
    low = Lower(world, np.stack([world.reward, [[0.0, 2.0, 0.0], [0.0, 0.0, 0.0]]]), 0.1)
    found = align(low, [1.0, 1.0], rate=1.0, steps=40)
    assert found.returns[0] < 0.3
    assert found.returns[-1] > 0.8
    assert found.phi[1] < 0.5 < found.phi[0]
    assert len(found.returns) == 41
    assert align(low, [1.0, 1.0], rate=0.0, steps=1).returns == pytest.approx([found.returns[0]] * 2)


def test_single_cells_make_any_reward():
    world = bandit([1.0, 3.0])
    assert blend(world.reward.ravel(), single_cells(world)) == pytest.approx(world.reward)


def test_what_does_not_settle_is_told():
    with pytest.raises(InputError) as error:
        settle(lower(decay=1e-6), [1.0, 1.0], np.zeros((4, 3)), rounds=5)
    assert str(error.value) == "the learner did not settle in 5 rounds. Give a larger decay or a smaller rate."
    with pytest.raises(InputError, match="phi must have shape"):
        blend([1.0], lower().parts)
