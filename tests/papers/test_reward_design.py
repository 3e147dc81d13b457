"""Reward design: each figure decides its claim."""

import json
from functools import partial

import numpy as np
import pytest
from tests.papers import case
from typer.testing import CliRunner

from culpa.cli.app import app
from culpa.papers import reward_design
from culpa.papers.reward_design import experiment, holds

lost = partial(case.lost, "reward_design")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 3
    assert all(check.claim.startswith("control") == check.control for check in checks)


def of(data, name):
    return next(row for row in data["rewards"] if row["name"] == name)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: of(data, "designed").update(keeps=False), "keeps the best policy"),
        (lambda data: of(data, "designed, three states").update(greedy=0.9), "keeps the best policy"),
        (lambda data: data["exact"][0].update(designed=40), "designed, ten times"),
        (lambda data: data["exact"][0].update(adapted=[40, 41, 90]), "adapted, ten times"),
        (lambda data: data["learnt"].update({"designed": [30.0, 31.0]}), "designed, sooner"),
        (lambda data: data["learnt"].update({"designed, three states": [35.0, 36.0]}), "three states, sooner"),
        (lambda data: data["learnt"].update({"invariance alone": [0.9, 1.0]}), "invariance alone"),
        (lambda data: of(data, "potential").update(informativeness=-0.1), "potential of the best values"),
        (lambda data: of(data, "original").update(informativeness=0.0), "potential of the best values"),
        (lambda data: data.update(potential=0.1), "potential of the best values"),
        (lambda data: data["exact"][0].update(adapted=[19, 20, 21]), "never again"),
    ],
    ids=[
        "keeps",
        "greedy",
        "designed",
        "adapted",
        "dense",
        "sparse",
        "bare",
        "informative",
        "original",
        "curve",
        "stale",
    ],
)
def test_each_figure_decides_its_claim(outcome, change, words):
    found = lost(outcome, change)
    assert any(words in claim for claim in found), found


def test_all_rewards_have_one_bound(outcome):
    assert all(row["most"] <= 1.0 + 1e-9 for row in outcome.data["rewards"] if row["name"] != "potential")


def test_the_command_reproduces_it(outcome, monkeypatch):
    monkeypatch.setattr(reward_design, "experiment", lambda *_: outcome)
    result = CliRunner().invoke(app, ["papers", "run", "reward_design", "--quick", "--format", "json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["paper"] == "reward_design"
