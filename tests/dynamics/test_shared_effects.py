"""Effects of errors where outputs share features: derivatives against differences, rows against single runs."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.dynamics.shared_world import one_hot, slow_kl, slow_mean, slow_shared, world

from culpa.dynamics import grpo, ppo, reinforce, rloo
from culpa.dynamics import shared as shared_module
from culpa.dynamics import shared_effects as module
from culpa.dynamics.errors import errors, right_scores
from culpa.dynamics.shared import divergence, rehearse, replay
from culpa.dynamics.shared_effects import SHARED_ERRORS, shared_adjoint, shared_effects
from culpa.errors import InputError
from culpa.signals import center

LEARNERS = {
    "plain": reinforce(),
    "rloo": rloo(4),
    "kl": reinforce().with_kl(0.3),
    "grpo": grpo(8),
    "both": grpo(8, eps=0.1).with_kl(0.2),
}
each_learner = pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)


def differences(run, features, number, width=1e-4):
    """Of the truth's sum by every score of a proxy, (s, p): central, of fourth order, with the run's own step sizes."""
    case = run.problem
    samples, prompts = case.start.shape
    bumps = np.eye(prompts * samples).reshape(-1, prompts, samples) * width
    far = np.array([1.0, 2.0, -1.0, -2.0])[:, None, None, None]
    rewards = (case.rewards[number].T + far * bumps).reshape(-1, prompts, samples)
    paces = np.repeat(run.paces[[number]], len(rewards), axis=0)
    *_, end = replay(case, rewards, features, run.learner.in_the_limit(), paces)
    up1, up2, down1, down2 = (np.exp(end) * case.truth.T).sum(axis=(1, 2)).reshape(4, -1)
    return ((8 * (up1 - down1) - (up2 - down2)) / (12 * width)).reshape(prompts, samples).T


def short(run):
    """A run that ends by itself: nothing is read off at a divergence, the step sizes are all there is."""
    return replace(run, reached=np.zeros_like(run.reached))


def checks(case):
    """The same problem with proxies that say yes or no."""
    return case._replace(rewards=(case.rewards > np.median(case.rewards, axis=1, keepdims=True)) * 1.0)


@each_learner
@pytest.mark.parametrize("seed", [0, 1, None])
def test_the_slopes_of_scores_are_the_derivatives(learner, seed):
    """Of normalising learners in the limit of large groups, also where the run's own proxy says yes or no."""
    case, features = world(seed or 0, prompts=4, dims=3)
    case = case if seed is not None else checks(case)
    run = short(rehearse(case, features, learner))
    scores = shared_adjoint(run).scores
    for number in range(2):
        slow = differences(run, features, number)
        np.testing.assert_allclose(scores[number], slow, atol=1e-8 * np.abs(slow).max())
        assert np.abs(slow).max() > 0.02
    assert not scores[:, ~case.present].any()
    np.testing.assert_allclose(scores.sum(axis=1), 0.0, atol=1e-10)


@each_learner
def test_runs_that_reach_the_divergence_are_compared_at_it(learner, monkeypatch):
    """Slopes and effects against rehearsals of other scores that stop at the same divergence themselves."""
    monkeypatch.setattr(shared_module, "MOVE", 0.01)
    case, features = world(3, prompts=5, dims=4)
    learner = learner.in_the_limit()
    run, size, prompts = rehearse(case, features, learner), 1e-3, len(case.prompts)
    slopes, slow = shared_adjoint(run).scores[0], np.zeros(case.start.shape)
    for at in np.argwhere(case.present):
        ends = []
        for change in (size, -size):
            rewards = case.rewards[:1].copy()
            rewards[(0, *at)] += change
            ends.append(rehearse(case._replace(rewards=rewards, proxies=("hack",)), features, learner).outcome[0])
        slow[tuple(at)] = prompts * (ends[0] - ends[1]) / (2 * size)
    np.testing.assert_allclose(slopes, slow, atol=0.02 * np.abs(slow).max())
    fixed = shared_adjoint(short(run)).scores[0]
    assert np.abs(fixed - slow).max() > 3 * np.abs(slopes - slow).max()
    table = shared_effects(run, scale="same", top=100).filter(pl.col("proxy") == "hack")
    for row in table.rows(named=True):
        rewards = case.rewards[:1].copy()
        rewards[0, row["output"], int(row["prompt_id"][1:])] = row["right"]
        end = rehearse(case._replace(rewards=rewards, proxies=("hack",)), features, learner).outcome[0]
        assert row["effect"] == pytest.approx(prompts * (run.outcome[0] - end), abs=0.03 * np.abs(slow).max())


