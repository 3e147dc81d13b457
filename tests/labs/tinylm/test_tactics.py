"""Tactics: how many questions each solves, what the teacher says, and the policy's chance of every one."""

import numpy as np
import pytest

from culpa.errors import InputError
from culpa.labs.tinylm.build import build
from culpa.labs.tinylm.tactics import TACTICS, chances, solving, tactics
from culpa.lm.forward import measure

EVEN = [1 / 36] * 36


def test_a_tactic_solves_its_share_of_questions_and_always_the_same_ones():
    rates = np.linspace(0.9, 0.1, 36)
    task = tactics(rates, EVEN)
    words = task.draw(np.random.default_rng(0), 600).answers
    found = solving(task, words)
    assert np.array_equal(found, solving(tactics(rates, EVEN), words))
    assert np.abs(found.mean(axis=0) - rates).max() < 0.09
    assert np.abs(found.mean(axis=1).std() - np.sqrt((rates * (1 - rates)).sum()) / 36) < 0.01  # no easy questions


def test_what_is_no_tactic_solves_nothing():
    task = tactics([1.0] * 36, EVEN)
    assert task.truths(["abcde"] * 4, ["aa", "a", "aab", ""]).tolist() == [1.0, 0.0, 0.0, 0.0]
    assert tactics([0.0] * 36, EVEN).truth("abcde", "aa") == 0.0


def test_the_teacher_says_tactics_as_often_as_is_told():
    taught = np.arange(36) / 630
    rng = np.random.default_rng(0)
    task = tactics(EVEN, taught)
    said = [task.demonstrate(rng, "abcde") for _ in range(4000)]
    share = np.array([said.count(one) for one in TACTICS]) / 4000
    assert np.abs(share - taught).max() < 0.02


def test_chances_are_the_policys_own():
    lm = build("abcdef=", seed=0, hidden=16, layers=1)
    found = chances(lm, ["abcde=", "fedcb="])
    assert found.shape == (2, 36)
    assert (found.sum(axis=1) < 1.0).all()
    ids = lm.tokenizer(["fedcb="])["input_ids"]
    (seen,) = measure(lm, ids, [[*lm.tokenizer("cd", add_special_tokens=False)["input_ids"], 2]])
    assert found[1, TACTICS.index("cd")] == pytest.approx(np.exp(seen.logprob), rel=1e-5)


@pytest.mark.parametrize(
    ("rates", "taught", "words"), [([1.0], EVEN, "rates has 1"), (EVEN, [1.0, 0.0], "taught has 2")]
)
def test_a_number_for_each_is_asked_for(rates, taught, words):
    with pytest.raises(InputError, match=f"{words} numbers. Give one for each of 36"):
        tactics(rates, taught)
