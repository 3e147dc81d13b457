"""Defects of known size, planted in drawn outputs, come out at their size."""

import numpy as np
import pytest

from culpa import Rollouts
from culpa.advice.defects import MEASURES, measured, sizes
from culpa.advice.residual import Judged, scored

PROMPTS, SAMPLES = 600, 12


def cells(proxy, truth, length=None, logprob=None):
    return scored(Judged(np.full(truth.shape, 1.0 / truth.shape[1]), truth, proxy, length, logprob))


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(7)


@pytest.fixture(scope="module")
def truth():
    return np.random.default_rng(1).normal(size=(PROMPTS, SAMPLES))


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(2).normal(size=(PROMPTS, SAMPLES))


@pytest.fixture(scope="module")
def level():
    return np.random.default_rng(3).normal(size=(PROMPTS, 1))


def test_a_proxy_that_is_the_truth_has_no_defect(truth):
    length, logprob = np.exp(truth[:, ::-1]), -np.exp(truth[:, ::-1])
    for name, size in sizes(cells(3.0 * truth, truth, length, logprob)).items():
        assert np.isnan(size) or abs(size) < 1e-6, name


@pytest.mark.parametrize("size", [0.5, 2.0])
def test_noise(truth, noise, size):
    assert sizes(cells(truth + size * noise, truth))["noise_output"] == pytest.approx(size, rel=0.08)


