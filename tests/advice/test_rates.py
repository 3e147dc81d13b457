"""Rates, dependence and silent groups, against plain counting."""

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from tests.advice.worlds import BOTH, drawn, product, record

from culpa.advice.checks import checks_of
from culpa.advice.credit import Credit, credits
from culpa.advice.rates import independence, pairs_of, prompts_of, rates_of, silent_share

A = [[1, 1, 0, 0], [1, 0, 0, 0]]
B = [[1, 0, 1, 0], [0, 0, 0, 0]]


def rng():
    return np.random.default_rng(0)


def test_rates_are_means_over_prompts():
    found = rates_of(checks_of(record(a=A, b=B)), rng())
    rates = dict(zip(found["what"], found["rate"], strict=True))
    assert rates == {"a": 0.375, "b": 0.25, "all checks": 0.125, "some, not all": 0.375, "no check": 0.5}
    assert (found["low"] <= found["rate"]).all()
    assert (found["rate"] <= found["high"]).all()


def test_intervals_hold_the_true_rate_about_as_often_as_they_say():
    held = 0
    for seed in range(30):
        found = rates_of(checks_of(drawn(0.3, 0.6, prompts=60, samples=6, seed=seed, spread=1.0)), rng())
        low, high = found["low"][2], found["high"][2]
        held += low <= 0.1935 <= high  # mean of the product of two logistic normals
    assert held >= 25


def test_the_mean_that_the_test_above_holds_them_to():
    grid = np.random.default_rng(1).normal(size=(2, 400_000))
    rates = 1 / (1 + np.exp(-(np.log([[0.3 / 0.7], [0.6 / 0.4]]) + grid)))
    assert rates.prod(axis=0).mean() == pytest.approx(0.1935, abs=2e-3)


def test_a_rate_of_nought_is_bounded_by_the_number_of_prompts():
    found = rates_of(checks_of(record(a=[[0, 1]] * 20, b=[[0, 0]] * 20)), rng())
    none = found.filter(pl.col("what") == "b").row(0, named=True)
    assert (none["rate"], none["low"]) == (0.0, 0.0)
    assert (1 - none["high"]) ** 20 == pytest.approx(0.025)
    always = rates_of(checks_of(record(a=[[0, 1]] * 20, b=[[1, 1]] * 20)), rng()).row(1, named=True)
    assert (always["rate"], always["high"]) == (1.0, 1.0)
    assert always["low"] ** 20 == pytest.approx(0.025)


def test_one_prompt_has_no_interval():
    found = rates_of(checks_of(record(a=[[0, 1]], b=[[0, 1]])), rng())
    assert found["low"].null_count() == 4  # all but the rate of 0, which has a bound
    assert found["what"].to_list()[3] == "some, not all"


def test_prompts_have_their_own_rates_and_intervals():
    found = prompts_of(checks_of(record(a=A, b=B)), np.array(["x", "y"], dtype=object))
    assert found.select("prompt_id", "outputs", "p", "q", "r", "check.a").rows() == [
        ("x", 4, 0.25, 0.5, 0.25, 0.5),
        ("y", 4, 0.0, 0.25, 0.75, 0.25),
    ]
    low, high = found.row(1, named=True)["p low"], found.row(1, named=True)["p high"]
    assert low == 0.0
    assert high == pytest.approx(1.96**2 / (4 + 1.96**2), abs=1e-4)  # Wilson's for no success


def test_masses_that_are_known_have_no_interval():
    found = prompts_of(checks_of(record(a=A, b=B, weight=[[0.1, 0.2, 0.3, 0.4]] * 2)), np.array(["x", "y"], object))
    assert (found["p low"] == found["p"]).all()


def test_checks_called_like_a_rate_keep_their_own_column():
    found = prompts_of(checks_of(record(p=A, q=B)), np.array(["x", "y"], dtype=object))
    assert found["check.p"].to_list() == [0.5, 0.25]
    assert found["p"].to_list() == [0.25, 0.0]


