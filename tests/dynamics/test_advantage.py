"""The advantage as a function of the policy: against the walk's steps, and with signals against their formulas."""

import numpy as np
import pytest

from culpa.dynamics import Advantage, Columns, grpo, reinforce, rloo
from culpa.dynamics.walk import log_softmax, walk
from culpa.errors import InputError
from culpa.signals import center, clip, divide_std, kl_penalty, length_penalty, normalise_running, weighted_sum, whiten

RNG = np.random.default_rng(3)
LOGP = np.log(RNG.dirichlet(np.ones(5), 6))
START = np.log(RNG.dirichlet(np.ones(5), 6))
START[1, 3:] = LOGP[1, 3:] = -np.inf
LOGP = log_softmax(LOGP.T).T
START = log_softmax(START.T).T
PROB = np.exp(LOGP)
REWARD = RNG.standard_normal((6, 5)) + 100.0
REWARD[:2] = RNG.integers(0, 2, (2, 5))
REWARD[2] = 7.0
PATHS = [reinforce(), rloo(4), grpo(8), grpo(3, eps=0.1, sample_std=True), grpo(8).in_the_limit()]
PATHS += [path.with_kl(0.3) for path in PATHS]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.name}-{path.kl}-{path.group}")
def test_one_step_is_the_walks(path):
    advantage = Advantage(path, REWARD, START)(PROB, LOGP)
    after = walk(Columns(LOGP.T, START.T, REWARD.T), path, steps=1, eta=0.7).T
    np.testing.assert_allclose(log_softmax((LOGP + 0.7 * PROB * advantage).T).T, after, rtol=1e-12)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.name}-{path.kl}-{path.group}")
def test_the_policys_mean_is_0_and_absent_outputs_have_none(path):
    advantage = Advantage(path, REWARD, START)(PROB, LOGP)
    np.testing.assert_allclose((PROB * advantage).sum(axis=1), 0.0, atol=1e-13)
    assert (advantage[1, 3:] == 0).all()
    assert np.isfinite(advantage).all()


@pytest.mark.parametrize("path", [grpo(8).with_kl(0.1), grpo(8).with_signal(whiten(), "whiten")])
def test_leading_axes_are_so_many_runs(path):
    rewards = np.stack([REWARD, -REWARD, REWARD**2])[None]
    together = Advantage(path, rewards, START)(PROB, LOGP)
    assert together.shape == (1, 3, 6, 5)
    for number in range(3):
        np.testing.assert_allclose(together[0, number], Advantage(path, rewards[0, number], START)(PROB, LOGP))


def test_a_signal_sees_the_policy_as_it_is():
    path = reinforce().with_signal(kl_penalty(0.3), "kl")
    within, outside = (Advantage(one, REWARD, START)(PROB, LOGP) for one in (path, reinforce().with_kl(0.3)))
    np.testing.assert_allclose(within, outside, atol=1e-11)


def test_a_clip_is_that_of_the_rewards():
    clipped = Advantage(reinforce().with_signal(clip(0.5), "clip"), REWARD - 100, START)(PROB, LOGP)
    bare = Advantage(reinforce(), np.clip(REWARD - 100, -0.5, 0.5), START)(PROB, LOGP)
    np.testing.assert_allclose(clipped, bare, atol=1e-15)


def test_whitening_divides_all_prompts_by_one_number():
    got = Advantage(reinforce().with_signal(whiten(), "whiten"), REWARD, START)(PROB, LOGP)
    weight = PROB / 6
    spread = np.sqrt((weight * (REWARD - (weight * REWARD).sum()) ** 2).sum())
    np.testing.assert_allclose(got, Advantage(reinforce(), REWARD, START)(PROB, LOGP) / spread, rtol=1e-12, atol=1e-15)


def test_two_levels_after_the_signal_take_the_groups_form():
    path = grpo(4).with_signal(clip(0.0, 1.0), "clip")
    wide = np.where(RNG.random((6, 5)) < 0.5, 3.0 + RNG.random((6, 5)), -RNG.random((6, 5)))
    got = Advantage(path, wide, START)(PROB, LOGP)
    np.testing.assert_allclose(got, Advantage(grpo(4), np.clip(wide, 0, 1), START)(PROB, LOGP), atol=1e-14)


def test_a_memory_moves_on_from_call_to_call():
    advantage = Advantage(reinforce().with_signal(normalise_running(), "running"), REWARD, START)
    first, second = (advantage(*at) for at in ((PROB, LOGP), (np.exp(START), START)))
    fresh = Advantage(reinforce().with_signal(normalise_running(), "running"), REWARD, START)(np.exp(START), START)
    ratio = second / np.where(fresh == 0, 1.0, fresh)
    assert np.ptp(ratio[fresh != 0]) < 1e-9
    assert abs(ratio[fresh != 0].mean() - 1) > 1e-3
    assert np.abs(first).max() > 0


def test_an_output_without_a_verdict_is_not_pushed():
    holed = REWARD.copy()
    holed[4, 2] = np.nan
    for path in (reinforce(), grpo(8), reinforce().with_signal(center(), "center")):
        advantage = Advantage(path, holed, START)(PROB, LOGP)
        assert advantage[4, 2] == pytest.approx(0.0, abs=1e-12)
        assert np.abs(advantage[4]).max() > 0.1
        np.testing.assert_allclose((PROB * advantage).sum(axis=1), 0.0, atol=1e-13)


def test_a_prompt_without_any_verdict_stays():
    holed = REWARD.copy()
    holed[4] = np.nan
    assert (Advantage(grpo(8), holed, START)(PROB, LOGP)[4] == 0).all()


def test_lengths_reach_the_signal():
    path, length = reinforce().with_signal(length_penalty(0.1), "length"), RNG.integers(1, 50, (6, 5)).astype(float)
    got = Advantage(path, REWARD, START, length)(PROB, LOGP)
    np.testing.assert_allclose(got, Advantage(reinforce(), REWARD - 0.1 * length, START)(PROB, LOGP), atol=1e-12)


def test_a_penalty_on_length_without_lengths_is_refused():
    with pytest.raises(InputError, match="length_penalty needs the group's length"):
        Advantage(reinforce().with_signal(length_penalty(0.1), "length"), REWARD, START)(PROB, LOGP)


def test_a_signal_that_merges_rewards_is_refused():
    with pytest.raises(InputError) as caught:
        Advantage(reinforce().with_signal(weighted_sum(), "sum"), np.stack([REWARD] * 2), START)
    assert str(caught.value) == (
        "a learner's signal keeps the shape of its rewards, this one makes (6, 5) of (2, 6, 5). "
        "Merge several rewards into one before the learner."
    )


def test_statistics_are_those_of_an_endless_sample():
    signal, bare = divide_std(ddof=1), divide_std(ddof=0)
    one, other = (Advantage(reinforce().with_signal(step, "std"), REWARD, START)(PROB, LOGP) for step in (signal, bare))
    np.testing.assert_allclose(one, other, rtol=1e-12)
