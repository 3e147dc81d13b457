"""Preference as reward: the runs against their fixed points, and each figure decides its claim."""

import json
from functools import partial

import numpy as np
import pytest
from tests.papers import case
from typer.testing import CliRunner

from culpa.cli.app import app
from culpa.papers import preference_as_reward
from culpa.papers.preference_as_reward import BEND, KL, PEAK, experiment, holds

lost = partial(case.lost, "preference_as_reward")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 5
    assert all(check.claim.startswith("control") == check.control for check in checks)


def of(data, name):
    return next(row for row in data["runs"] if row["name"] == name)


def test_runs_end_at_their_fixed_points(outcome):
    """Unshaped: d theta / dt = 1 - KL theta, exactly. The plain sigmoid: E sigma'(theta + z) = KL theta, by a grid."""
    time = 0.1 * outcome.data["steps"]
    for name in ("vanilla", "centred"):
        assert np.array(of(outcome.data, name)["mean"]) == pytest.approx((1 - np.exp(-KL * time)) / KL, rel=0.02)
    z = np.linspace(-8, 8, 4_001)
    weight = np.exp(-z * z / 2)

    def push(theta):
        slope = 1 / (1 + np.exp(-theta - z))
        return (weight * slope * (1 - slope)).sum() / weight.sum() - KL * theta

    low, high = 0.0, 10.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if push(middle) > 0 else (low, middle)
    assert np.array(of(outcome.data, "sigmoid")["mean"]) == pytest.approx(low, abs=0.15)


def test_under_a_ceiling_it_ends_where_what_is_left_to_gain_is_the_divergence(outcome):
    """P(theta + z < 3) = KL theta."""
    for mean in of(outcome.data, "ceil")["mean"]:
        assert (np.random.default_rng(0).normal(size=200_000) + mean < 3).mean() == pytest.approx(KL * mean, abs=0.03)


def test_the_truth_is_that_of_the_policy(outcome):
    for row in outcome.data["runs"]:
        assert row["truth"] == pytest.approx([mean - BEND * (mean**2 + 1) for mean in row["mean"]])
    grid = np.linspace(0, 10, 10_001)
    assert (grid - BEND * (grid**2 + 1)).max() == pytest.approx(PEAK, abs=1e-6)


def test_the_variance_is_that_of_draws(outcome):
    draws = np.random.default_rng(1).normal(size=400_000)
    for row in outcome.data["variance"]:
        assert row["par"] == pytest.approx(np.var(1 / (1 + np.exp(-row["mean"] - draws))), rel=0.05)


@pytest.mark.parametrize(
    ("name", "truth", "words"),
    [
        ("PAR", 1.4, "PAR ends near"),
        ("PAR, one reference each", 1.4, "one reference each ends"),
        ("vanilla", 1.0, "vanilla"),
        ("centred", 1.0, "centred"),
        ("meanstd", 0.0, "meanstd"),
        ("clip", 0.0, "clip"),
        ("SgFc", 1.4, "slow start"),
    ],
)
def test_each_run_decides_its_claim(outcome, name, truth, words):
    found = lost(outcome, lambda data: of(data, name).update(truth=[truth] * 3))
    assert any(words in claim for claim in found), found


@pytest.mark.parametrize("at", [1, 2])
def test_the_variance_decides_its_claim(outcome, at):
    assert any("variance" in claim for claim in lost(outcome, lambda data: data["variance"][at].update(par=0.04)))


def test_the_command_reproduces_it(outcome, monkeypatch):
    monkeypatch.setattr(preference_as_reward, "experiment", lambda *_: outcome)
    result = CliRunner().invoke(app, ["papers", "run", "preference_as_reward", "--quick", "--format", "json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["paper"] == "preference_as_reward"
