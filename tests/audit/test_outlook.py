"""The outlook against the parts that it is made of, on worlds in which each of its ways is taken."""

import json

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.audit.ahead import QUICK, ahead, enumerated, feature_rehearsal, said, sharing, unknown
from tests.audit.world import codes, cut, record

import culpa
from culpa.audit import Settings, gather, run
from culpa.dynamics import Horizon, best_of_n, effects, grpo, ppo, reinforce, simulate, tilt
from culpa.errors import InputError
from culpa.predictors import Subsample, features_of, gradient_cosine, subsample
from culpa.predictors.subsample import CELLS
from culpa.rollouts.merge import merged

SHARED, ALONE = "shared features", "every prompt by itself"
WORLDS = {"shared": sharing, "alone": enumerated}


# ---- the two ways ----


@pytest.mark.parametrize("learner", [reinforce(), grpo(4), reinforce().with_kl(0.3), ppo()], ids=lambda one: one.name)
def test_shared_features_are_rehearsed_with_one_weight_vector(learner):
    world = sharing()
    found = ahead(world, learner=learner, horizon="kl=0.2")
    by_hand = feature_rehearsal(world, learner=learner, kl=0.2)
    assert found.prediction["outcome"].to_numpy() == pytest.approx(by_hand.outcome, abs=1e-12)
    assert found.prediction["steps"].to_list() == by_hand.horizon.tolist()
    assert found.prediction["reached"].to_list() == by_hand.reached.tolist()
    assert_frame_equal(found.curves, by_hand.curves)
    assert found.facts["mode"] == SHARED
    assert found.facts["features"] == "the policy's 3-d features"


@pytest.mark.parametrize("learner", [reinforce(), grpo(4), ppo(), best_of_n(4), tilt(0.5)], ids=lambda one: one.name)
@pytest.mark.parametrize("horizon", ["kl=0.2", "steps=30", "gain=0.3"])
def test_enumerated_outputs_are_walked_prompt_by_prompt(learner, horizon):
    world = enumerated()
    found = ahead(world, learner=learner, horizon=horizon)
    by_hand = simulate(world, learner=learner, horizon=run.parse_horizon(horizon))
    assert found.prediction["outcome"].to_numpy() == pytest.approx(by_hand.outcome, abs=1e-12)
    assert_frame_equal(found.curves, by_hand.curves)
    expected = effects(by_hand, scale="auto")
    assert_frame_equal(found.errors.drop("method"), expected)
    assert set(found.errors["method"]) == {"counterfactual"}
    assert found.facts | {"start": 0, "ceiling": 0} == {
        "start": 0, "ceiling": 0, "learner": learner.name, "horizon": horizon, "features": "none", "mode": ALONE,
        "prompts": 12, "outputs": 48,
    }  # fmt: skip
    assert found.prediction["cosine"].null_count() == 2


def test_a_closed_form_needs_nothing_in_common():
    world = sharing(features=None)
    found = ahead(world, learner=best_of_n(4))
    assert found.facts["mode"] == ALONE
    assert found.prediction["outcome"].to_numpy() == pytest.approx(simulate(world, learner=best_of_n(4)).outcome)
    assert culpa.audit(world, settings=QUICK).outlook is None


def test_a_closed_form_does_not_use_features_that_are_there():
    assert ahead(sharing(), learner=best_of_n(4)).facts["features"] == "none"


@pytest.mark.parametrize("kind", ["text", "policy", "joined"])
def test_features_are_those_asked_for(kind):
    world = sharing(prompts=8)
    words = pl.DataFrame({"response": [f"word{number % 3} and word{number % 5}" for number in range(world.size)]})
    fields = {name: getattr(world, name) for name in world.__dataclass_fields__} | {"table": words}
    world = merged(culpa.Rollouts(**fields), "response")
    found = ahead(world, settings=Settings(100, features=kind))
    by_hand = feature_rehearsal(world, learner=reinforce(), features=features_of(world, kind))
    assert found.prediction["outcome"].to_numpy() == pytest.approx(by_hand.outcome, abs=1e-12)
    assert found.facts["features"] == features_of(world, kind).source


