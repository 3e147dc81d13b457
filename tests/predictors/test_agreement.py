"""How a measure is judged: regret against every set there is, correlations against those of rows, paired draws."""

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from culpa.errors import InputError
from culpa.metrics import kendall, spearman
from culpa.predictors.agreement import agreement, regret

FEW = st.integers(0, 3)


def slow_regret(values, outcome, size):
    """Every set in turn; of equal highest values the mean of what they end with."""
    losses = []
    for chosen in combinations(range(len(values)), size):
        own, ends = values[list(chosen)], outcome[list(chosen)]
        losses.append(ends.max() - ends[own == own.max()].mean())
    return np.mean(losses)


@given(st.lists(st.tuples(FEW, st.integers(-3, 3)), min_size=3, max_size=8), st.integers(2, 3))
@settings(max_examples=80, deadline=None)
def test_regret_is_the_mean_over_all_sets(pairs, size):
    values, outcome = np.array(pairs, dtype=float).T
    assert regret(values, outcome, size) == pytest.approx(slow_regret(values, outcome, size), abs=1e-12)


def test_regret_of_rows_is_that_of_each():
    rng = np.random.default_rng(0)
    values, outcome = rng.integers(0, 4, (5, 9)).astype(float), rng.standard_normal((5, 9))
    found = regret(values, outcome, 4)
    np.testing.assert_allclose(found, [slow_regret(v, o, 4) for v, o in zip(values, outcome, strict=True)], atol=1e-12)


def test_regret_of_the_outcome_itself_is_zero_and_too_few_have_none():
    outcome = np.random.default_rng(0).standard_normal(13)
    assert regret(outcome, outcome) == pytest.approx(0.0, abs=1e-12)
    assert regret(-outcome, outcome) == pytest.approx(np.ptp(outcome))
    assert np.isnan(regret(outcome[:12], outcome[:12]))


def world(count=20):
    rng = np.random.default_rng(1)
    outcome = rng.standard_normal(count)
    near, far = outcome + 0.3 * rng.standard_normal(count), outcome + 3.0 * rng.standard_normal(count)
    return {"near": near, "far": far}, outcome


def test_figures_are_those_of_the_row():
    values, outcome = world()
    found = agreement(values, outcome, rng=np.random.default_rng(0), replicates=50)
    for name in values:
        row = found.row(by_predicate=pl.col("measure") == name, named=True)
        assert row["spearman"] == pytest.approx(spearman(values[name][None], outcome[None])[0])
        assert row["kendall"] == pytest.approx(kendall(values[name][None], outcome[None])[0])
        assert row["regret"] == pytest.approx(regret(values[name], outcome))
        assert row["spearman_low"] <= row["spearman"] <= row["spearman_high"]
        assert row["n"] == 20
        assert row["gap"] is None


def test_intervals_are_of_proxies_drawn_again():
    values, outcome = world(40)
    seed = int(np.random.default_rng(0).integers(1 << 62))
    drawn = np.random.default_rng(seed).integers(40, size=(400, 40))
    own = spearman(values["far"][drawn], outcome[drawn])
    found = agreement(values, outcome, rng=np.random.default_rng(0), replicates=400)
    row = found.row(1, named=True)
    assert [row["spearman_low"], row["spearman_high"]] == pytest.approx(np.quantile(own, [0.025, 0.975]).tolist())


def test_two_measures_are_compared_in_the_same_draws():
    values, outcome = world(40)
    twice = values | {"far again": values["far"] * 2 + 1}
    found = agreement(twice, outcome, rng=np.random.default_rng(0), against="far", replicates=200)
    near, far, again = found.rows(named=True)
    for row in (far, again):
        assert [row[f"{name}{end}"] for name in ("gap", "regret_gap") for end in ("", "_low", "_high")] == [0.0] * 6
    assert near["gap"] == pytest.approx(near["spearman"] - far["spearman"])
    assert near["regret_gap"] == pytest.approx(near["regret"] - far["regret"])
    assert 0 < near["gap_low"] < near["gap"] < near["gap_high"]
    assert near["regret_gap_low"] <= near["regret_gap"] < 0


def test_a_proxy_without_a_value_is_left_out_on_both_sides():
    values, outcome = world()
    holes = values | {"near": np.where(np.arange(20) < 2, np.nan, values["near"])}
    found = agreement(holes, outcome, rng=np.random.default_rng(0), against="far", replicates=20)
    row = found.row(0, named=True)
    assert row["n"] == 18
    near, far, truth = (one[2:] for one in (values["near"], values["far"], outcome))
    expected = spearman(near[None], truth[None])[0]
    assert row["spearman"] == pytest.approx(expected)
    assert row["gap"] == pytest.approx(expected - spearman(far[None], truth[None])[0])
    outcome = np.where(np.arange(20) < 5, np.nan, outcome)
    assert agreement(values, outcome, rng=np.random.default_rng(0), replicates=5)["n"].to_list() == [15, 15]


def test_of_two_proxies_nothing_is_told():
    values, outcome = world(2)
    found = agreement(values, outcome, rng=np.random.default_rng(0), against="far", replicates=5)
    assert found["n"].to_list() == [2, 2]
    assert found["spearman"].null_count() == found["gap"].null_count() == 2


def test_same_generator_same_figures():
    values, outcome = world()
    runs = [agreement(values, outcome, rng=np.random.default_rng(3), replicates=20) for _ in range(2)]
    assert runs[0].equals(runs[1])
    assert not runs[0].equals(agreement(values, outcome, rng=np.random.default_rng(4), replicates=20))


def test_refused():
    values, outcome = world()
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"no measure is called 'x'\. Known: near, far\."):
        agreement(values, outcome, rng=rng, against="x")
    with pytest.raises(InputError, match=r"replicates must be at least 1, got 0"):
        agreement(values, outcome, rng=rng, replicates=0)
    with pytest.raises(InputError, match=r"at least 2 proxies to choose from, got 1"):
        regret(outcome, outcome, size=1)


def test_a_difference_is_told_on_the_proxies_that_both_have():
    values, outcome = world()
    holes = values | {"far": np.where(np.arange(20) < 2, np.nan, values["far"])}
    row = agreement(holes, outcome, rng=np.random.default_rng(0), against="far", replicates=20).row(0, named=True)
    assert row["n"] == 20
    near, far, truth = (one[None, 2:] for one in (values["near"], values["far"], outcome))
    assert row["gap"] == pytest.approx(spearman(near, truth)[0] - spearman(far, truth)[0])
