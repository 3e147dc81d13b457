"""Right scores and errors: both scales, their invariances, constants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dynamics.slow import record

from culpa.dynamics.errors import errors, right_scores, scale_of
from culpa.dynamics.problem import problem
from culpa.errors import InputError


def case_of(mass, truth, reward):
    case = problem(record(mass, truth, rm=reward))
    return case, case.rewards[0]


def random_case(seed, prompts=3):
    rng = np.random.default_rng(seed)
    return case_of(rng.dirichlet(np.ones(5), prompts), *rng.standard_normal((2, prompts, 5)))


def slow_matched(mass, truth, reward):
    """The formula, prompt by prompt."""
    mean_r = [m @ r for m, r in zip(mass, reward, strict=True)]
    mean_g = [m @ g for m, g in zip(mass, truth, strict=True)]
    var_r = np.mean([m @ (r - mu) ** 2 for m, r, mu in zip(mass, reward, mean_r, strict=True)])
    var_g = np.mean([m @ (g - mu) ** 2 for m, g, mu in zip(mass, truth, mean_g, strict=True)])
    gain = np.sqrt(var_r / var_g)
    return np.array([mu + gain * (g - nu) for mu, nu, g in zip(mean_r, mean_g, truth, strict=True)])


def test_same_is_the_truth():
    case, reward = random_case(0)
    np.testing.assert_array_equal(right_scores(case, reward, "same"), case.truth)


def test_matched_as_the_formula():
    case, reward = random_case(1)
    slow = slow_matched(np.exp(case.start).T, case.truth.T, reward.T)
    np.testing.assert_allclose(right_scores(case, reward, "matched").T, slow, atol=1e-12)


@given(st.integers(0, 999), st.floats(0.01, 100), st.floats(-1e4, 1e4), st.floats(0.01, 100), st.floats(-1e4, 1e4))
def test_matched_moves_with_the_proxy_and_does_not_see_the_truths_scale(seed, gain, shift, scale, offset):
    case, reward = random_case(seed)
    right = right_scores(case, reward, "matched")
    moved = right_scores(case._replace(truth=scale * case.truth + offset), gain * reward + shift, "matched")
    np.testing.assert_allclose(moved, gain * right + shift, rtol=1e-6, atol=1e-6 * gain)


def test_matched_never_turns_the_truth_round():
    case, _ = random_case(2)
    right = right_scores(case, -case.truth, "matched")
    assert (np.argsort(right, axis=0) == np.argsort(case.truth, axis=0)).all()


def test_an_affine_proxy_has_no_errors():
    case, _ = random_case(3)
    reward = 3.0 * case.truth + np.array([0.0, 5.0, -2.0])
    assert not errors(case, reward, right_scores(case, reward, "matched")).any()


@pytest.mark.parametrize("constant", [0.1, 1e6 + 0.3, -1 / 3])
def test_a_proxy_constant_within_prompts_has_no_errors_of_rounding(constant):
    case, _ = random_case(4)
    reward = np.full_like(case.truth, constant) * np.array([1.0, 2.0, 3.0])
    right = right_scores(case, reward, "matched")
    np.testing.assert_array_equal(right, reward)
    assert not errors(case, reward, right).any()
    assert errors(case, reward, case.truth).all()  # on one scale every one of them is wrong


def test_a_constant_truth_asks_for_the_proxys_mean():
    case, reward = case_of([0.25, 0.75], [2, 2], [0, 4])
    np.testing.assert_allclose(right_scores(case, reward, "matched"), 3.0, atol=1e-12)


def test_the_tolerance_is_a_share_of_the_proxys_spread():
    case, reward = case_of([0.5, 0.5], [0, 2], [0.0, 2.0])  # a standard deviation of 1
    right = case.truth + np.array([[0.2], [0.3]])
    assert errors(case, reward, right).ravel().tolist() == [False, True]
    assert errors(case, reward, right, tolerance=0.1).ravel().tolist() == [True, True]
    assert errors(case, reward, right, tolerance=1.0).ravel().tolist() == [False, False]


def test_an_unknown_scale_is_refused():
    case, reward = random_case(5)
    with pytest.raises(InputError) as caught:
        right_scores(case, reward, "regressed")
    assert str(caught.value) == "no scale is called 'regressed'. Known: same, matched, auto."


SCALES = {
    "a verifier on a truth of two values": ([0, 1, 1], [1, 0, 1], "same"),
    "partial credit that the truth gives as well": ([0, 0.5, 1], [0.5, 0.5, 0], "same"),
    "the truth itself": ([3, -7, 2], [3, -7, 2], "same"),
    "credit that the truth never gives": ([0, 1, 1], [0.5, 0, 1], "matched"),
    "a reward model": ([0, 1, 1], [-2.3, 1.7, 0.4], "matched"),
    "a reward model through a sigmoid": ([0, 1, 1], [0.09, 0.85, 0.6], "matched"),
    "a constant that the truth never gives": ([0, 1, 1], [0.5, 0.5, 0.5], "matched"),
}


@pytest.mark.parametrize(("truth", "reward", "scale"), SCALES.values(), ids=SCALES)
def test_a_proxy_that_says_only_what_the_truth_says_is_on_its_scale(truth, reward, scale):
    case, scores = case_of([0.2, 0.3, 0.5], truth, reward)
    assert scale_of(case, scores) == scale
    np.testing.assert_array_equal(right_scores(case, scores, "auto"), right_scores(case, scores, scale))


def test_padding_says_nothing():
    """Outputs that are not there hold a 0, which neither the proxy nor the truth has said."""
    mass = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    truth = np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 2.0]])
    case, scores = case_of(mass, truth, np.array([[1.0, 2.0, 9.0], [2.0, 2.0, 1.0]]))
    assert scale_of(case, scores) == "same"
    case, scores = case_of(mass, truth, np.array([[0.0, 2.0, 9.0], [2.0, 2.0, 1.0]]))
    assert scale_of(case, scores) == "matched"
