"""DCPO: entropies and the exact course against a plain loop, and each figure decides its claim."""

import json
from functools import partial

import numpy as np
import pytest
from tests.papers import case
from typer.testing import CliRunner

from culpa.cli.app import app
from culpa.dynamics import Columns, Path
from culpa.dynamics.stepwise import stepwise
from culpa.papers import entropy_control
from culpa.papers.entropy_control import experiment, holds, of_entropy
from culpa.signals import dcpo

lost = partial(case.lost, "entropy_control")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 4
    assert all(check.claim.startswith("control") == check.control for check in checks)


def entropy(logp):
    return -(np.exp(logp) * logp).sum(axis=0).mean()


@pytest.mark.parametrize("wanted", [0.1, 0.5, 1.8, 2.2])
def test_a_start_has_the_entropy_that_is_asked_for(wanted):
    logp = of_entropy(np.random.default_rng(0).normal(size=(10, 64)), wanted)
    assert entropy(logp) == pytest.approx(wanted, abs=1e-6)
    assert np.exp(logp).sum(axis=0) == pytest.approx(1)


def test_the_expected_course_is_that_of_a_plain_loop():
    """All correct: theta moves by a (pi_T - pi), whatever the advantage is."""
    logp = of_entropy(np.random.default_rng(0).normal(size=(4, 3)), 0.5)
    walk = stepwise(Columns(logp, logp, np.ones_like(logp)), Path("dcpo", signal=dcpo(1.0)), eta=2.0)
    logits = logp.copy()
    for _ in range(50):
        pi = np.exp(logits) / np.exp(logits).sum(axis=0)
        assert np.exp(next(walk)) == pytest.approx(pi, abs=1e-12)
        gap = 1.0 - entropy(np.log(pi))
        pull, power = min(abs(gap), 0.1), 1 / 1.2 if gap >= 0 else 1 / 0.8
        logits = logits + 2.0 * pull / (1 + pull) * (pi**power / (pi**power).sum(axis=0) - pi)
    assert entropy(np.log(pi)) > 0.52


@pytest.mark.parametrize(
    ("start", "name", "end", "words"),
    [
        (0.5, "DCPO", 0.6, "from 0.5: entropy"),
        (0.5, "DCPO", 1.4, "from 0.5: entropy"),
        (1.8, "DCPO", 1.7, "from 1.8: entropy"),
        (0.5, "ratio 1", 0.6, "from 0.5: with ratio 1"),
        (1.8, "ratio 1", 1.7, "from 1.8: with ratio 1"),
        (0.5, "GRPO", 0.4, "from 0.5: with GRPO"),
        (1.8, "GRPO", 1.7, "from 1.8: with GRPO"),
    ],
)
def test_each_run_decides_its_claim(outcome, start, name, end, words):
    def change(data):
        for row in data["runs"]:
            if (row["start"], row["name"]) == (start, name):
                row["end"] = end

    found = lost(outcome, change)
    assert any(words in claim for claim in found), found


def test_the_identity_decides_its_claim(outcome):
    assert any("tempered" in claim for claim in lost(outcome, lambda data: data.update(identity=1e-6)))


def test_the_command_reproduces_it(outcome, monkeypatch):
    monkeypatch.setattr(entropy_control, "experiment", lambda *_: outcome)
    result = CliRunner().invoke(app, ["papers", "run", "entropy_control", "--quick", "--format", "json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["paper"] == "entropy_control"
