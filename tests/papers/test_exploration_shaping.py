"""Exploration-guided shaping: each learner decides its claim."""

import json
from functools import partial

import numpy as np
import pytest
from tests.papers import case
from typer.testing import CliRunner

from culpa.cli.app import app
from culpa.papers import exploration_shaping
from culpa.papers.exploration_shaping import LEARNERS, experiment, holds

lost = partial(case.lost, "exploration_shaping")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 1
    assert all(check.claim.startswith("control") == check.control for check in checks)


def test_without_shaping_nobody_succeeds_more_often_in_the_beginning(outcome):
    first = [np.mean(row["first"]) for row in outcome.data["runs"]]
    assert max(first) < 0.3
    assert [row["name"] for row in outcome.data["runs"]] == list(LEARNERS)


@pytest.mark.parametrize(
    ("name", "success", "words"),
    [
        ("both (ExploRS)", 0.4, "succeed more often than none"),
        ("both (ExploRS)", 0.5, "than the bonus alone"),
        ("learnt alone (SelfRS)", 0.15, "learnt part alone"),
        ("bonus alone (ExploB)", 0.15, "the bonus alone more"),
        ("both, learnt part turned round", 0.6, "turned round"),
    ],
)
def test_each_learner_decides_its_claim(outcome, name, success, words):
    def change(data):
        row = next(row for row in data["runs"] if row["name"] == name)
        row["success"] = [success] * len(row["success"])

    found = lost(outcome, change)
    assert any(words in claim for claim in found), found


def test_the_command_reproduces_it(outcome, monkeypatch):
    monkeypatch.setattr(exploration_shaping, "experiment", lambda *_: outcome)
    result = CliRunner().invoke(app, ["papers", "run", "exploration_shaping", "--quick", "--format", "json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["paper"] == "exploration_shaping"
