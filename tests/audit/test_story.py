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


def test_the_stream_and_the_whole_tell_the_same_story(demo, tmp_path):
    """Without texts, as the command streams, and without features: all that is not rehearsed."""
    path = tmp_path / "bare.parquet"
    pl.read_parquet(world.DEMO).drop("features").write_parquet(path)
    streamed = culpa.audit(culpa.scan(path, rows=500), settings=Settings(replicates=100))
    whole = demo[1].metrics.filter(pl.col("metric").is_in(NAMES) & ~pl.col("ruler"))
    assert_frame_equal(
        streamed.metrics.filter(pl.col("metric").is_in(NAMES) & ~pl.col("ruler")).drop("low", "high"),
        whole.drop("low", "high"),
        rel_tol=1e-9,
    )
    assert_frame_equal(streamed.disagreement, demo[1].disagreement, rel_tol=1e-9, abs_tol=1e-12)
    assert streamed.facts == demo[1].facts
    assert set(streamed.ranking["measure"]) == {"hacc"}
    assert set(streamed.ranking["proxy"][:2]) == {"close_copy", "per_prompt_scale"}


def test_the_policys_own_features_are_streamed_and_rank_the_ends_alike(demo):
    """Twenty numbers an output, without the n-grams of its text."""
    streamed = culpa.audit(culpa.scan(world.DEMO, rows=500), metrics=["rehearsal"], settings=Settings(replicates=100))
    assert streamed.outlook.facts["features"] == "the policy's 20-d features"
    assert demo[1].outlook.facts["features"].startswith("the policy's 20-d features joined with 512 hashed n-grams")
    last = {"flattered", "markdown_lover", "rm_swayed", "longest_wins", "verifier_strict"}
    assert set(streamed.ranking["proxy"][-5:]) == set(demo[1].ranking["proxy"][-5:]) == last


def test_an_affine_map_for_each_prompt_is_harmless_to_accuracy(demo):
    assert value(demo[1], "per_prompt_scale", "acc") == value(demo[1], "per_prompt_scale", "hacc") == 1.0


def test_a_close_copy_is_as_good_as_the_truth(demo):
    assert set(demo[1].ranking["measure"]) == {"rehearsal"}
    assert value(demo[1], "close_copy", "rehearsal") == pytest.approx(demo[1].outlook.facts["ceiling"], abs=0.005)


def test_accuracy_and_training_differ(demo):
    """Bold type hardly ever turns a pair round, and is what the policy learns. A coarse verifier ties, and teaches."""
    ceiling = demo[1].outlook.facts["ceiling"]
    assert value(demo[1], "markdown_lover", "hacc") > 0.95
    assert value(demo[1], "markdown_lover", "rehearsal") < ceiling - 0.03
    assert value(demo[1], "verifier_lenient", "hacc") < 0.5
    assert value(demo[1], "verifier_lenient", "rehearsal") > ceiling - 0.02
    gap = demo[1].comparisons.filter(
        (pl.col("proxy") == "verifier_lenient") & (pl.col("other") == "markdown_lover")
        | (pl.col("other") == "verifier_lenient") & (pl.col("proxy") == "markdown_lover")
    )
    assert gap["p_holm"][0] < 0.05


def test_a_hack_that_is_hardly_ever_seen_is_not_seen(demo):
    assert value(demo[1], "rare_hack", "rehearsal") == pytest.approx(demo[1].outlook.facts["ceiling"], abs=0.005)


def test_of_the_two_reward_models_that_of_the_swayed_labeller_is_worse_by_every_measure(demo):
    for measure in ("rehearsal", "acc", "correlation"):
        assert value(demo[1], "rm_swayed", measure) < value(demo[1], "rm_careful", measure) - 0.04


def test_accuracy_tells_the_close_copy_from_noise_for_sure():
    verdict = culpa.audit(world.demo()[0], metrics=["hacc"], settings=Settings(replicates=100))
    gap = verdict.comparisons.filter((pl.col("proxy") == "close_copy") & (pl.col("other") == "noisy"))
    assert gap["low"][0] > 0
    assert gap["p_holm"][0] < 0.001


def test_what_may_not_raise_the_truth_is_named_and_comes_last(demo):
    idle = {proxy for code, proxy in codes(demo[1]) if code == "may-not-raise"}
    assert idle == set(demo[1].ranking["proxy"][-2:]) == {"longest_wins", "verifier_strict"}
    assert not any(code == "lowers-truth" for code, _ in codes(demo[1]))


def test_what_learns_no_more_than_from_a_shuffled_truth_is_named(demo):
    assert {proxy for code, proxy in codes(demo[1]) if code == "shuffled-truth"} == {
        "longest_wins",
        "rm_swayed",
        "verifier_strict",
    }


def test_a_verifier_is_held_to_the_truth_itself_a_reward_model_to_its_own_scale(demo):
    right = dict(demo[1].outlook.prediction.select("proxy", "right").iter_rows())
    assert right["verifier_strict"] == right["verifier_lenient"] == "same"
    assert right["noisy"] == right["judge_with_timeouts"] == "matched"


def test_what_follows_length_is_named(demo):
    following = {proxy for code, proxy in codes(demo[1]) if code == "follows-ruler"}
    assert following == {"longest_wins", "markdown_lover", "rm_swayed"}
    assert value(demo[1], "longest_wins", "length_correlation") > 0.9


def test_timeouts_are_counted_not_scored(demo):
    rollouts, verdict = demo
    missing = np.isnan(rollouts.proxies["judge_with_timeouts"]) & rollouts.present
    assert value(verdict, "judge_with_timeouts", "missing") == pytest.approx(missing.sum() / rollouts.size)
    text = f"no verdict on {missing.sum()} of {rollouts.size} outputs (5.4%); they are left out, not counted as 0"
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