def prompt_differences(run, features, number, at_the_end):
    """Of two sums over prompts at the end, by how often each prompt is trained on: a loop with the run's step sizes."""
    case, prompts, width = run.problem, len(run.problem.prompts), 1e-3

    def outcome(part):
        learner = run.learner.in_the_limit()
        probs = slow_shared(case, features, case.rewards[number], learner, run.paces[number], part)
        return np.array([prompts * slow_mean(case, probs, case.truth), prompts * at_the_end(case, probs)])

    bumps = np.eye(prompts) * width
    one, two = (np.array([outcome(1 + far * b) - outcome(1 - far * b) for b in bumps]) for far in (1, 2))
    return ((8 * one - two) / (12 * width)).T


@each_learner
def test_the_slopes_of_prompts_are_the_derivatives(learner):
    """As the steps are, and with the divergence held: the clock of all steps changes until it is what it was."""
    case, features = world(prompts=4, dims=3)
    run = rehearse(case, features, learner)
    *_, truth, spent = module._back(run, slice(0, 2))
    slopes = shared_adjoint(run).prompts
    for number in range(2):
        slow, slow_spent = prompt_differences(run, features, number, slow_kl)
        np.testing.assert_allclose(truth[number], slow, atol=1e-7 * np.abs(slow).max())
        *_, end = replay(
            case, case.rewards[[number]].transpose(0, 2, 1), features, learner.in_the_limit(), run.paces[[number]]
        )
        own = np.array(
            [divergence(logp[None, None], start[None])[0] for logp, start in zip(end[0], case.start.T, strict=True)]
        )
        slow_spent = slow_spent + own - own.mean()
        np.testing.assert_allclose(spent[number], slow_spent, atol=1e-7 * np.abs(slow_spent).max())
        expected = slow - slow.sum() / slow_spent.sum() * slow_spent
        np.testing.assert_allclose(slopes[number], expected, atol=1e-6 * np.abs(slow).max())
        assert slopes[number].mean() == pytest.approx(0.0, abs=1e-12)


def test_a_run_that_does_not_reach_the_divergence_has_no_other_clock():
    case, features = world()
    run = rehearse(case, features, reinforce(), kl=50.0)
    assert not run.reached.any()
    *_, truth, _ = module._back(run, slice(0, 2))
    expected = truth - truth.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(shared_adjoint(run).prompts, expected, atol=1e-12)


@each_learner
def test_constants_of_rewards_and_truth_have_no_slope(learner):
    case, features = world()
    run = rehearse(case, features, learner)
    moved = case._replace(rewards=case.rewards + np.arange(6.0) * 10, truth=case.truth + 7.0)
    there, here = shared_adjoint(replace(run, problem=moved)), shared_adjoint(run)
    np.testing.assert_allclose(there.scores, here.scores, atol=1e-9)
    np.testing.assert_allclose(there.prompts, here.prompts, atol=1e-9)


def test_the_slopes_are_linear_in_the_truth():
    case, features = world()
    run = rehearse(case, features, grpo(8))
    other = replace(run, problem=case._replace(truth=-3 * case.truth))
    np.testing.assert_allclose(shared_adjoint(other).scores, -3 * shared_adjoint(run).scores, atol=1e-12)


