"""What a rehearsal stands on: which outputs are one, which features they share, and which run that comes to."""

from dataclasses import replace

import numpy as np
import pytest
from polars.testing import assert_frame_equal
from tests.audit.ahead import enumerated, said, sharing, unknown
from tests.audit.world import record
from tests.rollouts.records import refused

from culpa.dynamics import Horizon, SharedForecast, best_of_n, grpo, reinforce, simulate, tilt
from culpa.dynamics.problem import problem
from culpa.dynamics.shared import rehearse as by_hand
from culpa.predictors import Features, features_of, forecast, ground, rehearse
from culpa.predictors.ground import ALONE, SHARED
from culpa.predictors.ground import enumerated as has_masses
from culpa.predictors.ground import said as written
from culpa.rollouts.merge import merged

FEW = np.array([[1.0, 0.0], [1.0, 0.0]])


def talking(count=3, prompts=8):
    """A world whose outputs say so many different things, and some of them twice."""
    return said(sharing(prompts=prompts), [f"word{number % count}" for number in range(5 * prompts)])


# ---- the runs ----


@pytest.mark.parametrize("learner", [reinforce(), grpo(4)], ids=lambda one: one.name)
@pytest.mark.parametrize("kl", [0.1, 0.4])
def test_it_is_the_run_on_the_records_own_features(learner, kl):
    world = sharing()
    expected = by_hand(problem(world), features_of(world).values, learner, kl=kl)
    found = rehearse(world, learner=learner, horizon=f"kl={kl}")
    assert isinstance(found, SharedForecast)
    np.testing.assert_array_equal(found.outcome, expected.outcome)
    ends = found.curves.group_by("proxy", maintain_order=True).last()["kl"].to_numpy()
    assert ends == pytest.approx([kl] * 3, abs=1e-6)


def test_the_usual_learner_and_divergence():
    usual, named = rehearse(sharing()), rehearse(sharing(), learner=reinforce(), horizon=Horizon(kl=0.4))
    np.testing.assert_array_equal(usual.outcome, named.outcome)
    assert (usual.learner.name, usual.proxies) == ("reinforce", ("near", "against", "deaf"))


@pytest.mark.parametrize("learner", [reinforce(), grpo(4), best_of_n(4)], ids=lambda one: one.name)
@pytest.mark.parametrize("horizon", ["kl=0.2", "steps=30", "gain=0.3"])
def test_without_anything_in_common_every_prompt_is_walked_by_itself(learner, horizon):
    world = enumerated()
    until = {"kl": Horizon(kl=0.2), "steps": Horizon(kl=None, steps=30), "gain": Horizon(gain=0.3)}
    expected = simulate(world, learner=learner, horizon=until[horizon.partition("=")[0]], eta=0.2)
    found = rehearse(world, learner=learner, horizon=horizon, eta=0.2)
    assert not isinstance(found, SharedForecast)
    assert_frame_equal(found.curves, expected.curves)


def test_features_that_nobody_wants_are_not_used():
    world = sharing()
    expected = simulate(world, learner=reinforce())
    assert_frame_equal(rehearse(world, features="none").curves, expected.curves)


@pytest.mark.parametrize("learner", [best_of_n(4), tilt(0.5)], ids=lambda one: one.name)
@pytest.mark.parametrize("kind", ["auto", "policy", "given"])
def test_a_closed_form_shares_nothing(learner, kind):
    world = sharing()
    features = features_of(world) if kind == "given" else kind
    found = ground(world, learner=learner, features=features)
    assert (found.mode, found.values) == (ALONE, None)
    expected = simulate(world, learner=learner)
    assert_frame_equal(rehearse(world, learner=learner, features=features).curves, expected.curves)
    values = features_of(world).values
    assert_frame_equal(forecast(found.case, values, learner, Horizon()).curves, expected.curves)


