"""Step scores: the formulas by loops, what whole outputs can earn, steps without a verdict, messages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from culpa import InputError
from culpa.signals import Group, apply, chain, clip_steps, delta_steps, weighted_sum

NAN = np.nan
scores = arrays(np.float64, (5, 2, 3), elements=st.one_of(st.floats(-1, 1), st.just(NAN)))


def slow_delta(steps):
    """The formula, on the list of an output's known scores."""
    last = len(steps) - 1
    return [0.0 if k == last else steps[k] if k == last - 1 else steps[k] - steps[k + 1] for k in range(last + 1)]


@given(scores)
def test_delta_is_the_difference_to_the_next_known_step(signal):
    value = apply(delta_steps(), signal)
    assert_array_equal(np.isnan(value), np.isnan(signal))
    for cell in np.ndindex(2, 3):
        steps, got = signal[(slice(None), *cell)], value[(slice(None), *cell)]
        known = ~np.isnan(steps)
        assert got[known] == pytest.approx(slow_delta(list(steps[known])), abs=1e-15)


@given(scores)
def test_what_follows_a_step_adds_up_to_its_score(signal):
    value = apply(delta_steps(), signal)
    to_go = np.nancumsum(value[::-1], axis=0)[::-1]
    later = np.cumsum(~np.isnan(signal[::-1]), axis=0)[::-1] > 1
    known = ~np.isnan(signal)
    assert to_go[known] == pytest.approx(np.where(later, signal, 0.0)[known], abs=1e-14)


@given(scores, st.floats(-1, 1))
def test_clip_cuts_off_above_eta(signal, eta):
    value = apply(clip_steps(eta), signal)
    for got, score in zip(value.ravel(), signal.ravel(), strict=True):
        assert np.isnan(score) if np.isnan(got) else got == min(score - eta, 0.0)


@given(scores)
def test_no_sequence_of_steps_earns_more_than_its_bound(signal):
    total = weighted_sum(missing="skip")
    assert not (apply(chain(clip_steps(), total), signal) > 0).any()
    assert not (apply(chain(clip_steps(0.3), delta_steps(), total), signal) > 1e-12).any()
    best = np.where(np.isnan(signal).all(axis=0), NAN, np.fmax.reduce(signal, axis=0))
    assert not (apply(chain(delta_steps(), total), signal) > np.maximum(best, 0.0) + 1e-12).any()


def test_a_sum_of_scores_grows_with_the_steps_and_these_do_not():
    for steps in (2, 5, 50):
        signal = np.full((steps, 1, 1), 0.75)
        assert apply(weighted_sum(), signal).item() == 0.75 * steps
        assert apply(chain(delta_steps(), weighted_sum()), signal).item() == 0.75
        assert apply(chain(clip_steps(0.8), weighted_sum()), signal).item() == pytest.approx(-0.05 * steps)
        assert apply(chain(clip_steps(), weighted_sum()), signal).item() == 0.0


def test_eta_is_the_mean_of_all_steps_of_the_batch_by_weight():
    signal = np.array([[[0.9, 0.1], [0.5, 0.7]], [[0.3, NAN], [0.2, NAN]]])
    weight = np.array([[0.25, 0.75], [1.0, 0.0]])
    mean = (0.25 * (0.9 + 0.3) + 0.75 * 0.1 + 1.0 * (0.5 + 0.2)) / (0.25 * 2 + 0.75 + 2.0)
    value = apply(clip_steps(), signal, Group(weight=weight, present=np.ones((2, 2), dtype=bool)))
    assert value == pytest.approx(np.minimum(signal - mean, 0.0), nan_ok=True)


def test_batches_on_leading_axes_have_means_of_their_own():
    signal = np.random.default_rng(0).normal(size=(4, 2, 3, 5))  # t, batches, p, s
    for eta in (None, 0.1):
        value = apply(clip_steps(eta), signal)
        for i in range(2):
            assert value[:, i] == pytest.approx(apply(clip_steps(eta), signal[:, i]))
    assert apply(clip_steps(), signal)[:, 0] == pytest.approx(np.minimum(signal[:, 0] - signal[:, 0].mean(), 0.0))


def test_a_lone_step_is_judged_by_the_outcome_alone():
    assert_array_equal(apply(delta_steps(), [[[0.9, NAN]]]), [[[0.0, NAN]]])


@pytest.mark.parametrize(("make", "name"), [(clip_steps, "clip_steps"), (delta_steps, "delta_steps")])
def test_a_signal_without_steps_is_refused(make, name):
    with pytest.raises(InputError) as error:
        apply(make(), [[0.5, 0.5]])
    expected = (
        f"{name} needs a signal of shape (t, ..., p, s), got (1, 2). Stack the scores of the steps on the first axis."
    )
    assert str(error.value) == expected


def test_eta_must_be_a_number():
    with pytest.raises(InputError) as error:
        clip_steps(NAN)
    assert str(error.value) == "eta must be a finite number, got nan. Without one it is the batch's mean."
