import numpy as np
import polars as pl
import pytest
from tests.labs.tinylm.said import TASKS, rollouts

from culpa.errors import InputError
from culpa.labs.tinylm.constraints import instructions
from culpa.labs.tinylm.outputs import Scale, asked, judged, normal, overlap, pooled_sd, scale_of, uniform
from culpa.labs.tinylm.tasks import sort
from culpa.rollouts.dense import from_frame

WORDS = [f"{i}" for i in range(4000)]


def ragged():
    """Three responses to one prompt, one to another."""
    rows = [("ba=", "ab", one) for one in ("ab", "aa", "ba")] + [("bb=", "bb", "bb")]
    return from_frame(
        pl.DataFrame([(p, p, a, r) for p, a, r in rows], ["prompt_id", "prompt", "answer", "response"], orient="row")
    )


def test_outputs_are_judged_by_their_task():
    task = sort(4, 4)
    seen = judged(task, Scale(0.25, 0.4, 0.4), ["dcba="] * 4, ["abcd", "abcc", "ab", "dcba"], ["abcd"] * 4)
    assert seen.truth.tolist() == [1.0, 0.375, 0.25, 0.0]
    assert seen.exact.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert seen.fraction.tolist() == [1.0, 0.75, 0.5, 0.0]
    assert seen.score.tolist() == [4.0, 1.5, 1.0, 0.0]
    assert seen._replace(scale=Scale(1.0, 0.0, 0.3)).mediocre.tolist() == [0.0, 1.0, 0.0, 0.0]
    assert seen._replace(scale=Scale(1.0, 0.0, 0.3)).bad.tolist() == [0.0, 0.0, 1.0, 1.0]
    assert seen._replace(scale=Scale(1.0, 0.0, 0.25)).mediocre.tolist() == [
        0.0,
        1.0,
        0.0,
        0.0,
    ]  # the middle itself: bad


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_output_is_exact_or_mediocre_or_bad(name):
    record = rollouts(TASKS[name])
    seen = judged(TASKS[name], scale_of(TASKS[name], record), *asked(record))
    assert (seen.exact + seen.mediocre + seen.bad == 1.0).all()
    assert min(seen.exact.sum(), seen.mediocre.sum(), seen.bad.sum()) > 0


def test_the_grade_is_the_truth_or_shows_what_a_binary_truth_hides():
    record = rollouts(TASKS["sort"])
    seen = judged(TASKS["sort"], Scale(1.0, 0.0, 0.0), *asked(record))
    np.testing.assert_allclose(seen.grade, seen.truth)
    task = instructions("moderate")
    half = judged(task, Scale(1.0, 0.0, 0.0), ["abc a>3 h.="], ["aaab"], ["abc a>3 h."])
    assert (half.truth[0], half.grade[0]) == (0.0, 0.25)


def test_the_scale_is_the_spread_within_prompts():
    values = [np.array([1.0, 0.25, 0.0]), np.array([1.0])]
    scale = scale_of(sort(2, 2), ragged())
    assert scale.sd == pytest.approx(np.sqrt(np.mean([one.var() for one in values])))
    assert scale.mean == pytest.approx(2.25 / 4)
    assert scale.middle == pytest.approx(0.25 / 2)  # of the two that are not exact


def test_a_spread_between_prompts_does_not_count():
    record = rollouts(TASKS["sort"], prompts=5, samples=3)
    by_prompt = np.repeat(np.arange(5.0), 3)
    assert pooled_sd(by_prompt, record) == 0.0
    noise = np.random.default_rng(0).normal(size=15)
    assert pooled_sd(noise + 7.0 * by_prompt, record) == pytest.approx(pooled_sd(noise, record))
    assert pooled_sd(-3.0 * noise, record) == pytest.approx(3.0 * pooled_sd(noise, record))


def test_hashed_numbers_are_uniform_and_normal():
    flat, bell = uniform("salt", WORDS), normal("salt", WORDS)
    assert (flat.mean(), flat.std()) == pytest.approx((0.5, 12**-0.5), abs=0.015)
    assert (bell.mean(), bell.std()) == pytest.approx((0.0, 1.0), abs=0.04)
    assert np.mean(np.abs(bell) < 1.0) == pytest.approx(0.683, abs=0.02)
    assert len(set(flat)) == len(WORDS)


def test_hashed_numbers_depend_on_salt_and_text_alone():
    assert abs(np.corrcoef(uniform("a", WORDS), uniform("b", WORDS))[0, 1]) < 0.05
    assert (uniform("a", WORDS[::-1]) == uniform("a", WORDS)[::-1]).all()
    assert uniform("a", ["x"])[0] == pytest.approx(0.58480, abs=1e-5)  # in every process, on every platform


@pytest.mark.parametrize(
    ("answer", "response", "share"), [("aab", "baa", 1.0), ("aab", "ab", 2 / 3), ("ab", "cc", 0.0)]
)
def test_overlap_counts_characters_without_their_order(answer, response, share):
    assert overlap(answer, response) == overlap(response, answer) == pytest.approx(share)
    assert overlap("", "") == 0.0


def test_texts_that_do_not_go_together_are_refused():
    with pytest.raises(InputError, match=r"got 1 prompts, 2 responses and 1 answers\. Give a prompt and an answer"):
        judged(sort(), Scale(1.0, 0.0, 0.0), ["a="], ["a", "b"], ["a"])


def test_rollouts_without_answers_are_refused():
    record = rollouts(TASKS["sort"], prompts=3)
    with pytest.raises(InputError, match="column 'answer': the rollouts have no such column"):
        asked(type(record)(record.prompt_id, record.present, record.weight, table=record.table.drop("answer")))


def test_a_truth_without_spread_is_refused():
    record = rollouts(TASKS["sort"], prompts=3)
    same = record.table.with_columns(response=pl.col("answer"))
    with pytest.raises(InputError, match=r"the truth of sort8of10 does not vary within any of 3 prompts\. Draw more"):
        scale_of(TASKS["sort"], type(record)(record.prompt_id, record.present, record.weight, table=same))
