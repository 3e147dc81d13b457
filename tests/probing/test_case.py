"""The cases: made here, or taken from rollouts."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.probing import stand

from culpa.errors import InputError
from culpa.probing.case import ANSWERS, FORMATS, PROBLEMS, bundled, from_rollouts
from culpa.verifiers import exact, final_answer


@pytest.mark.parametrize("form", FORMATS)
def test_each_problem_has_a_right_and_a_wrong_response(form):
    cases = bundled(form)
    assert len(cases) == 2 * len(PROBLEMS)
    for case in cases:
        assert (case.answer in case.response.replace(" alert", "")) or not case.right
        assert case.right == (case.response == FORMATS[form](case.answer))


@pytest.mark.parametrize("form", ["boxed", "answer tags", "boxed in answer tags", "hashes", "bare"])
def test_verifiers_tell_them_apart(form):
    assert [exact(case.response, case.answer) for case in bundled(form)] == [1.0, 0.0] * len(PROBLEMS)


def test_wrong_responses_do_not_hold_the_answer():
    for case in bundled("boxed"):
        assert (final_answer(case.response) == case.answer) == case.right


def test_rollouts_become_cases_in_the_order_of_their_table():
    record = stand.rollouts(2)
    cases = from_rollouts(record)
    assert [case.response for case in cases] == record.table["response"].to_list()
    assert [case.prompt_id for case in cases] == ["q0"] * 4 + ["q1"] * 4
    assert [case.right for case in cases] == [True, False, False, False] * 2
    assert cases[0].answer == "20"
    assert cases[0].columns == {"answer": "20"}


def test_padding_is_no_case():
    record = stand.rollouts(2)
    present = record.present.copy()
    present[0, 3] = False
    weight = np.where(present, record.weight, 0.0)
    weight[0] /= weight[0].sum()
    cut = replace(
        record,
        present=present,
        weight=weight,
        truth=np.where(present, record.truth, np.nan),
        table=record.table.filter(pl.Series(present.ravel())),
    )
    assert [case.prompt_id for case in from_rollouts(cut)] == ["q0"] * 3 + ["q1"] * 4


def test_without_a_truth_nothing_is_known_to_be_right():
    record = stand.rollouts(1)
    assert {case.right for case in from_rollouts(record.with_truth(None))} == {None}
    partly = record.truth.copy()
    partly[0, 1] = np.nan
    assert [case.right for case in from_rollouts(record.with_truth(partly))] == [True, None, False, False]


def test_right_is_above_the_middle_of_the_range():
    truth = np.array([[0.0, 0.0, 4.0, 10.0]])
    assert [case.right for case in from_rollouts(stand.rollouts(1).with_truth(truth))] == [False, False, False, True]


def test_the_answer_is_the_named_column_else_the_first_known_one():
    record = stand.rollouts(1)
    more = (pl.lit("mine").alias("key"), pl.lit("s").alias("solution"), pl.date(2026, 1, 2).alias("when"))
    table = record.table.with_columns(more)
    assert from_rollouts(replace(record, table=table), "key")[0].answer == "mine"
    assert from_rollouts(replace(record, table=table))[0].answer == "20"
    assert from_rollouts(replace(record, table=table.drop("answer")))[0].answer == "s"
    assert from_rollouts(replace(record, table=table.drop("answer", "solution")))[0].answer is None
    assert from_rollouts(replace(record, table=table))[0].columns["when"] == "2026-01-02"
    assert ANSWERS[0] == "answer"


@pytest.mark.parametrize(
    ("dropped", "answer", "text"),
    [
        ("prompt", None, "the rollouts have no prompt. Name its column; found: response, answer."),
        ("response", None, "the rollouts have no response. Name its column; found: prompt, answer."),
        ("answer", "gold", "column 'gold': there is no such column of answers. Found: prompt, response."),
    ],
)
def test_what_is_missing_is_said(dropped, answer, text):
    record = stand.rollouts(1)
    with pytest.raises(InputError) as error:
        from_rollouts(replace(record, table=record.table.drop(dropped)), answer)
    assert str(error.value) == text
