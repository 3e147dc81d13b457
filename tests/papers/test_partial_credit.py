"""Application II: the published regimes, each claim with a control, and the figures behind them."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from culpa.advice.credit import BINARY, PARTIAL, STAGED, Credit
from culpa.cli.app import app
from culpa.papers import names, partial_credit
from culpa.papers.outcome import Outcome
from culpa.papers.partial_credit import SKILLS, TABLES, experiment, holds


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_it_is_found_and_says_what_it_claims():
    assert "partial_credit" in names()
    title, *rest = (partial_credit.__doc__ or "").splitlines()
    assert "(2604.25872), application II" in title
    assert any(line.startswith("Claim: ") for line in rest)
    assert any(line.startswith("Departures: 1.") for line in rest)


def test_every_claim_holds_and_every_part_has_a_control(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 8
    assert all(check.claim.startswith("control: ") == check.control for check in checks)


@pytest.mark.parametrize("name", ["both rare", "one easy", "both moderate"])
def test_skills_are_those_of_two_recursions(outcome, name):
    """Binary: each skill's lesson is as frequent as the other's success; partial: half of a lesson each."""
    row = next(row for row in outcome.data["skills"] if row["name"] == name)
    for way in (BINARY, PARTIAL):
        a, b = SKILLS[name]
        for step in range(1, 301):
            lessons = (b, a) if way == BINARY else (0.5, 0.5)
            odds = [np.log(one / (1 - one)) + one * (1 - one) * part for one, part in zip((a, b), lessons, strict=True)]
            a, b = (1 / (1 + np.exp(-one)) for one in odds)
            if step in row["at"]:
                assert row["at"][step][way] == pytest.approx(a * b, abs=5e-3)


@pytest.mark.parametrize("name", ["likely half-right", "high credit"])
def test_tables_are_those_of_a_plain_loop(outcome, name):
    p, q, credit, steps = TABLES[name]
    for way, middle in ((BINARY, 0.0), (PARTIAL, credit)):
        logits, reward = np.log([1 - p - q, q, p]), np.array([0.0, middle, 1.0])
        for _ in range(steps):
            prob = np.exp(logits) / np.exp(logits).sum()
            logits = logits + 0.1 * prob * (reward - prob @ reward)
        row = next(row for row in outcome.data["tables"] if row["name"] == name)
        assert row[way] == pytest.approx(np.exp(logits[2]) / np.exp(logits).sum(), abs=5e-3)


def test_overlap_is_a_plain_loop_over_one_weight_vector(outcome):
    (row,) = [row for row in outcome.data["overlap"] if row["rho"] == 0.3]
    side = np.sqrt(1 - 0.09)
    features = np.array([[1, 0, 0, 0], [0.3, side, 0, 0], [0.3, 0, side, 0], [0, 0, 0, 1]])
    weights = np.linalg.solve(features, np.log([0.01, 0.3, 0.3, 0.39]))
    reward = np.array([1, 0.5, 0.5, 0])
    for _ in range(3_000):
        prob = np.exp(features @ weights) / np.exp(features @ weights).sum()
        weights = weights + 0.1 * features.T @ (prob * (reward - prob @ reward))
    assert row[PARTIAL] == pytest.approx(float((np.exp(features @ weights) / np.exp(features @ weights).sum())[0]))


def test_the_silent_share_is_the_known_one(outcome):
    law = {(row["p"], row["k"]): round(row["law"], 3) for row in outcome.data["silent"]}
    assert law[0.001, 4] == 0.996
    assert law[0.01, 96] == 0.381


def broken(monkeypatch, outcome, name, value):
    """The claims that fail with one part replaced; what takes long and does not depend on it is taken as it was."""
    monkeypatch.setattr(partial_credit, name, value)
    monkeypatch.setattr(partial_credit, "_overlap", lambda: outcome.data["overlap"])
    known = {row["name"]: row for row in outcome.data["advice"]}
    monkeypatch.setattr(partial_credit, "_advised", lambda name, *_: known[name])
    return [check.claim for check in holds(experiment(np.random.default_rng(0), "quick")) if not check.holds]


def test_a_wrong_boundary_is_seen(monkeypatch, outcome):
    lost = broken(monkeypatch, outcome, "boundary", lambda p, q: 1.0 - p - q - 0.5)
    assert any(line.startswith("r + r^2") for line in lost)


def test_credits_that_are_the_same_are_seen(monkeypatch, outcome):
    def alike(patterns, _):
        reward = patterns.all(axis=1).astype(float)
        return (Credit(BINARY, reward), Credit(PARTIAL, reward), Credit(STAGED, reward, reward))

    lost = broken(monkeypatch, outcome, "credits", alike)
    assert len(lost) >= 4


def changed(outcome, part, row, **values):
    data = {name: [dict(one) for one in rows] if isinstance(rows, list) else dict(rows)
            for name, rows in outcome.data.items()}  # fmt: skip
    data[part][row].update(values)
    return [check.claim for check in holds(Outcome(0, data)) if not check.holds]


@pytest.mark.parametrize(
    ("part", "row", "values", "words"),
    [
        ("skills", 0, {"half": {BINARY: 100.0, PARTIAL: 99.0}}, "ten times faster"),
        ("skills", 1, {"half": {BINARY: 900.0, PARTIAL: 90.0}}, "two moderate skills"),
        ("skills", 3, {"at": {100: {BINARY: 0.95, PARTIAL: 0.1}, 300: {}}}, "two like skills"),
        ("tables", 0, {PARTIAL: 0.9}, "partial stalls"),
        ("tables", 1, {PARTIAL: 0.4}, "the stall ends"),
        ("tables", 2, {PARTIAL: 0.0}, "rarer than right ones"),
        ("tables", 3, {PARTIAL: 0.9}, "a higher credit"),
        ("tables", 0, {STAGED: 0.9}, "caught"),
        ("overlap", 1, {PARTIAL: 1.2}, "overlap"),
        ("silent", 2, {"drawn": 0.5}, "groups without signal"),
        ("advice", 0, {"credit": BINARY}, "the advice from samples"),
        ("advice", 1, {"kind": "cannot tell"}, "and binary where"),
    ],
)
def test_each_figure_decides_its_claim(outcome, part, row, values, words):
    lost = changed(outcome, part, row, **values)
    assert any(words in claim for claim in lost), lost


def test_the_command_reproduces_it(outcome, monkeypatch):
    monkeypatch.setattr(partial_credit, "experiment", lambda *_: outcome)
    result = CliRunner().invoke(app, ["papers", "run", "partial_credit", "--quick", "--format", "json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["paper"] == "partial_credit"
    assert all(check["holds"] for check in document["checks"])
