"""Latent reward: the world it is tried in, and each correlation decides its claim."""

import json
from functools import partial

import numpy as np
import pytest
from tests.papers import case
from typer.testing import CliRunner

from culpa.cli.app import app
from culpa.papers import latent_reward
from culpa.papers.latent_reward import described, draw, experiment, holds

lost = partial(case.lost, "latent_reward")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 1
    assert all(check.claim.startswith("control") == check.control for check in checks)


def test_the_reward_is_that_of_the_factors_and_not_linear_in_the_raw():
    seen = draw(40, np.random.default_rng(0))
    state, action = seen["raw"][..., :40], seen["raw"][..., 40:]
    one, two, three = np.tanh(2 * state[..., 0]), np.abs(state[..., 1] - state[..., 2]), (action**2).sum(axis=-1)
    assert seen["reward"] == pytest.approx(one - two - 0.3 * three)
    assert described(seen, "factors and raw").shape == (25, 40, 47)
    squares = described(seen, "raw, squares and products")
    assert squares.shape == (25, 40, 44 + 44 * 45 // 2)
    assert squares[..., 44] == pytest.approx(seen["raw"][..., 0] ** 2)
    assert squares[..., 45] == pytest.approx(seen["raw"][..., 0] * seen["raw"][..., 1])


@pytest.mark.parametrize(
    ("name", "episodes", "correlation", "words"),
    [
        ("raw, squares and products", 20, 0.65, "20 episodes: the factors are closer than raw, squares"),
        ("raw", 20, 0.65, "20 episodes: the factors are closer than raw"),
        ("raw", 200, 0.7, "200 episodes: the factors are closer than raw"),
        ("factors and raw", 20, 0.9, "than factors and raw"),
        ("noise", 200, -0.3, "control"),
    ],
)
def test_each_correlation_decides_its_claim(outcome, name, episodes, correlation, words):
    def change(data):
        for row in data["runs"]:
            if (row["by"], row["episodes"]) == (name, episodes):
                row["correlation"] = correlation

    found = lost(outcome, change)
    assert any(words in claim for claim in found), found


def test_the_command_reproduces_it(outcome, monkeypatch):
    monkeypatch.setattr(latent_reward, "experiment", lambda *_: outcome)
    result = CliRunner().invoke(app, ["papers", "run", "latent_reward", "--quick", "--format", "json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["paper"] == "latent_reward"
