"""What is said of a verdict, whatever it is shown on."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report import case

from culpa.audit import BY_NAME
from culpa.audit.unlabelled import LABEL_FIRST
from culpa.report import view


def section(verdict, title):
    found = [one for one in view.sections(verdict) if one.title == title]
    return found[0] if found else None


def test_headline_names_the_best_and_those_not_told_apart():
    assert view.headline(case.three()) == (
        "3 prompts, 12 outputs. Best of 3 by HAcc: good (0.900), not told apart from fair."
    )


def test_headline_of_one_proxy_is_no_contest():
    one = case.verdict([case.metric("rm", "hacc", 0.5)], facts={"prompts": 1, "outputs": 1, "truths": 1})
    assert view.headline(one) == "1 prompt, 1 output. rm: HAcc 0.500."


def test_headline_counts_a_partial_truth():
    assert "12 outputs (7 with a truth). Best" in view.headline(case.three(facts={"truths": 7}))


@pytest.mark.parametrize(
    ("facts", "metrics", "said"),
    [
        ({"truths": 0}, (), "No truth to rank the proxies by."),
        ({}, (), "The proxies are not ranked: in no prompt does the truth order two outputs that have scores."),
        ({}, ("dead",), "The proxies are not ranked: no metric that ranks them was asked for (rehearsal, hacc, acc)."),
        ({"truths": 0}, ("hacc",), "No truth to rank the proxies by."),
    ],
)
def test_headline_says_why_there_is_no_ranking(facts, metrics, said):
    unranked = case.verdict([case.metric("rm", "dead", 0.5)], facts=facts, metrics=metrics)
    assert view.headline(unranked).endswith(f". {said}")


def test_ranking_has_letters_intervals_shares_and_rulers_last():
    table = section(case.three(), "Ranking").table
    assert table.headers == ("proxy", "set", "HAcc", "95%", "chance", "Dead groups")
    assert table.rows == (
        ("good", "a", "0.900", "0.800–0.950", "0.500", "0.4%"),
        ("fair", "a", "0.875", "0.750–0.938", "0.500", "0"),
        ("poor", "", "0.250", "–", "0.500", "25%"),
        ("(longest)", "", "0.500", "0.400–0.600", "0.500", "–"),
    )
    assert table.rulers_from == 3


def test_the_meaning_of_the_measure_and_of_the_letters_stands_below():
    below = section(case.three(), "Ranking").below
    assert below[0] == f"HAcc: {BY_NAME['hacc'].about}."
    assert "share a letter" in below[1]
    assert len(section(case.three(tied=()), "Ranking").below) == 1


def test_overlapping_sets_give_a_proxy_two_letters():
    table = section(case.three(tied=(("fair", "poor"), ("good", "fair"))), "Ranking").table
    assert [row[1] for row in table.rows] == ["a", "ab", "b", ""]


def pairs(*names, **parts):
    rows = [case.metric(name, metric, 0.75, 0.5, 1.0) for metric in ("acc_off", "hacc_off") for name in names]
    return case.verdict(rows, measure="acc_off", facts={"pairs": 6, "truths": 0}, **parts)


def test_pairs_have_their_own_table_with_its_meaning():
    found = section(pairs("rm"), "Pairs that came with the data")
    assert found.table.headers == ("proxy", "Acc off", "95%", "HAcc off")
    assert found.table.rows == (("rm", "0.750", "0.500–1.000", "0.750"),)
    assert [line.split(":")[0] for line in found.below] == ["Acc off", "HAcc off"]
    assert section(pairs("rm"), "Ranking") is None


def test_proxies_tied_on_pairs_share_a_letter_there():
    found = section(pairs("a", "b", tied=(("a", "b"),)), "Pairs that came with the data")
    assert found.table.headers[1] == "set"
    assert [row[1] for row in found.table.rows] == ["a", "a"]
    assert "share a letter" in found.below[-1]
    assert view.headline(pairs("a", "b", tied=(("a", "b"),))).endswith(
        "Best of 2 by Acc on the data's pairs: a (0.750), not told apart from b."
    )


def test_letters_stand_in_the_table_of_the_measure_that_ranks():
    rows = [case.metric(name, metric, 0.75) for metric in ("hacc", "acc_off") for name in ("a", "b")]
    both = case.verdict(rows, tied=(("a", "b"),), facts={"pairs": 6})
    assert section(both, "Pairs that came with the data").table.headers == ("proxy", "Acc off", "95%")
    assert [row[1] for row in section(both, "Ranking").table.rows] == ["a", "a"]


@pytest.mark.parametrize(("missing", "shown"), [(0.0, False), (0.25, True)])
def test_scores_are_shown_where_there_is_something_to_say(missing, shown):
    found = section(case.verdict([case.metric("rm", "missing", missing)], facts={"truths": 0}), "Scores")
    assert (found is not None) == shown


def test_findings_name_the_proxy_they_concern():
    assert section(case.three(), "Look at").lines == (("error", "poor: is poor"), ("note", "there are few"))


def test_labels_tell_what_they_are_and_leave_out_what_is_not_known():
    with_text = section(case.three(relabel=case.labels("a", "b")), "Label first")
    assert with_text.table.headers == ("prompt", "response", "ranked high by", "ranked low by")
    assert with_text.table.rows[1] == ("id b", "text", "b", "low")
    without = section(case.three(relabel=case.labels("a", response=None)), "Label first")
    assert without.table.rows == (("id a", "a", "low"),)
    assert "--budget N" in without.below[0]


def worth(response="text", gain=0.0125):
    """A list by gain, of one output."""
    row = {"prompt_id": "id a", "prompt": "ask", "response": response, "proxy": "rm", "score": 1234.5}
    row |= {"expected": 0.25, "spread": 0.125, "gain": gain}
    return pl.DataFrame([row | dict.fromkeys(("disagreement", "highest", "lowest"))], schema=LABEL_FIRST)


def test_a_list_by_gain_shows_what_is_expected_and_what_it_adds():
    found = section(case.rehearsed({"rm": {"outcome": 0.6}}, relabel=worth()), "Label first")
    assert found.table.headers == ("prompt", "response", "score", "expected truth", "gain")
    assert found.table.rows == (("id a", "text", "1.23e+03", "0.250 ± 0.125", "+0.013"),)
    assert found.below == (
        "Outputs of unknown truth by what judging them, and putting the score of rm right, is expected to add to the "
        "truth of all prompts together after training with grpo:8. --budget N lists more, --format json whole rows.",
    )
    without = section(case.rehearsed({"rm": {"outcome": 0.6}}, relabel=worth(response=None)), "Label first")
    assert "response" not in without.table.headers


def test_a_list_by_gain_shows_hostile_names_and_texts_short_and_clean():
    frame = worth(response="\x1b[2J" + "x" * 300).with_columns(
        pl.lit("\x1b" * 50).alias("prompt_id"), pl.lit("\x07" + "p" * 99).alias("proxy")
    )
    found = section(case.rehearsed({"rm": {"outcome": 0.6}}, relabel=frame), "Label first")
    for cell in (*found.table.rows[0], *found.below):
        assert cell.isprintable()
    assert [len(cell) <= size for cell, size in zip(found.table.rows[0], (20, 60), strict=False)] == [True, True]
    assert "p" * 40 not in found.below[0]


def test_disagreement_is_shown_unless_every_truth_is_known():
    apart = pl.DataFrame({"proxy": ["a"], "other": ["b"], "disagreement": [0.25]})
    found = section(case.three(disagreement=apart, facts={"truths": 3}), "Where proxies disagree most")
    assert found.table.rows == (("a", "b", "25%"),)
    assert section(case.three(disagreement=apart), "Where proxies disagree most") is None


def test_sections_without_content_are_left_out():
    bare = case.verdict([case.metric("rm", "hacc", 0.5)])
    assert [one.title for one in view.sections(bare)] == ["", "Ranking"]


@given(st.text())
def test_whatever_the_name_it_stays_short_and_printable(name):
    rows = [case.metric(name, "hacc", 0.5), case.metric("other", "hacc", 0.4)]
    ranking = section(case.verdict(rows), "Ranking").table
    for cell in (cell for row in ranking.rows for cell in row):
        assert cell.isprintable()
        assert len(cell) <= 32


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0.000"), (0.12345, "0.123"), (-0.5, "-0.500"), (1234.5, "1.23e+03"), (0.00012, "0.00012")],
)
def test_numbers_keep_three_digits(value, text):
    one = case.verdict([case.metric("rm", "hacc", value), case.metric("other", "hacc", 0.5)])
    cells = {row[0]: row[2] for row in section(one, "Ranking").table.rows}
    assert cells["rm"] == text
