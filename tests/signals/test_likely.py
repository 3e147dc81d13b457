"""The discount for likely outputs: loops over a group, both modes, unknown likelihoods, messages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from culpa import InputError
from culpa.signals import Group, apply, equal_group, unlikeliness

NAN, INF = np.nan, np.inf
cells = arrays(np.float64, (2, 5), elements=st.sampled_from([0.0, 1.0, 0.5, NAN]))
likelihoods = arrays(np.float64, (2, 5), elements=st.sampled_from([-1.0, -2.0, -4.0, -8.0]))
lengths = arrays(np.float64, (2, 5), elements=st.sampled_from([1.0, 2.0, 4.0]))


@given(cells, likelihoods, lengths, st.sampled_from([0.25, 0.5, -0.5]))
def test_it_is_the_formula(signal, logprob, length, beta):
    group = equal_group(signal.shape, logprob=logprob, length=length)
    for per_token in (True, False):
        value = apply(unlikeliness(beta, per_token=per_token), signal, group)
        for p in range(2):
            known = [i for i in range(5) if not np.isnan(signal[p, i])]
            own = logprob[p] / length[p] if per_token else logprob[p]
            for i in known:
                less = sum(own[j] < own[i] for j in known)
                as_likely = sum(own[j] == own[i] for j in known if j != i)
                rank = less + as_likely / 2
                assert value[p, i] == pytest.approx(signal[p, i] * (1 - beta * rank / len(known)))
            assert np.isnan(value[p, [i for i in range(5) if i not in known]]).all()


def test_the_published_extremes():
    group = equal_group((1, 4), logprob=np.array([[-1.0, -2.0, -3.0, -4.0]]), length=np.ones((1, 4)))
    value = apply(unlikeliness(), np.ones((1, 4)), group)
    assert value == pytest.approx(np.array([[1 - 0.25 * 3 / 4, 1 - 0.25 / 2, 1 - 0.25 / 4, 1.0]]))
    assert not apply(unlikeliness(), np.zeros((1, 4)), group).any()
    assert_array_equal(apply(unlikeliness(0.0), np.ones((1, 4)), group), np.ones((1, 4)))


def test_scaling_every_length_or_adding_to_every_likelihood_changes_nothing():
    rng = np.random.default_rng(0)
    signal, logprob, length = rng.random((2, 6)), -9 * rng.random((2, 6)), rng.integers(1, 9, (2, 6)).astype(float)
    step = unlikeliness(0.4)
    value = apply(step, signal, equal_group((2, 6), logprob=logprob, length=length))
    assert_array_equal(value, apply(step, signal, equal_group((2, 6), logprob=logprob, length=4 * length)))
    moved = equal_group((2, 6), logprob=logprob - 3 * length, length=length)
    assert value == pytest.approx(apply(step, signal, moved))


@pytest.mark.parametrize("size", [2, 8])
def test_of_enumerated_outputs_it_is_the_mean_over_groups(size):
    pi, logprob = np.array([0.1, 0.2, 0.3, 0.4]), np.log([0.1, 0.3, 0.3, 0.4])
    group = Group(weight=pi[None], present=np.ones((1, 4), dtype=bool), logprob=logprob[None], enumerated=True)
    exact = apply(unlikeliness(0.5, per_token=False, size=size), np.ones((1, 4)), group)[0]
    drawn = np.random.default_rng(1).choice(4, size=(60_000, size), p=pi)
    sampled = apply(
        unlikeliness(0.5, per_token=False), np.ones(drawn.shape), equal_group(drawn.shape, logprob=logprob[drawn])
    )
    assert [sampled[drawn == y].mean() for y in range(4)] == pytest.approx(exact, abs=3e-3)


def test_without_a_size_it_is_that_of_groups_without_end():
    pi = np.array([[0.1, 0.2, 0.7]])
    group = Group(weight=pi, present=np.ones((1, 3), dtype=bool), logprob=np.log(pi), enumerated=True)
    assert apply(unlikeliness(1.0, per_token=False), np.ones((1, 3)), group)[0] == pytest.approx([0.95, 0.8, 0.35])


def test_an_offline_output_lifts_no_rank():
    group = Group(
        weight=np.array([[0.5, 0.5, 0.0]]), present=np.ones((1, 3), dtype=bool), logprob=np.array([[-1.0, -2.0, -1.5]])
    )
    assert apply(unlikeliness(1.0, per_token=False), np.ones((1, 3)), group).tolist() == [[0.5, 1.0, 0.5]]


def test_unknown_likelihood_or_length_is_no_verdict_and_lifts_no_rank():
    logprob, length = np.array([[-1.0, NAN, -INF, -3.0, -2.0]]), np.array([[1.0, 1.0, 1.0, 0.0, 1.0]])
    value = apply(unlikeliness(0.6), np.ones((1, 5)), equal_group((1, 5), logprob=logprob, length=length))
    assert_array_equal(value, [[1 - 0.6 * 2 / 3, NAN, 1.0, NAN, 1 - 0.6 / 3]])


MESSAGES = [
    (lambda: unlikeliness(NAN), "beta must be a finite number, got nan. 0 leaves the reward as it is."),
    (lambda: unlikeliness(size=0), "size must be 1 or more, got 0. It is the number of outputs of a group."),
    (
        lambda: apply(unlikeliness(), [[1.0]]),
        "unlikeliness needs the group's logprob, which is not there. "
        "Read rollouts with a logprob column, or set logprob=... in the group.",
    ),
    (
        lambda: apply(unlikeliness(), [[1.0]], equal_group((1, 1), logprob=np.zeros((1, 1)))),
        "unlikeliness needs the group's length, which is not there. "
        "Read rollouts with a length column, or set length=... in the group.",
    ),
]


@pytest.mark.parametrize("at", range(len(MESSAGES)))
def test_messages(at):
    act, text = MESSAGES[at]
    with pytest.raises(InputError) as error:
        act()
    assert str(error.value) == text
