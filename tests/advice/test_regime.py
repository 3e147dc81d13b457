"""The boundaries, against differences of the dynamics' own walks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.advice.worlds import BOTH, product

from culpa.advice.course import Run, World, walk_credit
from culpa.advice.credit import Credit
from culpa.advice.regime import boundary, early_gain, levers
from culpa.dynamics import Columns, reinforce
from culpa.dynamics.walk import walk

INSTANT = 1e-5


def risen(mass, reward, value):
    """The rise of a value's mean in a very short step, per unit of its size."""
    start = np.log(mass)[:, None]
    end = np.exp(walk(Columns(start, start, np.asarray(reward)[:, None]), reinforce(), steps=1, eta=INSTANT))[:, 0]
    return float((end - mass) @ value / INSTANT)


def parts(count):
    return st.lists(st.floats(0.01, 1.0), min_size=count, max_size=count).map(lambda row: np.array(row) / sum(row))


@settings(max_examples=60, deadline=None)
@given(mass=parts(3), credit=st.floats(0.05, 0.95))
def test_three_outputs_gain_where_the_boundary_says(mass, credit):
    r, q, p = mass
    success = np.array([0.0, 0.0, 1.0])
    difference = risen(mass, [0.0, credit, 1.0], success) - risen(mass, success, success)
    law = credit * p * q * (r**2 - q * (1 - q) - p * (1 - p))
    assert difference == pytest.approx(law, abs=1e-4)
    assert law == pytest.approx(credit * p * q * float(boundary(p, q)), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(mass=parts(4), credit=parts(4), success=parts(4))
def test_the_early_gain_of_any_patterns_is_the_difference_of_two_walks(mass, credit, success):
    difference = risen(mass, credit, success) - risen(mass, success, success)
    assert float(early_gain(mass, credit, success)) == pytest.approx(difference, abs=1e-4)


def test_for_rare_success_the_boundary_is_at_half():
    assert boundary(1e-9, 0.499) > 0 > boundary(1e-9, 0.501)


@settings(max_examples=40, deadline=None)
@given(mass=parts(4))
def test_levers_are_ratios_of_the_first_steps_of_skills(mass):
    bits = BOTH.astype(float)
    world = World(np.log(mass)[None, None], np.ones((1, 1)), None, bits.prod(axis=1), bits)
    run = Run(reinforce(), INSTANT, 1)

    def learnt(reward):
        """How far each weight moves: log odds of the patterns with one check against that with none."""
        push = mass * (reward - mass @ reward)
        return push @ bits

    found = levers(mass, BOTH)
    np.testing.assert_allclose(found, learnt(bits.mean(axis=1)) / learnt(bits.prod(axis=1)), rtol=1e-8)
    end = walk_credit(world, Credit("partial", bits.mean(axis=1)), run).success[-1, 0]
    push = learnt(bits.mean(axis=1))
    centred = bits - mass @ bits
    rise = (mass * bits.prod(axis=1)) @ (centred @ push)
    assert (end - mass[-1]) / INSTANT == pytest.approx(rise, abs=1e-4)


def test_independent_levers_are_one_over_the_others_rates():
    np.testing.assert_allclose(levers(product(0.9, 0.02), BOTH), [1 / (2 * 0.02), 1 / (2 * 0.9)])


def test_no_lever_where_nothing_succeeds_or_a_check_always_passes():
    assert np.isnan(levers(np.array([0.5, 0.25, 0.25, 0.0]), BOTH)).all()
    assert np.isnan(levers(np.array([0.0, 0.6, 0.0, 0.4]), BOTH)).tolist() == [True, False]
