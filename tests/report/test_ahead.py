"""What is said of an outlook: the answer, what it rests on, errors by kind and by effect, other algorithms."""

import pytest
from tests.report import case

from culpa.report import to_markdown, to_text, view
from culpa.report.ahead import EACH, LISTED, SHOWN, ahead_sections, explained, trained


def section(found, title):
    matching = [one for one in ahead_sections(found) if one.title == title]
    return matching[0] if matching else None


# ---- the answer ----

ANSWERS = [
    (0.75, 3, "Best of 3 to train on with grpo:8: rm, the truth goes from 0.500 to 0.750"),
    (0.75, 1, "rm: the truth goes from 0.500 to 0.750 with grpo:8"),
    (0.25, 3, "None of 3 is worth training on with grpo:8: with rm the truth goes from 0.500 to 0.250"),
    (0.5, 3, "None of 3 is worth training on with grpo:8: with rm the truth goes from 0.500 to 0.500"),
    (0.25, 1, "rm: the truth goes from 0.500 to 0.250 with grpo:8"),
]


@pytest.mark.parametrize(("score", "among", "said"), ANSWERS)
def test_the_answer(score, among, said):
    found = case.outlook({"rm": {"outcome": score}})
    assert trained({"proxy": "rm", "score": score}, among, found) == said


def test_the_headline_is_the_answer_with_those_not_told_apart():
    found = case.rehearsed({"a": {"outcome": 0.75}, "b": {"outcome": 0.7}}, tied=(("a", "b"),))
    said = "Best of 2 to train on with grpo:8: a, the truth goes from 0.500 to 0.750, not told apart from b."
    assert view.headline(found) == f"3 prompts, 12 outputs. {said}"


def test_a_ranking_by_accuracy_beside_an_outlook_says_accuracy():
    rows = [case.metric("a", "hacc", 0.75), case.metric("b", "hacc", 0.5)]
    found = case.verdict(rows, outlook=case.outlook({"a": {"outcome": 0.75}, "b": {"outcome": 0.5}}))
    assert "Best of 2 by HAcc: a (0.750)" in view.headline(found)


# ---- what it rests on ----


def test_what_the_forecast_rests_on():
    found = case.outlook({"a": {"outcome": 0.7}, "b": {"outcome": 0.6, "null_low": -0.5, "null_high": 0.25}})
    assert explained(found) == (
        "Truth after: expected truth once grpo:8 has trained on the proxy up to kl=0.4 "
        "(shared features; 512 hashed n-grams of the text; 1,000 prompts, 2,000 different outputs).",
        "Before training it is 0.500; trained on the truth itself, 0.900.",
        "Cosine: of the proxy's policy gradient and the truth's; shuffled truths give -0.50 to 0.40.",
        "Order: the mean of the places by truth after and by cosine.",
    )


def test_a_proxy_without_a_gradient_leaves_the_band_of_the_others():
    none = dict.fromkeys(("cosine", "cosine_low", "cosine_high", "null_low", "null_high"))
    found = case.outlook({"a": {"outcome": 0.7}, "flat": {"outcome": 0.5} | none})
    assert explained(found)[2].endswith("shuffled truths give -0.30 to 0.40.")


def test_without_features_nothing_is_said_of_them_or_of_cosines():
    none = dict.fromkeys(("cosine", "cosine_low", "cosine_high", "null_low", "null_high"))
    facts = {"features": "none", "mode": "every prompt by itself"}
    found = explained(case.outlook({"a": {"outcome": 0.7} | none}, facts=facts))
    assert found[0].endswith("up to kl=0.4 (every prompt by itself; 1,000 prompts, 2,000 different outputs).")
    assert len(found) == 2


# ---- the ranking ----


def test_the_ranking_has_the_cosine_beside_the_outcome():
    rows = [case.metric("(longest)", "hacc", 0.5, ruler=True), case.metric("a", "hacc", 0.25)]
    found = case.rehearsed({"a": {"outcome": 0.75}, "b": {"outcome": 0.6, "cosine": None}}, rows=rows)
    ranking = next(one for one in view.sections(found) if one.title == "Ranking")
    assert ranking.table.headers == ("proxy", "set", "Truth after", "95%", "cosine", "HAcc")
    assert ranking.table.rows == (
        ("a", "", "0.750", "0.550–0.750", "0.800", "0.250"),
        ("b", "", "0.600", "0.550–0.750", "–", "–"),
        ("(longest)", "", "–", "–", "–", "0.500"),
    )
    assert ranking.below == explained(found.outlook)


