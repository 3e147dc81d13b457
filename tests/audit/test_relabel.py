"""What to have judged next: its expected gain is what putting the score right and rehearsing again shows."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from tests.audit import ahead
from tests.audit.world import NAN, record

import culpa
from culpa.audit import Settings
from culpa.audit.expected import expected_truth
from culpa.audit.unlabelled import LABEL_FIRST
from culpa.dynamics import Horizon, best_of_n, grpo, ppo, reinforce
from culpa.dynamics.influence import Step
from culpa.dynamics.shared_effects import shared_adjoint
from culpa.dynamics.walk import Columns
from culpa.predictors.ground import forecast, ground
from culpa.rollouts import Rollouts

module = importlib.import_module("culpa.audit.relabel")
LEARNERS = [reinforce(), grpo(8), replace(reinforce(), kl=0.05)]


def hidden(world, share=0.5, seed=9):
    """The world with so many truths unknown, and which."""
    unknown = np.random.default_rng(seed).random(world.shape) < share
    return world.with_truth(np.where(unknown, NAN, world.truth)), unknown


def weighed(world, learner=LEARNERS[0], doubt=0.0, proxy="near"):
    """The weighing of a world whose truth counts as what is expected; right scores are the truth itself."""
    found = ground(world, (proxy,), learner=learner)
    case = found.case
    return module._Weighed(case, found.values, learner, Horizon(), case.truth, np.full(case.truth.shape, doubt))


def outcome(one, reward, truth=None):
    """The truth of all prompts together after training on a reward."""
    case = one.case._replace(rewards=reward[None], truth=one.case.truth if truth is None else truth)
    return float(forecast(case, one.values, one.learner, one.horizon).by_prompt.sum())


def by_rehearsal(one, sigma):
    """Of each output the mean gain of putting its score right, where its truth is as expected plus or minus sigma."""
    reward, gains = one.case.rewards[0], np.zeros(one.case.truth.shape)
    if one.values is None:  # the steps of the run as it is, as everywhere where prompts are walked by themselves
        run = forecast(one.case, None, one.learner, one.horizon)
        one = one._replace(horizon=Horizon(kl=None, steps=int(run.horizon[0])))
    for place in np.ndindex(gains.shape):
        for shift in (sigma, -sigma):
            truth, mended = one.case.truth.copy(), reward.copy()
            truth[place] += shift
            mended[place] = one.right[place] + shift
            gains[place] += (outcome(one, mended, truth) - outcome(one, reward, truth)) / 2
    return gains


WORLDS = {
    "shared": lambda: ahead.sharing(prompts=8, samples=4, dims=6),
    "tabular": lambda: ahead.enumerated(prompts=8, samples=4),
}


@pytest.mark.parametrize("learner", LEARNERS[:2], ids=["reinforce", "grpo"])
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_gain_is_what_putting_the_score_right_shows(world, learner):
    one = weighed(world(), learner, doubt=0.01)
    one = one._replace(right=one.case.rewards[0] + (one.right - one.case.rewards[0]) / 10)
    gains = one.gains(one.case.rewards[0], np.zeros(one.case.truth.shape, dtype=bool))
    shown = by_rehearsal(one, 0.1)
    assert spearmanr(gains.ravel(), shown.ravel()).statistic > 0.9
    assert 0.75 < np.polyfit(gains.ravel(), shown.ravel(), 1)[0] < 1.4


def test_over_worlds_the_forecast_is_what_is_gained():
    """The truths that are hidden are put right one by one: as much as was said, and most where it was said."""
    said, done = [], []
    for seed in range(3):
        world = ahead.sharing(seed, prompts=20, samples=4)
        partial, unknown = hidden(world)
        found = ground(partial, ("near",), learner=reinforce())
        rows, cells, gains, _ = module.picked(found, reinforce(), Horizon(), "near", 12, rounds=1)
        assert unknown[rows, cells].all()
        one = weighed(world)
        right = module.right_scores(one.case, one.case.rewards[0], "matched")
        for row, cell, gain in zip(rows, cells, gains, strict=True):
            mended = one.case.rewards[0].copy()
            mended[cell, row] = right[cell, row]
            said.append(gain)
            done.append(outcome(one, mended) - outcome(one, one.case.rewards[0]))
    assert 0.7 < np.sum(done) / np.sum(said) < 1.4
    assert spearmanr(said, done).statistic > 0.5


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_gains_are_weighed_half_here_and_half_ahead(world):
    one = weighed(world(), doubt=0.3)
    reward = one.case.rewards[0]
    left = np.zeros(reward.shape, dtype=bool)
    left[0] = True
    slope, reach = one.derivatives(reward)
    further = reward.copy()
    further[0] = (reward[0] + one.right[0]) / 2
    both = (slope + one.derivatives(further)[0]) / 2
    np.testing.assert_allclose(one.gains(reward, left), (one.right - reward) * both + 0.3 * reach)
    assert not np.allclose(slope, both)


def test_the_slope_is_that_of_the_truth_by_the_scores():
    one = weighed(ahead.sharing(prompts=6))
    run = forecast(one.case, one.values, one.learner, one.horizon)
    np.testing.assert_allclose(one.derivatives(one.case.rewards[0])[0], shared_adjoint(run).scores[0])


@pytest.mark.parametrize("learner", LEARNERS, ids=["reinforce", "grpo", "with kl"])
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_reach_is_how_much_an_outputs_mass_grows_with_its_score(world, learner):
    one = weighed(world(), learner)
    case, reward, shown = one.case, one.case.rewards[0], np.zeros(one.case.truth.shape)
    run = forecast(case, one.values, learner, one.horizon)
    steps = Horizon(kl=None, steps=int(run.horizon[0]))
    for place in np.ndindex(reward.shape):
        ends = []
        for shift in (1e-3, -1e-3):
            moved = reward.copy()
            moved[place] += shift
            until = one.horizon if one.values is not None else steps
            end = forecast(case._replace(rewards=moved[None]), one.values, learner, until).final[0]
            ends.append(np.exp(end[place]))
        shown[place] = (ends[0] - ends[1]) / 2e-3
    reach = one.derivatives(reward)[1]
    assert spearmanr(reach.ravel(), shown.ravel()).statistic > 0.85
    assert 0.7 < (reach * shown).sum() / (reach**2).sum() < 1.6


@pytest.mark.parametrize("learner", LEARNERS, ids=["reinforce", "grpo", "with kl"])
def test_own_growth_is_the_diagonal_of_the_steps_derivative(learner):
    rng = np.random.default_rng(0)
    mass, reward = rng.dirichlet(np.ones(5), 3).T, rng.standard_normal((5, 3)) + 100
    columns, how = Columns(np.log(mass), np.log(mass), reward), learner.in_the_limit()
    step = Step(mass, reward, columns.start, how)
    diagonal = np.stack([step.back(np.eye(5)[:, [y]].repeat(3, axis=1))[0][y] for y in range(5)])
    np.testing.assert_allclose(module._own(mass, columns, how), diagonal, rtol=1e-6)


def test_a_proxy_that_says_nothing_of_a_prompt_has_no_growth_there():
    columns = Columns(*[np.log(np.full((3, 1), 1 / 3))] * 2, np.full((3, 1), 0.1))
    assert (module._own(np.full((3, 1), 1 / 3), columns, grpo(8).in_the_limit()) == 0).all()


@pytest.mark.parametrize("learner", LEARNERS[:2], ids=["reinforce", "grpo"])
def test_steps_are_held_in_portions_that_change_nothing(learner, monkeypatch):
    one = weighed(ahead.enumerated(), learner)
    whole = one.derivatives(one.case.rewards[0])
    monkeypatch.setattr(module, "_CELLS", 7 * one.case.start.size)
    for part, other in zip(one.derivatives(one.case.rewards[0]), whole, strict=True):
        np.testing.assert_allclose(part, other, rtol=1e-9)


def test_what_is_listed_counts_as_put_right_for_what_comes_after():
    """One at a time, against a plain loop."""
    one = weighed(ahead.sharing(prompts=6, samples=4), doubt=0.01)
    unknown = np.random.default_rng(0).random(one.case.truth.shape) < 0.5
    places, gains = one.chosen(unknown, [1] * 5)
    reward, left, slow, slow_gains = one.case.rewards[0].copy(), unknown.copy(), [], []
    for _ in range(5):
        gain = np.where(left, one.gains(reward, left), 0.0)
        if gain.max() <= 0:
            break
        best = np.unravel_index(gain.argmax(), gain.shape)
        slow.append(best)
        slow_gains.append(gain[best])
        reward[best], left[best] = one.right[best], False
    assert list(zip(*places, strict=True)) == slow
    np.testing.assert_allclose(gains, slow_gains)


def test_rounds_gain_more_than_one_look():
    one, both = weighed(ahead.sharing(prompts=20, samples=4, seed=1)), []
    for rounds in (1, 6):
        places, _ = one.chosen(np.ones(one.case.truth.shape, dtype=bool), module._rounds(30, rounds))
        mended = one.case.rewards[0].copy()
        mended[places] = one.right[places]
        both.append(outcome(one, mended))
    assert both[1] > both[0]


@pytest.mark.parametrize("budget", [0, 1, 2, 7, 100])
def test_rounds_add_up_and_grow(budget):
    found = module._rounds(budget, 6)
    assert sum(found) == budget
    assert 0 not in found
    assert found == sorted(found)
    assert module._rounds(budget, 1) == ([budget] if budget else [])


def test_nothing_is_listed_where_nothing_is_expected_to_help():
    one = weighed(ahead.sharing(prompts=6))
    every = np.ones(one.case.truth.shape, dtype=bool)
    right = one._replace(right=one.case.rewards[0])
    assert len(right.chosen(every, [10])[1]) == 0
    gains = one.gains(one.case.rewards[0], every)
    assert len(one.chosen(every, [1000])[1]) == (gains > 0).sum() < every.sum()


def test_a_right_score_grows_with_the_truth_as_their_spreads_do():
    one = weighed(ahead.sharing(prompts=6))
    assert module._growth(one.case, one.case.truth) == 1.0
    right = module.right_scores(one.case, -3 * one.case.rewards[0], "matched")
    row, cell = 2, 1
    slope = (right[cell, row] - right[0, row]) / (one.case.truth[cell, row] - one.case.truth[0, row])
    np.testing.assert_allclose(module._growth(one.case, right), slope)
    flat = one.case._replace(truth=np.zeros(one.case.truth.shape))
    assert module._growth(flat, right) == 0.0


# ---- the table ----


def listed(world, budget=6, learner=LEARNERS[0], proxy="near"):
    return module.relabel(ground(world, learner=learner), learner, Horizon(), proxy, budget)


def test_only_outputs_of_unknown_truth_with_a_score_are_listed():
    world, unknown = hidden(ahead.sharing())
    gaps = np.random.default_rng(1).random(world.shape) < 0.3
    fields = {name: getattr(world, name) for name in world.__dataclass_fields__}
    world = Rollouts(**fields | {"proxies": {"near": np.where(gaps, NAN, world.proxies["near"])}})
    frame = listed(world, 1000)
    names = {name: row for row, name in enumerate(world.prompt_id)}
    for row in frame.iter_rows(named=True):
        place = np.flatnonzero(world.proxies["near"][names[row["prompt_id"]]] == row["score"])[0]
        assert unknown[names[row["prompt_id"]], place]
    assert 0 < frame.height <= (unknown & ~gaps).sum()
    assert frame.select("prompt_id", "score").n_unique() == frame.height


def test_the_row_says_what_is_expected_of_the_output():
    world, _ = hidden(ahead.sharing())
    found = ground(world, learner=reinforce())
    frame, expected = listed(world), expected_truth(world, found.features.values, world.truth)
    for row in frame.iter_rows(named=True):
        place = np.nonzero(world.proxies["near"] == row["score"])
        assert world.prompt_id[place[0][0]] == row["prompt_id"]
        assert (row["expected"], row["spread"]) == (expected.mean[place][0], expected.spread[place][0])
    assert frame["proxy"].unique().to_list() == ["near"]
    assert frame["disagreement"].null_count() == frame.height
    assert dict(frame.schema) == LABEL_FIRST


@pytest.mark.parametrize("budget", [0, 1, 6, 1000])
def test_budget(budget):
    world, unknown = hidden(ahead.sharing(prompts=10))
    frame = listed(world, budget)
    assert frame.height <= unknown.sum()
    assert budget in (frame.height, 1000)
    assert (frame["gain"] > 0).all()
    assert dict(frame.schema) == LABEL_FIRST


def test_verifiers_are_put_right_on_the_truths_own_scale():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (20, 5)).astype(float)
    world, _ = hidden(record({"v": np.where(rng.random(truth.shape) < 0.2, 1 - truth, truth)}, truth,
                             weight=rng.dirichlet(np.ones(5), 20)))  # fmt: skip
    found = ground(world, learner=reinforce())
    assert module.picked(found, reinforce(), Horizon(), "v", 5).gains.min() > 0
    case, expected, _ = module._asked(found, "v")
    np.testing.assert_array_equal(case.truth, expected.mean[case.prompts].T)
    assert module.scale_of(found.case, found.case.rewards[0]) == "same"


@pytest.mark.parametrize("name", ["near", "verifier"])
def test_the_list_is_weighed_with_what_is_expected_and_how_far_that_may_be_off(name):
    """Put together by hand: right scores on the proxy's scale, and the doubt of a right score, c Var G."""
    world = ahead.sharing(prompts=16)
    rng = np.random.default_rng(0)
    truth = np.round(world.truth)
    scores = {"near": 3 * world.proxies["near"], "verifier": rng.permuted(truth, axis=1)}
    fields = {key: getattr(world, key) for key in world.__dataclass_fields__}
    world, unknown = hidden(Rollouts(**fields | {"proxies": {name: scores[name]}, "truth": truth}), 0.3)
    found = ground(world, learner=reinforce())
    rows, cells, gains, expected = module.picked(found, reinforce(), Horizon(), name, 8, rounds=1)
    whole = ground(world.with_truth(expected.mean), learner=reinforce()).case
    scale = "same" if name == "verifier" else "matched"
    right = module.right_scores(whole, whole.rewards[0], scale)
    sd = [np.sqrt(np.nanmean(np.nanvar(np.where(whole.present, x, NAN), axis=0))) for x in (right, whole.truth)]
    doubt = sd[0] / sd[1] * expected.spread.T**2
    one = module._Weighed(whole, found.features.values[whole.prompts], reinforce(), Horizon(), right, doubt)
    slow = one.gains(whole.rewards[0], unknown.T)
    np.testing.assert_allclose(gains, slow[cells, rows], rtol=1e-6)
    assert gains.min() == pytest.approx(np.sort(slow[unknown.T])[-8], rel=1e-6)
    assert (sd[0] / sd[1] == pytest.approx(1)) == (scale == "same")


