"""Rehearsal with shared features: against the tabular walk, a loop over one weight vector, and its own invariances."""

from itertools import pairwise

import numpy as np
import pytest
from tests.dynamics.shared_world import case_of, centred, one_hot, slow_kl, slow_mean, slow_shared, world
from tests.dynamics.slow import group_step, numeric_gradient, softmax

from culpa.dynamics import Columns, Horizon, grpo, ppo, reinforce, rloo, tilt
from culpa.dynamics import shared as module
from culpa.dynamics.closed import policy
from culpa.dynamics.shared import MOVE, SharedForecast, divergence, rehearse, replay
from culpa.dynamics.simulate import run as tabular
from culpa.dynamics.walk import log_softmax, walk
from culpa.errors import InputError
from culpa.signals import length_penalty

LEARNERS = {
    "plain": reinforce(),
    "rloo": rloo(4),
    "kl": reinforce().with_kl(0.3),
    "grpo": grpo(8),
    "eps": grpo(8, eps=0.1).with_kl(0.1),
}
each_learner = pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)


def same(one, other, atol=1e-9):
    """Two rehearsals that are one: ends, clocks and curves."""
    np.testing.assert_allclose(np.exp(one.final), np.exp(other.final), atol=atol)
    np.testing.assert_array_equal(one.reached, other.reached)
    np.testing.assert_array_equal(one.horizon, other.horizon)
    for column in ("true_reward", "kl", "entropy"):
        np.testing.assert_allclose(one.curves[column], other.curves[column], atol=10 * atol)


@each_learner
@pytest.mark.parametrize("dims", [1, 4, 60])
def test_a_run_is_the_loop_over_one_weight_vector(learner, dims):
    case, features = world(dims=dims)
    run = rehearse(case, features, learner)
    assert run.reached.all()
    for number, reward in enumerate(case.rewards):
        probs = slow_shared(case, features, reward, learner, run.paces[number])
        for prompt, prob in enumerate(probs):
            np.testing.assert_allclose(np.exp(run.final[number, : len(prob), prompt]), prob, atol=1e-10)
            assert run.by_prompt[number, prompt] == pytest.approx(prob @ case.truth[: len(prob), prompt], abs=1e-9)
        assert run.outcome[number] == pytest.approx(slow_mean(case, probs, case.truth), abs=1e-9)
        assert slow_kl(case, probs) == pytest.approx(0.4, abs=1e-6)


