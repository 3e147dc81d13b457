"""The general walk against the fast one, and rounds with a clip against the gradient of their objective."""

from itertools import islice

import numpy as np
import pytest
from tests.dynamics.slow import kl, numeric_gradient, softmax

from culpa.dynamics import Columns, grpo, ppo, reinforce, rloo
from culpa.dynamics.stepwise import stepwise
from culpa.dynamics.walk import walk
from culpa.signals import center, clip, kl_penalty, length_penalty, normalise_running, scheduled, trl_grpo, whiten

RNG = np.random.default_rng(11)
START = np.log(RNG.dirichlet(np.ones(5), 6)).T
REWARD = RNG.standard_normal((5, 6))
REWARD[:, :2] = RNG.integers(0, 2, (5, 2))
AT = Columns(START, START, REWARD)


def after(path, steps, *, eta=0.4, at=AT, **options):
    return next(islice(stepwise(at, path, eta=eta, **options), steps, None))


PLAIN = [reinforce(), rloo(4), grpo(8), grpo(4, eps=0.1, sample_std=True), ppo(1), grpo(8).with_rounds(1)]
PLAIN += [path.with_kl(0.2) for path in PLAIN]


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: f"{path.name}-{path.kl}")
@pytest.mark.parametrize("apart", [True, False])
def test_a_plain_path_takes_the_steps_of_the_fast_walk(path, apart):
    np.testing.assert_allclose(after(path, 25, apart=apart), walk(AT, path, steps=25, eta=0.4), atol=1e-12)


def test_the_first_state_is_where_the_columns_stand():
    later = AT._replace(logp=walk(AT, reinforce(), steps=5, eta=0.4))
    np.testing.assert_allclose(after(reinforce().with_kl(0.2), 0, at=later), later.logp, atol=1e-14)
    np.testing.assert_allclose(
        after(reinforce().with_kl(0.2), 3, at=later),
        walk(later, reinforce().with_kl(0.2), steps=3, eta=0.4),
        atol=1e-13,
    )


def objective(logits, old, start, advantage, path):
    prob = softmax(logits)
    ratio = prob / old
    both = np.minimum(ratio * advantage, np.clip(ratio, 1 - path.clip, 1 + path.clip) * advantage)
    return old @ both - path.kl * kl(prob, start)


@pytest.mark.parametrize("path", [ppo(5), ppo(5, clip=0.05).with_kl(0.3), grpo(8).with_rounds(5, 0.1).in_the_limit()])
def test_a_round_climbs_its_clipped_objective(path):
    run = list(islice(stepwise(AT, path, eta=1.5), 11))
    cut = 0
    for column in range(2, 6):
        start = np.exp(START[:, column])
        for step in range(10):
            old = np.exp(run[step - step % 5][:, column])
            advantage = REWARD[:, column] - old @ REWARD[:, column]
            if path.normalise:
                advantage = advantage / np.sqrt(old @ advantage**2)
            here = run[step][:, column]
            slope = numeric_gradient(lambda z, a=advantage, o=old, s=start: objective(z, o, s, a, path), here)
            expected = softmax(here + 1.5 * slope)
            np.testing.assert_allclose(np.exp(run[step + 1][:, column]), expected, atol=1e-7)
            cut += int((np.abs(np.exp(here) / old - 1) > path.clip).any())
    assert cut > 5


def test_the_clip_holds_a_round_back():
    reward, start = np.array([[1.0], [0.0]]), np.log(np.full((2, 1), 0.5))
    at = Columns(start, start, reward)
    free, held = (float(np.exp(after(ppo(50, clip=c), 49, at=at)[0, 0])) for c in (10.0, 0.2))
    assert held == pytest.approx(0.6, abs=0.05)
    assert free > 0.85


def test_absent_outputs_stay_absent():
    fills = zip(AT, (-np.inf, -np.inf, 9.0), strict=True)
    padded = Columns(*(np.vstack([array, np.full((1, 6), fill)]) for array, fill in fills))
    for path in (ppo(3), grpo(8).with_kl(0.1), reinforce().with_signal(whiten(), "whiten")):
        end = after(path, 9, at=padded)
        np.testing.assert_allclose(end[:5], after(path, 9), atol=1e-12)
        assert (end[5] == -np.inf).all()


