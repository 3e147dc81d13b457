"""Likelihood rewards: readings by loops, JEPO by its definition, the whole gradient by differences, edges."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from culpa import InputError
from culpa.signals import Group, apply, equal_group
from culpa.signals.likelihood import (
    answer_likelihood,
    answer_weights,
    marginal_gain,
    perplexity_rank,
    token_probability_gain,
)

NAN, INF = np.nan, np.inf
T, P, S = 3, 2, 4
RNG = np.random.default_rng(0)
LOGP = np.where(np.arange(T)[:, None, None] < np.array([[3], [2]]), -RNG.exponential(size=(T, P, S)), NAN)
LENGTH = np.array([[10.0, 100.0, 20.0, 5.0], [1.0, 30.0, 30.0, 1000.0]])
SLOW = {
    "logprob": sum,
    "mean_logprob": lambda logs: sum(logs) / len(logs),
    "probability": lambda logs: np.exp(sum(logs)),
    "token_probability": lambda logs: sum(np.exp(one) for one in logs) / len(logs),
}


def answer(p, s, logp=LOGP):
    return [logp[t, p, s] for t in range(T) if not np.isnan(logp[t, p, s])]


@pytest.mark.parametrize("kind", SLOW)
def test_the_readings_are_their_formulas(kind):
    value = apply(answer_likelihood(kind), LOGP)
    for p in range(P):
        for s in range(S):
            assert value[p, s] == pytest.approx(SLOW[kind](answer(p, s)))


def test_the_gain_is_above_the_base_or_nothing():
    value = apply(token_probability_gain(np.array([0.5, NAN])), LOGP)
    expected = [max(0.0, SLOW["token_probability"](answer(0, s)) - 0.5) for s in range(S)]
    assert value[0] == pytest.approx(expected)
    assert 0 < sum(one == 0 for one in expected) < S
    assert np.isnan(value[1]).all()
    assert_array_equal(apply(token_probability_gain(0.5), LOGP)[0], value[0])


def test_the_rank_of_perplexity_is_that_of_a_loop():
    value = apply(perplexity_rank(), LOGP, equal_group((P, S), length=LENGTH))
    for p in range(P):
        own = [-SLOW["mean_logprob"](answer(p, s)) / (1 + np.log10(LENGTH[p, s])) for s in range(S)]
        for s in range(S):
            rank = sum(one < own[s] for one in own) + (sum(one == own[s] for one in own) - 1) / 2
            assert value[p, s] == pytest.approx((S - rank) / S)


def test_perplexity_is_per_token_and_long_reasoning_is_forgiven():
    logp = np.array([[[-1.0, -1.2]], [[-1.0, NAN]]])
    ranked = apply(perplexity_rank(), logp, equal_group((1, 2), length=np.full((1, 2), 10.0)))
    assert ranked.tolist() == [[1.0, 0.5]]
    turned = apply(perplexity_rank(), logp, equal_group((1, 2), length=np.array([[10.0, 1000.0]])))
    assert turned.tolist() == [[0.5, 1.0]]


def test_the_length_of_reasoning_counts_by_its_tenfold():
    """1 / 2 is less than 1.6 / 3: by natural logarithms it would be the other way round."""
    logp = np.array([[[-1.0, -1.6]]])
    assert apply(perplexity_rank(), logp, equal_group((1, 2), length=np.array([[10.0, 100.0]]))).tolist() == [
        [1.0, 0.5]
    ]


def test_ties_unknown_lengths_and_endless_groups():
    logp = np.full((1, 1, 4), -1.0)
    value = apply(perplexity_rank(), logp, equal_group((1, 4), length=np.array([[10.0, 10.0, NAN, 0.0]])))
    assert_array_equal(value, [[0.75, 0.75, NAN, NAN]])
    group = Group(np.array([[0.25, 0.75]]), np.ones((1, 2), dtype=bool), length=np.full((1, 2), 10.0), enumerated=True)
    assert apply(perplexity_rank(), [[[-1.0, -2.0]]], group).tolist() == [[0.875, 0.375]]


def gains(logs, weight):
    """JEPO's difference times 1 / w, by its definition."""
    pi, total = np.exp(logs), weight.sum()
    found = []
    for i in range(len(pi)):
        others = np.delete(weight, i) @ np.delete(pi, i) / (total - weight[i])
        found.append((np.log(weight @ pi / total) - np.log(others)) * total / weight[i])
    return found


