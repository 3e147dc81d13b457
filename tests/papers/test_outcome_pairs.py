"""Pairs of outcomes: selection, halves of the gradient and the fit of token scores against slow forms."""

from functools import partial

import numpy as np
import pytest
from tests.papers import case

from culpa.papers import outcome_pairs
from culpa.papers.outcome_pairs import experiment, fit, gradient, holds, policy

lost = partial(case.lost, "outcome_pairs")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 3
    assert all(check.claim.startswith("control") == check.control for check in checks)


def test_a_policy_has_its_success():
    prob = policy(0.3, np.random.default_rng(0))
    assert prob.sum() == pytest.approx(1.0)
    assert prob[:5].sum() == pytest.approx(0.3)


def test_the_gradient_is_by_differences():
    rng = np.random.default_rng(0)
    prob, value, h = rng.dirichlet(np.ones(6)), rng.normal(size=6), 1e-6

    def mean(logits):
        return np.exp(logits) @ value / np.exp(logits).sum()

    slope = [(mean(np.log(prob) + h * e) - mean(np.log(prob) - h * e)) / (2 * h) for e in np.eye(6)]
    assert gradient(prob, value) == pytest.approx(np.array(slope), abs=1e-8)


def test_the_fit_climbs_the_likelihood_of_outcomes(monkeypatch):
    rng = np.random.default_rng(0)
    words, right = rng.integers(6, size=(300, 8)), rng.integers(0, 2, 300).astype(float)

    def likelihood(score):
        mean = score[np.arange(8), words].mean(axis=1)
        return (right * mean - np.log1p(np.exp(mean))).mean()

    monkeypatch.setattr(outcome_pairs, "FITS", 1)
    monkeypatch.setattr(outcome_pairs, "SPEED", 1e-3)
    step, h = fit(words, right) / 1e-3, 1e-5
    for place, word in ((0, 0), (3, 5), (7, 2)):
        e = np.zeros((8, 6))
        e[place, word] = h
        assert step[place, word] / 8 == pytest.approx((likelihood(e) - likelihood(-e)) / (2 * h), abs=1e-9)


def test_the_theory_of_the_halves(outcome):
    assert [row["bare"] for row in outcome.data["halves"]] == pytest.approx([1 / 19, 3 / 7, 1, 4, 19])
    assert [row["scaled"] for row in outcome.data["halves"]] == pytest.approx([1.0] * 5)


@pytest.mark.parametrize(
    ("key", "at", "change", "words"),
    [
        ("best", 1, {"by chance": 0.05}, "best of n"),
        ("best", 2, {"likeliest": 0.01}, "likeliest"),
        ("halves", 0, {"scaled, off": 1e-3}, "each half"),
        ("halves", 2, {"bare": 1.1}, "p / (1 - p)"),
        ("halves", 4, {"bare": 3.0}, "drowns"),
        ("places", "outcomes", {"score": [1.0] * 8}, "largest score"),
        ("places", "outcomes", {"gate": [0.0] * 8}, "gate opens"),
        ("places", "outcomes", {"gate": [1.0] * 8}, "gate opens"),
        ("places", "shuffled", {"score": [0.1, 0.1, 0.1, 1.0, 0.1, 0.1, 0.1, 0.1]}, "other outputs"),
    ],
)
def test_each_figure_decides_its_claim(outcome, key, at, change, words):
    found = lost(outcome, lambda data: data[key][at].update(change))
    assert any(words in claim for claim in found), found