def test_proxies_taken_apart_have_the_same_slopes(monkeypatch):
    case, features = world()
    run = rehearse(case, features, reinforce())
    whole = shared_adjoint(run)
    back, widths = module._back, []
    monkeypatch.setattr(module, "_back", lambda run, some: (widths.append(some), back(run, some))[1])
    monkeypatch.setattr(module, "_CELLS", 1)
    for one, other in zip(shared_adjoint(run), whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-13)
    assert widths == [slice(0, 1), slice(1, 2)]


@pytest.mark.parametrize(
    "learner", [reinforce().with_signal(center(), "center"), ppo(4), reinforce().as_flow()], ids=lambda one: one.name
)
def test_no_slope_where_none_is_derived(learner):
    case, features = world()
    run = replace(rehearse(case, features, reinforce()), learner=learner)
    with pytest.raises(InputError) as caught:
        shared_adjoint(run)
    assert str(caught.value) == (
        f"the derivative of {learner.name} is not known: counterfactual only. "
        "Take reinforce, rloo:K or grpo:K without a signal."
    )


def resampled(case, features, rows):
    part = case._replace(
        prompt_id=case.prompt_id[rows],
        prompts=case.prompts[rows],
        start=case.start[:, rows],
        truth=case.truth[:, rows],
        rewards=case.rewards[:, :, rows],
    )
    return part, features[rows]


@pytest.mark.parametrize("learner", [reinforce(), grpo(8)], ids=lambda one: one.name)
def test_the_linear_bootstrap_has_the_spread_of_really_running_again(learner):
    rng = np.random.default_rng(0)
    case, features = world(7, prompts=60, samples=5, dims=5, hack=0.5)
    run = rehearse(case, features, learner)
    draws = rng.integers(0, 60, (100, 60))
    again = np.array([rehearse(*resampled(case, features, rows), learner).outcome for rows in draws])
    linear = run.by_prompt + shared_adjoint(run).prompts
    found = linear[:, draws].mean(axis=-1).T
    ratio = found.std(axis=0) / again.std(axis=0)
    assert (np.abs(ratio - 1) < 0.1).all(), f"standard error of the linear over that of the real: {ratio}"
    together = [np.corrcoef(one, other)[0, 1] for one, other in zip(found.T, again.T, strict=True)]
    assert min(together) > 0.95, f"correlations: {together}"


@each_learner
@pytest.mark.parametrize("scale", ["same", "matched"])
@pytest.mark.parametrize("kind", [lambda case: case, checks], ids=["scores", "checks"])
def test_a_counterfactual_row_is_two_runs_by_hand(learner, scale, kind):
    case, features = world()
    case = kind(case)
    run = rehearse(case, features, learner)
    table = shared_effects(run, scale=scale, top=2)
    rows = table.filter(table["method"] == "counterfactual").rows(named=True)
    assert [row["proxy"] for row in rows].count("hack") == 2
    for row in rows:
        number, prompt = case.proxies.index(row["proxy"]), int(row["prompt_id"][1:])
        reward = case.rewards[number]
        right = right_scores(case, reward, scale)
        mended = reward.copy()
        mended[row["output"], prompt] = right[row["output"], prompt]
        both = case._replace(rewards=np.stack([reward, mended]), proxies=("with", "without"))
        again, limit = rehearse(both, features, learner.in_the_limit()), learner.in_the_limit()
        with_error, without = (
            slow_mean(case, slow_shared(case, features, one, limit, pace), case.truth)
            for one, pace in zip(both.rewards, again.paces, strict=True)
        )
        assert row["effect"] == pytest.approx(6 * (with_error - without), abs=1e-9)
        assert (row["score"], row["right"]) == (reward[row["output"], prompt], mended[row["output"], prompt])
        assert row["truth"] == case.truth[row["output"], prompt]
        assert row["mass"] == pytest.approx(np.exp(case.start[row["output"], prompt]))
        assert (row["horizon"], row["learner"]) == (run.horizon[number], learner.name)
        assert row["reason"]