def test_the_marginal_gain_is_its_definition():
    weight = RNG.uniform(0.5, 1.5, (P, S))
    for weights in (np.full((P, S), 0.25), weight):
        value = apply(marginal_gain(), LOGP, Group(weights, np.ones((P, S), dtype=bool)))
        for p in range(P):
            logs = np.array([sum(answer(p, s)) for s in range(S)])
            assert value[p] == pytest.approx(gains(logs, weights[p]))


def test_the_marginal_gain_does_not_see_how_long_answers_are():
    near = apply(marginal_gain(), LOGP)
    assert apply(marginal_gain(), LOGP - 400.0) == pytest.approx(near, rel=1e-9)
    wide = apply(marginal_gain(), np.array([[[0.0, -800.0, -801.0]]]))[0]
    assert np.isfinite(wide).all()
    assert wide[0] == pytest.approx(3 * (800.0 + np.log(2 / 3) - np.log1p(np.exp(-1))), rel=1e-9)


def test_the_marginal_gain_tends_to_its_limit():
    """Many copies of every output are an endless group."""
    logs = np.log([[[0.2, 0.5, 0.1]]])
    group = Group(np.full((1, 3), 1 / 3), np.ones((1, 3), dtype=bool), enumerated=True)
    limit = apply(marginal_gain(), logs, group)[0]
    assert limit == pytest.approx(np.array([0.2, 0.5, 0.1]) / (0.8 / 3) - 1)
    many = apply(marginal_gain(), np.tile(logs, 5_000))[0, :3]
    assert many == pytest.approx(limit, abs=1e-3)


def test_lone_and_missing_and_weightless_outputs():
    assert np.isnan(apply(marginal_gain(), [[[-1.0]]])).all()
    value = apply(marginal_gain(), np.array([[[-1.0, NAN, -2.0]]]))[0]
    assert np.isnan(value[1])
    assert value[[0, 2]] == pytest.approx(gains(np.array([-1.0, -2.0]), np.full(2, 0.5)))
    group = Group(np.array([[0.5, 0.5, 0.0]]), np.ones((1, 3), dtype=bool))
    value = apply(marginal_gain(), np.log([[[0.2, 0.4, 0.6]]]), group)[0]
    assert value[2] == pytest.approx(0.6 / 0.3 - 1)
    assert value[:2] == pytest.approx(gains(np.log([0.2, 0.4]), np.full(2, 0.5)))


@pytest.mark.parametrize("kind", SLOW)
def test_weights_are_the_derivative_of_the_reward(kind):
    value, h = apply(answer_weights(kind), LOGP), 1e-6
    assert_array_equal(np.isnan(value), np.isnan(LOGP))
    for t in range(T):
        up, down = (LOGP + sign * h * (np.arange(T) == t)[:, None, None] for sign in (1, -1))
        slope = (apply(answer_likelihood(kind), up) - apply(answer_likelihood(kind), down)) / (2 * h)
        assert np.nan_to_num(value[t]) == pytest.approx(slope, abs=1e-8)


def test_marginal_weights_are_the_derivative_of_the_log_mean():
    weight = RNG.dirichlet(np.ones(S), size=P)
    group, h = Group(weight, np.ones((P, S), dtype=bool)), 1e-6
    value = apply(answer_weights("marginal"), LOGP, group)

    def mean(logp):
        return np.log((weight * np.exp(np.nansum(logp, axis=0))).sum(axis=1))

    for s in range(S):
        step = h * (np.arange(S) == s) * (np.arange(T) == 1)[:, None, None]
        slope = (mean(LOGP + step) - mean(LOGP - step)) / (2 * h)
        assert weight[:, s] * value[1, :, s] == pytest.approx(slope, abs=1e-8)
    assert apply(answer_weights("marginal"), LOGP - 900.0, group) == pytest.approx(value, nan_ok=True, rel=1e-9)
    offline = Group(np.array([[0.5, 0.5, 0.0]]), np.ones((1, 3), dtype=bool))
    told = apply(answer_weights("marginal"), np.array([[[-800.0, -801.0, -1.0]]]) * [1, 1, 801], offline)
    assert np.isfinite(told[0, 0]).all()


