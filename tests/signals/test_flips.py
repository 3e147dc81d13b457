"""Turned verdicts, what they do to advantages on average, and low scores raised by another reward."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from culpa import InputError
from culpa.signals import apply, center, chain, divide_std
from culpa.signals.calibrate import calibrate_low
from culpa.signals.draws import drawn
from culpa.signals.flips import flip

NAN = np.nan
GRPO = chain(center(), divide_std())
REWARD = np.random.default_rng(0).integers(0, 2, (5, 8)).astype(float)


def turned(p, level, reward, seed=0):
    return apply(flip(p, level), reward, rng=np.random.default_rng(seed)) != reward


def test_a_group_is_turned_as_one_and_samples_one_by_one():
    reward = np.random.default_rng(1).random((4_000, 8))
    group, sample = turned(0.3, "group", reward), turned(0.3, "sample", reward)
    assert (group.all(axis=1) | ~group.any(axis=1)).all()
    assert group[:, 0].mean() == pytest.approx(0.3, abs=0.03)
    assert sample.mean() == pytest.approx(0.3, abs=0.01)
    assert (sample.any(axis=1) & ~sample.all(axis=1)).mean() > 0.9


def test_turned_is_one_minus():
    reward = np.array([[0.25, 1.0, NAN]])
    assert_array_equal(apply(flip(1.0), reward), [[0.75, 0.0, NAN]])
    assert_array_equal(apply(flip(0.0), reward), reward)


@pytest.mark.parametrize("p", [0.1, 0.4, 0.5, 0.8])
def test_the_mean_advantage_under_turned_groups_is_exact(p):
    clean = apply(GRPO, REWARD)
    mean = (1 - p) * clean + p * apply(chain(flip(1.0), GRPO), REWARD)
    assert mean == pytest.approx((1 - 2 * p) * clean, abs=1e-15)


def test_drawn_flips_have_that_mean_and_sample_flips_do_not():
    reward, p = np.array([1.0, 0.0, 0.0, 0.0]), 0.2
    many = np.tile(reward, (40_000, 1))
    every = np.array(list(product([0.0, 1.0], repeat=4)))
    chance = np.prod(np.where(every == reward, 1 - p, p), axis=1)
    clean = apply(GRPO, reward[None])[0]

    def mean(level, advantage):
        return apply(chain(flip(p, level), advantage), many, rng=np.random.default_rng(0)).mean(axis=0)

    assert mean("group", GRPO) == pytest.approx((1 - 2 * p) * clean, abs=0.02)
    assert mean("sample", center()) == pytest.approx((1 - 2 * p) * apply(center(), reward[None])[0], abs=0.02)
    exact = chance @ apply(GRPO, every)
    assert mean("sample", GRPO) == pytest.approx(exact, abs=0.02)
    assert abs(exact[0] - (1 - 2 * p) * clean[0]) > 0.04


def test_calls_differ_and_states_repeat():
    step = flip(0.5)
    state = step.init(REWARD.shape, np.random.default_rng(0))
    many = np.ones((64, 2))
    first, after = step.apply(many, None, state)
    second, _ = step.apply(many, None, after)
    assert not np.array_equal(first, second)
    assert_array_equal(first, step.apply(many, None, state)[0])
    other = step.init(REWARD.shape, np.random.default_rng(1))
    assert not np.array_equal(first, step.apply(many, None, other)[0])
    assert after[1] == 1


def test_leading_axes_are_turned_one_by_one():
    assert 0.2 < turned(0.5, "group", np.ones((50, 50, 2)))[..., 0].mean(axis=1).std() / 0.5 * 3.5 < 1


def test_low_scores_are_raised_and_high_ones_left():
    score = np.array([[0.2, 0.49, 0.5, 0.9, NAN, 0.3]])
    other = np.array([[1.0, 0.5, 1.0, 1.0, 1.0, NAN]])
    value = apply(calibrate_low(other), score)
    assert value[0] == pytest.approx([0.3, 0.54, 0.5, 0.9, NAN, 0.3], nan_ok=True)


def test_calibration_ends_at_one_and_knows_its_settings():
    assert apply(calibrate_low(10.0), [[0.2]]).tolist() == [[1.0]]
    assert apply(calibrate_low(0.5, tau=0.3, alpha=0.4), [[0.25, 0.4]]).tolist() == [[0.45, 0.4]]


MESSAGES = [
    (lambda: flip(1.5), "p must be within 0 and 1, got 1.5. It is the chance of a wrong verdict."),
    (lambda: flip(0.5, "prompt"), "level must be one of group, sample, got 'prompt'. See flip."),
    (
        lambda: apply(flip(0.5), [[1.0]]),
        "flip draws by chance and got no generator. Give rng=default_rng(seed).",
    ),
    (
        lambda: apply(drawn(lambda signal, _group, _rng: signal, "noise"), [[1.0]]),
        "noise draws by chance and got no generator. Give rng=default_rng(seed).",
    ),
    (
        lambda: calibrate_low(1.0, tau=NAN),
        "tau and alpha must be finite numbers, got nan and 0.1. The paper: .5 and .1.",
    ),
    (
        lambda: apply(calibrate_low(np.ones((1, 3))), [[1.0, 0.0]]),
        "auxiliary has shape (1, 3), the signal (1, 2). Give a number for each output, or one for all.",
    ),
]


@pytest.mark.parametrize("at", range(len(MESSAGES)))
def test_messages(at):
    act, text = MESSAGES[at]
    with pytest.raises(InputError) as error:
        act()
    assert str(error.value) == text
