"""Behaviour alignment: each figure decides its claim."""

import json
from functools import partial

import numpy as np
import pytest
from tests.papers import case
from typer.testing import CliRunner

from culpa.cli.app import app
from culpa.papers import behaviour_alignment
from culpa.papers.behaviour_alignment import experiment, holds

lost = partial(case.lost, "behaviour_alignment")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 1
    assert all(check.claim.startswith("control") == check.control for check in checks)


@pytest.mark.parametrize(
    ("name", "figures", "words"),
    [
        ("misleading", {"mixed": 0.4}, "is undone"),
        ("misleading", {"weights": [1.0, 1.0]}, "its weight falls"),
        ("helpful", {"mixed": 0.96}, "helps more"),
        ("misleading", {"mixed": 0.9}, "above the true reward alone"),
        ("helpful", {"mixed": 0.9}, "above the true reward alone"),
        ("helpful", {"error": 1e-4}, "derivative"),
        ("misleading", {"sum": 0.6}, "control"),
    ],
)
def test_each_figure_decides_its_claim(outcome, name, figures, words):
    def change(data):
        next(row for row in data["runs"] if row["name"] == name).update(figures)

    found = lost(outcome, change)
    assert any(words in claim for claim in found), found


def test_the_sum_is_where_the_mixture_starts(outcome):
    runs = {row["name"]: row for row in outcome.data["runs"]}
    assert runs["misleading"]["sum"] < 0.02
    assert runs["helpful"]["sum"] > outcome.data["alone"]


def test_the_command_reproduces_it(outcome, monkeypatch):
    monkeypatch.setattr(behaviour_alignment, "experiment", lambda *_: outcome)
    result = CliRunner().invoke(app, ["papers", "run", "behaviour_alignment", "--quick", "--format", "json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["paper"] == "behaviour_alignment"
