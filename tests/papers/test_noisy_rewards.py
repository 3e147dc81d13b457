"""Noisy rewards: noise against theory, the texts of styles, what a reward model says, and what decides the claims."""

from functools import partial

import numpy as np
import pytest
from tests.papers import case

from culpa.papers.noisy_rewards import FLAT, RISING, _told, experiment, holds, styled, texts
from culpa.signals import apply
from culpa.signals.patterns import pattern_score

lost = partial(case.lost, "noisy_rewards")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 4
    assert all(check.claim.startswith("control") == check.control for check in checks)


def test_updates_grow_as_theory_says(outcome):
    """About as 1 / (1 - 2 p): 1.7 and 5 times."""
    took = {row["p"]: row["updates"] for row in outcome.data["flips"]}
    assert took[0.2] / took[0.0] == pytest.approx(1 / 0.6, rel=0.25)
    assert took[0.4] / took[0.0] == pytest.approx(5.0, rel=0.35)


def test_styles_differ_by_their_phrases_alone():
    assert [pattern_score(text) for text in texts()] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])


def told(reward, style):
    cells = np.full((4_000, 8), float(style))
    return apply(_told(RISING, reward), cells, rng=np.random.default_rng(0))


def test_what_the_learner_is_told():
    assert set(np.unique(told("patterns", 3))) == {pattern_score(texts()[3])}
    assert told("truth", 4).mean() == pytest.approx(RISING[4], abs=0.01)
    model = told("model", 4)
    assert set(np.unique(model)) == {0.2, 0.9}
    assert (model == 0.9).mean() == pytest.approx(0.6 * RISING[4], abs=0.01)
    assert np.unique(told("calibrated", 4)).tolist() == pytest.approx([0.28, 0.9])
    both = np.tile([0.0, 5.0], (500, 4))
    mixed = apply(_told(RISING, "shuffled"), both, rng=np.random.default_rng(0))
    assert (mixed[both == 0.0] > 0.25).mean() == pytest.approx(0.5 * 0.95 + 0.05, abs=0.05)


def test_without_updates_nothing_moves():
    found = styled(FLAT, "truth", 0, np.random.default_rng(0))
    assert found["start"] == found["end"] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("p", "change", "words"),
    [
        (0.2, {"updates": 22}, "20%"),
        (0.2, {"updates": None}, "20%"),
        (0.4, {"updates": 40}, "40%"),
        (0.5, {"success": 0.51}, "at 50%"),
        (0.6, {"success": 0.2}, "at 60%"),
    ],
)
def test_each_chance_decides_its_claim(outcome, p, change, words):
    found = lost(outcome, lambda data: [row.update(change) for row in data["flips"] if row["p"] == p])
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize(
    ("base", "reward", "end", "words"),
    [
        ("rising", "patterns", 0.3, "patterns alone train"),
        ("rising", "truth", 0.9, "as the truth"),
        ("flat", "patterns", 0.2, "styles are alike"),
        ("rising", "calibrated", 0.33, "calibrated"),
        ("rising", "shuffled", 0.4, "other outputs"),
    ],
)
def test_each_run_decides_its_claim(outcome, base, reward, end, words):
    def change(data):
        for row in data["styles"]:
            if (row["base"], row["reward"]) == (base, reward):
                row["end"] = end

    assert any(words in claim for claim in lost(outcome, change))


def test_the_identity_decides_its_claim(outcome):
    assert lost(outcome, lambda data: data.update(identity=1e-3)) == [
        "the mean advantage is (1 - 2 p) times the clean one"
    ]
