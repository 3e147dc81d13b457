"""Shaped next-token prediction: the gradient, its rest in closed form, and each figure decides its claim."""

import json
from functools import partial

import numpy as np
import pytest
from tests.papers import case
from typer.testing import CliRunner

from culpa.cli.app import app
from culpa.papers import next_token_shaping
from culpa.papers.next_token_shaping import DATA, experiment, holds, push

lost = partial(case.lost, "next_token_shaping")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 1
    assert all(check.claim.startswith("control") == check.control for check in checks)


def of(outcome, name):
    return next(row for row in outcome.data["runs"] if row["name"] == name)


@pytest.mark.parametrize(("name", "beta"), [("beta -0.25", -0.25), ("beta -1", -1.0), ("beta 0.5", 0.5)])
def test_it_rests_where_its_equation_says(outcome, name, beta):
    """pi is proportional to q (1 - pi)^beta there."""
    prob = DATA.copy()
    for _ in range(2000):
        wanted = DATA * (1 - prob) ** beta
        prob = 0.5 * prob + 0.5 * wanted / wanted.sum()
    assert of(outcome, name)["entropy"] == pytest.approx(-(prob * np.log(prob)).sum(), abs=1e-5)
    assert of(outcome, name)["kl"] == pytest.approx((DATA * np.log(DATA / prob)).sum(), abs=1e-6)


def test_the_push_is_the_mean_over_targets_of_a_loop():
    logits = np.random.default_rng(0).normal(size=200)
    prob = np.exp(logits) / np.exp(logits).sum()
    likely = set(np.argsort(-prob)[:10].tolist())
    total = np.zeros(200)
    for x in range(200):
        mass = np.array([0.1 * prob[a] if a in likely else -0.2 * prob[a] for a in range(200)])
        mass[x] = (1 - prob[x]) ** 0.5
        total += DATA[x] * (mass - prob * mass.sum())
    assert push(logits, beta=0.5, head=0.1, tail=-0.2) == pytest.approx(total)


@pytest.mark.parametrize(
    ("name", "figures", "words"),
    [
        ("beta -0.25", {"entropy": 3.85}, "beta -0.25"),
        ("beta -1", {"entropy": 3.8}, "more so"),
        ("beta 0.5", {"entropy": 3.87}, "wider"),
        ("tail -0.1", {"tail": 0.425}, "tail -0.1"),
        ("head 0.1", {"tail": 0.425}, "head 0.1"),
        ("tail -0.1", {"kl": 0.01}, "close to the data"),
        ("cross-entropy", {"entropy": 3.9}, "control"),
        ("cross-entropy", {"tail": 0.2}, "control"),
    ],
)
def test_each_setting_decides_its_claim(outcome, name, figures, words):
    def change(data):
        next(row for row in data["runs"] if row["name"] == name).update(figures)

    found = lost(outcome, change)
    assert any(words in claim for claim in found), found


def test_the_plain_gradient_decides_its_claim(outcome):
    assert lost(outcome, lambda data: data.update(plain=1e-3)) == ["with nothing shaped it is cross-entropy"]


def test_the_command_reproduces_it(outcome, monkeypatch):
    monkeypatch.setattr(next_token_shaping, "experiment", lambda *_: outcome)
    result = CliRunner().invoke(app, ["papers", "run", "next_token_shaping", "--quick", "--format", "json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["paper"] == "next_token_shaping"
