"""Rehearsal on a record: which features, which proxies, which outputs."""

import numpy as np
import pytest
from tests.audit.ahead import said, sharing, unknown
from tests.audit.world import record

from culpa.dynamics import grpo, reinforce
from culpa.dynamics.problem import problem
from culpa.dynamics.shared import rehearse
from culpa.errors import InputError
from culpa.predictors import feature_rehearsal, features_of


@pytest.mark.parametrize("learner", [reinforce(), grpo(4)], ids=lambda one: one.name)
@pytest.mark.parametrize("kl", [0.1, 0.4])
def test_it_is_the_run_on_the_records_own_features(learner, kl):
    world = sharing()
    by_hand = rehearse(problem(world), features_of(world).values, learner, kl=kl)
    found = feature_rehearsal(world, learner=learner, kl=kl)
    np.testing.assert_array_equal(found.outcome, by_hand.outcome)
    ends = found.curves.group_by("proxy", maintain_order=True).last()["kl"].to_numpy()
    assert ends == pytest.approx([kl] * 3, abs=1e-6)


def test_the_usual_divergence_is_the_horizons():
    world = sharing()
    usual, named = (feature_rehearsal(world, learner=reinforce(), **how).outcome for how in ({}, {"kl": 0.4}))
    np.testing.assert_array_equal(usual, named)


def test_features_given_are_used():
    world = said(sharing(), [f"word{number % 3}" for number in range(120)])
    words, hidden = features_of(world), features_of(sharing())
    plain = feature_rehearsal(world, learner=reinforce()).outcome
    np.testing.assert_array_equal(plain, feature_rehearsal(world, learner=reinforce(), features=words).outcome)
    found = feature_rehearsal(world, learner=reinforce(), features=hidden).outcome
    np.testing.assert_allclose(found, feature_rehearsal(sharing(), learner=reinforce()).outcome)
    assert np.abs(found - plain).min() > 0.01


def test_only_the_proxies_named_are_run():
    world = sharing()
    found = feature_rehearsal(world, ["deaf"], learner=reinforce())
    assert found.proxies == ("deaf",)
    assert found.outcome == pytest.approx(feature_rehearsal(world, learner=reinforce()).outcome[2:], abs=1e-6)


def test_features_are_those_of_the_prompts_that_are_left():
    """The first prompt has no truth: the rows of the features move with the prompts."""
    world = sharing(prompts=8)
    first = world.with_truth(unknown(world.truth, [(0, column) for column in range(5)]))
    rest = record({k: v[1:] for k, v in world.proxies.items()}, world.truth[1:], features=world.features[1:])
    found, expected = (feature_rehearsal(one, learner=reinforce()).outcome for one in (first, rest))
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_missing_verdict_is_the_mean_of_the_others_at_first():
    world = sharing(prompts=8)
    gone = unknown(world.proxies["near"], [(3, 1)])
    mean = np.where(np.isnan(gone), np.nanmean(gone, axis=1, keepdims=True), gone)
    both = record({"gone": gone, "mean": mean}, world.truth, features=world.features)
    first, second = feature_rehearsal(both, learner=reinforce()).outcome
    assert first == pytest.approx(second, abs=1e-9)


def test_nothing_shared_is_refused():
    with pytest.raises(InputError) as error:
        feature_rehearsal(sharing(features=None), learner=reinforce())
    assert str(error.value).startswith("the rollouts have neither features of the policy's nor texts. Give a column")
