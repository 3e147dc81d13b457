"""Balanced pairs: both halves are the gradient of success, exactly and on average over drawn groups."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from culpa import InputError
from culpa.signals import Group, apply, equal_group
from culpa.signals.pairs import balanced_pairs

NAN = np.nan
PI = np.array([0.3, 0.2, 0.1, 0.25, 0.15])
RIGHT = np.array([1.0, 1.0, 0.0, 0.0, 0.0])
EXACT = Group(weight=PI[None], present=np.ones((1, 5), dtype=bool), enumerated=True)


def gradient(advantage):
    return PI * (advantage - PI @ advantage)


@pytest.mark.parametrize("draw", [True, False])
def test_each_half_is_half_of_the_gradient_of_success(draw):
    value = apply(balanced_pairs(draw=draw), RIGHT[None], EXACT, rng=np.random.default_rng(0))[0]
    whole = gradient(RIGHT)
    for side in (RIGHT > 0, RIGHT == 0):
        assert gradient(np.where(side, value, 0.0)) == pytest.approx(0.5 * whole, abs=1e-15)


def test_unscaled_halves_stand_as_success_to_failure():
    value = apply(balanced_pairs(scaled=False, draw=False), RIGHT[None], EXACT)[0]
    up, down = (np.linalg.norm(gradient(np.where(side, value, 0.0))) for side in (RIGHT > 0, RIGHT == 0))
    assert down / up == pytest.approx(0.5 / 0.5)
    tilted = Group(weight=np.array([[0.9, 0.05, 0.05]]), present=np.ones((1, 3), dtype=bool), enumerated=True)
    bare = apply(balanced_pairs(scaled=False, draw=False), [[1.0, 1.0, 0.0]], tilted)[0]
    assert bare == pytest.approx([0.5 / 0.95, 0.5 / 0.95, -0.5 / 0.05])
    assert apply(balanced_pairs(draw=False), [[1.0, 1.0, 0.0]], tilted)[0] == pytest.approx([0.5, 0.5, -0.5])


def test_drawn_pairs_are_one_of_each_and_right_on_average():
    reward = np.tile([1.0, 1.0, 1.0, 0.0], (40_000, 1))
    value = apply(balanced_pairs(), reward, rng=np.random.default_rng(0))
    assert ((value > 0).sum(axis=1) == 1).all()
    assert ((value < 0).sum(axis=1) == 1).all()
    assert value.max(axis=1) == pytest.approx(4 * 0.75 / 2)
    assert value.min(axis=1) == pytest.approx(-4 * 0.25 / 2)
    assert value.mean(axis=0) == pytest.approx(apply(balanced_pairs(draw=False), reward[:1])[0], abs=0.02)


def test_only_prompts_with_both_count_and_missing_verdicts_leave():
    reward = [[1.0, 1.0, NAN], [0.0, 0.0, 0.0], [1.0, NAN, 0.0]]
    value = apply(balanced_pairs(draw=False), reward)
    assert_array_equal(value, [[0.0, 0.0, NAN], [0.0, 0.0, 0.0], [0.5, NAN, -0.5]])


def test_an_output_without_weight_gets_nothing():
    group = Group(weight=np.array([[0.5, 0.5, 0.0]]), present=np.ones((1, 3), dtype=bool))
    assert apply(balanced_pairs(draw=False), [[1.0, 0.0, 1.0]], group).tolist() == [[0.5, -0.5, 0.0]]
    assert apply(balanced_pairs(draw=False), [[1.0, 0.0, 0.0]], group).tolist() == [[0.5, -0.5, 0.0]]


def test_the_bar_of_correctness():
    assert apply(balanced_pairs(correct=0.1, draw=False), [[0.3, 0.1]]).tolist() == [[0.5, -0.5]]


def test_it_needs_a_generator_to_draw():
    with pytest.raises(InputError) as error:
        apply(balanced_pairs(), [[1.0, 0.0]], equal_group((1, 2)))
    assert str(error.value) == "balanced_pairs draws by chance and got no generator. Give rng=default_rng(seed)."