def test_drawn_runs_are_of_every_prompt_by_itself():
    case = problem(enumerated())
    runs = [forecast(case, None, grpo(4), Horizon(kl=None, steps=5), rng=np.random.default_rng(s)) for s in (1, 1, 2)]
    expected = simulate(enumerated(), learner=grpo(4), horizon=Horizon(kl=None, steps=5), rng=np.random.default_rng(1))
    assert all(run.sampled for run in runs)
    np.testing.assert_array_equal(runs[0].outcome, expected.outcome)
    np.testing.assert_array_equal(runs[0].outcome, runs[1].outcome)
    assert (runs[0].outcome != runs[2].outcome).any()


# ---- features ----


def test_features_given_are_used_and_equal_texts_stay_apart_then():
    world, hidden = talking(), features_of(sharing(prompts=8))
    found = ground(world, learner=reinforce(), features=hidden)
    assert found.record is world
    assert found.features is hidden
    np.testing.assert_allclose(rehearse(world, features=hidden).outcome, rehearse(sharing(prompts=8)).outcome)
    assert np.abs(rehearse(world, features=hidden).outcome - rehearse(world).outcome).min() > 0.005


def test_features_given_are_those_that_would_be_taken():
    world = merged(talking(), "response")
    given = rehearse(world, features=features_of(world)).outcome
    np.testing.assert_array_equal(given, rehearse(world).outcome)
    np.testing.assert_array_equal(given, rehearse(world, features="text").outcome)


@pytest.mark.parametrize("shape", [(24, 4, 3), (23, 5, 3), (24, 5)])
def test_features_of_another_record_are_refused(shape):
    assert refused(ground, sharing(), learner=reinforce(), features=Features(np.zeros(shape), "x")) == (
        f"the features are {shape}, the record's outputs (24, 5). Take those of this record: features_of(rollouts)."
    )


def test_features_that_tell_nothing_apart_are_none():
    found = ground(sharing(features=np.ones((24, 5, 2), dtype=np.float32)), learner=reinforce())
    assert (found.features, found.values, found.mode) == (None, None, ALONE)


@pytest.mark.parametrize("kind", ["text", "policy", "joined"])
def test_kinds_are_those_of_the_features(kind):
    world = replace(sharing(prompts=8), table=talking(40).table)
    found = ground(world, learner=reinforce(), features=kind)
    assert found.features.source == features_of(world, kind).source
    np.testing.assert_array_equal(found.values, features_of(world, kind).values)
    assert found.mode == SHARED


def test_unknown_kinds_are_refused():
    known = "Known: auto, policy, text, joined, none."
    assert refused(ground, sharing(), learner=reinforce(), features="mood") == (
        f"no features are of the kind 'mood'. {known}"
    )
    assert refused(ground, sharing(), learner=best_of_n(4), features="mood").endswith(known)


def test_features_are_those_of_the_prompts_that_are_left():
    """The first prompt has no truth: the rows of the features move with the prompts."""
    world = sharing(prompts=8)
    first = world.with_truth(unknown(world.truth, [(0, column) for column in range(5)]))
    rest = record({k: v[1:] for k, v in world.proxies.items()}, world.truth[1:], features=world.features[1:])
    found, expected = (rehearse(one).outcome for one in (first, rest))
    assert found == pytest.approx(expected, abs=1e-5)


# ---- outputs and proxies ----


def test_only_the_proxies_named_are_run():
    world = sharing()
    whole = rehearse(world).outcome
    for asked in ("deaf", ["deaf"]):
        found = rehearse(world, asked)
        assert found.proxies == ("deaf",)
        assert found.outcome == pytest.approx(whole[2:], abs=1e-6)
    assert rehearse(world, ["deaf", "near"]).outcome == pytest.approx(whole[[2, 0]], abs=1e-6)