def test_without_cosines_what_was_before_stands_there():
    found = case.rehearsed({"a": {"outcome": 0.75, "cosine": None}})
    table = next(one for one in view.sections(found) if one.title == "Ranking").table
    assert table.headers[4] == "before"
    assert table.rows[0][4] == "0.500"


# ---- errors ----


def test_errors_by_kind_best_proxy_first():
    counts = {"harmful": 1500, "benign": 375, "beneficial": 125}
    found = case.outlook({"a": {"outcome": 0.6, "right": "same"}, "b": {"outcome": 0.7} | counts})
    errors = section(found, "Errors")
    assert errors.table.headers == ("proxy", "errors", "harmful", "benign", "beneficial", "right")
    assert errors.table.rows == (("b", "2,000", "75%", "19%", "6%", "matched"), ("a", "0", "–", "–", "–", "same"))
    assert errors.below == (
        "Effect: the truth of all prompts together with the error, minus the truth without it.",
        "Right is the truth itself, for proxies that say nothing that the truth never says; right is the truth on the "
        "proxy's own scale, prompt by prompt.",
    )


def test_shares_are_of_the_proxys_own_errors():
    found = section(case.outlook({"a": {"outcome": 0.6, "harmful": 1, "beneficial": 1}}), "Errors")
    assert found.table.rows[0][1:5] == ("2", "50%", "0%", "50%")


def test_what_an_effect_and_a_right_score_are_is_said_for_what_is_there():
    one = {"outcome": 0.6, "harmful": 1}
    below = section(case.outlook({"a": one}, facts={"mode": "every prompt by itself"}), "Errors").below
    assert below[0] == "Effect: the truth of the prompt with the error, minus the truth without it."
    assert below[1] == "Right is the truth on the proxy's own scale, prompt by prompt."


def test_without_errors_there_is_no_table_of_them():
    found = case.outlook({"a": {"outcome": 0.6}})
    assert [one.title for one in ahead_sections(found)] == ["Under other algorithms"]


HURT, HELP = "Errors that hurt most", "Errors that help most"


def test_the_errors_that_hurt_and_help_most_stand_first():
    helping = {"kind": "beneficial", "reason": "lifts a good output"}
    errors = [
        {"proxy": "a", "effect": -0.1, "prompt_id": "small"},
        {"proxy": "a", "effect": -0.2, "prompt_id": "large"},
        {"proxy": "b", "effect": 0.1, "prompt_id": "low"} | helping,
        {"proxy": "b", "effect": 0.2, "prompt_id": "high"} | helping,
        {"proxy": "b", "effect": 0.0, "prompt_id": "none", "kind": "benign"},
        {"proxy": "b", "effect": -0.9, "prompt_id": "guessed", "method": "adjoint", "reason": None},
    ]
    found = case.outlook({"a": {"outcome": 0.6}, "b": {"outcome": 0.5}}, errors)
    assert [row[1:3] for row in section(found, HURT).table.rows] == [("large", "-0.200"), ("small", "-0.100")]
    assert [row[1:3] for row in section(found, HELP).table.rows] == [("high", "+0.200"), ("low", "+0.100")]


def test_an_error_is_told_in_full():
    table = section(case.outlook({"rm": {"outcome": 0.6}}, [{}]), HURT).table
    assert table.headers == ("proxy", "prompt", "effect", "mass", "score", "right", "truth", "reason")
    assert table.rows == (("rm", "q1", "-0.125", "0.250", "1", "0.5", "0.75", "attracts a bad output"),)
    assert section(case.outlook({"rm": {"outcome": 0.6}}, [{}]), HELP) is None