@each_learner
def test_curves_are_what_the_loop_goes_through(learner):
    case, features = world(3)
    run = rehearse(case, features, learner)
    for number, name in enumerate(case.proxies):
        rows = run.curves.filter(run.curves["proxy"] == name).rows(named=True)
        assert [row["step"] for row in rows] == list(range(run.horizon[number] + 1))
        for row in (rows[0], rows[1], rows[len(rows) // 2], rows[-1]):
            paces = run.paces[number, : row["step"]]
            probs = slow_shared(case, features, case.rewards[number], learner, paces)
            assert row["true_reward"] == pytest.approx(slow_mean(case, probs, case.truth), abs=1e-9)
            assert row["proxy_reward"] == pytest.approx(slow_mean(case, probs, case.rewards[number]), abs=1e-9)
            assert row["kl"] == pytest.approx(slow_kl(case, probs), abs=1e-9)
            assert row["entropy"] == pytest.approx(np.mean([-(p @ np.log(p)) for p in probs]), abs=1e-9)
        assert rows[-2]["kl"] < 0.4
        assert rows[-1]["kl"] == pytest.approx(0.4, abs=1e-6)


@pytest.mark.parametrize("kl", [0.01, 0.2, 1.0])
def test_a_run_ends_on_the_divergence(kl):
    case, features = world(1)
    run = rehearse(case, features, reinforce(), kl=kl)
    ends = [divergence(logp.T[None], case.start.T)[0] for logp in run.final]
    np.testing.assert_allclose(ends, kl, atol=1e-6)
    assert min(ends) >= kl - 1e-12  # reached, not nearly
    assert run.reached.all()


def test_a_step_is_the_gradient_of_the_expected_reward_by_the_weights():
    case, features = world(padded=False)
    reward, pace = case.rewards[1].T, np.array([[3.0, 2.0]])

    def value(w):
        probs = [softmax(start + phi @ w) for start, phi in zip(case.start.T, features, strict=True)]
        return np.mean([prob @ scores for prob, scores in zip(probs, reward, strict=True)])

    w = np.zeros(features.shape[-1])
    states = replay(case, reward[None], features, reinforce(), pace)
    np.testing.assert_array_equal(next(states)[0], case.start.T)
    for step, state in zip(pace[0], states, strict=True):
        w = w + step * numeric_gradient(value, w)
        np.testing.assert_allclose(state[0], log_softmax((case.start.T + features @ w).T).T, atol=1e-8)


@each_learner
def test_without_anything_shared_it_is_the_tabular_walk(learner):
    case, _ = world()
    features, eta, count = one_hot(case), 0.2, len(case.prompts)
    *_, end = replay(case, case.rewards.transpose(0, 2, 1), features, learner, np.full((2, 30), eta * count))
    for number, reward in enumerate(case.rewards):
        after = walk(Columns(case.start, case.start, reward), learner, steps=30, eta=eta)
        np.testing.assert_allclose(np.exp(end[number].T), np.exp(after), atol=1e-13)


@each_learner
def test_without_anything_shared_it_ends_where_small_tabular_steps_do(learner, monkeypatch):
    """At the same divergence, on another clock: of small steps only the path is left."""
    monkeypatch.setattr(module, "MOVE", MOVE / 20)
    monkeypatch.setattr(module, "MOST_STEPS", 2_000)
    case, _ = world(2)
    run = rehearse(case, one_hot(case), learner)
    forecast = tabular(case, learner, Horizon(kl=0.4), 0.005)
    np.testing.assert_allclose(np.exp(run.final), np.exp(forecast.final), atol=1e-3)
    np.testing.assert_allclose(run.outcome, forecast.outcome, atol=2e-4 * case.truth_range)


def test_every_step_moves_the_logits_by_the_same_root_mean_square():
    case, features = world(4)
    run = rehearse(case, features, grpo(4))
    mass = np.exp(case.start.T)
    for number in range(2):
        states = list(replay(case, case.rewards[[number]].transpose(0, 2, 1), features, grpo(4), run.paces[[number]]))
        for before, after in pairwise(states[: run.horizon[number]]):
            change = np.where(case.present.T, after[0], 0.0) - np.where(case.present.T, before[0], 0.0)
            change -= (mass * change).sum(axis=1, keepdims=True)
            assert np.sqrt((mass * change**2).sum(axis=1).mean()) == pytest.approx(MOVE, rel=1e-9)


@pytest.mark.parametrize("learner", [reinforce(), grpo(8), rloo(4)], ids=lambda one: one.name)
@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_the_scale_of_a_reward_and_offsets_of_prompts_change_nothing(learner, size):
    case, features = world()
    offsets = np.random.default_rng(0).standard_normal(len(case.prompts)) * 100.0
    moved = case._replace(rewards=size * (case.rewards + offsets))
    same(rehearse(moved, features, learner), rehearse(case, features, learner))


@each_learner
def test_a_rotation_of_the_features_changes_nothing(learner):
    case, features = world(dims=6)
    turn, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))
    same(rehearse(case, features @ turn, learner), rehearse(case, features, learner))


def test_the_unit_of_the_features_changes_nothing():
    case, features = world()
    same(rehearse(case, 1e4 * features, reinforce()), rehearse(case, features, reinforce()))


@each_learner
def test_features_that_a_prompts_outputs_share_change_nothing(learner):
    case, features = world()
    same(rehearse(case, features + np.arange(6.0)[:, None, None], learner), rehearse(case, features, learner), 1e-8)


@pytest.mark.parametrize("cells", [1, 10**9])
def test_proxies_together_are_each_alone(cells, monkeypatch):
    case, features = world()
    case = case._replace(rewards=np.stack([*case.rewards, -case.rewards[0]]), proxies=("hack", "noise", "against"))
    monkeypatch.setattr(module, "_AT_ONCE", cells)
    run = rehearse(case, features, reinforce())
    assert run.paces.shape == (3, max(run.horizon))
    assert len(set(run.horizon)) > 1
    for number, name in enumerate(case.proxies):
        alone = rehearse(case._replace(rewards=case.rewards[[number]], proxies=(name,)), features, reinforce())
        np.testing.assert_allclose(run.final[number], alone.final[0], atol=1e-11)
        np.testing.assert_allclose(run.paces[number, : alone.paces.shape[1]], alone.paces[0], rtol=1e-9)
        assert not run.paces[number, alone.paces.shape[1] :].any()
        assert run.horizon[number] == alone.horizon[0]
        np.testing.assert_allclose(run.curves.filter(run.curves["proxy"] == name)["kl"], alone.curves["kl"], atol=1e-12)


