"""Bounded rewards: loops over references, what leaves them as they are, states over batches, messages."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from culpa import InputError
from culpa.signals import Group, apply, clip_running, equal_group, minmax_running, par, squash
from culpa.signals.running import normalise_running

NAN = np.nan
RNG = np.random.default_rng(0)
SIGNAL = RNG.normal(size=(3, 4))
REFERENCES = RNG.normal(size=(3, 5))
REFERENCES[1, 2:] = NAN


def sigma(x):
    return 1 / (1 + math.exp(-x))


CURVES = {
    "sigmoid": sigma,
    "log_sigmoid": lambda x: math.log(sigma(x)),
    "tanh": math.tanh,
    "arctan": math.atan,
    "identity": float,
}


def slow(function):
    """The mean of a function of signal and reference over the references of each prompt."""
    result = np.empty(SIGNAL.shape)
    for p, row in enumerate(SIGNAL):
        held = [r for r in REFERENCES[p] if not np.isnan(r)]
        for s, x in enumerate(row):
            result[p, s] = sum(function(x, r) for r in held) / len(held)
    return result


@pytest.mark.parametrize(("k", "shift"), [(1.0, 0.0), (2.5, 0.0), (1.0, 3.0), (2.0, -1.0)])
def test_par_is_the_mean_chance_of_winning(k, shift):
    value = apply(par(REFERENCES, k=k, shift=shift), SIGNAL)
    assert value == pytest.approx(slow(lambda x, r: sigma(k * (x - shift - r))), rel=1e-12)


@pytest.mark.parametrize("curve", CURVES)
def test_a_rival_is_the_mean_of_its_curve_over_references(curve):
    value = apply(squash(curve, reference=REFERENCES), SIGNAL)
    assert value == pytest.approx(slow(lambda x, r: CURVES[curve](x - r)), rel=1e-12)


@pytest.mark.parametrize("curve", CURVES)
def test_with_a_quantile_it_is_the_curve_from_there(curve):
    value = apply(squash(curve, reference=REFERENCES, quantile=0.85), SIGNAL)
    for p, row in enumerate(SIGNAL):
        held = np.array([r for r in REFERENCES[p] if not np.isnan(r)])
        at = held.mean() + 1.0364333894937898 * held.std()
        assert value[p] == pytest.approx([CURVES[curve](x - at) for x in row], rel=1e-10)


def test_par_with_its_usual_numbers_is_the_sigmoid_from_references():
    assert_array_equal(apply(par(REFERENCES), SIGNAL), apply(squash(reference=REFERENCES), SIGNAL))


def test_the_bare_curve_and_one_number_for_all_prompts():
    assert apply(squash("tanh"), SIGNAL) == pytest.approx(np.tanh(SIGNAL), rel=1e-14)
    assert_array_equal(apply(par(0.5), SIGNAL), apply(par(np.full((3, 1), 0.5)), SIGNAL))


@given(st.floats(-1e3, 1e3))
def test_a_constant_on_scores_and_references_of_a_prompt_changes_nothing(level):
    move = np.array([[level], [-2 * level], [0.0]])
    assert apply(par(REFERENCES + move), SIGNAL + move) == pytest.approx(apply(par(REFERENCES), SIGNAL), abs=1e-10)


def test_it_keeps_the_order_and_stays_within_bounds():
    signal = np.sort(RNG.normal(0, 5, size=(3, 50)), axis=-1)
    value = apply(par(REFERENCES), signal)
    assert (np.diff(value) > 0).all()
    assert ((value > 0) & (value < 1)).all()


def test_far_away_scores_neither_overflow_nor_vanish():
    assert apply(par(0.0), [[1e6, -1e6, -40.0]]).tolist() == [[1.0, 0.0, pytest.approx(math.exp(-40), rel=1e-12)]]
    far = apply(squash("log_sigmoid"), [[-1e6, 1e6]])
    assert far.tolist() == [[-1e6, 0.0]]


def test_a_prompt_without_references_has_no_verdict():
    held = np.array([[0.0], [NAN]])
    for step in (par(held), squash("tanh", reference=held), squash("tanh", reference=held, quantile=0.85)):
        assert np.isnan(apply(step, [[1.0, NAN], [1.0, 1.0]])).tolist() == [[False, True], [True, True]]


def test_leading_axes_share_the_references():
    many = RNG.normal(size=(2, 3, 4))
    value = apply(par(REFERENCES), many)
    assert_array_equal(value, np.stack([apply(par(REFERENCES), one) for one in many]))


def batches(step, *signals):
    group = equal_group(signals[0].shape)
    state, value = step.init(signals[0].shape, None), None
    for signal in signals:
        value, state = step.apply(signal, group, state)
    return value, state


def test_bounds_move_with_the_data():
    first, second = RNG.normal(size=(2, 3)), RNG.normal(3, 4, size=(2, 3))
    seen = np.concatenate([first, second])
    for width in (0.5, 1.0, 2.0):
        value, _ = batches(clip_running(width), first, second)
        expected = np.clip(second, seen.mean() - width * seen.std(), seen.mean() + width * seen.std())
        assert value == pytest.approx(expected)


def test_cut_off_is_standardised_cut_off():
    value, state = batches(clip_running(0.7), SIGNAL)
    standard, _ = batches(normalise_running(), SIGNAL)
    spread = np.sqrt(state.squares / state.mass)
    assert value == pytest.approx(state.mean + spread * np.clip(standard, -0.7, 0.7))


def test_the_range_is_that_of_all_batches():
    value, _ = batches(minmax_running(), np.array([[0.0, 8.0]]), np.array([[2.0, 6.0]]))
    assert value.tolist() == [[0.25, 0.75]]
    value, _ = batches(minmax_running(), np.array([[2.0, 6.0]]), np.array([[0.0, NAN]]), np.array([[3.0, 8.0]]))
    assert value.tolist() == [[0.375, 1.0]]


def test_before_any_verdict_there_is_no_range_and_no_bound():
    none = np.array([[NAN, NAN]])
    assert np.isnan(batches(minmax_running(), none)[0]).all()
    assert batches(minmax_running(), none, np.array([[1.0, 3.0]]))[0].tolist() == [[0.0, 1.0]]
    offline = Group(weight=np.zeros((1, 2)), present=np.ones((1, 2), dtype=bool))
    assert np.isnan(apply(minmax_running(), [[1.0, 3.0]], offline)).all()
    assert np.isnan(apply(clip_running(), [[1.0, 3.0]], offline)).all()


def test_an_offline_output_does_not_widen_the_range():
    group = Group(weight=np.array([[0.5, 0.5, 0.0]]), present=np.ones((1, 3), dtype=bool))
    assert apply(minmax_running(), [[1.0, 3.0, 5.0]], group).tolist() == [[0.0, 1.0, 2.0]]


MESSAGES = [
    (lambda: par(0.0, k=0.0), "par needs a positive k and a finite shift, got 0.0 and 0.0. PAR has 1 and 0."),
    (lambda: par(0.0, shift=math.inf), "par needs a positive k and a finite shift, got 1.0 and inf. PAR has 1 and 0."),
    (
        lambda: squash("relu"),
        "curve must be one of sigmoid, log_sigmoid, tanh, arctan, identity, got 'relu'. See squash.",
    ),
    (lambda: squash(quantile=1.0), "quantile must be between 0 and 1, got 1.0. LSC has .85."),
    (lambda: clip_running(-1.0), "width must be zero or more, got -1.0. In standard deviations."),
    (
        lambda: par(np.zeros(3)),
        "reference has shape (3,), which is neither a number nor (p, m). "
        "Give a row of reference scores for each prompt, or one number for all.",
    ),
    (lambda: par(NAN), "reference holds no score. Score outputs of the reference policy first."),
    (
        lambda: apply(par(np.zeros((2, 3))), SIGNAL),
        "reference has 2 prompts, the signal 3. Give a row of reference scores for each prompt, or one number for all.",
    ),
]


@pytest.mark.parametrize("at", range(len(MESSAGES)))
def test_messages(at):
    act, text = MESSAGES[at]
    with pytest.raises(InputError) as error:
        act()
    assert str(error.value) == text