def test_no_proxy_fills_the_list_and_the_list_ends():
    assert (LISTED, EACH) == (6, 2)
    names = [f"rm{number}" for number in range(5)]
    errors = [{"proxy": name, "effect": -1.0 - number} for number in range(4) for name in names]
    rows = section(case.outlook({name: {"outcome": 0.6} for name in names}, errors), HURT).table.rows
    assert len(rows) == 6
    assert max([row[0] for row in rows].count(name) for name in names) == 2
    assert rows[0][2] == "-4.000"
    alone = [{"proxy": "rm0", "effect": -1.0 - number} for number in range(4)]
    assert len(section(case.outlook({"rm0": {"outcome": 0.6}}, alone), HURT).table.rows) == 2


# ---- exploits ----

TEACHES = "What each proxy teaches that the truth does not"


def taken(proxy="rm", what="“word”", before=0.25, after=0.75, ideal=0.2):
    return {"proxy": proxy, "what": what, "before": before, "after": after, "ideal": ideal, "z": 9.0}


def test_what_a_proxy_teaches_is_shown_in_per_cent_and_length_as_it_is():
    rows = [taken(), taken(what="length", before=101.25, after=250.5, ideal=99.0)]
    found = section(case.outlook({"rm": {"outcome": 0.6}}, exploits=rows), TEACHES)
    assert found.table.headers == ("proxy", "what the policy says", "before", "after", "after the truth")
    assert found.table.rows == (("rm", "“word”", "25%", "75%", "20%"), ("rm", "length", "101.2", "250.5", "99.0"))
    assert found.below[0].startswith("Share of outputs with a word, and mean length, before training, after it")


def test_each_proxy_has_its_first_lines():
    assert SHOWN == 2
    rows = [taken(name, what) for name in "ab" for what in ("one", "two", "three")]
    found = section(case.outlook({name: {"outcome": 0.6} for name in "ab"}, exploits=rows), TEACHES)
    assert [row[:2] for row in found.table.rows] == [("a", "one"), ("a", "two"), ("b", "one"), ("b", "two")]


def test_where_nothing_is_taken_up_nothing_is_said():
    assert section(case.outlook({"rm": {"outcome": 0.6}}), TEACHES) is None


def test_names_of_what_is_taken_up_are_short_and_clean():
    rows = [taken("\x1b" + "n" * 99, "“" + "w" * 999 + "\x07”")]
    found = section(case.outlook({"rm": {"outcome": 0.6}}, exploits=rows), TEACHES)
    assert all(cell.isprintable() for cell in found.table.rows[0])
    assert [len(cell) for cell in found.table.rows[0][:2]] == [24, 40]


def test_exploits_stand_between_the_errors_and_the_other_algorithms():
    found = case.outlook({"rm": {"outcome": 0.6, "harmful": 1}}, [{}], exploits=[taken()])
    titles = ["Errors", HURT, TEACHES, "Under other algorithms"]
    assert [one.title for one in ahead_sections(found)] == titles


# ---- other algorithms ----


def test_ranks_under_each_algorithm_in_the_order_of_the_first():
    ranks = {"grpo:8": [3, 1, 2], "reinforce": [1, 2, 2]}
    found = case.outlook({name: {"outcome": 0.5} for name in "abc"}, ranks=ranks)
    table = section(found, "Under other algorithms").table
    assert table.headers == ("proxy", "grpo:8", "reinforce")
    assert table.rows == (("b", "1", "2"), ("c", "2", "2"), ("a", "3", "1"))


def test_sections_stand_between_the_findings_and_the_labels():
    found = case.rehearsed(
        {"rm": {"outcome": 0.6, "harmful": 1}}, [{}], warnings=(case.Finding("note", "x", "", "said"),),
        relabel=case.labels("a"),
    )  # fmt: skip
    titles = ["", "Ranking", "Look at", "Errors", HURT, "Under other algorithms", "Label first"]
    assert [one.title for one in view.sections(found)] == titles
    for shown in (to_text(found), to_markdown(found)):
        assert "attracts a bad output" in shown


def test_hostile_names_are_shown_harmless():
    name = "\x1b[31m" + "x" * 99
    found = case.rehearsed({name: {"outcome": 0.6, "harmful": 1}}, [{"proxy": name, "prompt_id": name}])
    for one in view.sections(found):
        for cell in (cell for row in (one.table.rows if one.table else ()) for cell in row):
            assert cell.isprintable()
            assert len(cell) <= 32
    assert view.headline(found).isprintable()
