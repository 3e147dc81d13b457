"""Drawn steps: their mean over many draws against the expected step, and every baseline against its formula."""

import numpy as np
import pytest
from tests.dynamics.slow import group_step

from culpa.dynamics import Advantage, grpo, ppo, reinforce, rloo
from culpa.dynamics.estimated import advantage_of
from culpa.dynamics.sampled import Drawn, draw, uncut
from culpa.dynamics.stepwise import Expected
from culpa.errors import InputError
from culpa.signals import apply, center, clip, kl_penalty, length_penalty, normalise_running, parse

MASS = np.array([0.1, 0.35, 0.3, 0.25])
START = np.log([0.25, 0.25, 0.4, 0.1])
REWARD = np.array([2.0, 0.5, -1.0, 0.7])
BINARY = np.array([1.0, 0.0, 0.0, 1.0])
COPIES = 40_000


def many(values):
    return np.tile(values, (COPIES, 1))


def moves(path, reward, seed, *, later=None):
    """One step of the logits for each of many copies of a prompt; `later`: the policy at another step of the round."""
    advantage = Advantage(path, many(reward), many(START))
    steps = Drawn(advantage, np.random.default_rng(seed))
    steps.begin(many(MASS), many(np.log(MASS)))
    return steps.step(many(np.log(MASS) if later is None else later))


def agree(found, expected):
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - expected) < 4 * error + 1e-15).all()
    assert (error < 0.05 * np.abs(expected).max()).all()  # else it would say nothing


def pull(weight):
    ratio = np.log(MASS) - START
    return weight * MASS * (ratio - MASS @ ratio)


@pytest.mark.parametrize("path", [reinforce(), rloo(2), rloo(4), ppo(), ppo(group=3)], ids=lambda one: one.name)
@pytest.mark.parametrize("kl", [0.0, 0.3])
def test_the_mean_step_is_the_policy_gradient(path, kl):
    agree(moves(path.with_kl(kl), REWARD, 1), MASS * (REWARD - MASS @ REWARD) - pull(kl))


@pytest.mark.parametrize("path", [grpo(2), grpo(4), grpo(3, eps=0.2, sample_std=True)])
@pytest.mark.parametrize("kl", [0.0, 0.3])
def test_the_mean_step_of_groups_on_binary_rewards_is_the_finite_form(path, kl):
    exact = Advantage(path.with_kl(kl), BINARY[None], START[None])(MASS[None], np.log(MASS)[None])[0]
    agree(moves(path.with_kl(kl), BINARY, 2), MASS * exact)


@pytest.mark.parametrize("path", [grpo(2, eps=0.1), grpo(4, eps=0.3, sample_std=True), rloo(3)])
def test_the_mean_step_of_groups_by_enumeration(path):
    options = {"eps": path.eps, "sample_std": path.sample_std, "normalise": path.normalise}
    expected = group_step(MASS, REWARD, path.group, **options)
    scale = 1.0 if path.normalise else path.group / (path.group - 1)
    agree(moves(path, REWARD, 3), scale * expected)


LATER = np.log([0.2, 0.25, 0.35, 0.2])


@pytest.mark.parametrize("path", [ppo(2), ppo(2, group=3), rloo(3).with_rounds(2, None)], ids=lambda one: one.name)
@pytest.mark.parametrize("kl", [0.0, 0.3])
def test_the_mean_of_a_later_step_of_a_round(path, kl):
    path = path.with_kl(kl)
    expected = Expected(Advantage(path, REWARD[None], START[None]))
    expected.begin(MASS[None], np.log(MASS)[None])
    agree(moves(path, REWARD, 4, later=LATER), expected.step(LATER[None])[0])