@pytest.mark.parametrize("kind", ["logprob", "probability"])
def test_both_halves_together_are_the_gradient(kind):
    """A table of chains and a table of answers after each, of one token out of three; the reference is the first."""
    rng = np.random.default_rng(1)
    theta, phi, h = rng.normal(size=4), rng.normal(size=(4, 3)), 1e-6

    def log_softmax(x):
        return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))

    def objective(theta, phi):
        told = log_softmax(phi)[:, 0]
        return np.exp(log_softmax(theta)) @ (told if kind == "logprob" else np.exp(told))

    pi, told = np.exp(log_softmax(theta)), log_softmax(phi)[:, 0][None, None]
    group = Group(pi[None], np.ones((1, 4), dtype=bool), enumerated=True)
    reward = apply(answer_likelihood(kind), told, group)[0]
    weight = apply(answer_weights(kind), told, group)[0, 0]
    first = pi * (reward - pi @ reward)
    second = (pi * weight)[:, None] * ((np.arange(3) == 0) - np.exp(log_softmax(phi)))
    for z in range(4):
        e = h * np.eye(4)[z]
        assert first[z] == pytest.approx((objective(theta + e, phi) - objective(theta - e, phi)) / (2 * h), abs=1e-8)
        for word in range(3):
            e = h * np.outer(np.eye(4)[z], np.eye(3)[word])
            slope = (objective(theta, phi + e) - objective(theta, phi - e)) / (2 * h)
            assert second[z, word] == pytest.approx(slope, abs=1e-8)


STEPS = [answer_likelihood(), token_probability_gain(0.1), marginal_gain(), perplexity_rank()]


@pytest.mark.parametrize("at", range(len(STEPS)))
def test_no_answer_is_no_verdict(at):
    logp = LOGP.copy()
    logp[:, 0, 1] = NAN
    value = apply(STEPS[at], logp, equal_group((P, S), length=LENGTH))
    assert_array_equal(np.argwhere(np.isnan(value)), [[0, 1]])
    assert STEPS[at].output(logp.shape) == value.shape


SHAPE = "needs a signal of shape (t, ..., p, s), got (1, 1)."
STACK = "Stack the log-probabilities of the answer's tokens on the first axis."
EACH = "Give a number for each prompt, or one for all."
MESSAGES = [
    (
        lambda: answer_likelihood("odds"),
        "kind must be one of logprob, mean_logprob, probability, token_probability, got 'odds'. logprob is safe.",
    ),
    (
        lambda: answer_weights("rank"),
        "kind must be one of logprob, mean_logprob, probability, token_probability, marginal, got 'rank'. "
        "The reward's own, or marginal.",
    ),
    (lambda: token_probability_gain(np.ones((2, 2))), f"base has shape (2, 2). {EACH}"),
    (lambda: apply(token_probability_gain(np.ones(3)), LOGP), f"base has 3 prompts, the signal 2. {EACH}"),
    (lambda: apply(answer_likelihood(), [[1.0]]), f"answer_likelihood {SHAPE} {STACK}"),
    (lambda: apply(answer_weights(), [[1.0]]), f"answer_weights {SHAPE} {STACK}"),
    (lambda: apply(marginal_gain(), [[1.0]]), f"marginal_gain {SHAPE} {STACK}"),
    (lambda: apply(perplexity_rank(), [[1.0]]), f"perplexity_rank {SHAPE} {STACK}"),
    (lambda: apply(token_probability_gain(0.1), [[1.0]]), f"token_probability_gain {SHAPE} {STACK}"),
    (
        lambda: apply(perplexity_rank(), LOGP),
        "perplexity_rank needs the group's length, which is not there. "
        "Read rollouts with a length column, or set length=... in the group.",
    ),
]


@pytest.mark.parametrize("at", range(len(MESSAGES)))
def test_messages(at):
    act, text = MESSAGES[at]
    with pytest.raises(InputError) as error:
        act()
    assert str(error.value) == text