@each_learner
def test_a_constant_proxy_stays_and_says_so(learner):
    case, features = world()
    constant = np.broadcast_to(np.arange(6.0) + 0.1, case.truth.shape)
    together = case._replace(rewards=np.stack([constant, case.rewards[0]]))
    alone = case._replace(rewards=constant[None], proxies=("flat",))
    for run in (rehearse(together, features, learner), rehearse(alone, features, learner)):
        assert (run.reached[0], run.horizon[0]) == (False, 0)
        np.testing.assert_allclose(run.final[0], case.start, atol=1e-14)
        assert run.outcome[0] == pytest.approx((np.exp(case.start) * case.truth).sum(axis=0).mean())
        assert run.curves.filter(run.curves["proxy"] == run.proxies[0])["step"].to_list() == [0]
    assert rehearse(together, features, learner).reached[1]


def test_features_that_tell_nothing_apart_move_nothing():
    case, features = world()
    run = rehearse(case, np.zeros_like(features), reinforce())
    assert not run.reached.any()
    assert not run.paces.any()


@each_learner
def test_padding_changes_nothing(learner):
    case, features = world()
    blank = np.full((2, 6), -np.inf)
    wider = case._replace(
        start=np.vstack([case.start, blank]),
        truth=np.vstack([case.truth, np.zeros((2, 6))]),
        rewards=np.concatenate([case.rewards, np.full((2, 2, 6), np.nan)], axis=1),
    )
    run = rehearse(wider, np.pad(features, ((0, 0), (0, 2), (0, 0)), constant_values=5.0), learner)
    before = rehearse(case, features, learner)
    np.testing.assert_allclose(run.final[:, :5], before.final, atol=1e-10)
    assert (run.final[:, 5:] == -np.inf).all()
    np.testing.assert_allclose(run.outcome, before.outcome, atol=1e-10)
    np.testing.assert_allclose(run.curves["proxy_reward"], before.curves["proxy_reward"], atol=1e-9)


@each_learner
def test_the_order_of_prompts_and_outputs_changes_nothing(learner):
    case, features = world()
    outputs, prompts = np.array([3, 1, 4, 0, 2]), np.array([5, 0, 3, 1, 4, 2])
    at = np.ix_(outputs, prompts)
    mixed = case._replace(
        prompt_id=case.prompt_id[prompts],
        start=case.start[at],
        truth=case.truth[at],
        rewards=case.rewards[(slice(None), *at)],
    )
    run = rehearse(mixed, features[prompts][:, outputs], learner)
    np.testing.assert_allclose(run.final, rehearse(case, features, learner).final[(slice(None), *at)], atol=1e-10)


def spread_within(case, values):
    mass = np.exp(case.start)
    return np.sqrt((mass * (values - (mass * values).sum(axis=0)) ** 2).sum(axis=0).mean())


def test_half_the_step_changes_the_outcome_little(monkeypatch):
    worlds = [world(seed, prompts=20, samples=8, dims=6) for seed in range(4)]
    ends = [rehearse(*one, reinforce()).outcome for one in worlds]
    monkeypatch.setattr(module, "MOVE", MOVE / 2)
    half = [rehearse(*one, reinforce()).outcome for one in worlds]
    sds = [spread_within(case, case.truth) for case, _ in worlds]
    gap = max(np.abs(end - fine).max() / sd for end, fine, sd in zip(ends, half, sds, strict=True))
    assert gap < 2e-3, f"{gap:.1e} of the truth's standard deviation within prompts"


def test_single_precision_features_agree_with_double():
    case, features = world(5, prompts=20, samples=8, dims=30)
    single, double = (rehearse(case, features.astype(kind), grpo(8)) for kind in (np.float32, np.float64))
    np.testing.assert_allclose(single.outcome, double.outcome, atol=1e-4)
    np.testing.assert_allclose(np.exp(single.final), np.exp(double.final), atol=1e-4)


@pytest.mark.parametrize("learner", [grpo(3), grpo(4, eps=0.1, sample_std=True)], ids=["plain", "eps"])
def test_a_binary_reward_takes_the_expectation_over_groups(learner):
    case, features = world(padded=False, prompts=3, samples=3)
    checks = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    binary = case._replace(rewards=checks[None], proxies=("checks",))
    states = list(replay(binary, binary.rewards.transpose(0, 2, 1), features, learner, np.full((1, 1), 2.0)))
    w = np.zeros(features.shape[-1])
    for start, phi, reward in zip(case.start.T, features, binary.rewards[0].T, strict=True):
        options = {"eps": learner.eps, "sample_std": learner.sample_std}
        w += phi.T @ group_step(np.exp(start), reward, learner.group, **options) * 2.0 / 3
    np.testing.assert_allclose(states[1][0], log_softmax((case.start.T + features @ w).T).T, atol=1e-12)
    limit = rehearse(binary, features, learner.in_the_limit()).outcome
    assert np.abs(rehearse(binary, features, learner).outcome - limit).max() > 1e-5