def test_a_group_is_cut_by_its_own_advantages():
    path = rloo(3).with_rounds(2, 0.1)
    steps = Drawn(Advantage(path, REWARD[None], START[None]), np.random.default_rng(2))
    steps.begin(MASS[None], np.log(MASS)[None])
    drawn, gap = steps._drawn[0], steps._gap[0]
    ratio = np.exp(LATER)[drawn] / MASS[drawn]
    kept = list(gap)
    for number, (a, r) in enumerate(zip(gap, ratio, strict=True)):
        if (a > 0 and r > 1.1) or (a < 0 and r < 0.9):
            kept[number] = 0.0
    expected = sum(a * r * (np.eye(4)[y] - np.exp(LATER)) for a, r, y in zip(kept, ratio, drawn, strict=True)) / 3
    np.testing.assert_allclose(steps.step(LATER[None])[0], expected, atol=1e-14)
    assert 0.0 in kept


def test_the_divergence_has_the_mean_of_the_others_as_its_baseline():
    path = rloo(3).with_rounds(2, None).with_kl(0.7)
    steps = Drawn(Advantage(path, np.zeros((1, 4)), START[None]), np.random.default_rng(2))
    steps.begin(MASS[None], np.log(MASS)[None])
    drawn, now = steps._drawn[0], np.exp(LATER)
    ratio, away = now[drawn] / MASS[drawn], (LATER - START)[drawn]
    expected = np.zeros(4)
    for number, place in enumerate(drawn):
        others = np.delete(ratio * away, number).mean()
        expected -= 0.7 * ratio[number] * (away[number] - others) * (np.eye(4)[place] - now) / 3
    np.testing.assert_allclose(steps.step(LATER[None])[0], expected, atol=1e-14)


def test_a_critic_is_quieter_than_no_baseline():
    alone, judged = (moves(path, REWARD + 5.0, 5).std(axis=0).max() for path in (reinforce(), ppo()))
    assert judged < alone / 4


def one_group(path, reward, seed=0):
    """The drawn places and their advantages."""
    steps = Drawn(Advantage(path, reward[None], START[None]), np.random.default_rng(seed))
    steps.begin(MASS[None], np.log(MASS)[None])
    return steps._drawn[0], steps._gap[0]


def test_the_baselines():
    for seed in range(20):
        drawn, gap = one_group(rloo(4), REWARD, seed)
        scores = REWARD[drawn]
        np.testing.assert_allclose(gap, [s - np.delete(scores, i).mean() for i, s in enumerate(scores)], atol=1e-14)
        drawn, gap = one_group(reinforce(), REWARD, seed)
        np.testing.assert_allclose(gap, REWARD[drawn])
        drawn, gap = one_group(ppo(group=2), REWARD, seed)
        np.testing.assert_allclose(gap, REWARD[drawn] - MASS @ REWARD)
        drawn, gap = one_group(grpo(5, eps=0.1), REWARD, seed)
        scores = REWARD[drawn]
        np.testing.assert_allclose(gap, (scores - scores.mean()) / (scores.std() + 0.1), atol=1e-14)


