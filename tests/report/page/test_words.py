"""What the page says."""

from dataclasses import replace

import polars as pl
import pytest
from tests.report import case
from tests.report.page import worlds

from culpa.audit import Finding
from culpa.report.page import data, words
from culpa.report.view import headline


@pytest.fixture(scope="module")
def found():
    made = worlds.verdict(worlds.record())
    return made, data.outlook_of(made)


def told(found, rows, **parts):
    """The same verdict with a ranking and a prediction of these: proxy, start, outcome, low, high."""
    made, outlook = found
    blank = outlook.prediction.head(1).to_dicts()[0]
    names = ("proxy", "start", "outcome", "low", "high")
    table = [blank | dict(zip(names, row, strict=True)) for row in rows]
    ranking = pl.DataFrame({"proxy": [row[0] for row in rows], "score": [row[2] for row in rows],
                            "measure": "rehearsal",
                            "low": None, "high": None, "tied_with": parts.pop("tied", [[] for _ in rows])})  # fmt: skip
    return replace(made, ranking=ranking), replace(outlook, prediction=pl.DataFrame(table, infer_schema_length=None))


def test_the_answer_names_the_first_of_the_ranking_and_where_it_leads(found):
    made, outlook = told(found, [("a", 0.25, 0.5, 0.375, 0.625), ("b", 0.25, 0.75, 0.5, 1.0)])
    assert words.answer(made, outlook) == (
        "Of 2 proxies train on a: the truth is expected to go from 0.250 to 0.500 (0.375 to 0.625)."
    )


def test_the_answer_says_when_nothing_helps(found):
    made, outlook = told(found, [("a", 0.5, 0.5, None, None), ("b", 0.5, 0.25, None, None)])
    assert words.answer(made, outlook) == (
        "None of 2 proxies is expected to raise the truth: with the best, a, it goes from 0.500 to 0.500."
    )


def test_one_proxy_is_no_contest(found):
    made, outlook = told(found, [("a", 0.5, 0.75, None, None)])
    assert words.answer(made, outlook) == "Trained on a, the truth is expected to go from 0.500 to 0.750."


def test_without_a_forecast_the_answer_is_that_of_the_other_reports(found):
    made = replace(found[0], outlook=None)
    assert words.answer(made, None) == headline(made)


def test_who_else_might_be_best_is_said_beside(found):
    made, outlook = told(found, [("a", 0, 1, None, None), ("b", 0, 1, None, None)], tied=[["a", "b"], ["a", "b"]])
    assert words.beside(made, outlook) == "Not told apart from it: b."
    assert words.beside(made, None) == ""
    assert words.beside(*told(found, [("a", 0, 1, None, None)])) == ""


@pytest.mark.parametrize(
    ("name", "outcome", "said"),
    [("a", 0.6, "best, or tied with the best"), ("b", 0.6, "best, or tied with the best"),
     ("c", 0.6, "above the start"), ("c", 0.5, "not above the start"), ("a", 0.4, "not above the start"),
     ("c", None, "above the start")],
)  # fmt: skip
def test_standing(found, name, outcome, said):
    made, _ = told(found, [("a", 0, 1, None, None), ("b", 0, 1, None, None)], tied=[["a", "b"], ["a", "b"]])
    assert words.standing(made, {"proxy": name, "outcome": outcome, "start": 0.5}, "a") == said


def test_proxies_without_a_rank_stand_last(found):
    made, outlook = told(found, [("a", 0, 1, None, None), ("b", 0, 1, None, None)])
    made = replace(made, ranking=made.ranking.filter(pl.col("proxy") == "b"))
    assert [row["proxy"] for row in words.ordered(made, outlook)] == ["b", "a"]


def test_facts_say_how_far_by_what_and_on_how_much(found):
    made, outlook = found
    facts = dict(words.facts(made, outlook))
    assert facts["Data"] == "6 prompts, 30 outputs"
    assert facts["Algorithm"] == "reinforce"
    assert facts["Read off at"] == "KL 0.4"
    assert "Computed on" not in facts
    fewer = replace(outlook, facts=outlook.facts | {"prompts": 3, "outputs": 15})
    assert dict(words.facts(made, fewer))["Computed on"] == "3 prompts, 15 outputs"
    partly = replace(made, facts=made.facts | {"truths": 7})
    assert dict(words.facts(partly, None)) == {"Data": "6 prompts, 30 outputs, 7 with a truth"}


def test_the_ranking_shows_intervals_ties_and_errors_as_far_as_they_are_known(found):
    row = {"proxy": "a", "outcome": 0.5, "low": 0.25, "high": 0.75, "cosine": None, "cosine_low": None,
           "cosine_high": None, "null_low": -0.5, "null_high": 0.5, "steps": 1200, "reached": False,
           "harmful": 3, "benign": 1000, "beneficial": None}  # fmt: skip
    made, _ = told(found, [("a", 0, 1, None, None), ("b", 0, 1, None, None)], tied=[["a", "b"], ["a", "b"]])
    table = words.prediction_table(made, [row])
    assert dict(zip(table.headers, table.rows[0], strict=True)) == {
        "proxy": "a", "truth after": "0.500", "95%": "0.250 to 0.750", "chance gives": "-0.500 to 0.500",
        "steps": "1,200 (cut)", "harmful": "3", "benign": "1,000", "not told apart from": "b",
    }  # fmt: skip


def test_a_table_leaves_out_columns_that_know_nothing():
    frame = pl.DataFrame({"a": [1, 2], "b": [None, None], "c": [0.5, None]})
    table = words.frame_table(frame, {"c": "third", "a": "first", "b": "second", "d": "fourth"})
    assert table.headers == ("third", "first")
    assert table.rows == (("0.500", "1"), ("–", "2"))


def test_what_to_have_judged_keeps_columns_that_are_new():
    frame = case.labels("rm").with_columns(gain=pl.lit(0.25), expected_gain=pl.lit(0.5), list=pl.lit([1, 2]))
    table = words.relabel_table(frame)
    assert table.headers == ("prompt", "gain", "response", "text", "ranked high by", "ranked low by", "disagreement",
                             "expected gain")  # fmt: skip
    assert table.rows[0][-1] == "0.500"


def test_hostile_characters_of_a_cell_are_shown_not_obeyed():
    assert words.cell("a\u202eb\x07") == "a\\u202eb\\x07"
    assert len(words.cell("x" * 100_000)) <= words.CELL


def test_findings_come_first_then_what_was_not_reached_and_notes(found):
    made, outlook = told(found, [("a", 0, 1, None, None)])
    outlook = replace(
        outlook,
        prediction=outlook.prediction.with_columns(reached=pl.lit(False)),
        errors=outlook.errors.head(3).with_columns(method=pl.Series(["adjoint", "adjoint", "counterfactual"])),
    )
    made = replace(
        made, warnings=(Finding("error", "x", "a", "is bad"), Finding("note", "y", "", "few")), notes=("lost",)
    )
    assert list(words.unknowns(made, outlook)) == [
        ("error", "a: is bad"),
        ("note", "few"),
        ("note", "The run ended before the divergence was reached, for a."),
        ("note", "2 of 3 errors carry a first-order estimate (adjoint): "
                 "no run without them was simulated, so they have no reason."),
        ("note", "lost"),
    ]  # fmt: skip


def test_without_a_forecast_the_page_says_what_it_would_take(found):
    made = replace(found[0], warnings=(), notes=())
    assert [line for _, line in words.unknowns(made, None)] == [
        "There is no forecast: it takes a truth for the outputs of some prompts."
    ]
