"""The bundled rollouts have the defects that they were made with, and the audit names them."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.audit import world
from tests.audit.world import codes, value

import culpa
from culpa.audit import Settings

NAMES = ["hacc", "acc", "dead"]


@pytest.fixture
def demo():
    return world.demo()


def test_the_stream_and_the_whole_tell_the_same_story(demo):
    """Without texts, as the command streams: all that is not rehearsed."""
    streamed = culpa.audit(culpa.scan(world.DEMO, rows=500), settings=Settings(replicates=100))
    whole = demo[1].metrics.filter(pl.col("metric").is_in(NAMES) & ~pl.col("ruler"))
    assert_frame_equal(
        streamed.metrics.filter(pl.col("metric").is_in(NAMES) & ~pl.col("ruler")).drop("low", "high"),
        whole.drop("low", "high"),
        rel_tol=1e-9,
    )
    assert_frame_equal(streamed.disagreement, demo[1].disagreement, rel_tol=1e-9, abs_tol=1e-12)
    assert streamed.facts == demo[1].facts
    assert set(streamed.ranking["measure"]) == {"hacc"}
    assert streamed.ranking["proxy"][0] == "per_prompt_scale"


def test_an_affine_map_for_each_prompt_is_harmless_to_accuracy(demo):
    assert value(demo[1], "per_prompt_scale", "acc") == value(demo[1], "per_prompt_scale", "hacc") == 1.0


def test_but_costs_something_where_prompts_share_features(demo):
    """Prompts with a large unit pull the weights that all share: the map is not harmless to the run."""
    assert set(demo[1].ranking["measure"]) == {"rehearsal"}
    assert value(demo[1], "per_prompt_scale", "rehearsal") < value(demo[1], "close_copy", "rehearsal") - 0.005
    assert demo[1].ranking["proxy"][0] == "close_copy"


def test_a_close_copy_is_above_noise_and_is_as_good_as_the_truth(demo):
    order = demo[1].ranking["proxy"].to_list()
    assert order.index("close_copy") < order.index("noisy")
    gap = demo[1].comparisons.filter((pl.col("proxy") == "close_copy") & (pl.col("other") == "noisy"))
    assert gap["low"][0] > 0
    assert value(demo[1], "close_copy", "rehearsal") == pytest.approx(demo[1].outlook.facts["ceiling"], abs=0.005)


def test_accuracy_tells_the_close_copy_from_noise_for_sure():
    verdict = culpa.audit(world.demo()[0], metrics=["hacc"], settings=Settings(replicates=100))
    gap = verdict.comparisons.filter((pl.col("proxy") == "close_copy") & (pl.col("other") == "noisy"))
    assert gap["low"][0] > 0
    assert gap["p_holm"][0] < 0.001


def test_training_on_length_lowers_the_truth_and_on_nothing_else(demo):
    assert {proxy for code, proxy in codes(demo[1]) if code == "lowers-truth"} == {"longest_wins"}
    assert demo[1].ranking["proxy"][-1] == "longest_wins"


def test_what_learns_no_more_than_from_a_shuffled_truth_is_named(demo):
    assert {proxy for code, proxy in codes(demo[1]) if code == "shuffled-truth"} == {"longest_wins", "verifier_strict"}


def test_a_verifier_is_held_to_the_truth_itself_a_reward_model_to_its_own_scale(demo):
    right = dict(demo[1].outlook.prediction.select("proxy", "right").iter_rows())
    assert right["verifier_strict"] == right["verifier_lenient"] == "same"
    assert right["noisy"] == right["judge_with_timeouts"] == "matched"


def test_what_follows_length_is_named(demo):
    following = {proxy for code, proxy in codes(demo[1]) if code == "follows-ruler"}
    assert following == {"longest_wins", "markdown_lover"}
    assert value(demo[1], "longest_wins", "length_correlation") > 0.9


def test_timeouts_are_counted_not_scored(demo):
    rollouts, verdict = demo
    missing = np.isnan(rollouts.proxies["judge_with_timeouts"]) & rollouts.present
    assert value(verdict, "judge_with_timeouts", "missing") == pytest.approx(missing.sum() / rollouts.size)
    text = f"no verdict on {missing.sum()} of {rollouts.size} outputs (5.0%); they are left out, not counted as 0"
    assert [finding.message for finding in verdict.warnings if finding.code == "missing-verdicts"] == [text]


def test_dead_groups_of_the_strict_verifier(demo):
    rollouts, verdict = demo
    score = rollouts.proxies["verifier_strict"]
    flat = np.nanmax(score, axis=1) == np.nanmin(score, axis=1)
    assert value(verdict, "verifier_strict", "dead") == pytest.approx(flat.mean())
    assert ("dead-groups", "verifier_strict") in codes(verdict)


def test_all_truths_are_known(demo):
    assert demo[1].facts["truths"] == demo[0].size
    assert demo[1].relabel.height == 0
    assert not any(code in ("no-truth", "partial-truth", "few-prompts") for code, _ in codes(demo[1]))