def test_cosines_and_their_bands_are_the_predictors_own():
    world = sharing()
    found = ahead(world).prediction
    by_hand = gradient_cosine(world, learner=reinforce())
    assert found["cosine"].to_numpy() == pytest.approx(by_hand.values, abs=1e-12)
    assert (found["cosine_low"] <= found["cosine"]).all()
    assert (found["cosine"] <= found["cosine_high"]).all()
    null = by_hand.null(np.random.default_rng(5), 4000)
    for place, name in enumerate(("null_low", "null_high")):
        expected = np.quantile(null, (0.025, 0.975)[place], axis=0)
        assert found[name].to_numpy() == pytest.approx(expected, abs=0.12)
    narrow = ahead(world, settings=Settings(100, level=0.6)).prediction
    assert (narrow["null_high"] < found["null_high"]).all()
    assert ((narrow["cosine_high"] - narrow["cosine_low"]) < found["cosine_high"] - found["cosine_low"]).all()


# ---- what is rehearsed ----


@pytest.mark.parametrize("make", WORLDS.values(), ids=WORLDS)
def test_the_start_is_the_policys_truth_and_the_ceiling_is_training_on_the_truth(make):
    world = make()
    facts = ahead(world).facts
    assert facts["start"] == pytest.approx((world.weight * world.truth).sum(axis=1).mean())
    fields = {name: getattr(world, name) for name in world.__dataclass_fields__}
    itself = culpa.Rollouts(**fields | {"proxies": {"truth": world.truth}})
    assert facts["ceiling"] == pytest.approx(ahead(itself).prediction["outcome"][0], abs=1e-12)
    assert facts["ceiling"] > facts["start"] + 0.1


def test_a_closed_forms_ceiling_is_at_the_horizon_too():
    facts = ahead(enumerated(), learner=best_of_n(16), horizon="kl=0.1").facts
    world = enumerated()
    itself = record({"truth": world.truth}, world.truth, weight=world.weight)
    assert facts["ceiling"] == simulate(itself, learner=best_of_n(16), horizon=Horizon(0.1)).outcome[0]


def test_equal_texts_of_a_prompt_are_one_output_with_their_joint_mass():
    world = sharing(samples=4)
    texts = [["yes", "yes", "no", "perhaps not"][cell % 4] for cell in range(world.size)]
    scores = {name: np.where([True, True, False, False], score[:, :1], score) for name, score in world.proxies.items()}
    truth = np.where([True, True, False, False], world.truth[:, :1], world.truth)
    twice = said(record(scores, truth), texts)
    once = record(
        {name: score[:, 1:] for name, score in scores.items()}, truth[:, 1:], weight=np.tile([0.5, 0.25, 0.25], (24, 1))
    )
    once = said(once, ["yes", "no", "perhaps not"] * 24)
    found, expected = ahead(twice), ahead(once)
    assert found.facts == expected.facts
    assert found.facts["outputs"] == 72
    assert_frame_equal(found.prediction, expected.prediction)
    assert_frame_equal(found.errors, expected.errors)


def test_a_prompt_that_is_left_with_one_output_is_no_part_of_it():
    texts = ["the same", "the same", *["yes", "no"] * 9]
    facts = ahead(said(sharing(prompts=10, samples=2), texts)).facts
    assert (facts["prompts"], facts["outputs"]) == (9, 18)


def test_outputs_of_unknown_truth_are_left_out():
    world = sharing(prompts=10)
    hidden = [(row, 4) for row in range(10)] + [(0, column) for column in range(4)]
    found = ahead(world.with_truth(unknown(world.truth, hidden)))
    assert (found.facts["prompts"], found.facts["outputs"]) == (9, 36)
    scores = {name: score[1:, :4] for name, score in world.proxies.items()}
    expected = ahead(record(scores, world.truth[1:, :4], features=world.features[1:, :4]))
    ends = found.prediction["outcome"].to_numpy()
    assert ends == pytest.approx(expected.prediction["outcome"].to_numpy(), abs=1e-5)  # features are float32


def test_a_missing_verdict_pushes_nowhere_at_first():
    world = sharing(prompts=10)
    gone = unknown(world.proxies["near"], [(row, 2) for row in range(5)])
    filled = np.where(np.isnan(gone), np.nanmean(gone, axis=1, keepdims=True), gone)
    both = record({"gone": gone, "filled": filled}, world.truth, features=world.features)
    gone, filled = ahead(both).prediction["outcome"]
    assert gone == pytest.approx(filled, abs=1e-9)


