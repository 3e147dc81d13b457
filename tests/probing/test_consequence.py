"""What wrong scores would do: the numbers are those of the dynamics, and the words those of the numbers."""

from dataclasses import replace

import numpy as np
import pytest
from tests.probing import stand

from culpa.dynamics import Horizon, effects, grpo, reinforce, simulate
from culpa.probing.answers import Tried
from culpa.probing.case import from_rollouts
from culpa.probing.consequence import (
    REWARD,
    Cost,
    Rehearsal,
    effect_words,
    error_findings,
    null_cost,
    null_finding,
    outlook,
    scored,
)  # fmt: skip
from culpa.probing.finding import Finding
from culpa.probing.nulls import NULLS, applied
from culpa.probing.score import Score
from culpa.rollouts import Rollouts
from culpa.rollouts.merge import merged

EMPTY = next(one for one in NULLS if one.name == "empty")
HOW = Rehearsal(grpo(8), Horizon(kl=0.4))


def record(scores, prompts=6):
    """The rollouts with these four scores on every prompt."""
    return scored(stand.rollouts(prompts), [Score(value) for value in scores] * prompts)


def tried(part, values):
    hosts = {case.prompt_id: case for case in from_rollouts(part)}.values()
    return Tried(EMPTY, tuple(applied(EMPTY, one, ()) for one in hosts), tuple(map(Score, values)), 0.5)


def test_scores_take_their_places_and_none_is_nan():
    part = scored(stand.rollouts(2), [*map(Score, range(7)), Score(float("nan"), "none")])
    assert list(part.proxies) == [REWARD]
    assert part.proxies[REWARD][0].tolist() == [0, 1, 2, 3]
    assert np.isnan(part.proxies[REWARD][1, 3])


def test_a_right_reward_has_no_wrong_scores():
    ahead = outlook(record([1.0, 0.0, 0.0, 0.0]), HOW)
    assert (ahead.errors, ahead.scale) == ([], "same")
    assert {name: one.cost for name, one in ahead.costs.items()} == {"too high": 0.0, "too low": 0.0}
    assert list(error_findings(ahead, HOW)) == []


def test_the_joint_cost_is_that_of_two_runs_of_the_same_length():
    part = record([1.0, 0.0, 1.0, 0.0])
    ahead = outlook(part, HOW)
    joined = merged(part, by="response")
    forecast = simulate(joined, learner=HOW.learner, horizon=HOW.horizon)
    right = scored(stand.rollouts(), [Score(value) for value in (1.0, 0.0, 0.0, 0.0)] * 6)
    steps = Horizon(kl=None, steps=int(forecast.horizon[0]))
    mended = simulate(merged(right, by="response"), learner=HOW.learner, horizon=steps)
    assert ahead.costs["too high"].cost == pytest.approx(float(mended.outcome[0] - forecast.outcome[0]))
    assert ahead.costs["too high"].cost > 0.1
    assert ahead.costs["too low"].cost == 0.0
    assert ahead.errors == effects(forecast, scale="same").to_dicts()


def test_too_high_and_too_low_are_told_apart():
    ahead = outlook(record([0.0, 0.0, 0.0, 1.0]), HOW)
    found = {one.code: one for one in error_findings(ahead, HOW)}
    assert set(found) == {"false-positive", "false-negative"}
    assert found["false-positive"].message.startswith("6 outputs score too high: together they cost ")
    assert found["false-negative"].message.startswith("6 outputs score too low: together they cost ")
    assert {one.level for one in found.values()} == {"error"}
    joined = merged(record([0.0, 0.0, 0.0, 1.0]), by="response")
    steps = Horizon(kl=None, steps=int(ahead.forecast.horizon[0]))
    for name, scores in (("too high", [0.0, 0.0, 0.0, 0.0]), ("too low", [1.0, 0.0, 0.0, 1.0])):
        other = simulate(replace(joined, proxies={"one": np.tile(scores, (6, 1))}), learner=HOW.learner, horizon=steps)
        assert ahead.costs[name].cost == pytest.approx(float(other.outcome[0] - ahead.forecast.outcome[0]))
    assert "under grpo:8; one by one 6 harmful" in found["false-positive"].message


def test_a_bug_that_does_not_matter_is_a_note():
    """Every output of the prompts is rewarded alike but for a very rare one."""
    part = record([1.0, 0.0, 0.0, 0.0])
    weight = np.tile([0.4, 0.3, 0.29999, 0.00001], (6, 1))
    rare = replace(part, weight=weight, proxies={REWARD: part.proxies[REWARD] + np.array([0, 0, 0, 1.0])})
    (one,) = error_findings(outlook(rare, HOW), HOW)
    assert (one.code, one.level) == ("false-positive", "note")
    assert "together they do not matter" in one.message
    assert "6 benign" in one.message


