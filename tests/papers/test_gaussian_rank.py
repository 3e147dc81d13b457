"""Gaussian ranks: the sizes by known laws, and each figure decides its claim."""

import json
from functools import partial

import numpy as np
import pytest
from tests.papers import case
from typer.testing import CliRunner

from culpa.cli.app import app
from culpa.papers import gaussian_rank
from culpa.papers.gaussian_rank import EXAMPLES, experiment, holds

lost = partial(case.lost, "gaussian_rank")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 3
    assert all(check.claim.startswith("control") == check.control for check in checks)


def of(data, name):
    return next(row for row in data["sizes"] if row["name"] == name)


def test_sizes_are_those_that_the_laws_say(outcome):
    """Less a mean: variance (1 - 1/16) of the task's. By rank without ties: the mean square of 16 quantiles."""
    mean, rank = of(outcome.data, "mean"), of(outcome.data, "Gaussian rank")
    assert mean["right or wrong"] == pytest.approx(0.5 * np.sqrt(15 / 16), abs=0.005)
    assert mean["overlap"] == pytest.approx(0.03 / np.sqrt(12) * np.sqrt(15 / 16), rel=0.02)
    from scipy.stats import norm

    full = np.sqrt(np.square(norm.ppf((np.arange(16) + 0.5) / 16)).mean())
    assert [rank["overlap"], rank["heavy tail"]] == pytest.approx([full, full])


def test_the_rival_is_the_quantile_of_the_mean_rank(outcome):
    assert outcome.data["examples"][0]["middle"][0] == pytest.approx(-0.2533, abs=1e-4)
    assert outcome.data["examples"][2]["middle"][0] == pytest.approx(-0.8416, abs=1e-4)
    assert len(outcome.data["examples"]) == len(EXAMPLES)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("Gaussian rank", {"overlap": 0.1}, "like size"),
        ("Gaussian rank", {"largest": 2.0}, "no outlier"),
        ("mean", {"overlap": 0.4, "heavy tail": 1.0}, "control: less a mean"),
        ("mean and deviation", {"largest": 1.8}, "control: divided"),
    ],
)
def test_each_size_decides_its_claim(outcome, name, values, words):
    found = lost(outcome, lambda data: of(data, name).update(values))
    assert any(words in claim for claim in found), found


def test_the_worked_groups_and_variances_decide_theirs(outcome):
    assert "the paper's four groups" in lost(outcome, lambda data: data["examples"][1]["rank"].__setitem__(0, -0.59))

    def alike(data):
        for row in data["examples"]:
            row["middle"] = row["rank"]

    assert any("mean rank" in claim for claim in lost(outcome, alike))
    assert any("variance" in claim for claim in lost(outcome, lambda data: data["tied"][0].update(variance=1.0)))


def test_the_command_reproduces_it(outcome, monkeypatch):
    monkeypatch.setattr(gaussian_rank, "experiment", lambda *_: outcome)
    result = CliRunner().invoke(app, ["papers", "run", "gaussian_rank", "--quick", "--format", "json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["paper"] == "gaussian_rank"