@each_learner
def test_the_others_are_score_minus_right_times_slope(learner):
    case, features = world()
    run = rehearse(case, features, learner)
    slopes = shared_adjoint(run).scores
    table = shared_effects(run, scale="matched", top=3)
    for number, name in enumerate(case.proxies):
        reward = case.rewards[number]
        right = right_scores(case, reward, "matched")
        estimate = (reward - right) * slopes[number]
        own = table.filter(table["proxy"] == name)
        at = (own["output"].to_numpy(), np.array([int(name[1:]) for name in own["prompt_id"]]))
        assert set(zip(*at, strict=True)) == set(zip(*np.nonzero(errors(case, reward, right)), strict=True))
        chosen = (own["method"] == "counterfactual").to_numpy()
        assert (own["method"].to_numpy()[~chosen] == "adjoint").all()
        np.testing.assert_allclose(own["effect"].to_numpy()[~chosen], estimate[at][~chosen], rtol=1e-12)
        assert chosen.sum() == 3
        assert np.abs(estimate[at][chosen]).min() > np.abs(estimate[at][~chosen]).max()
        assert own["reason"].is_null().to_numpy()[~chosen].all()
        assert own["crossing"].is_null().to_numpy()[~chosen].all()


def test_an_estimate_of_a_small_error_is_its_effect():
    """Half the error: a quarter of what the effect and its estimate differ by."""
    case, features = world(padded=False)
    run, gaps = rehearse(case, features, reinforce()), []
    for size in (0.1, 0.05):
        rewards = np.broadcast_to(case.truth, case.rewards.shape).copy()
        rewards[:, 1, 3] += size * np.array([1.0, -1.0])
        close = replace(run, problem=case._replace(rewards=rewards))
        few, none = (
            shared_effects(close, scale="same", top=top).filter(pl.col("prompt_id") == "p3")["effect"] for top in (5, 0)
        )
        gaps.append(np.abs(few - none))
    np.testing.assert_allclose(gaps[0] / gaps[1], 4.0, rtol=0.1)


@pytest.mark.parametrize("tolerance", [0.0, 1e-3, 0.05, 10.0])
def test_kinds_follow_the_tolerance(tolerance):
    case, features = world()
    table = shared_effects(rehearse(case, features, reinforce()), tolerance=tolerance, top=4)
    limit = tolerance * case.truth_range
    for effect, kind in table.select("effect", "kind").rows():
        assert kind == ("harmful" if effect < -limit else "beneficial" if effect > limit else "benign")
    expected = {10.0: {"benign"}, 1e-3: {"harmful", "benign", "beneficial"}, 0.0: {"harmful", "beneficial"}}
    assert set(table["kind"]) == expected.get(tolerance, set(table["kind"]))


@pytest.mark.parametrize(("top", "off"), [(0, 1e-9), (1_000, 0.15)], ids=["adjoint", "counterfactual"])
def test_an_effect_is_a_sum_over_prompts(top, off):
    """Twice the same prompts, each with features of its own: the same effects, the more so the smaller an error's part
    in the divergence. A mean would halve them.
    """
    case, _ = world()
    features = one_hot(case)
    twice = np.tile(np.arange(6), 2)
    more, _ = resampled(case, features, twice)
    more = more._replace(prompt_id=np.array([f"p{number}" for number in range(12)], dtype=object))
    tables = [
        shared_effects(rehearse(one, phi, grpo(8)), scale="same", top=top)
        for one, phi in ((case, features), (more, one_hot(more)))
    ]
    first = tables[1].filter(tables[1]["prompt_id"].is_in(case.prompt_id.tolist()))
    assert len(tables[0]) == len(first) > 10
    np.testing.assert_allclose(first["effect"], tables[0]["effect"], atol=1e-9, rtol=off)


def test_slopes_at_hand_are_not_computed_again(monkeypatch):
    case, features = world()
    run = rehearse(case, features, reinforce())
    table, slopes = shared_effects(run, top=3), shared_adjoint(run)
    monkeypatch.setattr(module, "shared_adjoint", None)
    assert shared_effects(run, top=3, slopes=slopes).equals(table)


