"""Every measure side by side: each against the part that it comes from or a loop, and what must leave it alone."""

from dataclasses import replace

import numpy as np
import pytest
from tests.predictors.panel_world import HIDDEN, world

import culpa
from culpa.audit.collect import collect
from culpa.audit.measures import BY_NAME
from culpa.dynamics import Horizon, grpo, reinforce
from culpa.errors import InputError
from culpa.predictors import features_of, gradient_cosine
from culpa.predictors.panel import feature_sets, panel, ranks

SETS = ["hidden", "sketch", "hidden + sketch", "text", "hidden + text", "all"]


def of_policy(rollouts, features, kind="policy"):
    return features_of(replace(rollouts, features=features), kind)


@pytest.fixture(scope="module")
def found():
    return panel(world(), grpo(4), hidden=HIDDEN, rng=np.random.default_rng(0), shuffles=30)


def test_what_there_is(found):
    shared = [f"{kind}, {name}" for kind in ("cosine", "rehearsal", "clock", "mean rank") for name in SETS]
    others = ["variance", "covariance", "correlation", "tilt b=1", "tabular rehearsal"]
    assert set(found.values) >= {*shared, *others, "Acc", "HAcc", "HAcc, tie ½", "HAcc-W per prompt"}
    assert found.proxies == ("good", "hack", "opposite", "binary")
    assert all(value.shape == (4,) for value in found.values.values())
    assert set(found.shuffled) == {"HAcc", "tabular rehearsal", *(s for s in shared if "mean rank" not in s)}
    assert all(value.shape == (30, 4) for value in found.shuffled.values())


def test_blocks_have_the_same_share_of_the_mean_square():
    rollouts = world()
    sets = feature_sets(rollouts, HIDDEN)
    assert list(sets) == SETS
    square = {
        name: (rollouts.weight[..., None] * one.values.astype(float) ** 2).sum(axis=1).mean(axis=0)
        for name, one in sets.items()
    }
    assert all(total.sum() == pytest.approx(1.0, abs=1e-5) for total in square.values())
    assert square["hidden + sketch"][:HIDDEN].sum() == pytest.approx(0.5, abs=1e-5)
    assert square["hidden + text"][:HIDDEN].sum() == pytest.approx(0.5, abs=1e-5)
    assert square["all"][:5].sum() == pytest.approx(0.5, abs=1e-5)
    assert square["all"][:HIDDEN].sum() == pytest.approx(0.25, abs=1e-5)


def test_sets_by_what_the_record_has():
    rollouts = world()
    assert list(feature_sets(rollouts)) == ["policy", "text", "policy + text"]
    assert list(feature_sets(world(texts=False), HIDDEN)) == ["hidden", "sketch", "hidden + sketch"]
    assert list(feature_sets(replace(rollouts, features=None))) == ["text"]
    with pytest.raises(InputError, match="neither features of the policy's nor texts"):
        feature_sets(replace(world(texts=False), features=None))
    for wrong in (0, 5):
        with pytest.raises(InputError, match=rf"the first {wrong} of 5 features\. Give a number from 1 to 4"):
            feature_sets(rollouts, wrong)


@pytest.mark.parametrize("name", ["hidden", "sketch", "text"])
def test_cosines_and_rehearsals_are_those_of_the_library(found, name):
    rollouts = world()
    blocks = {"hidden": rollouts.features[..., :HIDDEN], "sketch": rollouts.features[..., HIDDEN:]}
    own = features_of(rollouts, "text") if name == "text" else of_policy(rollouts, blocks[name])
    cosine = gradient_cosine(rollouts, learner=grpo(4), features=own)
    np.testing.assert_allclose(found.values[f"cosine, {name}"], cosine.values, atol=1e-12)
    for kind, horizon in (("rehearsal", Horizon(kl=0.4)), ("clock", Horizon(kl=1.0, together=True))):
        run = culpa.rehearse(rollouts, learner=grpo(4), horizon=horizon, features=own)
        np.testing.assert_allclose(found.values[f"{kind}, {name}"], run.outcome, atol=1e-12)


def test_prompts_by_themselves_are_walked_with_equal_texts_as_one(found):
    run = culpa.rehearse(world(), learner=grpo(4), features="none", eta=1.0)
    np.testing.assert_allclose(found.values["tabular rehearsal"], run.outcome, atol=1e-12)


def test_moments_are_those_of_the_audit(found):
    rollouts = world()
    sums = collect(rollouts, rollouts.proxies, {}, {"association", "scores"}).totals
    for name in ("variance", "covariance", "correlation"):
        np.testing.assert_allclose(found.values[name], BY_NAME[name].value(sums), atol=1e-12)


def test_the_tilt_weighs_outputs_by_exp_of_the_score_in_its_own_units(found):
    rollouts = world()
    expected = []
    for score in rollouts.proxies.values():
        sd = np.sqrt(score.var(axis=1).mean())
        mass = np.exp(score / sd)
        expected.append(((mass * rollouts.truth).sum(axis=1) / mass.sum(axis=1)).mean())
    np.testing.assert_allclose(found.values["tilt b=1"], expected, atol=1e-9)


def test_the_mean_rank_is_that_of_cosine_and_rehearsal(found):
    values = found.values
    for name in SETS:
        expected = (ranks(values[f"cosine, {name}"]) + ranks(values[f"rehearsal, {name}"])) / 2
        np.testing.assert_array_equal(values[f"mean rank, {name}"], expected)


