"""Each probe finds what it is for, on a reward that does it, and nothing on one that does not."""

import math

import pytest
from tests.probing import stand

from culpa.probing import basics
from culpa.probing.case import bundled
from culpa.probing.probes import SAMENESS
from culpa.probing.score import Score

RAISED = "an exception instead of a score"
RULES = {one.name: one.rule for one in SAMENESS}


@pytest.mark.parametrize("reward", ["plain", "trl"])
def test_a_good_reward_passes_every_probe(reward):
    with stand.bench(reward) as one:
        seen = stand.seen(one)
        found = [finding for rule in RULES.values() for finding in rule(seen)]
        found += [*basics.failures(seen), *basics.discrimination(seen), *basics.manners(seen, 0, False)]
    assert found == []
    assert seen.stable


@pytest.mark.parametrize(
    ("probe", "reward", "code", "level"),
    [
        ("repeat", "dice", "random", "error"),
        ("repeat", "counter", "state", "error"),
        ("fresh process", "hashed", "process", "error"),
        ("fresh process", "seeded_by_process", "process", "error"),
        ("processes", "locked", "processes", "error"),
        ("threads", "alarm", "threads", "error"),
        ("threads", "unsafe", "threads", "error"),
        ("threads", "main_thread_only", "threads", "error"),
        ("order", "by_rank", "order", "error"),
        ("batch size", "normalised", "batch", "warning"),
        ("batch size", "by_rank", "batch", "warning"),
        ("white space", "strict_end", "white-space", "warning"),
        ("white space", "length", "white-space", "warning"),
    ],
)
def test_it_is_found(probe, reward, code, level):
    found = stand.found(RULES[probe], reward)
    assert found
    assert {(one.code, one.probe) for one in found} == {(code, probe)}
    assert level in {one.level for one in found}
    assert all(one.example for one in found)


@pytest.mark.parametrize(
    ("probe", "reward"),
    [
        ("order", "normalised"),
        ("batch size", "plain"),
        ("threads", "hashed"),
        ("repeat", "hashed"),
        ("processes", "alarm"),
    ],
)
def test_what_is_another_probes_affair_is_not_found(probe, reward):
    assert stand.found(RULES[probe], reward) == []


def test_the_finding_counts_and_shows():
    (one,) = stand.found(RULES["batch size"], "normalised")
    assert one.message.endswith("(batches of 1 against all at once) (24 of 24 outputs)")
    assert one.example.startswith("prompt 'What is 17 + 25?', response 'Let me think it through")
    assert one.example.endswith(": 0.5, then 0")


def test_a_random_reward_is_not_stable():
    with stand.bench("dice") as one:
        seen = stand.seen(one)
        assert [finding.code for finding in RULES["repeat"](seen)] == ["random"]
        assert not seen.stable


def test_white_space_that_decides_nothing_is_a_note():
    found = stand.found(RULES["white space"], "shorter_is_better")
    assert {finding.level for finding in found} == {"note"}
    assert {finding.message.split(" changes")[1] for finding in found} == {" the score (24 of 24 outputs)"}


def test_white_space_that_takes_the_reward_away_is_a_warning():
    found = stand.found(RULES["white space"], "strict_end")
    assert {finding.level for finding in found} == {"warning"}
    said = sorted(finding.message.split(" changes")[0] for finding in found)
    assert said == ["a line break at the end", "a space at the end"]
    assert found[0].message.endswith("changes the score from rewarded to not, or back (12 of 24 outputs)")


def test_probes_of_sameness_take_some_of_many_cases():
    with stand.bench("plain") as one:
        seen = stand.seen(one, bundled("boxed") * 3, some=5)
    assert seen.few_numbers == [0, 17, 35, 53, 71]
    assert [case.prompt for case in seen.few] == [seen.cases[number].prompt for number in seen.few_numbers]