def test_a_run_that_its_learner_holds_back_ends_near_the_tilted_policy():
    """Where V_R - KL is highest; steps keep their size, so that the end circles it."""
    case, _ = world()
    weight = 4.0
    run = rehearse(case, one_hot(case), reinforce().with_kl(weight))
    assert not run.reached.any()
    assert (run.horizon == module.MOST_STEPS).all()
    for number, reward in enumerate(case.rewards):
        best = np.exp(policy(case.start, reward, tilt(weight)))
        np.testing.assert_allclose(np.exp(run.final[number]), best, atol=2 * MOVE)
        assert np.abs(best - np.exp(case.start)).max() > 4 * MOVE


@pytest.mark.parametrize("learner", [ppo(4), grpo(8).in_the_limit().with_rounds(3, 0.1)], ids=lambda one: one.name)
def test_steps_of_a_round_are_the_gradient_of_the_clipped_ratio(learner):
    """Of sum_y pi_old min(r A, clip(r) A), by finite differences in the weights."""
    case, features = world(padded=False)
    reward, w, cut = case.rewards[1].T, np.zeros(4), 0
    states = replay(case, reward[None], features, learner, np.full((1, 10), 0.4))
    for step, state in enumerate(states):
        probs = [softmax(start + phi @ w) for start, phi in zip(case.start.T, features, strict=True)]
        np.testing.assert_allclose(np.exp(state[0]), probs, atol=1e-7)
        if step % learner.epochs == 0:
            old = np.array(probs)
            gap = reward - (old * reward).sum(axis=1, keepdims=True)
            if learner.normalise:
                gap /= np.sqrt((old * gap**2).sum(axis=1, keepdims=True))

        def clipped(w, old=old, gap=gap):
            logits = case.start.T + features @ w
            ratio = np.exp(log_softmax(logits.T).T) / old
            least = np.minimum(ratio * gap, np.clip(ratio, 1 - learner.clip, 1 + learner.clip) * gap)
            return (old * least).sum(axis=1).mean()

        w = w + 0.4 * numeric_gradient(clipped, w)
        cut += (np.abs(np.array(probs) / old - 1) > learner.clip).sum()
    assert cut > 5