def test_a_signal_that_changes_nothing():
    for path in (reinforce().with_kl(0.1), grpo(8)):
        end = after(path.with_signal(center(), "center"), 20)
        np.testing.assert_allclose(end, walk(AT, path, steps=20, eta=0.4), atol=1e-10)


def test_a_penalty_within_the_reward_is_the_one_outside():
    end = after(reinforce().with_signal(kl_penalty(0.2), "kl"), 20)
    np.testing.assert_allclose(end, walk(AT, reinforce().with_kl(0.2), steps=20, eta=0.4), atol=1e-11)


def test_a_trainers_chain_is_the_limit_of_large_groups():
    end = after(reinforce().with_signal(trl_grpo(eps=1e-4), "trl"), 20)
    expected = walk(AT, grpo(8, eps=1e-4).in_the_limit(), steps=20, eta=0.4)
    np.testing.assert_allclose(end, expected, atol=1e-10)


def test_statistics_of_the_batch_couple_prompts_unless_apart():
    path = reinforce().with_signal(whiten(), "whiten")
    together, apart = after(path, 5), after(path, 5, apart=True)
    one = AT.at(slice(3, 4))
    np.testing.assert_allclose(apart[:, 3:4], after(path, 5, at=one), atol=1e-13)
    assert np.abs(together - apart).max() > 1e-3


def test_a_memory_and_a_clock_move_once_a_round():
    calls = []

    def clock(time):
        calls.append(time)
        return 0.0

    path = ppo(4).with_signal(scheduled(clip(1.0), clock), "clock")
    after(path, 8)
    assert calls == [0, 1]
    end = after(path, 8)
    np.testing.assert_allclose(end, after(ppo(4), 8), atol=1e-12)
    running = reinforce().with_signal(normalise_running(), "running")
    assert np.abs(after(running, 9) - after(reinforce().with_signal(whiten(), "whiten"), 9)).max() > 1e-4


def test_lengths_reach_the_signal():
    length = RNG.integers(1, 9, REWARD.shape).astype(float)
    path = reinforce().with_signal(length_penalty(0.1), "length")
    expected = walk(AT._replace(reward=REWARD - 0.1 * length), reinforce(), steps=7, eta=0.4)
    for apart in (True, False):
        np.testing.assert_allclose(after(path, 7, length=length, apart=apart), expected, atol=1e-12)


@pytest.mark.parametrize("path", [ppo(3), reinforce().with_signal(center(), "center"), grpo(8).with_rounds(2)])
def test_huge_rewards_and_tiny_probabilities(path):
    start = np.array([[-690.0, -0.5], [0.0, -1.0], [-1.0, -2.0]])
    at = Columns(start, start, np.array([[1e6, -1e6], [0.0, 1e6], [1.0, 3.0]]))
    end = after(path, 20, at=at, eta=1.0)
    assert np.isfinite(end).all()
    np.testing.assert_allclose(np.exp(end).sum(axis=0), 1.0)
    slow = Columns(start, start, np.array([[0.01, 0.0], [0.0, 0.01], [0.0, 0.02]]))
    assert after(path, 5, at=slow)[0, 0] == pytest.approx(-690.3, abs=0.2)


def test_drawn_steps_follow_the_generator():
    one, same, other = (after(rloo(4), 10, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3


def test_the_mean_of_drawn_steps_is_the_expected_one():
    many = Columns(*(np.repeat(array[:, 3:4], 20_000, axis=1) for array in AT))
    eta = 1e-4  # small, so that the normalisation of the logits is linear
    moves = (after(rloo(4), 1, at=many, rng=np.random.default_rng(0), eta=eta) - many.logp) / eta
    expected = (after(rloo(4), 1, eta=eta)[:, 3] - START[:, 3]) / eta
    assert (np.abs(moves.mean(axis=1) - expected) < 4 * moves.std(axis=1) / np.sqrt(20_000)).all()
    assert moves.std(axis=1).max() / np.sqrt(20_000) < 0.05 * np.abs(expected).max()
