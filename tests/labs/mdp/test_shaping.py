"""Potentials: what they leave unchanged for any world, policy and potential; what is found out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.labs.mdp.random_world import random_policy, random_world

from culpa.labs.mdp.gradient import policy_gradient
from culpa.labs.mdp.shaping import mean_pay, potential_of, potential_pay
from culpa.labs.mdp.values import advantages, state_values
from culpa.labs.mdp.worlds import chain


@given(st.integers(0, 10**6), st.booleans())
@settings(max_examples=25, deadline=None)
def test_any_potential_takes_itself_from_values_and_nothing_from_advantages(seed, end):
    world, rng = random_world(seed, end=end), np.random.default_rng(seed)
    phi, policy = rng.normal(size=world.states), random_policy(world, seed)
    shaped = world.reward + mean_pay(world, potential_pay(world, phi))
    held = np.where(world.ends, 0.0, phi)
    assert state_values(world, policy, shaped) == pytest.approx(state_values(world, policy) - held, abs=1e-9)
    assert advantages(world, policy, shaped) == pytest.approx(advantages(world, policy), abs=1e-9)
    logits = rng.normal(size=world.reward.shape)
    assert policy_gradient(world, logits, shaped) == pytest.approx(policy_gradient(world, logits), abs=1e-9)
    fit = potential_of(world, potential_pay(world, phi))
    assert fit.is_potential
    assert fit.potential == pytest.approx(held, abs=1e-6)


def test_a_potential_at_the_ends_is_found_out():
    world = random_world(3)
    phi = np.random.default_rng(0).normal(size=world.states)
    wrong = potential_pay(world, phi, at_ends=phi)
    policy = random_policy(world)
    off = advantages(world, policy, world.reward + mean_pay(world, wrong)) - advantages(world, policy)
    assert np.abs(off).max() > 1e-3
    fit = potential_of(world, wrong)
    assert not fit.is_potential
    assert fit.left > 1e-3


def test_a_bonus_is_no_potential():
    world = chain(5)
    bonus = np.zeros(world.transition.shape)
    bonus[:-1, :, 2] = 1.0
    assert not potential_of(world, bonus).is_potential
    assert potential_of(world, np.zeros(world.reward.shape)).left == 0.0


def test_only_steps_that_can_happen_count():
    world = chain(4)
    pay = potential_pay(world, np.arange(4.0))
    pay[0, 0, 3] = 99.0  # no step leads from 0 to 3
    assert potential_of(world, pay).is_potential
    pay[0, 1, 1] += 1e-3
    assert not potential_of(world, pay).is_potential


def test_leading_axes_are_a_loop():
    world = random_world()
    phi = np.random.default_rng(1).normal(size=(3, world.states))
    pay = potential_pay(world, phi)
    assert pay.shape == (3, *world.transition.shape)
    for i in range(3):
        assert pay[i] == pytest.approx(potential_pay(world, phi[i]))
        assert mean_pay(world, pay)[i] == pytest.approx(mean_pay(world, pay[i]))
    assert not pay[:, world.ends].any()
