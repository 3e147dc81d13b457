"""Clip and delta: the gradient against all outputs there are, and each figure decides its claim."""

import json
from functools import partial

import numpy as np
import pytest
from tests.papers import case
from typer.testing import CliRunner

from culpa.cli.app import app
from culpa.papers import clip_and_delta
from culpa.papers.clip_and_delta import MOST, NEEDED, SCORES, SHAPES, draw, experiment, holds

lost = partial(case.lost, "clip_and_delta")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 2
    assert all(check.claim.startswith("control") == check.control for check in checks)


def of(data, name):
    return next(row for row in data["runs"] if row["name"] == name)


def test_an_output_ends_with_its_third_productive_step():
    logits = np.zeros((len(SHAPES), 2, NEEDED, len(SCORES)))
    drawn = draw(logits, 200, np.random.default_rng(0))
    known = ~np.isnan(drawn.score)
    productive = ((drawn.action == 0) & known).sum(axis=0)
    assert np.array_equal(drawn.solved, productive == NEEDED)
    length = known.sum(axis=0)
    assert (length[~drawn.solved] == MOST).all()
    last = np.take_along_axis(drawn.action, length[None] - 1, axis=0)[0]
    assert (last[drawn.solved] == 0).all()
    assert np.array_equal(drawn.score[known], SCORES[drawn.action][known])
    before = np.cumsum((drawn.action == 0) & known, axis=0) - ((drawn.action == 0) & known)
    assert np.array_equal(drawn.progress[known], before[known])


def test_steps_are_drawn_as_often_as_the_policy_says():
    logits = np.zeros((1, 1, NEEDED, len(SCORES)))
    logits[0, 0, 1] = np.log([0.2, 0.5, 0.3])
    drawn = draw(logits, 20_000, np.random.default_rng(0))
    here = (drawn.progress == 1) & ~np.isnan(drawn.score)
    assert [(drawn.action[here] == one).mean() for one in range(3)] == pytest.approx([0.2, 0.5, 0.3], abs=0.01)


def test_the_step_is_the_gradient_of_the_expected_return():
    """Of success alone: its chance is known, by the law of the number of steps that three successes take."""

    def chance(logits):
        prob = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))[:, 0]
        state = np.array([1.0, 0.0, 0.0, 0.0])
        for _ in range(MOST):
            state = np.array([
                state[0] * (1 - prob[0]),
                state[0] * prob[0] + state[1] * (1 - prob[1]),
                state[1] * prob[1] + state[2] * (1 - prob[2]),
                state[2] * prob[2] + state[3],
            ])  # fmt: skip
        return state[3]

    logits = np.array([[-1.0, 0.5, 0.0], [-1.2, 0.0, 0.2], [-0.8, 0.1, 0.0]])
    many = np.broadcast_to(logits, (len(SHAPES), 2, *logits.shape)).copy()
    rng = np.random.default_rng(3)
    found = np.mean([clip_and_delta._gradient(many, draw(many, 2_000, rng))[0] for _ in range(6)], axis=(0, 1))
    for cell in np.ndindex(3, 3):
        move = np.zeros((3, 3))
        move[cell] = 1e-5
        slope = (chance(logits + move) - chance(logits - move)) / 2e-5
        assert found[cell] == pytest.approx(slope, abs=0.02)


@pytest.mark.parametrize(
    ("name", "success", "length", "words"),
    [
        ("success alone", 0.4, 4.0, "success alone"),
        ("clip", 0.4, 3.0, "clip: more"),
        ("clip", 1.0, 9.0, "clip: more"),
        ("clip and delta", 0.4, 3.0, "clip and delta: more"),
        ("sum", 0.9, 12.0, "is collected"),
        ("sum", 0.0, 3.0, "is collected"),
        ("delta", 0.9, 3.0, "delta alone"),
    ],
)
def test_each_run_decides_its_claim(outcome, name, success, length, words):
    found = lost(outcome, lambda data: of(data, name).update(success=[success], length=[length]))
    assert any(words in claim for claim in found), found


@pytest.mark.parametrize(("name", "most"), [("clip", 0.1), ("delta", 2.0), ("sum", 2.0)])
def test_the_most_decides_its_claim(outcome, name, most):
    assert any("bounded" in claim for claim in lost(outcome, lambda data: data["most"][-1].update({name: most})))


def test_the_command_reproduces_it(outcome, monkeypatch):
    monkeypatch.setattr(clip_and_delta, "experiment", lambda *_: outcome)
    result = CliRunner().invoke(app, ["papers", "run", "clip_and_delta", "--quick", "--format", "json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["paper"] == "clip_and_delta"
