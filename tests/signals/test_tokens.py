"""From outputs to tokens: loops over tokens, masks, leading axes, what weights may not change."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from culpa import InputError
from culpa.signals import apply, center, chain, equal_group
from culpa.signals.tokens import (
    ANY,
    Tokens,
    beside,
    by_sign,
    process_weights,
    running_credit,
    spread_tokens,
    token_gate,
    token_weights,
)

NAN = np.nan
T, P, S = 4, 2, 3
RNG = np.random.default_rng(0)
MASK = np.arange(T)[:, None, None] < np.array([[4, 2, 3], [1, 4, 2]])
SCORE = np.where(MASK, RNG.normal(size=(T, P, S)), NAN)
SHARE = np.where(MASK, RNG.uniform(size=(T, P, S)), NAN)
SIGNAL = np.array([[1.0, -2.0, 0.5], [-1.0, NAN, 3.0]])


def group(score=None, mask=MASK):
    return equal_group((P, S), tokens=Tokens(mask, score=score))


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def each():
    return [(t, p, s) for t in range(T) for p in range(P) for s in range(S) if MASK[t, p, s]]


def test_spread_is_the_output_at_every_token_of_it():
    value = apply(spread_tokens(), SIGNAL, group())
    assert value.shape == (T, P, S)
    assert_array_equal(value, np.where(MASK, SIGNAL, NAN))
    assert spread_tokens().output((P, S)) == (ANY, P, S)


def test_process_weights_are_the_formula():
    value = apply(process_weights(floor=0.25), SIGNAL, group(SHARE))
    for t, p, s in each():
        q = SHARE[t, p, s] if SIGNAL[p, s] > 0 else 1 - SHARE[t, p, s]
        assert value[t, p, s] == pytest.approx(SIGNAL[p, s] * (0.25 + 0.75 * q), nan_ok=True)
    assert np.isnan(value[~MASK]).all()


def test_the_gate_is_the_formula():
    value = apply(token_gate(), SIGNAL, group(SCORE))
    for t, p, s in each():
        c = sigmoid(SCORE[: t + 1, p, s].mean())
        c = c if SIGNAL[p, s] > 0 else 1 - c
        assert value[t, p, s] == pytest.approx(SIGNAL[p, s] * np.clip((c - 0.5) / 0.5, 0, 1), nan_ok=True)


def test_the_middle_of_the_gate():
    one = group(np.full((T, P, S), np.log(0.8 / 0.2)))
    assert apply(token_gate(middle=0.6), np.ones((P, S)), one)[0] == pytest.approx(0.5)
    assert not apply(token_gate(middle=0.6), -np.ones((P, S)), one)[0].any()
    assert apply(token_gate(middle=0.0), -np.ones((P, S)), one)[0] == pytest.approx(-0.2)


def test_tokens_without_a_score_leave_the_mean_and_bear_all():
    score = SCORE.copy()
    score[0, 0, 0], score[2, 0, 0] = NAN, NAN
    credit = running_credit(Tokens(MASK, score=score))
    assert np.isnan(credit[0, 0, 0])
    assert credit[1:, 0, 0] == pytest.approx(
        sigmoid(np.array([1, 1, (1 + score[3, 0, 0] / score[1, 0, 0]) / 2]) * score[1, 0, 0])
    )
    assert apply(token_gate(), SIGNAL, group(score))[0, 0, 0] == SIGNAL[0, 0]
    assert np.isnan(credit[~MASK]).all()


def test_what_a_tool_said_has_no_part_in_the_mean():
    mask = np.array([True, False, True])[:, None, None]
    credit = running_credit(Tokens(mask, score=np.array([1.0, 50.0, 3.0])[:, None, None]))
    assert credit.ravel() == pytest.approx([sigmoid(1.0), NAN, sigmoid(2.0)], nan_ok=True)


def test_large_scores_do_not_overflow():
    credit = running_credit(Tokens(np.ones((1, 1, 2), dtype=bool), score=np.array([[[1e5, -1e5]]])))
    assert credit.tolist() == [[[1.0, 0.0]]]


def test_the_sign_of_the_advantage_stays():
    for step, score in ((process_weights(), SHARE), (token_gate(), SCORE)):
        value = apply(step, SIGNAL, group(score))
        assert (value * np.where(MASK, SIGNAL, NAN) >= 0)[MASK & ~np.isnan(SIGNAL)].all()


def test_mean_one_moves_credit_and_adds_none():
    step = token_weights(lambda _signal, tokens: np.where(tokens.mask, SHARE, 99.0), mean_one=True)
    value = apply(step, SIGNAL, group())
    mean = np.where(MASK, value, 0.0).sum(axis=0) / MASK.sum(axis=0)
    assert mean == pytest.approx(SIGNAL, nan_ok=True)
    assert value[1, 0, 1] / value[0, 0, 1] == pytest.approx(SHARE[1, 0, 1] / SHARE[0, 0, 1])


def test_weights_do_not_touch_the_statistics_of_the_group():
    value = apply(chain(center(), token_weights(lambda _signal, _tokens: SHARE)), SIGNAL, group())
    assert_array_equal(value, np.where(MASK, apply(center(), SIGNAL, group()) * SHARE, NAN))


def test_leading_axes_are_a_loop():
    many = np.stack([SIGNAL, -2 * SIGNAL])
    for step, score in ((process_weights(), SHARE), (token_gate(), SCORE), (spread_tokens(), None)):
        value = apply(step, many, group(score))
        assert value.shape == (T, 2, P, S)
        for i, signal in enumerate(many):
            assert_array_equal(value[:, i], apply(step, signal, group(score)))
    assert beside(MASK, many).shape == (T, 1, P, S)


def test_an_output_of_no_token_is_silent():
    assert np.isnan(apply(token_gate(), SIGNAL, group(SCORE, np.zeros_like(MASK)))).all()


MESSAGES = [
    (
        lambda: apply(spread_tokens(), SIGNAL),
        "token_weights needs the group's tokens, which are not there. Set tokens=Tokens(mask) in the group.",
    ),
    (
        lambda: apply(process_weights(), SIGNAL, group()),
        "process_weights needs the tokens' score, which is not there. Set Tokens(score=...).",
    ),
    (
        lambda: apply(token_gate(), SIGNAL, group()),
        "running_credit needs the tokens' score, which is not there. Set Tokens(score=...).",
    ),
    (
        lambda: token_gate(middle=1.0),
        "middle must be within 0 and 1 and floor up to 1, got 1.0 and 0.0. 0 and 0: the credit itself.",
    ),
    (
        lambda: by_sign(running_credit, floor=-1.0),
        "middle must be within 0 and 1 and floor up to 1, got 0.0 and -1.0. 0 and 0: the credit itself.",
    ),
]


@pytest.mark.parametrize("at", range(len(MESSAGES)))
def test_messages(at):
    act, text = MESSAGES[at]
    with pytest.raises(InputError) as error:
        act()
    assert str(error.value) == text