@pytest.mark.parametrize("make", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("prompts", [1, 2])
def test_few_prompts(make, prompts):
    verdict = culpa.audit(make(prompts=prompts, seed=3), settings=QUICK)
    found = verdict.outlook
    assert found.facts["prompts"] == prompts
    assert (found.prediction["low"].null_count() == 0) == (prompts > 1)
    assert found.prediction["outcome"].null_count() == 0
    assert set(verdict.ranking["measure"]) == {"rehearsal"}
    json.loads(verdict.to_json(), parse_constant=pytest.fail)


def test_one_proxy():
    world = sharing()
    one = record({"near": world.proxies["near"]}, world.truth, features=world.features)
    row, beside = (ahead(made).prediction.filter(pl.col("proxy") == "near") for made in (one, world))
    for name in ("start", "outcome", "cosine"):
        assert row[name][0] == pytest.approx(beside[name][0], abs=1e-6)  # features are float32


# ---- no outlook ----


def test_samples_without_text_have_a_note_and_are_ranked_by_accuracy():
    verdict = culpa.audit(sharing(features=None), settings=QUICK)
    reason = "no rehearsal: the outputs are samples without a text or features that they could share"
    assert (verdict.outlook, verdict.notes) == (None, (reason,))
    assert set(verdict.ranking["measure"]) == {"hacc"}
    assert not {"lowers-truth", "may-not-raise", "shuffled-truth"} & {code for code, _ in codes(verdict)}


FLAT = sharing().with_truth(np.ones((24, 5)))
ALIKE = said(sharing(samples=2, features=None), ["the same"] * 48)  # merged, one output a prompt is left
NO_REHEARSAL = {
    "features that tell nothing apart": (sharing(features=np.ones((24, 5, 2), np.float32)), "without a text or feat"),
    "a truth that orders nothing": (FLAT, "in no prompt does the truth order two outputs"),
    "one text for all outputs": (ALIKE, "no rehearsal: "),
    "single outputs": (sharing(samples=1), "no prompt has two of the policy's own outputs with a truth"),
}


@pytest.mark.parametrize(("world", "why"), NO_REHEARSAL.values(), ids=NO_REHEARSAL)
def test_why_there_is_none_is_a_note(world, why):
    verdict = culpa.audit(world, settings=QUICK)
    assert verdict.outlook is None
    assert len(verdict.notes) == 1
    assert verdict.notes[0].startswith("no rehearsal: ")
    assert why in verdict.notes[0]


@pytest.mark.parametrize(
    ("world", "options"),
    [(sharing().with_truth(None), {}), (sharing().with_truth(np.full((24, 5), np.nan)), {}), (sharing(), ["acc"])],
    ids=["no truth", "truth unknown", "not asked for"],
)
def test_what_nobody_misses_is_not_noted(world, options):
    verdict = culpa.audit(world, settings=QUICK, metrics=options)
    assert (verdict.outlook, verdict.notes) == (None, ())


@pytest.mark.parametrize("horizon", ["steps=9", "gain=0.5"])
def test_a_horizon_that_does_not_fit_shared_features(horizon):
    with pytest.raises(InputError) as error:
        culpa.audit(sharing(), horizon=horizon, settings=QUICK)
    said = f"the horizon {horizon} does not fit policies that share features."
    assert str(error.value).startswith(f"{said} Use kl=VALUE: how far the policy moves")


def test_a_horizon_that_is_none_is_refused_before_the_chunks_are_read():
    def chunks():
        pytest.fail("read")
        yield

    with pytest.raises(InputError, match="the horizon is 'soon'"):
        culpa.audit(chunks(), horizon="soon")


# ---- sample and chunks ----


def test_chunks_and_the_whole_have_the_same_outlook():
    whole = sharing()
    one, several = ahead(whole), ahead(cut(whole, 1, 13))
    for name in ("prediction", "curves", "errors", "learners"):
        assert_frame_equal(getattr(one, name), getattr(several, name))
    assert one.facts == several.facts


def test_too_many_outputs_are_sampled_by_prompts_and_counted(monkeypatch):
    assert CELLS == 20_000
    world = sharing()
    monkeypatch.setattr(gather, "Subsample", lambda *_, **how: Subsample(40, **how))
    verdict = culpa.audit(cut(world, 7), settings=QUICK)
    monkeypatch.undo()
    expected = ahead(subsample(world, 40))
    assert verdict.outlook.facts == expected.facts
    assert (verdict.outlook.facts["prompts"], verdict.facts["prompts"]) == (8, 24)
    assert_frame_equal(verdict.outlook.curves, expected.curves)
    assert_frame_equal(verdict.outlook.errors, expected.errors)