def test_the_steps_of_a_round_are_of_one_size():
    case, features = world(3)
    run = rehearse(case, features, ppo(4))
    for paces, steps in zip(run.paces, run.horizon, strict=True):
        whole = paces[: (steps - 1) // 4 * 4].reshape(-1, 4)
        assert len(whole) > 1
        np.testing.assert_array_equal(whole, np.broadcast_to(whole[:, :1], whole.shape))
        assert len(set(whole[:, 0])) == len(whole)


def test_a_round_of_which_all_is_cut_is_not_the_end_of_a_run():
    weight = np.array([[0.5, 0.5]])
    case = case_of(weight, np.array([[1.0, 0.0]]), rm=np.array([[1.0, 0.0]]))
    run = rehearse(case, np.array([[[1.0], [-1.0]]]), ppo(8))
    assert run.reached.all()
    assert run.outcome[0] == pytest.approx(rehearse(case, np.array([[[1.0], [-1.0]]]), reinforce()).outcome[0])


def test_a_round_of_which_nothing_is_cut_is_so_many_steps():
    case, features = world()
    same(rehearse(case, features, ppo(1)), rehearse(case, features, reinforce()))
    wide, plain = (rehearse(case, features, learner) for learner in (ppo(2, clip=9.0), reinforce()))
    np.testing.assert_allclose(wide.outcome, plain.outcome, atol=2e-2)


def test_steps_that_run_out_say_so(monkeypatch):
    monkeypatch.setattr(module, "MOST_STEPS", 7)
    case, features = world()
    run = rehearse(case, features, reinforce(), kl=5.0)
    assert not run.reached.any()
    assert run.horizon.tolist() == [7, 7]
    assert run.curves["step"].max() == 7


def test_a_signal_that_asks_for_lengths_gets_them():
    case, features = world()
    length = np.random.default_rng(0).integers(1, 9, case.truth.shape).astype(float)
    learner = reinforce().with_signal(length_penalty(0.3), "length")
    penalised = case._replace(rewards=case.rewards - 0.3 * length)
    run = rehearse(case._replace(length=length), features, learner)
    np.testing.assert_allclose(run.outcome, rehearse(penalised, features, reinforce()).outcome, atol=1e-9)


def test_replay_does_what_a_corrected_reward_would_have_done():
    """Other rewards, the step sizes of the first run."""
    case, features = world()
    run = rehearse(case, features, reinforce())
    *_, end = replay(case, case.truth.T[None], features, reinforce(), run.paces[:1])
    probs = slow_shared(case, features, case.truth, reinforce(), run.paces[0])
    for prompt, prob in enumerate(probs):
        np.testing.assert_allclose(np.exp(end[0, prompt, : len(prob)]), prob, atol=1e-10)


def test_nothing_that_was_given_is_changed():
    case, features = world()
    for array in (case.start, case.truth, case.rewards, features):
        array.flags.writeable = False
    run = rehearse(case, features, grpo(8))
    assert isinstance(run, SharedForecast)
    assert run.horizon.tolist() == (run.paces > 0).sum(axis=1).tolist()


def test_a_rare_output_and_a_huge_reward_stay_finite():
    weight = np.array([[1e-200, 1.0 - 1e-200], [0.5, 0.5]])
    case = case_of(weight, np.eye(2), rm=1e100 * np.eye(2))
    run = rehearse(case, centred(np.eye(2)[:, :, None] * 1.0, weight), reinforce())
    assert np.isfinite(run.final).all()
    assert np.isfinite(run.outcome).all()


@pytest.mark.parametrize("kl", [0.0, -1.0, float("nan")])
def test_a_divergence_of_nothing_is_refused(kl):
    with pytest.raises(InputError) as caught:
        rehearse(*world(), reinforce(), kl=kl)
    assert str(caught.value) == f"the divergence must be positive, got {kl}. 0.4 is usual."


@pytest.mark.parametrize("learner", [reinforce(), grpo(8).in_the_limit()], ids=lambda one: one.name)
def test_together_all_take_the_same_steps_until_the_median_is_there(learner):
    case, features = world(prompts=8)
    three = case._replace(rewards=np.stack([*case.rewards, case.truth]), proxies=("hack", "noise", "truth"))
    run = rehearse(three, features, learner, kl=0.3, together=True)
    logp = run.final.transpose(0, 2, 1)
    spent = divergence(logp, case.start.T)
    assert np.median(spent) == pytest.approx(0.3, abs=1e-6)
    assert np.ptp(spent) > 0.01
    assert run.reached.all()
    assert len(set(run.horizon.tolist())) == 1
    mass = np.exp(case.start)
    gap = three.rewards - (mass * three.rewards).sum(axis=1, keepdims=True)
    spread = np.ones(3) if learner.normalise else np.sqrt((mass * gap**2).sum(axis=1).mean(axis=1))
    np.testing.assert_allclose(run.paces * spread[:, None], np.tile(run.paces[0] * spread[0], (3, 1)), rtol=1e-9)


def test_together_the_scale_of_a_reward_changes_nothing():
    case, features = world()
    scaled = case._replace(rewards=case.rewards * np.array([7.0, 0.1])[:, None, None] + 3.0)
    one, other = (rehearse(each, features, reinforce(), together=True) for each in (case, scaled))
    np.testing.assert_allclose(one.outcome, other.outcome, atol=1e-9)
    assert np.abs(one.outcome - rehearse(case, features, reinforce()).outcome).max() > 1e-3


def test_a_proxy_alone_has_its_own_clock():
    case, features = world()
    alone = case._replace(rewards=case.rewards[:1], proxies=("hack",))
    together, own = (rehearse(alone, features, reinforce(), together=how) for how in (True, False))
    np.testing.assert_allclose(together.final, own.final, atol=1e-9)


def test_together_a_proxy_without_gradient_does_not_count():
    case, features = world()
    flat = case._replace(rewards=np.stack([*case.rewards, case.rewards[0] * 0]), proxies=("hack", "noise", "flat"))
    run = rehearse(flat, features, reinforce(), kl=0.3, together=True)
    spent = divergence(run.final.transpose(0, 2, 1), case.start.T)
    assert np.median(spent[:2]) == pytest.approx(0.3, abs=1e-6)
    assert spent[2] == pytest.approx(0.0, abs=1e-12)