SCALES = [
    ([1.0, 0.0, 1.0, 0.0], "same"),
    ([1.0, 0.0, 1.0, 0.5], "matched"),
    ([9.0, 1.0, 1.0, 1.0], "matched"),
    ([1.0, -0.1, 0.0, 0.0], "matched"),
]


@pytest.mark.parametrize(("scores", "scale"), SCALES)
def test_scores_that_the_truth_never_has_are_on_a_scale_of_their_own(scores, scale):
    assert outlook(record(scores), HOW).scale == scale


def test_a_linear_scale_is_no_error():
    assert outlook(record([9.0, 1.0, 1.0, 1.0]), HOW).errors == []


def test_a_null_answer_is_a_further_output_of_little_mass():
    """With an oracle made by hand: one prompt, the null answer as a fifth output."""
    part = record([0.0, 0.0, 0.0, 0.0], prompts=1)
    how = Rehearsal(reinforce(), Horizon(kl=None, steps=300), null_mass=0.05)
    cost = null_cost(part, tried(part, [1.0]), how)
    mass = np.array([[0.3, 0.3, 0.3, 0.1]])
    world = Rollouts(
        part.prompt_id,
        np.ones((1, 5), dtype=bool),
        np.hstack([mass * 0.95, [[0.05]]]),
        {"paid": np.array([[0.0, 0, 0, 0, 1]]), "unpaid": np.zeros((1, 5))},
        np.array([[1.0, 0, 0, 0, 0]]),
    )
    run = simulate(world, learner=reinforce(), horizon=how.horizon)
    assert cost.cost == pytest.approx(float(run.outcome[1] - run.outcome[0]))
    assert cost.mass == pytest.approx(float(np.exp(run.final[0, 4, 0])))
    assert cost.steps == 300
    assert cost.mass > 0.1
    assert cost.cost > 0.01


def test_the_run_without_the_null_answer_is_as_long_as_the_run_with_it():
    part = record([0.2, 0.0, 0.0, 0.0], prompts=1)
    how = Rehearsal(reinforce(), Horizon(kl=0.2), null_mass=0.05)
    cost = null_cost(part, tried(part, [1.0]), how)
    fixed = Rehearsal(reinforce(), Horizon(kl=None, steps=cost.steps), null_mass=0.05)
    assert cost.cost == pytest.approx(null_cost(part, tried(part, [1.0]), fixed).cost)
    assert cost.cost > 0


def test_a_null_answer_that_nobody_rewards_costs_nothing():
    part = record([1.0, 0.0, 0.0, 0.0])
    cost = null_cost(part, tried(part, [0.0] * 6), HOW)
    assert cost.cost == 0.0
    assert cost.mass < HOW.null_mass


def test_dead_prompts_find_it_where_live_ones_do_not():
    how = Rehearsal(reinforce(), Horizon(kl=None, steps=2000), null_mass=1e-2)
    dead, live = record([0.0, 0.0, 0.0, 0.0]), record([1.0, 0.0, 0.0, 0.0])
    assert null_cost(dead, tried(dead, [1.0] * 6), how).mass > 0.5
    assert null_cost(live, tried(live, [1.0] * 6), how).mass < 1e-2


def test_only_the_prompts_where_it_was_tried_and_scored_count():
    part = record([0.0, 0.0, 0.0, 0.0])
    how = Rehearsal(reinforce(), Horizon(kl=None, steps=300), null_mass=0.05)
    one = tried(part, [1.0, float("nan"), 1.0, 1.0, 1.0, 1.0])
    one = one._replace(scores=tuple(score if score.value == 1 else Score(score.value, "nan") for score in one.scores))
    alone = record([0.0, 0.0, 0.0, 0.0], prompts=1)
    assert null_cost(part, one, how).mass == pytest.approx(null_cost(alone, tried(alone, [1.0]), how).mass)


def test_words():
    finding = Finding("error", "null-answer", "null answers", "empty is rewarded")
    harmful = null_finding(finding, Cost(0.2, 0.4, 1200), HOW, 1e-3)
    assert (harmful.level, harmful.message) == (
        "error",
        "empty is rewarded; harmful: from mass 0.0001 to 0.4 in 1,200 steps of grpo:8, costing 0.2",
    )
    harmless = null_finding(finding, Cost(1e-4, 2e-4, 10), HOW, 1e-3)
    assert harmless.level == "note"
    assert "by then this policy has not found it: from mass 0.0001 to 0.0002" in harmless.message
    assert effect_words(-0.5, 0.1) == "together they gain 0.5 of true reward"
