"""The expected advantage of a level, against groups counted one by one."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from culpa.advice.groups import exact, level_advantage
from culpa.dynamics.learner import grpo, reinforce, rloo
from culpa.dynamics.scale import binary_scale

LEVELS = np.array([0.0, 0.3, 1.0])
MASS = np.array([0.7, 0.2, 0.1])


def counted(levels, mass, group, *, sample_std=False, eps=0.0):
    """Every ordered group of outputs with its chance: the mean advantage of its first output, by level."""
    total, chance = np.zeros(len(levels)), np.zeros(len(levels))
    for places in product(range(len(levels)), repeat=group):
        weight = np.prod(mass[list(places)])
        rewards = levels[list(places)]
        spread = rewards.std(ddof=int(sample_std))
        gap = rewards[0] - rewards.mean()
        total[places[0]] += weight * (gap / (spread + eps) if len(set(places)) > 1 else 0.0)
        chance[places[0]] += weight
    return total / chance


@pytest.mark.parametrize("options", [{}, {"sample_std": True}, {"eps": 0.1}, {"sample_std": True, "eps": 0.02}])
@pytest.mark.parametrize("group", [2, 3, 5])
def test_groups_counted_one_by_one(group, options):
    found = level_advantage(LEVELS, grpo(group, **options))(MASS)
    np.testing.assert_allclose(found, counted(LEVELS, MASS, group, **options), atol=1e-12)


@pytest.mark.parametrize("path", [grpo(2), grpo(8), grpo(5, eps=0.3), grpo(7, sample_std=True)], ids=str)
def test_two_levels_are_the_scale_of_the_dynamics(path):
    success = np.array([0.0, 1e-3, 0.3, 0.5, 0.98])
    found = level_advantage(np.array([0.0, 1.0]), path)(np.stack([1 - success, success], axis=1))
    np.testing.assert_allclose(found[:, 1] - found[:, 0], binary_scale(success, path), rtol=1e-10)


@pytest.mark.parametrize("path", [reinforce(), rloo(4)], ids=str)
def test_without_division_it_is_the_reward_less_its_mean(path):
    assert level_advantage(LEVELS, path)(MASS).tolist() == pytest.approx((LEVELS - MASS @ LEVELS).tolist())


masses = st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3).filter(lambda row: sum(row) > 0.1)


@settings(max_examples=40, deadline=None)
@given(
    row=masses,
    path=st.sampled_from([reinforce(), grpo(4), grpo(6, eps=0.1), grpo(4).in_the_limit()]),
    most=st.sampled_from([0, 2500]),
)
def test_advantages_have_mean_zero(row, path, most):
    mass = np.array(row) / sum(row)
    found = level_advantage(LEVELS, path, most=most)(mass)
    assert float(mass @ found) == pytest.approx(0.0, abs=1e-9)


def test_an_affine_change_of_the_credit_changes_nothing():
    found = [level_advantage(levels, grpo(6))(MASS) for levels in (LEVELS, 7.0 + 3.0 * LEVELS)]
    np.testing.assert_allclose(*found, atol=1e-10)


def test_large_groups_come_to_their_limit():
    far = level_advantage(LEVELS, grpo(60))(MASS)
    limit = level_advantage(LEVELS, grpo(60).in_the_limit())(MASS)
    np.testing.assert_allclose(far, limit, atol=0.1)
    assert np.abs(far - limit).max() > 1e-4  # and are not in it
    spread = np.sqrt(MASS @ LEVELS**2 - (MASS @ LEVELS) ** 2)
    np.testing.assert_allclose(limit, (LEVELS - MASS @ LEVELS) / spread)


@pytest.mark.parametrize("sample_std", [False, True])
def test_in_the_limit_a_rare_level_is_as_far_as_a_group_can_show_it(sample_std):
    group, rare = 10, np.array([1 - 2e-8, 1e-8, 1e-8])
    path = grpo(group, sample_std=sample_std)
    near = level_advantage(LEVELS, path, most=0)(rare)
    np.testing.assert_allclose(near, level_advantage(LEVELS, path)(rare), atol=1e-3)


def test_in_the_limit_something_is_added_to_the_spread():
    spread = np.sqrt(MASS @ LEVELS**2 - (MASS @ LEVELS) ** 2)
    found = level_advantage(LEVELS, grpo(60, eps=0.2).in_the_limit())(MASS)
    np.testing.assert_allclose(found, (LEVELS - MASS @ LEVELS) / (spread + 0.2))


def test_which_groups_can_be_counted_through():
    assert exact(3, grpo(64))
    assert not exact(4, grpo(64))
    assert exact(99, reinforce())
    assert exact(3, grpo(4), most=10)  # three others on three levels fall in ten ways
    assert not exact(3, grpo(4), most=9)
    assert not exact(2, grpo(8).in_the_limit())


def test_a_group_of_equals_gives_nothing():
    assert level_advantage(np.array([0.1]), grpo(8))(np.ones((2, 1))).tolist() == [[0.0], [0.0]]
    assert level_advantage(np.array([0.1]), grpo(8).in_the_limit())(np.ones((1, 1))).tolist() == [[0.0]]