def test_prompts_that_are_left_out_shift_nothing():
    world, unknown = hidden(ahead.sharing())
    present = np.ones(world.shape, dtype=bool)
    present[0, 1:] = False  # one output: nothing to learn there
    shape = {"features": world.features}
    world = record(dict(world.proxies), world.truth, present=present, **shape)
    found = ground(world, learner=reinforce())
    rows, cells, *_ = module.picked(found, reinforce(), Horizon(), "near", 500)
    assert found.case.prompts[0] > 0
    assert unknown[rows, cells].all()
    assert rows.max() > 20


def test_prompts_without_any_label_can_be_asked_for():
    world, _ = hidden(ahead.sharing())
    truth = world.truth.copy()
    truth[:12] = NAN
    frame = listed(world.with_truth(truth), 40)
    assert set(frame["prompt_id"]) & set(world.prompt_id[:12])


def test_outputs_that_are_not_the_policys_are_not_asked_for():
    world = ahead.sharing()
    weight = np.tile([0.0, 0.25, 0.25, 0.25, 0.25], (world.shape[0], 1))
    fields = {name: getattr(world, name) for name in world.__dataclass_fields__}
    world, _ = hidden(Rollouts(**fields | {"weight": weight}))
    assert not set(listed(world, 1000)["score"]) & set(world.proxies["near"][:, 0])