def test_an_error_moves_the_truth_of_other_prompts():
    """A prompt whose error is put right, and the truth known only to differ on another."""
    case, features = world(padded=False)
    elsewhere = case._replace(truth=np.where(np.arange(6) == 5, case.truth, 0.0))
    run = rehearse(elsewhere, features, reinforce())
    table = shared_effects(run, scale="matched", top=10)
    other = table.filter((table["prompt_id"] != "p5") & (table["method"] == "counterfactual"))
    assert other["effect"].abs().max() > 1e-2


def test_without_errors_there_are_no_rows():
    case, features = world()
    right = case._replace(rewards=case.truth[None], proxies=("right",))
    table = shared_effects(rehearse(right, features, reinforce()), scale="same")
    assert table.is_empty()
    assert dict(table.schema) == SHARED_ERRORS


def test_a_proxy_without_gradient_has_benign_errors():
    case, features = world()
    flat = case._replace(rewards=np.where(case.present, 1.0, 0.0)[None], proxies=("flat",))
    table = shared_effects(rehearse(flat, features, reinforce()), scale="same", top=5)
    assert set(table["kind"]) == {"benign"}
    assert not table["effect"].to_numpy().any()
    assert (table["horizon"] == 0).all()


def test_the_columns_and_methods_of_both_ways():
    case, features = world()
    table = shared_effects(rehearse(case, features, reinforce()), top=5)
    assert dict(table.schema) == SHARED_ERRORS
    assert table.group_by("proxy", maintain_order=True).len()["proxy"].to_list() == list(case.proxies)
    assert table.filter(table["method"] == "counterfactual").height == 10
    none = shared_effects(rehearse(case, features, reinforce()), top=0)
    assert set(none["method"]) == {"adjoint"}


@pytest.mark.parametrize("tolerance", [-1.0, float("nan")])
def test_a_negative_tolerance_is_refused(tolerance):
    case, features = world()
    with pytest.raises(InputError) as caught:
        shared_effects(rehearse(case, features, reinforce()), tolerance=tolerance)
    assert str(caught.value) == f"the tolerance must be zero or more, got {tolerance}. 0.001 is usual."


@pytest.mark.parametrize("constant", [0.1, 1 / 3, 1e6 + 0.1])
def test_a_prompt_of_equal_scores_has_no_huge_slope_under_a_normalising_learner(constant):
    """0.1 times masses that sum to 1 is not 0.1: a spread of 1e-17 is none."""
    case, features = world()
    rewards = case.rewards.copy()
    rewards[0, :, 2] = np.where(case.present[:, 2], constant, 0.0)
    run = rehearse(case._replace(rewards=rewards), features, grpo(8))
    slopes = shared_adjoint(run).scores[0]
    assert np.abs(slopes[:, 2]).max() < 10
    assert np.abs(slopes).max() < 100


def test_where_time_is_common_runs_are_compared_after_the_same_steps():
    """Slopes by differences with the run's own step sizes, effects by two loops with them."""
    case, features = world()
    run = rehearse(case, features, reinforce(), together=True)
    scores = shared_adjoint(run).scores
    for number in range(2):
        slow = differences(run, features, number)
        np.testing.assert_allclose(scores[number], slow, atol=1e-8 * np.abs(slow).max())
    for row in shared_effects(run, scale="same", top=2).filter(pl.col("method") == "counterfactual").rows(named=True):
        number, at = case.proxies.index(row["proxy"]), (row["output"], int(row["prompt_id"][1:]))
        mended = case.rewards[number].copy()
        mended[at] = row["right"]
        with_error, without = (
            slow_mean(case, slow_shared(case, features, one, reinforce(), run.paces[number]), case.truth)
            for one in (case.rewards[number], mended)
        )
        assert row["effect"] == pytest.approx(6 * (with_error - without), abs=1e-9)
