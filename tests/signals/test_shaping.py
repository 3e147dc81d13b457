"""Shaped steps: sums that telescope, whatever was done in between; differences of joint scores."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from culpa.errors import InputError
from culpa.signals import apply, center, chain, equal_group, weighted_sum
from culpa.signals.shaping import difference_rewards, look_back, potential

NAN = np.nan


def outputs(seed, shape=(6, 2, 4)):
    """Steps of outputs of different lengths, one at least, and a potential beside them."""
    rng = np.random.default_rng(seed)
    length = rng.integers(1, shape[0] + 1, size=shape[1:])
    signal = np.where(np.arange(shape[0])[:, None, None] < length, rng.normal(size=shape), NAN)
    return signal, rng.normal(size=shape), length


def discounted(signal, gamma):
    return np.nansum(gamma ** np.arange(len(signal))[:, None, None] * signal, axis=0)


@given(st.integers(0, 10**6), st.sampled_from([1.0, 0.9, 0.3]))
@settings(max_examples=40, deadline=None)
def test_what_a_potential_adds_telescopes(seed, gamma):
    signal, phi, length = outputs(seed)
    final = np.random.default_rng(seed).normal(size=length.shape)
    value = apply(potential(phi, gamma, final=final), signal)
    gained = discounted(value, gamma) - discounted(signal, gamma)
    assert gained == pytest.approx(gamma**length * final - phi[0])
    assert_array_equal(np.isnan(value), np.isnan(signal))


@given(st.integers(0, 10**6), st.sampled_from([1.0, 0.9, 0.3]))
@settings(max_examples=40, deadline=None)
def test_what_look_back_adds_is_the_last_advice(seed, gamma):
    signal, phi, length = outputs(seed)
    gained = discounted(apply(look_back(phi, gamma), signal), gamma) - discounted(signal, gamma)
    last = np.take_along_axis(phi, length[None] - 1, axis=0)[0]
    assert gained == pytest.approx(gamma ** (length - 1) * last)


def test_steps_are_those_of_the_formula():
    signal, phi = np.array([[[1.0]], [[2.0]], [[NAN]]]), np.array([[[3.0]], [[5.0]], [[9.0]]])
    assert apply(potential(phi, 0.5), signal).ravel()[:2].tolist() == [1 + 0.5 * 5 - 3, 2 - 5]
    assert apply(potential(phi, 0.5, final=4.0), signal).ravel()[1] == 2 + 0.5 * 4 - 5
    assert apply(look_back(phi, 0.5), signal).ravel()[:2].tolist() == [1 + 3, 2 + 5 - 6]


def test_a_missing_step_is_as_if_it_were_not_there():
    phi, signal = outputs(1, (4, 1, 1))[1], np.arange(4.0)[:, None, None]
    holed = signal.copy()
    holed[1] = NAN
    left = [0, 2, 3]
    for make in (potential, look_back):
        value = apply(make(phi, 0.9), holed)
        assert np.isnan(value[1]).all()
        assert value[left] == pytest.approx(apply(make(phi[left], 0.9), signal[left]))


def test_centred_outputs_of_a_prompt_do_not_see_a_potential():
    signal, phi, _ = outputs(2)
    phi[0] = phi[0, :, :1]
    step = chain(weighted_sum(missing="skip"), center())
    assert apply(chain(potential(phi), step), signal) == pytest.approx(apply(step, signal))
    assert apply(chain(potential(phi, final=phi[-1]), step), signal) != pytest.approx(apply(step, signal))


def test_an_unknown_potential_is_no_verdict():
    signal, phi = np.zeros((3, 1, 1)), np.array([1.0, NAN, 2.0]).reshape(3, 1, 1)
    assert np.isnan(apply(potential(phi), signal).ravel()).tolist() == [True, True, False]


def test_it_may_be_read_off_the_group():
    signal, phi, _ = outputs(3)
    group = replace(equal_group(signal.shape[1:]), tokens=phi)
    read = apply(potential(lambda seen: seen.tokens, final=lambda seen: seen.tokens[-1]), signal, group)
    assert_array_equal(read, apply(potential(phi, final=phi[-1]), signal, group))


def test_leading_axes_share_what_is_beside_them():
    signal, phi, _ = outputs(4)
    many = np.stack([signal, 2 * signal, signal + 1], axis=1)
    for make in (potential, look_back):
        value = apply(make(phi, 0.9), many)
        for i in range(3):
            assert value[:, i] == pytest.approx(apply(make(phi, 0.9), many[:, i]), nan_ok=True)


def test_a_difference_reward_is_the_member_s_own_part():
    team = np.random.default_rng(0).normal(size=(5, 3))
    linear = difference_rewards(lambda z: z @ [1.0, 2.0, 3.0], team, default=[0.5, 0.0, 1.0])
    assert linear == pytest.approx((team - [0.5, 0.0, 1.0]) * [1, 2, 3])
    joint = difference_rewards(lambda z: np.prod(z, axis=-1) + z[..., 1] ** 2, team)
    assert joint[:, 0] == pytest.approx(team.prod(axis=1))
    assert joint[:, 1] == pytest.approx(team.prod(axis=1) + team[:, 1] ** 2)


SIGNAL = np.zeros((2, 1, 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: apply(potential(SIGNAL), [[0.5]]),
         "potential needs a signal of shape (t, ..., p, s), got (1, 1). Stack the pay of the steps on the first axis."),
        (lambda: apply(look_back(SIGNAL), [[0.5]]),
         "look_back needs a signal of shape (t, ..., p, s), got (1, 1). Stack the pay of the steps on the first axis."),
        (lambda: apply(potential(np.zeros((3, 1, 1))), SIGNAL),
         "phi has shape (3, 1, 1) beside a signal of shape (2, 1, 1). Give (t, p, s): one value for every step."),
        (lambda: apply(potential([1.0, 2.0]), SIGNAL),
         "phi has shape (2,) beside a signal of shape (2, 1, 1). Give (t, p, s): one value for every step."),
        (lambda: potential(SIGNAL, 1.5), "gamma must be from 0 to 1, got 1.5. 1 for outputs of a language model."),
        (lambda: look_back(SIGNAL, 0.0), "look_back divides by gamma, got 0. Give gamma above 0."),
        (lambda: difference_rewards(np.sum, 1.0),
         "team must have shape (..., i), got (). The members stand on the last axis."),
    ],
    ids=["steps", "look back", "shape", "axes", "gamma", "zero", "team"],
)  # fmt: skip
def test_what_cannot_be_shaped_is_told(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value) == message