# ---- in an audit ----


def test_an_audit_asks_for_what_its_best_proxy_gains_most_by():
    world, _ = hidden(ahead.sharing())
    verdict = culpa.audit(world, settings=Settings(replicates=100, budget=5))
    assert verdict.ranking["proxy"][0] == "near"
    rows = ["prompt_id", "score"]  # in another order of prompts, which is another cross-validation
    assert verdict.relabel.select(rows).equals(listed(world, 5).select(rows))
    np.testing.assert_allclose(verdict.relabel["gain"], listed(world, 5)["gain"], rtol=0.02)


def test_an_audit_asks_for_prompts_that_it_cannot_rehearse_too():
    world, _ = hidden(ahead.sharing())
    truth = world.truth.copy()
    truth[:12] = NAN
    verdict = culpa.audit(world.with_truth(truth), settings=Settings(replicates=100, budget=40))
    assert set(verdict.relabel["prompt_id"]) & set(world.prompt_id[:12])
    assert verdict.relabel["gain"].null_count() == 0


@pytest.mark.parametrize("learner", [best_of_n(4), ppo(epochs=2)], ids=["best of n", "ppo"])
def test_where_no_derivative_is_known_the_list_is_by_disagreement(learner):
    world, _ = hidden(ahead.sharing())
    frame = culpa.audit(world, learner=learner, settings=Settings(replicates=100)).relabel
    assert frame["gain"].null_count() == frame.height > 0
    assert frame["disagreement"].null_count() == 0


def test_nothing_to_ask_for():
    quick = Settings(replicates=100)
    assert culpa.audit(ahead.sharing(), settings=quick).relabel.is_empty()
    world, _ = hidden(ahead.sharing())
    assert culpa.audit(world, settings=replace(quick, budget=0)).relabel.is_empty()
