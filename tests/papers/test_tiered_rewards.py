"""Tiers of closeness: what is measured against its laws, and each figure decides its claim."""

from functools import partial
from math import erf, sqrt

import numpy as np
import pytest
from tests.papers import case

from culpa.papers.tiered_rewards import HALF, NOISE, WIDTH, experiment, holds, measured, order, rewards
from culpa.signals import apply, weighted_sum

lost = partial(case.lost, "tiered_rewards")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 4
    assert all(check.claim.startswith("control") == check.control for check in checks)


def normal(x):
    return 0.5 * (1 + erf(x / sqrt(2)))


def test_dead_groups_under_success_are_those_of_chance(outcome):
    for row in outcome.data["runs"]:
        if row["name"] == "binary":
            hit = normal(HALF - row["distance"]) - normal(-HALF - row["distance"])
            assert row["dead"] == pytest.approx(hit**8 + (1 - hit) ** 8, abs=0.015)


def test_success_and_closeness_are_measured():
    place = np.array([[0.0, 0.24, -0.26, 3.0]])
    hit, close = measured(np.tile(place, (20_000, 1)), np.random.default_rng(0))
    assert hit[0].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert close.mean(axis=0) == pytest.approx(np.exp(-0.5 * (place[0] / WIDTH) ** 2), abs=0.003)
    assert close.std(axis=0) == pytest.approx(NOISE, rel=0.03)


def test_dealt_out_keeps_the_tiers_of_a_group():
    told = measured(np.random.default_rng(1).normal(1, 1, (50, 8)), np.random.default_rng(2))
    ways = rewards(np.random.default_rng(0))
    failed = np.stack([np.zeros((50, 8)), told[1]])
    own, dealt = (apply(ways[name], failed) for name in ("tiers", "dealt out"))
    assert np.sort(own, axis=1) == pytest.approx(np.sort(dealt, axis=1))
    assert not np.array_equal(own, dealt)


def test_order_sees_a_failure_that_wins():
    assert order(weighted_sum(1.0, 0.1)) == pytest.approx(1.0 - 0.2)
    assert order(weighted_sum(1.0, 0.75)) < 0


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("tiers", {"snr": [0.2] * 20}, "tiers point better"),
        ("binary", {"dead": 0.1}, "fewer groups dead"),
        ("dealt out", {"snr": [3.0] * 20}, "control: dealt out"),
    ],
)
def test_each_run_decides_its_claim(outcome, name, change, words):
    found = lost(outcome, lambda data: [row.update(change) for row in data["runs"] if row["name"] == name])
    assert sum(words in claim for claim in found) == 3


def test_energy_and_order_decide_theirs(outcome):
    assert lost(outcome, lambda data: data["energy"].update(tiers=0.9)) == ["at the target tiers fall silent"]
    assert lost(outcome, lambda data: data["energy"].update(continuous=0.0)) == ["control: closeness as it is does not"]
    assert lost(outcome, lambda data: data.update(gap=-0.1)) == ["every success is above every failure"]
