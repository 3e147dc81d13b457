"""Proxy against truth: by loops, under maps that change nothing, and the trend against scipy's regression."""

import numpy as np
import pytest
from scipy import stats
from tests.training.watch_cases import batch

from culpa.errors import InputError
from culpa.training.watch.batch import Batch
from culpa.training.watch.probe import Probe, probe, trend


def judged(reward, truth):
    return Batch(0, np.array(reward, dtype=float), np.ones(np.shape(reward), dtype=bool), np.array(truth, dtype=float))


def slow(given):
    groups = []
    for row, known, there in zip(given.reward.tolist(), given.truth.tolist(), given.present.tolist(), strict=True):
        cells = [(r, g) for r, g, here in zip(row, known, there, strict=True) if here and not np.isnan(r + g)]
        groups += [cells] if len(cells) > 1 else []
    middles = [(sum(r for r, _ in g) / len(g), sum(t for _, t in g) / len(g)) for g in groups]
    right = ordered = up = bad_up = bad = cross = left = other = 0.0
    for cells, (m, c) in zip(groups, middles, strict=True):
        for i, (a, x) in enumerate(cells):
            up += max(a - m, 0)
            if a > m + 1e-12 and x < c - 1e-12:
                bad, bad_up = bad + 1, bad_up + a - m
            for b, y in cells[i + 1 :]:
                if x != y:
                    ordered += 1 / 1
                    right += 0.5 if a == b else float((a > b) == (x > y))
        cross += sum((a - m) * (x - c) for a, x in cells) / len(cells)
        left += sum((a - m) ** 2 for a, _ in cells) / len(cells)
        other += sum((x - c) ** 2 for _, x in cells) / len(cells)
    count = sum(map(len, groups))
    return {
        "prompts": len(groups),
        "outputs": count,
        "reward": sum(r for g in groups for r, _ in g) / count,
        "truth": sum(t for g in groups for _, t in g) / count,
        "truth_error": np.std([c for _, c in middles], ddof=1) / len(groups) ** 0.5,
        "reward_spread": (left / len(groups)) ** 0.5,
        "truth_spread": (other / len(groups)) ** 0.5,
        "accuracy": right / ordered,
        "correlation": cross / (left * other) ** 0.5,
        "harmful": bad / count,
        "push": bad_up / up,
    }


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_the_slow_form(seed, coarse):
    given = batch(np.random.default_rng(seed), prompts=8, coarse=coarse)
    seen = probe(given)._asdict()
    for name, value in slow(given).items():
        assert seen[name] == pytest.approx(value), name


def test_ranks_go_together_as_scipy_says():
    rng = np.random.default_rng(0)
    reward, truth = rng.integers(0, 4, (2, 6, 7)).astype(float)
    known = [stats.spearmanr(r, g).statistic for r, g in zip(reward, truth, strict=True)]
    assert probe(judged(reward, truth)).spearman == pytest.approx(np.mean(known))


def test_only_wrong_outputs_that_attract_are_harmful():
    truth = [[4.0, 1.0, 0.0, 0.0, 0.0]]
    repelled = probe(judged([[9.0, 0.0, 1.0, 2.0, 3.0]], truth))  # the worst above the second best, all below the mean
    assert (repelled.harmful, repelled.push) == (0.0, 0.0)
    attracted = probe(judged([[9.0, 0.0, 0.0, 0.0, 9.0]], truth))
    assert (attracted.harmful, attracted.push) == (0.2, 0.5)


def test_scale_and_level_change_no_figure_that_compares():
    given = batch(np.random.default_rng(3))
    seen = probe(given)
    levels = np.arange(len(given.reward))[:, None]
    moved = Batch(0, 3.0 * given.reward + levels, given.present, 0.5 * given.truth - levels)
    for name in ("accuracy", "spearman", "correlation", "harmful", "push"):
        assert getattr(probe(moved), name) == pytest.approx(getattr(seen, name)), name


def test_a_proxy_that_says_nothing_attracts_nothing():
    seen = probe(judged([[0.1] * 5], [[1.0, 2.0, 3.0, 4.0, 5.0]]))
    assert seen.harmful == 0.0
    assert seen.accuracy == 0.5
    assert np.isnan(seen.push)
    assert np.isnan(seen.correlation)


def test_without_two_judged_outputs_there_is_no_probe():
    assert probe(Batch(0, np.zeros((1, 2)), np.ones((1, 2), dtype=bool))) is None
    assert probe(judged([[1.0, 2.0]], [[np.nan, 1.0]])) is None
    assert probe(judged([[np.nan, 2.0]], [[0.0, 1.0]])) is None


def test_one_prompt_has_no_standard_error():
    assert np.isnan(probe(judged([[0.0, 1.0]], [[0.0, 1.0]])).truth_error)


def probes(reward, truth):
    base = Probe(4, 16, 0.0, 0.0, 0.1, 2.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0)
    return [base._replace(reward=float(r), truth=float(g)) for r, g in zip(reward, truth, strict=True)]


def test_the_trend_is_the_regression_of_scipy():
    rng = np.random.default_rng(0)
    steps, reward, truth = np.arange(3, 23, 2), rng.normal(size=10), rng.normal(size=10)
    seen = trend(steps, probes(reward, truth), level=0.9)
    for name, values in (("reward", reward), ("truth", truth), ("gap", reward / 2.0 - truth / 0.5)):
        known = stats.linregress(steps, values)
        reach = stats.t.ppf(0.95, 8) * known.stderr
        assert getattr(seen, name) == pytest.approx(known.slope)
        assert getattr(seen, f"{name}_low") == pytest.approx(known.slope - reach)
        assert getattr(seen, f"{name}_high") == pytest.approx(known.slope + reach)


def test_the_interval_holds_the_slope_as_often_as_it_says():
    rng, held = np.random.default_rng(1), 0
    for _ in range(400):
        values = 0.1 * np.arange(8) + rng.normal(size=8)
        seen = trend(range(8), probes(values, values))
        held += seen.reward_low <= 0.1 <= seen.reward_high
    assert 0.92 < held / 400 < 0.98


@pytest.mark.parametrize(("up", "down", "said"), [(1, -1, True), (1, 1, False), (-1, -1, False), (-1, 1, False)])
def test_over_optimised_is_a_proxy_that_rises_and_a_truth_that_falls(up, down, said):
    at = np.arange(8.0)
    assert trend(range(8), probes(up * at, down * at)).over_optimised is said


def test_few_probes_have_no_trend():
    assert np.isnan(trend(range(3), probes([1, 2, 3], [1, 2, 3])).reward)
    assert not trend([], []).over_optimised


def test_steps_and_probes_go_together():
    with pytest.raises(InputError, match="2 steps for 1 probes"):
        trend([0, 1], probes([1], [1]))
