"""The shortest correct output: the probe by enumeration, one update in expectation, and what decides the claims."""

from functools import partial

import numpy as np
import pytest
from tests.papers import case

from culpa.papers.shortest_correct import ACCURACY, LENGTHS, experiment, holds, probe, train, ways
from culpa.signals import Group, apply
from culpa.signals.selected import selection_ratio

lost = partial(case.lost, "shortest_correct")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 3
    assert all(check.claim.startswith("control") == check.control for check in checks)


def test_the_world_is_the_one_described():
    assert ACCURACY[11] == ACCURACY.max() == pytest.approx(0.9)
    assert ACCURACY[[5, 39]] == pytest.approx([0.225, 0.732])


def test_the_probe_is_the_correlation_of_draws():
    prob = np.random.default_rng(0).dirichlet(np.ones(40))
    rng = np.random.default_rng(1)
    drawn = rng.choice(40, size=200_000, p=prob)
    right = rng.random(drawn.size) < ACCURACY[drawn]
    assert probe(prob) == pytest.approx(np.corrcoef(LENGTHS[drawn], right)[0, 1], abs=0.01)


def test_when_long_outputs_are_wrong_the_selected_are_shorter_than_the_mean():
    """The theory behind the probe, exactly: the law of the shortest correct of 8."""
    prob = np.exp(-0.5 * ((LENGTHS - 28) / 6) ** 2)
    prob /= prob.sum()
    weight = np.concatenate([prob * ACCURACY, prob * (1 - ACCURACY)])[None]
    length, right = np.tile(LENGTHS, 2)[None], np.repeat([1.0, 0.0], 40)[None]
    group = Group(weight, np.ones((1, 80), dtype=bool), length=length, enumerated=True)
    q = weight * apply(selection_ratio("shortest_correct", size=8), right, group)
    assert q.sum() == pytest.approx(1.0, abs=1e-4)
    assert float((q * length).sum()) < prob @ LENGTHS - 5


def test_one_update_is_on_average_the_exact_one():
    """The drawn pull, with the advantage silenced, against the law in its exact form."""
    from culpa.signals import scale
    from culpa.signals.selected import add_selected

    logits = -0.5 * ((LENGTHS - 20) / 6) ** 2
    prob = np.exp(logits) / np.exp(logits).sum()
    step = add_selected(0.05, advantage=scale(0.0))
    ends = np.mean([np.log(train(step, logits, 1, np.random.default_rng(i))) for i in range(150)], axis=0)
    moved = ends - np.log(prob)
    weight = np.concatenate([prob * ACCURACY, prob * (1 - ACCURACY)])[None]
    length, right = np.tile(LENGTHS, 2)[None], np.repeat([1.0, 0.0], 40)[None]
    group = Group(weight, np.ones((1, 80), dtype=bool), length=length, enumerated=True)
    q = (weight * apply(selection_ratio("shortest_correct", size=8), right, group)).reshape(2, 40).sum(axis=0)
    exact = 0.05 * (q - prob * q.sum())
    exact = exact - prob @ exact
    assert moved == pytest.approx(exact, abs=1e-3)
    assert np.abs(exact).max() > 5e-3
    assert set(ways()) >= {"GRPO", "shortest correct"}


@pytest.mark.parametrize(
    ("start", "way", "change", "words"),
    [
        ("over", "start", {"probe": 0.1}, "probe is negative"),
        ("over", "shortest correct", {"length": 30.0}, "makes it shorter"),
        ("over", "shortest correct", {"accuracy": 0.8}, "more accurate"),
        ("over", "longest correct", {"accuracy": 0.9}, "longest correct"),
        ("over", "longest correct", {"length": 5.0}, "longest correct"),
        ("under", "start", {"probe": -0.1}, "probe is positive"),
        ("under", "shortest correct", {"accuracy": 0.7}, "weak pull"),
        ("under", "strong", {"accuracy": 0.89}, "strong one"),
        ("under", "penalty", {"accuracy": 0.89}, "penalty"),
    ],
)
def test_each_run_decides_its_claim(outcome, start, way, change, words):
    def put(data):
        for row in data["runs"]:
            if (row["start"], row["way"]) == (start, way):
                row.update(change)

    assert any(words in claim for claim in lost(outcome, put))
