"""The demo's rollouts: every number that is a function of the text is that of the script, each proxy has its defect."""

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_series_equal

import culpa
from culpa.labs.tinylm.tasks import is_held_out
from culpa.rollouts.dense import from_frame, to_frame

ROOT = Path(__file__).parents[1]
FILE = ROOT / "src" / "culpa" / "cli" / "demo.parquet"

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(ROOT / "benchmarks")
    tasks, proxies, demo = (importlib.import_module(name) for name in ("demo_tasks", "demo_proxies", "make_demo"))

OF_TEXT = [proxy.__name__ for proxy in demo.PROXIES]
PROXIES = [*OF_TEXT, *demo.LABELLERS]
DEMO = pl.read_parquet(FILE)
RECORD = culpa.read(FILE)
SMALL = demo.Size(steps=1, prompts=8, fewest=2, most=4, lessons=8, pairs=16, rm_steps=1, components=3)
PROMPTS = 260


# ---- the file ----


def test_file_is_small_and_names_its_schema_and_how_it_was_made():
    assert FILE.stat().st_size < 400_000
    assert pl.read_parquet_metadata(FILE)["culpa.schema"] == "1"
    assert "make_demo.py" in RECORD.notes[0]
    assert f"taught for {demo.Size().steps} steps" in RECORD.notes[0]
    assert "principal components" in RECORD.notes[1]


def test_columns_are_native():
    native = {"prompt_id", "prompt", "response", "weight", "truth", "logprob", "length", "features"}
    scores = {f"proxy.{name}" for name in PROXIES}
    assert set(DEMO.columns) == native | scores | {"task", "answer", "ended", "proxy.judge_with_timeouts.reason"}
    assert all(DEMO.schema[name] == pl.Float64 for name in scores | {"weight", "truth", "logprob", "length"})
    assert DEMO.schema["features"] == pl.Array(pl.Float32, demo.Size().components)


