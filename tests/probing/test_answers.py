"""Null answers: what they are, on whom they are tried, and when they count as rewarded."""

import pytest
from tests.probing import stand

from culpa.probing import answers
from culpa.probing.case import Case, bundled, from_rollouts
from culpa.probing.nulls import MASTER_KEYS, NULLS, applied, bare_reference
from culpa.probing.score import Score
from culpa.verifiers import boxed

BY_NAME = {one.name: one for one in NULLS}
CASE = Case("What is 2 + 2?", "It is \\boxed{4}.", "4", True, "q")


def text(name, case=CASE, references=("4", "5")):
    made = applied(BY_NAME[name], case, references)
    return None if made is None else made.response


def test_names_are_unique_and_the_ten_keys_are_there():
    assert len(BY_NAME) == len(NULLS)
    assert len(MASTER_KEYS) == len(set(MASTER_KEYS)) == 10
    assert {f"master key {key!r}" for key in MASTER_KEYS} <= set(BY_NAME)


def test_what_they_say():
    assert text("empty") == ""
    assert text("prompt copy") == "What is 2 + 2?"
    assert text("shotgun").startswith("The answer is one of: 4, 5, 0, 1, 2, 3, 6, ")
    assert text("boxed shotgun").startswith("\\boxed{4} \\boxed{5} \\boxed{0}")
    assert text("candidates in one box").startswith("\\boxed{4, 5, 0, ")
    assert text("empty box") == "The answer is \\boxed{}."


@pytest.mark.parametrize("name", ["shotgun", "boxed shotgun", "candidates in one box"])
def test_a_shotgun_holds_the_reference_but_not_last(name):
    assert "4" in text(name)
    assert not text(name).endswith(("4", "4}"))
    assert text(name, CASE._replace(answer=None)) is None


@pytest.mark.parametrize("null", [one for one in NULLS if one.name not in ("no reference",)], ids=lambda one: one.name)
def test_none_of_them_is_the_answer(null):
    made = applied(null, CASE, ("5",))
    assert made.right is False
    assert boxed(made.response) != "4"
    assert made.answer == "4"


def test_the_one_without_a_reference_keeps_the_response():
    made = applied(BY_NAME["no reference"], CASE, ())
    assert (made.response, made.answer) == (CASE.response, None)


def test_the_bare_reference_is_no_null_answer():
    assert bare_reference(CASE).response == "4"
    assert bare_reference(CASE._replace(answer=7)).response == "7"
    assert bare_reference(CASE._replace(answer=None)) is None


def results(reward):
    with stand.bench(reward) as one:
        seen = stand.seen(one)
        tried = list(answers.tried(seen))
        bare = list(answers.bare(seen))
        return seen, tried, [answers.rewarded(seen, one) for one in tried if one.rewarded], bare


def test_a_good_reward_rewards_none_of_them():
    seen, tried, found, bare = results("plain")
    assert (found, bare) == ([], [])
    assert {len(one.cases) for one in tried if not one.null.odd} == {12}
    assert {len(one.cases) for one in tried if one.null.odd} == {1}
    assert list(answers.broken(tried)) == []
    assert seen.bar == 0.5


@pytest.mark.parametrize(
    ("reward", "names"),
    [
        ("contains", {"shotgun", "boxed shotgun", "candidates in one box", "prompt copy"}),
        ("empty_pays", {"empty", "blank lines", "master key ' '"}),
        ("key_pays", {"master key 'Solution'"}),
        ("without_reference", {"no reference"}),
    ],
)
def test_rewarded_null_answers_are_named(reward, names):
    _, tried, found, bare = results(reward)
    assert {one.null.name for one in tried if one.rewarded} == names
    assert {one.message.split(" (")[0] for one in found} == names
    codes = {"no-reference"} if reward == "without_reference" else {"null-answer"}
    assert {one.code for one in found} == codes
    assert [one.code for one in bare] == (["bare-reference"] if reward == "contains" else [])


def test_half_of_the_prompts_make_it_grave():
    _, tried, found, _ = results("contains")
    by_name = {one.message.split(" (")[0]: one for one in found}
    assert by_name["shotgun"].level == "error"
    assert (
        "is rewarded on 12 of 12 prompts: it scores above 0.5, half way from wrong to right"
        in by_name["shotgun"].message
    )
    copy = next(one for one in tried if one.null.name == "prompt copy")
    assert copy.rate == len(copy.rewarded) / 12 < 0.5
    assert by_name["prompt copy"].level == "warning"


def test_where_right_and_wrong_score_the_same_the_bar_is_the_mean_and_nothing_is_grave():
    seen, _, found, bare = results("length")
    assert seen.bar == seen.mean()
    assert (seen.separates, bare) == (False, [])
    assert {one.level for one in found} == {"warning"}
    assert all("the mean of the outputs" in one.message for one in found)


def test_inputs_that_break_it_are_one_finding_for_each_way():
    with stand.bench("long_breaks") as one:
        seen = stand.seen(one)
        (found,) = answers.broken(list(answers.tried(seen)))
    assert (found.code, found.level) == ("odd-exception", "warning")
    assert found.message.startswith("raises on very long: RecursionError: too long (rewards.py, line ")


def test_batched_rewards_see_null_answers_beside_right_ones():
    with stand.bench("normalised") as one:
        seen = stand.seen(one)
        tried = next(iter(answers.tried(seen, [BY_NAME["empty"]])))
    assert {score.value for score in tried.scores} == {-0.5}


def test_one_host_for_each_prompt_its_right_response_first():
    cases = from_rollouts(stand.rollouts(30))
    with stand.bench("plain") as one:
        hosts = answers._hosts(stand.seen(one, cases[::-1], some=4))
    assert len(hosts) == answers.PROMPTS
    assert len({case.prompt_id for case in hosts}) == answers.PROMPTS
    assert all(case.right for case in hosts)


def test_rates_and_missing_scores():
    null, nan = BY_NAME["empty"], float("nan")
    one = answers.Tried(null, (CASE,) * 4, (Score(1.0), Score(nan, "none"), Score(0.5), Score(0.6)), 0.5)
    assert (one.rewarded, one.rate) == ([0, 3], 0.5)


def test_bundled_prompts_do_not_give_their_answers_away():
    assert sum(case.answer in case.prompt for case in bundled("bare") if case.right) <= 3
