"""Rewarding the unlikely: pass at k tries against draws, GRPO against its own formula, and what decides the claims."""

import json
from functools import partial

import numpy as np
import pytest
from tests.papers import case
from typer.testing import CliRunner

from culpa.cli.app import app
from culpa.papers import unlikeliness
from culpa.papers.unlikeliness import START, experiment, holds, solved, train

lost = partial(case.lost, "unlikeliness")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 1
    assert all(check.claim.startswith("control") == check.control for check in checks)


def test_pass_at_k_is_the_share_that_draws_solve():
    rng = np.random.default_rng(0)
    solves = rng.random((50, 40)) < 0.1
    prob = np.exp(START) / np.exp(START).sum()
    drawn = rng.choice(40, size=(2_000, 16), p=prob)
    assert solved(START, solves)[0] == pytest.approx((solves @ prob).mean())
    assert solved(START, solves)[1] == pytest.approx(solves[:, drawn].any(axis=2).mean(), abs=0.01)


def test_one_update_is_that_of_a_loop():
    solves = np.random.default_rng(1).random((300, 40)) < 0.2
    rng, again = np.random.default_rng(2), np.random.default_rng(2)
    value = train(0.5, solves, 1, rng)
    prob = np.exp(START) / np.exp(START).sum()
    drawn = (again.random((300, 16))[..., None] >= np.cumsum(prob)[:-1]).sum(axis=-1)
    push = np.zeros(40)
    for p in range(300):
        reward = np.array([
            solves[p, y] * (1 - 0.5 * ((prob[drawn[p]] < prob[y]).sum() + ((drawn[p] == y).sum() - 1) / 2) / 16)
            for y in drawn[p]
        ])  # fmt: skip
        spread = reward.std(ddof=1)
        for y, a in zip(drawn[p], (reward - reward.mean()) / (spread + 1e-6), strict=True):
            push += a * (np.eye(40)[y] - prob) / (300 * 16)
    assert value - START == pytest.approx(1.5 * push, abs=1e-12)


@pytest.mark.parametrize(
    ("beta", "rates", "words"),
    [
        (0.0, [0.2, 0.8, 0.9], "GRPO gains"),
        (0.0, [0.25, 0.95, 0.9], "GRPO gains"),
        (0.5, [0.25, 0.84, 0.9], "beta .5"),
        (0.5, [0.1, 0.99, 0.9], "in one try"),
        (-0.5, [0.3, 0.9, 0.9], "control"),
    ],
)
def test_each_run_decides_its_claim(outcome, beta, rates, words):
    def change(data):
        for row in data["runs"]:
            if row["beta"] == beta:
                row["pass"] = rates

    found = lost(outcome, change)
    assert any(words in claim for claim in found), found


def test_the_command_reproduces_it(outcome, monkeypatch):
    monkeypatch.setattr(unlikeliness, "experiment", lambda *_: outcome)
    result = CliRunner().invoke(app, ["papers", "run", "unlikeliness", "--quick", "--format", "json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["paper"] == "unlikeliness"