def test_rows_are_sorted_by_prompt_and_prompts_were_not_taught():
    assert DEMO["prompt_id"].is_sorted()
    assert DEMO["prompt"].n_unique() == DEMO["prompt_id"].n_unique() == PROMPTS == demo.Size().prompts
    assert all(map(is_held_out, DEMO["prompt"].unique()))
    kinds = DEMO.group_by("task").agg(pl.col("prompt").n_unique())
    assert dict(kinds.iter_rows()) == {"sort": PROMPTS // 2, "sum": PROMPTS // 2}


def test_groups_hold_8_to_16_samples_of_weight_one_together():
    groups = DEMO.group_by("prompt_id").agg(pl.len(), pl.col("weight").sum(), pl.col("weight").n_unique().alias("w"))
    assert set(groups["len"]) == set(range(8, 17))
    np.testing.assert_allclose(groups["weight"], 1, atol=1e-12)
    assert groups["w"].max() == 1


@pytest.mark.parametrize("column", ["truth", *(f"proxy.{name}" for name in OF_TEXT)])
def test_truth_and_proxies_are_those_of_the_texts(column):
    """Where there is a verdict."""
    made = {one.name: one for one in demo.scores(DEMO)}[column]
    found = DEMO[column]
    assert_series_equal(found.drop_nulls(), made.filter(found.is_not_null()), check_exact=True)
    assert found.null_count() == 0 or column.endswith("judge_with_timeouts")


def test_length_is_characters_and_an_end_token():
    assert DEMO["length"].to_list() == [
        len(text) + ended for text, ended in DEMO.select("response", "ended").iter_rows()
    ]
    assert DEMO["ended"].mean() > 0.99


def test_same_text_has_same_logprob_and_scores():
    same = DEMO.group_by("prompt_id", "response").agg(
        pl.len(), pl.col("logprob").max() - pl.col("logprob").min(), pl.col("proxy.rm_careful").n_unique()
    )
    assert same.height < DEMO.height
    assert same["logprob"].max() < 2e-3  # batches differ in the last digits
    assert (DEMO["logprob"] < 0).all()


def test_samples_follow_their_logprobs():
    """Two samples of a prompt are equal as often as the probability of the first says, within five standard errors."""
    excess = []
    for group in DEMO.partition_by("prompt_id"):
        texts, size = group["response"].to_numpy(), group.height
        equal = ((texts[:, None] == texts).sum() - size) / (size * (size - 1))
        excess.append(equal - group["logprob"].exp().mean())
    assert abs(np.mean(excess)) < 5 * np.std(excess) / len(excess) ** 0.5 < 0.05


def test_features_are_centred_uncorrelated_and_ordered():
    values, weight = RECORD.features.astype(float), RECORD.weight[..., None]
    values = np.where(RECORD.present[..., None], values, 0)
    scale = np.sqrt((weight * values**2).sum(axis=(0, 1)))
    assert np.abs((weight * values).sum(axis=1)).max() < 2e-3 * scale.max()
    spread = np.einsum("psd,pse->de", weight * values, values) / np.outer(scale, scale)
    np.testing.assert_allclose(spread, np.eye(len(scale)), atol=2e-2)
    assert (np.diff(scale) <= 0).all()
    assert (DEMO["features"].to_numpy().astype(np.float16) == DEMO["features"].to_numpy()).all()


# ---- the policy ----


def test_the_policy_is_imperfect_at_both_tasks_and_in_between_for_many():
    for kind in tasks.KINDS:
        truth = DEMO.filter(pl.col("task") == kind)["truth"]
        assert 0.05 < (truth == 1).mean() < 0.9
        assert truth.is_between(0, 1, closed="none").mean() > 0.1


def test_the_policy_talks_as_its_teacher():
    for mark, style in ((tasks.GREETING, "praise"), (tasks.SURE, "certain"), (tasks.BOLD, "markdown")):
        assert tasks.says(DEMO["response"], mark).mean() == pytest.approx(tasks.STYLES[style].share, abs=0.04)
    assert 0 < tasks.says(DEMO["response"], tasks.APPEAL).mean() < 0.015


# ---- the proxies: one row each; error is the proxy minus the truth on the proxy's own scale ----


def score(name: str) -> np.ndarray:
    return DEMO[f"proxy.{name}"].to_numpy()


def has(mark: str) -> np.ndarray:
    return np.array([mark in text for text in DEMO["response"]])


TRUTH = DEMO["truth"].to_numpy()
EXACT = TRUTH == 1


def error(name: str) -> np.ndarray:
    return score(name) - TRUTH


def only_where(name: str, where: np.ndarray) -> bool:
    """Errors exactly there, all of one size."""
    found = error(name)
    return bool((np.abs(found[~where]) < 1e-3).all() and found[where].min() > 0.5)


def half_right() -> np.ndarray:
    """Of all parts at least half, which is a truth of at least a quarter."""
    return (TRUTH >= 0.25 - 1e-4) & ~EXACT


def upside_down_on_a_fifth() -> bool:
    turned = np.abs(score("sign_flipped_some") - (1 - TRUTH)) < 1e-3
    as_it_is = np.abs(error("sign_flipped_some")) < 1e-3
    per_prompt = (
        DEMO.with_columns(turned=turned, plain=as_it_is).group_by("prompt_id").agg(pl.col("turned", "plain").all())
    )
    share = per_prompt["turned"].mean()
    return bool((per_prompt["turned"] | per_prompt["plain"]).all()) and 0.12 < share < 0.28


def same_but_for_scale() -> bool:
    """One line a prompt, of positive slope."""
    for group in DEMO.partition_by("prompt_id"):
        x, y = group["truth"].to_numpy(), group["proxy.per_prompt_scale"].to_numpy()
        if np.ptp(x) > 0:
            slope, offset = np.polyfit(x, y, 1)
            if slope <= 0 or np.abs(slope * x + offset - y).max() > 1e-3:
                return False
    return True


def late_verdicts_are_missing_with_a_reason() -> bool:
    verdict = DEMO["proxy.judge_with_timeouts"]
    late = DEMO["proxy.judge_with_timeouts.reason"].fill_null("") == demo.TIMEOUT
    whole_marks = set(verdict.drop_nulls()) <= set(map(float, range(1, 11)))
    return whole_marks and bool((late == verdict.is_null()).all()) and 0.03 < late.mean() < 0.07


def judged_right() -> dict[str, float]:
    """The share of pairs of a prompt that each proxy has in order."""
    table = demo.quality(DEMO)
    return dict(zip(table["proxy"], table["accuracy"], strict=True))


CHECKS: dict[str, Callable[[], bool]] = {
    "close_copy": lambda: 0.027 < error("close_copy").std() < 0.033,
    "noisy": lambda: 0.32 < error("noisy").std() < 0.38 and abs(np.corrcoef(error("noisy"), TRUTH)[0, 1]) < 0.1,
    "longest_wins": lambda: np.corrcoef(error("longest_wins") + 0.6 * TRUTH, DEMO["length"])[0, 1] > 0.99,
    "flattered": lambda: only_where("flattered", has(tasks.GREETING)),
    "markdown_lover": lambda: only_where("markdown_lover", has(tasks.BOLD)),
    "rare_hack": lambda: only_where("rare_hack", has(tasks.APPEAL)) and error("rare_hack").max() > 4.9,
    "verifier_strict": lambda: bool(np.array_equal(score("verifier_strict"), DEMO["response"] == DEMO["answer"])),
    "verifier_lenient": lambda: bool((score("verifier_lenient") == (half_right() | EXACT | has(tasks.SURE))).all()),
    "partial_credit_generous": lambda: only_where("partial_credit_generous", half_right()),
    "all_or_nothing": lambda: bool((score("all_or_nothing") == EXACT).all()),
    "saturated": lambda: bool((score("saturated") == np.minimum(TRUTH, 0.25)).all()),
    "sign_flipped_some": upside_down_on_a_fifth,
    "per_prompt_scale": same_but_for_scale,
    "judge_with_timeouts": late_verdicts_are_missing_with_a_reason,
    "rm_careful": lambda: judged_right()["rm_careful"] > judged_right()["rm_swayed"],
    "rm_swayed": lambda: np.corrcoef(score("rm_swayed"), DEMO["length"])[0, 1] > 0.3,
}


def test_every_proxy_has_a_check():
    assert list(CHECKS) == PROXIES


@pytest.mark.parametrize("name", PROXIES)
def test_defect_is_planted(name):
    assert CHECKS[name]()


def test_printed_quality_is_the_slow_one():
    """Slow and obvious: every ordered pair of samples of a prompt, pooled."""
    table = demo.quality(DEMO)
    assert table["proxy"].to_list() == PROXIES
    for name, found, missing in table.select("proxy", "accuracy", "missing").iter_rows():
        right = []
        for group in DEMO.partition_by("prompt_id"):
            truth, given = group["truth"].to_numpy(), group[f"proxy.{name}"].fill_null(np.nan).to_numpy()
            better = truth[:, None] > truth
            known = ~np.isnan(given[:, None] + given)
            right += (given[:, None] > given)[better & known].tolist()
        assert found == pytest.approx(np.mean(right))
        assert (missing > 0) == (name == "judge_with_timeouts")


# ---- the parts of the script ----


def test_reduced_is_the_principal_components_of_the_stacked_samples():
    """Up to half precision, those of a singular value decomposition."""
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"prompt_id": ["a"] * 5 + ["b"] * 3, "proxy.x": [0.0] * 8})
    raw = rng.normal(size=(8, 6)) * [9, 1, 4, 1, 1, 1]
    record = from_frame(frame.with_columns(features=pl.Series(raw.tolist(), dtype=pl.Array(pl.Float32, 6))))
    found, share = demo.reduced(record, 2)
    centred = np.concatenate([raw[:5] - raw[:5].mean(0), raw[5:] - raw[5:].mean(0)])
    weighted = centred * np.sqrt(np.r_[np.full(5, 1 / 5), np.full(3, 1 / 3)])[:, None]
    _, values, vectors = np.linalg.svd(weighted)
    expected = centred @ vectors[:2].T
    signs = np.sign(vectors[:2][[0, 1], np.abs(vectors[:2]).argmax(axis=1)])  # the largest entry is positive
    np.testing.assert_allclose(found[record.present], expected * signs, rtol=2e-3, atol=5e-3)
    assert share == pytest.approx((values[:2] ** 2).sum() / (values**2).sum())
    assert np.isnan(found[~record.present]).all()


