"""The canon of shapings: each figure decides its claim."""

import json
from functools import partial

import numpy as np
import pytest
from tests.papers import case
from typer.testing import CliRunner

from culpa.cli.app import app
from culpa.papers import shaping_canon
from culpa.papers.shaping_canon import experiment, holds

lost = partial(case.lost, "shaping_canon")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 3
    assert all(check.claim.startswith("control") == check.control for check in checks)


@pytest.mark.parametrize(
    ("name", "part", "steps", "words"),
    [
        ("values", "first", 20.0, "potential of the values"),
        ("landmark", "first", 20.0, "potential of the landmark"),
        ("landmark", "last", 14.0, "in the end"),
        ("landmark as a bonus", "first", 30.0, "as a bonus"),
        ("values turned round", "first", 30.0, "turned round"),
    ],
)
def test_each_run_decides_its_claim(outcome, name, part, steps, words):
    def change(data):
        row = next(row for row in data["runs"] if row["name"] == name)
        row[part] = [steps] * len(row[part])

    found = lost(outcome, change)
    assert any(words in claim for claim in found), found


@pytest.mark.parametrize(
    ("name", "off", "words"),
    [
        ("potential", 1e-6, "any potential"),
        ("bonus", 0.0, "as a bonus"),
        ("forgot the end", 0.0, "not 0 at the end"),
        ("left", 0.0, "not 0 at the end"),
    ],
)
def test_what_the_exact_gradient_sees_decides_its_claim(outcome, name, off, words):
    assert any(words in claim for claim in lost(outcome, lambda data: data["exact"].update({name: off})))


def test_what_centring_sees_decides_its_claim(outcome):
    assert any("any potential" in claim for claim in lost(outcome, lambda data: data.update(centred=1e-3)))


def test_the_command_reproduces_it(outcome, monkeypatch):
    monkeypatch.setattr(shaping_canon, "experiment", lambda *_: outcome)
    result = CliRunner().invoke(app, ["papers", "run", "shaping_canon", "--quick", "--format", "json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["paper"] == "shaping_canon"
