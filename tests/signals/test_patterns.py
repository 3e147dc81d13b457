"""The reward for patterns of reasoning: each part by itself, texts of records, messages."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from culpa import InputError, Rollouts
from culpa.signals.patterns import PHRASES, pattern_reward, pattern_score, repeated


def test_phrases_count_once_whatever_their_case():
    assert pattern_score("WAIT. Wait. wait") == pytest.approx(1 / 20)
    assert pattern_score("wait, therefore") == pytest.approx(2 / 20)
    assert pattern_score("nothing of it") == 0.0


def test_the_cap_and_the_phrases():
    text = " ".join(PHRASES)
    assert pattern_score(text) == 1.0
    assert pattern_score(text, cap=80) == pytest.approx(40 / 80)
    assert pattern_score("Alpha beta", phrases=("ALPHA", "gamma"), cap=2) == 0.5
    assert len(set(PHRASES)) == 40
    assert all(phrase == phrase.lower() for phrase in PHRASES)


def test_repetition_takes_its_share():
    once = " ".join(f"w{i}" for i in range(20))
    assert repeated(once) == 0.0
    assert repeated(f"{once} {once}") == pytest.approx(1 / 21)
    text = f"wait therefore since {once} {once}"
    assert pattern_score(text) == pytest.approx(3 / 20 - repeated(text))
    assert repeated("a a a a", 1) == 0.75
    assert repeated("a b a b", 2) == pytest.approx(1 - 2 / 3)
    assert repeated("a b", 2) == 0.0


def test_made_up_turns_cost_one_each_and_nothing_is_below_zero():
    assert pattern_score(" ".join(PHRASES) + " User: and then?") == 0.0
    assert pattern_score("wait user: user:") == 0.0


def test_an_answer_may_be_asked_for():
    assert pattern_score("wait", answered=lambda text: "=" in text) == 0.0
    assert pattern_score("wait x = 1", answered=lambda text: "=" in text) == pytest.approx(0.05)


def record(texts):
    present = np.array([[True, True], [True, False]])
    table = pl.DataFrame({"response": texts}) if texts else pl.DataFrame()
    weight = present / present.sum(axis=1, keepdims=True)
    return Rollouts(np.array(["a", "b"]), present, weight, {"r": np.where(present, 0.0, np.nan)}, table=table)


def test_the_reward_of_a_record():
    value = pattern_reward()(record(["wait", "4", None]))
    assert_array_equal(value, [[0.05, 0.0], [np.nan, np.nan]])
    assert_array_equal(pattern_reward(len)(record(["wait", "4", "12"])), [[4.0, 1.0], [2.0, np.nan]])


MESSAGES = [
    (
        lambda: pattern_score("a", phrases=()),
        "pattern_score needs phrases, and a cap and ngram of 1 or more, got 0, 20, 20. "
        "Leave them out: 40 phrases, 20 and 20.",
    ),
    (
        lambda: pattern_score("a", cap=0),
        "pattern_score needs phrases, and a cap and ngram of 1 or more, got 40, 0, 20. "
        "Leave them out: 40 phrases, 20 and 20.",
    ),
    (
        lambda: pattern_reward()(record(None)),
        "column 'response': the rollouts hold no text. Read them with their responses.",
    ),
]


@pytest.mark.parametrize("at", range(len(MESSAGES)))
def test_messages(at):
    act, text = MESSAGES[at]
    with pytest.raises(InputError) as error:
        act()
    assert str(error.value) == text
