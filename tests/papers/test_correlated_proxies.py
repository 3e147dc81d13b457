"""Correlated proxies: each figure decides its claim."""

import json
from functools import partial

import numpy as np
import pytest
from tests.papers import case
from typer.testing import CliRunner

from culpa.cli.app import app
from culpa.papers import correlated_proxies
from culpa.papers.correlated_proxies import experiment, holds

lost = partial(case.lost, "correlated_proxies")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 2
    assert all(check.claim.startswith("control") == check.control for check in checks)


@pytest.mark.parametrize(
    ("figures", "words"),
    [({"violated": 1}, "never gains less"), ({"without": 0}, "without the distance")],
)
def test_the_bound_decides_its_claim(outcome, figures, words):
    assert any(words in claim for claim in lost(outcome, lambda data: data.update(figures)))


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [("chi2", 1e-6, "objective's gradient"), ("kl", 1e-6, "objective's gradient"), ("sqrt_chi2, half", 1e-9, "half")],
)
def test_the_gradient_decides_its_claim(outcome, kind, error, words):
    assert any(words in claim for claim in lost(outcome, lambda data: data["gradient"].update({kind: error})))


@pytest.mark.parametrize(
    ("rare", "which", "figures", "words"),
    [
        (1e-3, "all", {"kl": 0.8}, "0.001: chi-squared"),
        (1e-4, "all", {"kl": 1.3}, "0.0001: chi-squared"),
        (1e-4, "one", {"kl": 9.0}, "0.0001: chi-squared"),
        (1e-3, "all", {"theory": 0.4}, "theory"),
        (1e-3, "all", {"proxy": 0.0}, "hacked"),
    ],
)
def test_each_optimum_decides_its_claim(outcome, rare, which, figures, words):
    def change(data):
        rows = [row for row in data["runs"] if row["rare"] == rare]
        for row in rows if which == "all" else rows[:1]:
            row.update(figures)

    found = lost(outcome, change)
    assert any(words in claim for claim in found), found


def test_the_proxy_correlates(outcome):
    assert min(row["r"] for row in outcome.data["runs"]) > 0.5


def test_the_command_reproduces_it(outcome, monkeypatch):
    monkeypatch.setattr(correlated_proxies, "experiment", lambda *_: outcome)
    result = CliRunner().invoke(app, ["papers", "run", "correlated_proxies", "--quick", "--format", "json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["paper"] == "correlated_proxies"
