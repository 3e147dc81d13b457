"""The bundled rollouts have the defects that they were made with, and the audit names them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.audit.world import codes, value

import culpa
from culpa.audit import Settings

DEMO = Path(culpa.__file__).parent / "cli" / "demo.parquet"


@pytest.fixture(scope="module")
def demo():
    rollouts = culpa.read(DEMO)
    return rollouts, culpa.audit(rollouts, settings=Settings(replicates=500))


def test_the_stream_and_the_whole_tell_the_same_story(demo):
    streamed = culpa.audit(culpa.scan(DEMO, rows=500), settings=Settings(replicates=500))
    assert_frame_equal(streamed.ranking, demo[1].ranking, rel_tol=1e-9)
    assert_frame_equal(streamed.disagreement, demo[1].disagreement, rel_tol=1e-9, abs_tol=1e-12)
    assert streamed.facts == demo[1].facts


def test_an_affine_map_for_each_prompt_is_harmless(demo):
    assert value(demo[1], "per_prompt_scale", "acc") == value(demo[1], "per_prompt_scale", "hacc") == 1.0
    assert demo[1].ranking["proxy"][0] == "per_prompt_scale"


def test_a_close_copy_is_above_noise(demo):
    order = demo[1].ranking["proxy"].to_list()
    assert order.index("close_copy") < order.index("noisy")
    gap = demo[1].comparisons.filter((pl.col("proxy") == "close_copy") & (pl.col("other") == "noisy"))
    assert gap["low"][0] > 0
    assert gap["p_holm"][0] < 0.001


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