@pytest.mark.parametrize("size", [1.0, 10.0])
def test_levels_of_prompts_less_what_noise_makes_of_them(truth, noise, level, size):
    assert sizes(cells(truth + size * level, truth))["noise_prompt"] == pytest.approx(size * level.std(), rel=0.03)
    both = sizes(cells(truth + size * level + noise, truth))
    assert both["noise_prompt"] == pytest.approx(size * level.std(), rel=0.06)
    assert sizes(cells(truth + noise, truth))["noise_prompt"] < 0.15
    assert sizes(cells(truth + size * level, truth))["noise_output"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_turned_prompts(truth, noise, share):
    turned = np.where(np.arange(PROMPTS)[:, None] < share * PROMPTS, -1.0, 1.0)
    assert sizes(cells(turned * truth, truth))["turned_prompt"] == pytest.approx(share, abs=0.01)
    assert sizes(cells(turned * truth + 0.5 * noise, truth))["turned_prompt"] == pytest.approx(share, abs=0.05)
    assert sizes(cells(truth + 2.0 * noise, truth))["turned_prompt"] < 0.035  # .07 if noise were taken for the truth's


def test_false_verdicts(truth):
    right = (truth > 0.8).astype(float)
    hit = np.random.default_rng(4).random(truth.shape)
    wrong = np.where((right == 0) & (hit < 0.1), 1.0, right)
    assert sizes(cells(wrong, right))["false_positive"] == pytest.approx(0.1, abs=0.01)
    assert sizes(cells(wrong, right))["false_negative"] == 0.0
    missed = np.where((right == 1) & (hit < 0.3), 0.0, right)
    assert sizes(cells(missed, right))["false_negative"] == pytest.approx(0.3, abs=0.02)
    assert sizes(cells(5.0 * missed - 9.0, right))["false_negative"] == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("size", [0.5, -1.0])
def test_length_is_counted_in_deviations_and_keeps_its_sign(truth, noise, level, size):
    """Whatever the prompts' usual lengths are."""
    length = 500.0 + 90.0 * noise + 300.0 * level
    found = sizes(cells(truth + size * noise, truth, length))
    assert found["length"] == pytest.approx(size, rel=0.08)
    assert np.isnan(sizes(cells(truth + size * noise, truth))["length"])


@pytest.mark.parametrize(("name", "share"), [("hack_frequent", 0.2), ("hack_rare", 0.02)])
def test_a_bonus_for_a_mark_is_seen_through_noise_of_equal_tails(truth, noise, name, share):
    marked = np.random.default_rng(5).random(truth.shape) < share
    marks = [np.random.default_rng(seed).random(truth.shape) < share for seed in range(8)]
    found = [sizes(cells(truth + 4.0 * mark, truth))[name] for mark in marks]
    assert np.mean(found) == pytest.approx(4.0, rel=0.04)
    assert sizes(cells(truth + 4.0 * marked + 0.5 * noise, truth))[name] == pytest.approx(4.0, rel=0.15)
    assert sizes(cells(truth - 4.0 * marked, truth))[name] == 0.0


def test_mediocre_outputs_with_many_samples():
    """The mean of a prompt is known well from many of its outputs; from 12 the size is too small."""
    truth = np.random.default_rng(6).normal(size=(60, 200))
    ahead = truth - truth.mean(axis=1, keepdims=True)
    middling = (ahead > 0) & (ahead < 1)
    over, under = sizes(cells(truth + 1.5 * middling, truth)), sizes(cells(truth - 1.5 * middling, truth))
    assert over["mediocre_over"] == pytest.approx(1.5, rel=0.05)
    assert under["mediocre_under"] == pytest.approx(1.5, rel=0.05)
    assert over["mediocre_under"] == under["mediocre_over"] == 0.0


def test_a_ceiling_is_the_mass_of_the_highest_score(truth):
    found = sizes(cells(np.minimum(truth, np.quantile(truth, 0.7)), truth))
    assert found["saturation"] == pytest.approx(0.3, abs=0.01)
    assert sizes(cells(truth**3, truth))["saturation"] == 0.0


def test_sparse_pay(truth):
    paid = (truth > np.quantile(truth, 0.9)).astype(float)
    assert sizes(cells(paid, truth))["sparsity"] == pytest.approx(0.9, abs=0.01)
    assert np.isnan(sizes(cells(truth, truth))["sparsity"])


@pytest.mark.parametrize("size", [0.5, 1.5])
def test_scales_of_prompts_less_what_noise_makes_of_them(truth, noise, level, size):
    assert sizes(cells(np.exp(size * level) * truth, truth))["scale_prompt"] == pytest.approx(size, rel=0.12)
    assert sizes(cells(truth + noise, truth))["scale_prompt"] < 0.15


@pytest.mark.parametrize("size", [0.5, 2.0])
def test_noise_that_grows_with_surprise(truth, noise, size):
    surprise = np.random.default_rng(8).gamma(2.0, 1.0, truth.shape)
    found = sizes(cells(truth + size * noise * surprise / surprise.mean(), truth, logprob=-surprise))
    assert found["staleness"] == pytest.approx(size, rel=0.12)
    assert sizes(cells(truth + noise, truth, logprob=-surprise))["staleness"] < 0.3


def test_verdicts_leave_what_needs_grades_and_grades_what_needs_verdicts(truth):
    right = (truth > 0).astype(float)
    on_verdicts = sizes(cells(right + 0.1 * truth, right))
    unknown = {name for name, size in on_verdicts.items() if np.isnan(size)}
    graded = {"mediocre_over", "mediocre_under", "saturation", "scale_prompt", "sparsity"}
    assert unknown == graded | {"length", "staleness", "false_positive", "false_negative"}
    on_grades = sizes(cells(truth * 2.0, truth))
    assert np.isnan([on_grades[name] for name in ("false_positive", "false_negative")]).all()


def test_tiny_groups_give_numbers_or_nothing():
    truth = np.array([[0.0, 1.0], [2.0, 0.5], [1.0, 3.0]])
    found = sizes(cells(truth + np.array([[0.0, 0.3], [0.0, -0.2], [0.1, 0.0]]), truth))
    assert np.isnan(found["hack_rare"])
    assert np.isnan(found["turned_prompt"])
    assert found["noise_output"] > 0


def test_measured_has_a_row_for_each_and_intervals_that_hold_the_size(truth, noise):
    shape = (100, SAMPLES)
    names = np.array([f"q{row:03d}" for row in range(100)], dtype=object)
    proxy = {"rm": truth[:100] + noise[:100]}
    rollouts = Rollouts(names, np.ones(shape, dtype=bool), np.full(shape, 1 / SAMPLES), proxy, truth[:100])
    one, two = (measured(rollouts, "rm", seed=seed) for seed in (0, 0))
    assert one.equals(two, null_equal=True)
    assert one["defect"].to_list() == list(MEASURES)
    row = one.rows(named=True)[0]
    assert row["defect"] == "noise_output"
    assert 0.9 < row["low"] < row["size"] < row["high"] < 1.15
    assert 0.06 < row["high"] - row["low"] < 0.18  # four errors of about .03
    assert not measured(rollouts, "rm", seed=1).equals(one, null_equal=True)
    length = one.rows(named=True)[list(MEASURES).index("length")]
    assert np.isnan([length["size"], length["low"], length["high"]]).all()