@pytest.mark.parametrize("path", [rloo(4), grpo(4), grpo(4, eps=0.1, sample_std=True)], ids=lambda one: one.name)
def test_outputs_without_a_verdict_leave_the_statistics_of_their_group(path):
    rewards = np.array([[1.0, 1.0, np.nan, 0.0], [np.nan, np.nan, 2.0, np.nan]])
    steps = Drawn(Advantage(path, rewards, np.log(np.full((2, 4), 0.25))), np.random.default_rng(0))
    steps._drawn = np.array([[0, 1, 2, 3]] * 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("culpa.dynamics.sampled.draw", lambda *_: steps._drawn)
        steps.begin(np.full((2, 4), 0.25), np.log(np.full((2, 4), 0.25)))
    expected = np.nan_to_num(apply(advantage_of(path), rewards))
    assert np.allclose(steps._gap, expected)


def test_a_group_without_spread_does_not_move():
    assert (moves(grpo(4), np.full(4, 0.1), 6) == 0).all()


def test_huge_rewards_keep_their_digits():
    _, gap = one_group(rloo(4), REWARD + 1e9)
    np.testing.assert_allclose(gap, one_group(rloo(4), REWARD)[1], atol=1e-6)


def test_a_signal_acts_on_the_drawn_group():
    path = grpo(6).with_signal(parse("center | clip:0.5"), "center | clip:0.5")
    drawn, gap = one_group(path, REWARD)
    cut = np.clip(REWARD[drawn] - REWARD[drawn].mean(), -0.5, 0.5)
    np.testing.assert_allclose(gap, (cut - cut.mean()) / cut.std(), atol=1e-13)


def test_the_critic_judges_after_the_signal():
    drawn, gap = one_group(ppo(group=3).with_signal(clip(0.6), "clip:0.6"), REWARD)
    cut = np.clip(REWARD, -0.6, 0.6)
    np.testing.assert_allclose(gap, cut[drawn] - MASS @ cut, atol=1e-14)


def test_a_signal_knows_the_lengths_of_what_was_drawn():
    length = np.array([[1.0, 2.0, 3.0, 4.0]])
    path = reinforce().with_signal(length_penalty(0.1), "length")
    steps = Drawn(Advantage(path, REWARD[None], START[None], length), np.random.default_rng(0))
    steps.begin(MASS[None], np.log(MASS)[None])
    drawn = steps._drawn[0]
    np.testing.assert_allclose(steps._gap[0], REWARD[drawn] - 0.1 * length[0, drawn])


def test_a_signal_knows_both_policies():
    drawn, gap = one_group(reinforce().with_signal(kl_penalty(0.5), "kl"), REWARD)
    np.testing.assert_allclose(gap, (REWARD - 0.5 * (np.log(MASS) - START))[drawn], atol=1e-14)


def test_a_memory_is_kept_from_round_to_round():
    path = rloo(3).with_signal(normalise_running(keep_mean=True), "running")
    steps = Drawn(Advantage(path, REWARD[None], START[None]), np.random.default_rng(0))
    steps.begin(MASS[None], np.log(MASS)[None])
    steps.begin(MASS[None], np.log(MASS)[None])
    assert float(steps._state.mass.item()) == pytest.approx(2.0)


def test_a_lone_output_that_is_centred_does_not_push():
    assert one_group(reinforce().with_signal(center(), "center"), REWARD)[1] == [0.0]


def test_drawn_as_often_as_likely_and_never_what_is_not_there():
    prob = np.array([0.0, 0.2, 0.0, 0.8, 0.0])
    drawn = draw(np.tile(prob, (2_000, 1)), 5, np.random.default_rng(1))
    assert set(np.unique(drawn)) == {1, 3}
    assert (drawn == 1).mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / 10_000))


def test_the_lowest_draw_is_the_first_output_that_is_there():
    class Lowest:
        def random(self, shape):
            return np.zeros(shape)

    assert draw(np.array([[0.0, 0.0, 0.5, 0.5]]), 2, Lowest()).tolist() == [[2, 2]]


def test_cut_where_the_ratio_has_gone_with_the_advantage():
    ratio = np.array([0.5, 0.79, 0.81, 1.0, 1.19, 1.21, 3.0])
    assert uncut(np.ones(7), ratio, 0.2).tolist() == [1, 1, 1, 1, 1, 0, 0]
    assert uncut(-np.ones(7), ratio, 0.2).tolist() == [0, 0, -1, -1, -1, -1, -1]
    assert uncut(np.ones(7), ratio, None).tolist() == [1] * 7


def test_the_limit_of_large_groups_cannot_be_drawn():
    with pytest.raises(InputError) as caught:
        Drawn(Advantage(grpo(8).in_the_limit(), REWARD[None], START[None]), np.random.default_rng(0))
    expected = "grpo:8 in the limit of large groups cannot be sampled. Give it a group: grpo(8)."
    assert str(caught.value) == expected