def test_a_missing_verdict_is_the_mean_of_the_others_at_first():
    world = sharing(prompts=8)
    gone = unknown(world.proxies["near"], [(3, 1)])
    mean = np.where(np.isnan(gone), np.nanmean(gone, axis=1, keepdims=True), gone)
    both = record({"gone": gone, "mean": mean}, world.truth, features=world.features)
    first, second = rehearse(both).outcome
    assert first == pytest.approx(second, abs=1e-9)


def test_equal_texts_are_one_output_with_their_joint_mass():
    world = talking(3, prompts=1)
    found = ground(world, learner=reinforce())
    assert np.exp(found.case.start).ravel() == pytest.approx([0.4, 0.4, 0.2])
    assert found.record.notes[0] == "5 outputs merged to 3 by 'response'"
    apart = ground(world, learner=reinforce(), merge=False)
    assert apart.record is world
    assert np.exp(apart.case.start).ravel() == pytest.approx([0.2] * 5)


def test_different_texts_are_left_as_they_are():
    for world in (talking(40), sharing(), said(sharing(prompts=2), [None] * 10)):
        assert ground(world, learner=reinforce()).record is world


def test_what_is_missing_is_counted():
    world = sharing(prompts=6)
    truth = unknown(world.truth, [(0, 1), (0, 2), (4, 0), *((5, column) for column in range(5))])
    near = unknown(world.proxies["near"], [(0, 0), (0, 1), (5, 0), (2, 3)])  # the second and third do not count
    deaf = unknown(world.proxies["deaf"], [(2, 3)])
    found = ground(replace(world, proxies={"near": near, "deaf": deaf}, truth=truth), learner=reinforce())
    assert len(found.case.prompts) == 5
    assert (found.unjudged, found.unsaid) == (3, 3)
    named = ground(found.record, ["deaf"], learner=reinforce())
    assert (named.unjudged, named.unsaid) == (3, 1)
    whole = ground(world, learner=reinforce())
    assert (whole.unjudged, whole.unsaid) == (0, 0)


def test_outputs_that_are_not_the_policys_are_not_counted():
    weight = np.tile([0.5, 0.5, 0.0], (2, 1))
    scores = np.array([[1.0, 0.0, np.nan], [0.0, 1.0, np.nan]])
    found = ground(record({"rm": scores}, scores, weight=weight), learner=reinforce())
    assert (found.unjudged, found.unsaid) == (0, 0)


@pytest.mark.parametrize(
    ("weight", "unequal"),
    [([[0.5, 0.5], [0.5, 0.5]], False), ([[0.5, 0.5], [0.4, 0.6]], True), ([[1.0, 0.0], [0.5, 0.5]], False)],
)
def test_unequal_masses_are_those_of_enumerated_outputs(weight, unequal):
    assert has_masses(record({"rm": FEW}, FEW, weight=np.array(weight))) is unequal


# ---- horizons ----


@pytest.mark.parametrize("horizon", ["steps=9", "gain=0.5"])
def test_horizons_that_do_not_fit_shared_features(horizon):
    assert refused(rehearse, sharing(), horizon=horizon) == (
        f"the horizon {horizon} does not fit policies that share features. "
        'Use kl=VALUE: how far the policy moves; or features "none", which takes every prompt by itself.'
    )
    rehearse(sharing(prompts=2), horizon=horizon, features="none")


def test_draws_do_not_fit_shared_features():
    found = ground(sharing(), learner=reinforce())
    asked = (found.case, found.values, reinforce(), Horizon())
    assert refused(forecast, *asked, rng=np.random.default_rng(0)) == (
        "runs that draw their outputs are known of prompts by themselves, and these outputs share features. "
        'Leave them out, or take every prompt by itself: --features none, in Python features="none".'
    )


@pytest.mark.parametrize("text", ["kl=0.4", "steps=50", "gain=0.5"])
def test_horizons_as_they_are_written(text):
    horizon = {"kl": Horizon(), "steps": Horizon(kl=None, steps=50), "gain": Horizon(gain=0.5)}
    assert written(horizon[text.partition("=")[0]]) == text
