"""Questions as prompts, what a model says to them with its truth, and rewards as training asks them."""

import numpy as np
import polars as pl
import pytest
from tests.labs.tinylm.said import TASKS, rollouts

from culpa.errors import InputError
from culpa.labs.tinylm.ask import graded, questions, said, sampling, scorer, with_proxies
from culpa.labs.tinylm.build import build
from culpa.labs.tinylm.tasks import is_held_out, sort
from culpa.lm.features import Sketch
from culpa.lm.score import score

each_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


@each_task
@pytest.mark.parametrize("held_out", [False, True])
def test_questions_are_different_with_their_answers_and_held_out_or_not(task, held_out):
    found = questions(task, np.random.default_rng(0), 50, held_out=held_out)
    assert len(set(found.texts)) == len(set(found.ids)) == 50
    assert {is_held_out(text) for text in found.texts} == {held_out}
    if task.demonstrate is None:
        known = task.exact(found.columns["answer"].to_list(), found.columns["answer"].to_list())
        assert known.all()
    assert found.texts == questions(task, np.random.default_rng(0), 50, held_out=held_out).texts


def test_answers_stay_with_their_questions():
    task = TASKS["sort"]
    found = questions(task, np.random.default_rng(0), 30)
    assert found.columns["answer"].to_list() == ["".join(sorted(text[:-1])) for text in found.texts]


def test_what_a_model_says_is_judged_and_as_long_as_an_answer_may_be():
    task = TASKS["add"]
    lm = build(task.alphabet, seed=0, hidden=16, layers=1)
    asked = questions(task, np.random.default_rng(0), 6)
    found = said(lm, task, asked, 3, seed=1, features=Sketch(rank=2))
    assert found.shape == (6, 3)
    assert found.features.shape == (6, 3, 16 + 4)
    assert found.length.max() <= task.max_tokens == sampling(task).max_tokens
    answers, responses = (found.table[name].to_list() for name in ("answer", "response"))
    assert answers == [answer for answer in asked.columns["answer"] for _ in range(3)]
    expected = [task.truth(a, r) for a, r in zip(answers, responses, strict=True)]
    assert found.truth.ravel().tolist() == expected
    again = said(lm, task, asked, 3, seed=2)
    assert again.features is None
    assert again.table["response"].to_list() != responses


def test_rewards_get_texts_in_their_order():
    record = rollouts(TASKS["sort"], prompts=5, samples=4)
    seen = []

    def count(prompts, responses, answers):
        seen.append((prompts, responses, answers))
        return np.arange(len(responses), dtype=float)

    found = with_proxies(record, {"count": count})
    assert found.proxies["count"].tolist() == np.arange(20.0).reshape(5, 4).tolist()
    assert list(map(list, seen[0])) == [record.table[name].to_list() for name in ("prompt", "response", "answer")]
    first = scorer(count)(["p"], ["r"], pl.DataFrame({"answer": ["a"], "other": [1]}))
    assert (first.values.tolist(), first.reasons) == ([0.0], [None])
    assert list(map(list, seen[1])) == [["p"], ["r"], ["a"]]


def test_the_truth_as_a_scorer_is_the_task_s():
    task = TASKS["reverse"]
    record = rollouts(task, prompts=5, samples=4)
    found = score(record, graded(task), "truth again").proxies["truth again"]
    answers, responses = (record.table[name].to_list() for name in ("answer", "response"))
    np.testing.assert_array_equal(found.ravel(), task.truths(answers, responses))


def test_more_questions_than_there_are():
    with pytest.raises(InputError, match=r"the task has \d+ different prompts and hardly more, 500 are wanted"):
        questions(sort(2, 2), np.random.default_rng(0), 500)
