"""Role-aware credit: the exact gradient against draws, and each cosine decides its claim."""

import json
from functools import partial

import numpy as np
import pytest
from tests.papers import case
from typer.testing import CliRunner

from culpa.cli.app import app
from culpa.papers import role_aware_credit
from culpa.papers.role_aware_credit import EACH, GROUPS, SIGHT, drawn, exact, experiment, holds

lost = partial(case.lost, "role_aware_credit")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 3
    assert all(check.claim.startswith("control") == check.control for check in checks)


def test_the_exact_gradient_is_the_slope_of_the_expected_reward():
    def expected(own, shared):
        chance = np.exp(own + shared)
        chance /= chance.sum(axis=1, keepdims=True)
        return np.diag(chance).mean()

    slopes = []
    for i in range(20):
        move = 1e-6 * np.eye(20)[i]
        ends = [expected(SIGHT + s * move[:16].reshape(4, 4), s * move[16:]) for s in (1, -1)]
        slopes.append((ends[0] - ends[1]) / 2e-6)
    assert exact() == pytest.approx(slopes, abs=1e-9)


def test_a_batch_points_to_it_on_average():
    rng, total = np.random.default_rng(0), np.zeros(20)
    for _ in range(300):
        image = np.repeat(rng.integers(4, size=GROUPS), EACH)
        words, known = drawn(image, 3, rng)
        reward = (words[0] == image) - 0.4754
        total += role_aware_credit._pushed(np.broadcast_to(reward, words.shape).astype(float), image, words)
    assert total / (300 * GROUPS * EACH) == pytest.approx(exact(), abs=0.012)
    assert known.logprob[1:] == pytest.approx(known.other[1:])


@pytest.mark.parametrize(
    ("fillers", "name", "cosine", "words"),
    [
        (5, "weighted", 0.6, "5 fillers: weighted"),
        (20, "weighted", 0.6, "20 fillers: weighted"),
        (80, "weighted", 0.45, "80 fillers: weighted"),
        (20, "shuffled", 0.6, "20 fillers, weights shuffled"),
    ],
)
def test_each_cosine_decides_its_claim(outcome, fillers, name, cosine, words):
    def change(data):
        row = next(row for row in data["runs"] if row["fillers"] == fillers)
        row[name] = [cosine] * len(row[name])

    found = lost(outcome, change)
    assert any(words in claim for claim in found), found


def test_what_no_contrast_changes_decides_its_claim(outcome):
    assert lost(outcome, lambda data: data.update(same=1e-3)) == ["where the image changes nothing, this is GRPO"]


def test_the_command_reproduces_it(outcome, monkeypatch):
    monkeypatch.setattr(role_aware_credit, "experiment", lambda *_: outcome)
    result = CliRunner().invoke(app, ["papers", "run", "role_aware_credit", "--quick", "--format", "json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["paper"] == "role_aware_credit"