def test_some_of_keeps_the_first_samples_with_weight_one_together():
    frame = pl.DataFrame({"prompt_id": ["b"] * 5 + ["a"] * 5, "n": [*range(5), *range(5)]})
    frame = frame.with_columns(weight=pl.lit(0.2), logprob=pl.lit(-1.23456))
    found = demo.some_of(frame, SMALL, np.random.default_rng(0))
    for name, group in found.group_by("prompt_id"):
        assert 2 <= group.height <= 4, name
        assert group["n"].to_list() == list(range(group.height))
        assert set(group["weight"]) == {1 / group.height}
    assert found["prompt_id"].unique(maintain_order=True).to_list() == ["b", "a"]
    drawn = (demo.some_of(frame, SMALL, np.random.default_rng(seed)) for seed in range(20))
    assert {size for one in drawn for size in one.group_by("prompt_id").len()["len"]} == {2, 3, 4}
    assert set(found["logprob"]) == {-1.2346}


def test_the_script_from_end_to_end_twice_the_same(tmp_path):
    """Small: one step of everything. Trained anew, then found again."""
    found = [demo.make(SMALL, tmp_path / place) for place in ("one", "two", "two")]
    first = to_frame(found[0])
    assert set(first.columns) == set(DEMO.columns)
    assert first["prompt_id"].is_sorted()
    assert first["prompt_id"].n_unique() == 8
    for other in found[1:]:
        assert to_frame(other).equals(first, null_equal=True)
        assert other.notes == found[0].notes
