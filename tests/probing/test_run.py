"""A whole check: what is run, what is not and why, and the report as data and as a page."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.probing import stand

from culpa.dynamics import Horizon, grpo
from culpa.errors import InputError
from culpa.probing import Settings, check
from culpa.probing.consequence import Rehearsal
from culpa.probing.page import sections
from culpa.report.markdown import sections_markdown
from culpa.report.terminal import sections_text
from culpa.verifiers.process import Limits

LIMITS = Limits(5.0, 1024)
PROBES = ["scores", "repeat", "fresh process", "processes", "threads", "order", "batch size", "white space"]


def run(name, rollouts=None, **settings):
    told = []
    report = check(stand.target(name), rollouts, Settings(**{"limits": LIMITS} | settings), tell=told.append)
    return report, told


def outcomes(report):
    return {row["probe"]: row["outcome"] for row in report.probes}


def test_a_good_reward_on_small_cases():
    report, told = run("plain")
    assert report.findings == []
    assert report.worst() is None
    assert outcomes(report) == {
        **dict.fromkeys([*PROBES, "null answers", "process"], "ok"), "batch size": "not run", "consequence": "not run",
    }  # fmt: skip
    assert told == [*[name for name in PROBES if name != "batch size"], "null answers"]
    assert report.facts() == {
        "style": "plain", "outputs": 24, "prompts": 12, "scored": 24, "format": "boxed",
        "right_mean": 1.0, "wrong_mean": 0.0, "bar": 0.5,
    }  # fmt: skip
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["rehearsal"] is None


def test_the_format_is_the_one_that_the_reward_reads():
    assert run("tags")[0].form == "answer tags"


def test_nothing_is_compared_where_nothing_is_stable():
    report, told = run("dice")
    why = {row["probe"]: row["why"] for row in report.probes}
    assert why["threads"] == why["order"] == "scores differ from call to call"
    assert "threads" not in told
    assert report.worst() == "error"


def test_nothing_more_is_run_where_nothing_has_a_score():
    report, told = run("raises")
    assert told == ["scores"]
    assert [one.code for one in report.findings] == ["exception"]
    assert {row["why"] for row in report.probes if row["outcome"] == "not run"} == {"no output has a score"}
    assert report.to_dict()["facts"]["bar"] is None


def test_a_reward_that_always_hangs_is_not_tried_in_every_format():
    report, _ = run("loops", limits=Limits(0.2, 1024))
    assert {one.code for one in report.findings} == {"time-out", "skipped"}


def test_with_rollouts_wrong_scores_have_consequences():
    report, told = run("contains", stand.rollouts())
    assert told[-1] == "consequence"
    levels = [one.level for one in report.findings]
    assert levels == sorted(levels, key=("error", "warning", "note").index)
    codes = {one.code: one.level for one in report.findings}
    assert codes["false-positive"] == "error"
    assert codes["null-answer"] == "note"
    found = report.to_dict()
    assert found["rehearsal"]["learner"] == "grpo:8"
    assert found["rehearsal"]["right"] == "same"
    assert found["rehearsal"]["cost_too_high"] > 0.1
    assert found["rehearsal"]["prompts"] == 6
    assert {row["reason"] for row in found["errors"]}
    rewarded = [row for row in found["nulls"] if row["rewarded"]]
    assert rewarded
    assert all(row["cost"] is not None and row["mass"] < 1e-2 for row in rewarded)
    assert all(row["cost"] is None for row in found["nulls"] if not row["rewarded"])


def test_a_null_answer_that_is_found_is_an_error():
    """No output of the policy is ever rewarded, so that the empty answer is all that there is to learn."""
    world = stand.rollouts()
    never = replace(world, table=world.table.with_columns(pl.lit("never").alias("answer")))
    how = Rehearsal(grpo(8), Horizon(kl=0.4), null_mass=1e-2)
    report, _ = run("empty_pays", never, rehearsal=how)
    (empty,) = [one for one in report.findings if one.message.startswith("empty ")]
    assert empty.level == "error"
    assert "harmful: from mass 0.01 to " in empty.message


def test_a_response_without_its_reference_is_nothing_that_a_policy_could_write():
    report, _ = run("without_reference", stand.rollouts())
    (one,) = [finding for finding in report.findings if finding.code == "no-reference"]
    assert one.level == "error"
    assert "mass" not in one.message
    assert next(row for row in report.nulls if row["name"] == "no reference")["cost"] is None


def test_the_outcome_of_a_probe_is_its_gravest_finding():
    report, _ = run("contains")
    levels = {one.level for one in report.findings if one.probe == "null answers"}
    assert levels == {"error", "warning", "note"}
    assert outcomes(report)["null answers"] == "error"


def test_without_a_truth_there_are_no_consequences():
    report, _ = run("contains", stand.rollouts().with_truth(None))
    assert outcomes(report)["consequence"] == "not run"
    assert report.probes[-3]["why"] == "the rollouts have no truth"
    assert {row["cost"] for row in report.nulls} == {None}


def test_what_cannot_be_rehearsed_says_why():
    world = stand.rollouts(2)
    unknown = world.truth.copy()
    unknown[:, 0] = np.nan
    report, _ = run("contains", world.with_truth(unknown))
    why = next(row["why"] for row in report.probes if row["probe"] == "consequence")
    assert "no prompt has the policy's own outputs" in why


def test_some_prompts_from_all_over():
    report, _ = run("plain", stand.rollouts(9), prompts=3)
    assert list(dict.fromkeys(case.prompt_id for case in report.seen.cases)) == ["q0", "q4", "q8"]
    assert report.notes == ["3 of 9 prompts were scored (--prompts)"]
    assert run("plain", stand.rollouts(3), prompts=3)[0].notes == []


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"style": "x"}, "no style is called 'x'. Known: trl,"),
        ({"processes": 1}, "processes is 1 and prompts 100. Take at least 2 processes and 1 prompt."),
        ({"prompts": 0}, "processes is 2 and prompts 0. Take at least 2 processes and 1 prompt."),
    ],
)
def test_settings_that_cannot_be_run(settings, text):
    with pytest.raises(InputError) as error:
        Settings(**settings)
    assert text in str(error.value)


def test_the_page_says_what_was_found():
    report, _ = run("contains", stand.rollouts())
    text = sections_text(sections(report, "rewards.py:contains"))
    assert text.startswith("rewards.py:contains (plain): 1 error, ")
    assert "24 of 24 outputs of 6 prompts have a score. Mean score: right ones 1, wrong ones 0.333." in text
    assert "✗ consequence: 6 outputs score too high: together they cost" in text
    assert "not run: batch size (it scores one output at a time)" in text
    assert "with findings: consequence (the policy trained on the scores, in rehearsal), null answers" in text
    assert "Training on it" in text
    assert "attracts a bad output" in text
    assert "the network is not shut off" in text
    assert "**error** consequence: 6 outputs" in sections_markdown("t", sections(report, "r"), "f")


def test_the_page_of_a_good_reward_is_short():
    report, _ = run("plain")
    text = sections_text(sections(report, "r"))
    assert text.startswith(
        "r (plain): no findings. 24 of 24 outputs of 12 prompts have a score, answers written as boxed."
    )
    assert "Findings" not in text
    assert "Training on it" not in text