def test_ranks():
    values = np.array([3.0, 1.0, 3.0, 2.0])
    np.testing.assert_allclose(ranks(values), [2.5 / 3, 0, 2.5 / 3, 1 / 3])
    np.testing.assert_allclose(ranks(np.stack([values, -values]))[1], [0.5 / 3, 1, 0.5 / 3, 2 / 3])
    assert ranks(np.array([7.0])).tolist() == [0.0]


def test_offsets_of_prompts_and_scales_leave_all_but_two_alone(found):
    rollouts = world()
    offset = np.random.default_rng(1).standard_normal((10, 1))
    moved = replace(rollouts, proxies={name: 3.0 * (one + offset) for name, one in rollouts.proxies.items()})
    again = panel(moved, grpo(4), hidden=HIDDEN).values
    for name, value in found.values.items():
        factor = {"variance": 9.0, "covariance": 3.0}.get(name, 1.0)
        np.testing.assert_allclose(again[name], factor * value, atol=1e-6, err_msg=name)


def test_the_truth_itself_is_perfect_and_a_constant_teaches_nothing():
    rollouts = world()
    proxies = {"truth": rollouts.truth, "constant": np.full(rollouts.shape, 2.0)}
    rng = np.random.default_rng(0)
    found = panel(replace(rollouts, proxies=proxies), reinforce(), hidden=HIDDEN, rng=rng, shuffles=3)
    values, start = found.values, rollouts.truth.mean()
    assert (found.shuffled["cosine, hidden"][:, 1] == 0.0).all()
    for name in ("Acc", "HAcc", "correlation", *(f"cosine, {one}" for one in SETS)):
        assert values[name][0] == pytest.approx(1.0, abs=1e-6), name
    for name in SETS:
        assert values[f"cosine, {name}"][1] == 0.0
        assert values[f"rehearsal, {name}"][1] == pytest.approx(start)
        assert values[f"rehearsal, {name}"][0] > start
    assert values["Acc"][1] == values["HAcc"][1] == 0.0
    assert values["Acc, tie ½"][1] == 0.5
    assert values["variance"][1] == 0.0
    assert values["tilt b=1"][1] == pytest.approx(start)


def test_shuffled_truths_know_nothing():
    rollouts = world(prompts=40)
    found = panel(rollouts, reinforce(), hidden=HIDDEN, rng=np.random.default_rng(1), shuffles=60).shuffled
    sums = collect(rollouts, rollouts.proxies, {}, {"pairs"}).totals
    chance = BY_NAME["hacc"].chance_level(sums)
    assert np.abs(found["HAcc"].mean(axis=0) - chance).max() < 0.03
    start = rollouts.truth.mean()
    for name in ("rehearsal, hidden", "tabular rehearsal", "clock, text"):
        assert np.abs(found[name].mean(axis=0) - start).max() < 0.1
        assert found[name].std(axis=0).min() > 0.005
    assert np.abs(found["cosine, hidden"].mean(axis=0)).max() < 0.25


def test_without_a_generator_there_are_no_controls():
    rollouts = world(texts=False)
    assert panel(rollouts, reinforce()).shuffled == {}


def test_missing_verdicts_and_truths_leave_their_outputs_out():
    rollouts = world()
    score, truth = rollouts.proxies["good"].copy(), rollouts.truth.copy()
    score[0, 0], truth[1, 1] = np.nan, np.nan
    less = replace(rollouts, proxies=dict(rollouts.proxies) | {"good": score}).with_truth(truth)
    found = panel(less, reinforce(), hidden=HIDDEN, rng=np.random.default_rng(0), shuffles=3)
    unknown = [name for name, value in found.values.items() if np.isnan(value).any()]
    assert all("-W" in name for name in unknown)
    assert all(np.isfinite(value).all() for value in found.shuffled.values())


def test_an_unknown_truth_stays_unknown_when_truths_are_shuffled():
    rollouts = world(prompts=3)
    truth = np.where(np.arange(6) < 2, rollouts.truth, np.nan)  # of each prompt two are known
    found = panel(rollouts.with_truth(truth), reinforce(), hidden=HIDDEN, rng=np.random.default_rng(0), shuffles=20)
    right = rollouts.proxies["opposite"][:, 0] > rollouts.proxies["opposite"][:, 1]
    assert set(np.round(found.shuffled["HAcc"][:, 2] * 3).astype(int)) <= {0, 1, 2, 3}
    assert found.values["Acc"][2] == np.mean(right == (truth[:, 0] > truth[:, 1]))
    np.testing.assert_allclose(found.shuffled["HAcc"][:, 2] * 3 % 1, 0.0, atol=1e-9)


def test_masses_weigh_moments():
    rollouts = world()
    weight = np.random.default_rng(2).dirichlet(np.ones(6), 10)
    uneven = replace(rollouts, weight=weight)
    values = panel(uneven, reinforce(), hidden=HIDDEN).values
    sums = collect(uneven, uneven.proxies, {}, {"association", "scores", "pairs"}).totals
    for name in ("variance", "covariance", "correlation"):
        np.testing.assert_allclose(values[name], BY_NAME[name].value(sums), atol=1e-12)