@pytest.mark.parametrize(
    ("reward", "code", "level", "text"),
    [
        ("raises", "exception", "error", f"24 of 24 outputs: {RAISED}: ValueError: no parse (rewards.py"),
        ("raises_sometimes", "exception", "error", f"1 of 24 outputs: {RAISED}: ZeroDivisionError"),
        ("leaves", "exception", "error", f"24 of 24 outputs: {RAISED}: SystemExit: 4 (rewards.py"),
        ("hog", "exception", "error", f"24 of 24 outputs: {RAISED}: MemoryError"),
        ("too_few", "length", "error", "24 of 24 outputs: 23 scores for 24 outputs"),
        ("no_list", "type", "error", "24 of 24 outputs: the number 1.0 where a list is due"),
        ("text", "type", "error", "24 of 24 outputs: a text where a number is due"),
        ("nothing", "none", "error", "24 of 24 outputs: None: the reward abstains"),
        ("abstains", "none", "note", "1 of 24 outputs: None: the reward abstains"),
        ("nan", "nan", "error", "1 of 24 outputs: NaN instead of a score"),
        ("infinite", "infinite", "error", "1 of 24 outputs: an infinite score"),
    ],
)  # fmt: skip
def test_outputs_without_a_score(reward, code, level, text):
    (one,) = stand.found(basics.failures, reward)
    assert (one.code, one.level) == (code, level)
    assert one.message.startswith(text)
    assert one.example


def test_a_reward_that_hangs_and_one_that_dies():
    hung = stand.found(basics.failures, "loops", seconds=0.2)
    assert [(one.code, one.message[:8]) for one in hung] == [("time-out", "4 of 24 "), ("skipped", "20 of 24")]
    dead = stand.found(basics.failures, "dies")
    assert "the process ended with exit code 5" in dead[0].message
    assert dead[0].code == "crash"


def test_batched_rewards_are_asked_one_by_one_where_a_batch_fails():
    with stand.bench("trl_strict") as one:
        odd = bundled("boxed")
        odd[3] = odd[3]._replace(answer=None)
        scores = one.score_each(odd)
        assert {score.reason for score in one.score(odd)} == {"raised"}
    assert [score.reason for score in scores] == ["raised" if number == 3 else "" for number in range(24)]


@pytest.mark.parametrize(
    ("reward", "code", "level", "text"),
    [
        ("constant", "constant", "error", "one score, 0.5, for all 24 outputs: nothing can be learned from it"),
        ("turned", "sign", "error", "right responses score 0 in the mean, wrong ones 1: is the sign turned?"),
        (
            "plain_prompt",
            "no-separation",
            "warning",
            "right responses score 0.5 in the mean, wrong ones 0.5: it hardly looks at the answer",
        ),
    ],
)
def test_what_is_not_told_apart(reward, code, level, text):
    cases = bundled("boxed")
    cases += [case._replace(response="") for case in cases] if reward == "plain_prompt" else []
    with stand.bench(reward) as one:
        (found,) = basics.discrimination(stand.seen(one, cases))
    assert (found.code, found.level) == (code, level)
    assert found.message.startswith(text)


def test_manners():
    with stand.bench("trl_chat") as one:
        seen = stand.seen(one)
    found = list(basics.manners(seen, 1234, True))
    assert [(one.level, one.code) for one in found] == [
        ("note", "prints"), ("warning", "left-processes"), ("note", "chat-only"),
    ]  # fmt: skip
    assert "1,234 characters" in found[0].message


DID = [("plain", False, False), ("shouts", True, False), ("forks", False, True)]


@pytest.mark.parametrize(("reward", "printed", "left"), DID)
def test_what_a_process_did_beside_scoring(reward, printed, left):
    with stand.bench(reward) as one:
        scores = stand.seen(one, bundled("boxed")[:4]).scores
    assert [score.value for score in scores] == [1.0, 0.0, 1.0, 0.0]
    assert (one.worker.printed > 0, one.worker.left_processes) == (printed, left)


def test_means_and_the_bar_ignore_what_has_no_score():
    with stand.bench("abstains") as one:
        seen = stand.seen(one)
    assert (seen.mean(True), seen.mean(False), seen.separates, seen.bar) == (1.0, 0.0, True, 0.5)
    seen.scores = [Score(3.0)] * 24
    assert (seen.separates, seen.bar) == (False, 3.0)


@pytest.mark.parametrize(("right", "gap"), [(1.0, 2.0), (0.0, 0.0), (-1.0, -2.0)])
def test_the_gap_is_in_standard_deviations(right, gap):
    with stand.bench("plain") as one:
        seen = stand.seen(one)
    seen.scores = [Score(right if case.right else 0.0) for case in seen.cases]
    assert seen.gap == pytest.approx(gap)
    assert seen.separates == (gap > 0)


def test_what_is_nobodys_right_has_no_gap():
    with stand.bench("plain") as one:
        seen = stand.seen(one, [case._replace(right=None) for case in bundled("boxed")])
    assert math.isnan(seen.gap)
    assert (seen.separates, seen.bar) == (False, 0.5)
    assert list(basics.discrimination(seen)) == []