def test_log_odds_ratios_by_hand():
    """x: 2 both, 1 neither, 1 first alone; y: 1 neither, 1 first alone, 2 second alone."""
    a, b = [[1, 1, 0, 1], [0, 1, 0, 0]], [[1, 1, 0, 0], [0, 0, 1, 1]]
    found = pairs_of(checks_of(record(a=a, b=b)), rng()).row(0, named=True)
    assert found["log_odds"] == pytest.approx(np.log((2 * 1 / 4 + 0) / (0 + 1 * 2 / 4)))


def test_hard_and_easy_prompts_do_not_look_like_dependence():
    """The odds of the pooled table are far from even, those within prompts are not."""
    g = np.random.default_rng(3)
    ease = np.repeat([0.1, 0.9], 60)[:, None]
    a, b = ((g.random((120, 16)) < ease).astype(float) for _ in range(2))
    found = pairs_of(checks_of(record(a=a, b=b)), rng())
    assert found["low"][0] < 0 < found["high"][0]
    pooled = np.log(((a * b).sum() * ((1 - a) * (1 - b)).sum()) / ((a * (1 - b)).sum() * ((1 - a) * b).sum()))
    assert pooled > 2
    assert independence(found) == (True, True)


@pytest.mark.parametrize("sign", [1, -1])
def test_dependence_is_seen(sign):
    g = np.random.default_rng(4)
    a = (g.random((60, 16)) < 0.5).astype(float)
    other = a if sign > 0 else 1 - a
    b = np.where(g.random((60, 16)) < 0.5, other, g.random((60, 16)) < 0.5).astype(float)
    found = pairs_of(checks_of(record(a=a, b=b)), rng())
    assert sign * found["log_odds"][0] > 1
    assert independence(found) == (True, False)


def test_dependence_that_cannot_be_told():
    found = pairs_of(checks_of(record(a=[[1, 0, 0]] * 5, b=[[0, 1, 0]] * 5)), rng())
    assert found.row(0)[2:] == (None, None, None)
    assert independence(found) == (False, False)


def test_three_checks_have_three_pairs():
    found = pairs_of(checks_of(drawn(0.5, 0.5, 0.5)), rng())
    assert found.select("first", "second").rows() == list(combinations(["check_0", "check_1", "check_2"], 2))


@pytest.mark.parametrize("group", [2, 3, 4])
@pytest.mark.parametrize("credit", credits(BOTH, np.array([0.5, 0.3])), ids=lambda one: one.name)
def test_silent_groups_are_all_choices_of_outputs_counted(group, credit):
    checks = checks_of(record(a=[[1, 1, 0, 0, 1], [0, 0, 0, 0, 0]], b=[[1, 0, 1, 0, 1], [1, 0, 0, 0, 0]]))
    silent = [
        np.mean([len({float(credit.reward[z]) for z in some}) == 1 for some in combinations(row, group)])
        for row in checks.pattern.tolist()
    ]
    assert silent_share(checks, credit, group, checks.mass) == pytest.approx(np.mean(silent))


def test_the_silent_share_is_that_of_the_policy_in_the_mean():
    mass = product(0.4, 0.3)
    binary = credits(BOTH, np.array([0.4, 0.3]))[0]
    law = mass[-1] ** 4 + (1 - mass[-1]) ** 4
    found = [
        silent_share(checks, binary, 4, checks.mass)
        for checks in (checks_of(drawn(0.4, 0.3, prompts=100, samples=6, seed=seed)) for seed in range(20))
    ]
    assert np.mean(found) == pytest.approx(law, abs=4 * np.std(found) / np.sqrt(20))
    assert np.std(found) < 0.05


def test_groups_larger_than_the_samples_take_the_masses():
    checks = checks_of(record(a=[[1, 0]], b=[[1, 1]]))
    mass = np.array([[0.5, 0.0, 0.2, 0.3]])
    binary = Credit("binary", np.array([0.0, 0.0, 0.0, 1.0]))
    assert silent_share(checks, binary, 8, mass) == pytest.approx(0.3**8 + 0.7**8)
