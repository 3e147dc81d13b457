"""Closed forms against enumeration, against the optimum that they are, and against the walk that ends there."""

from itertools import islice, product

import numpy as np
import pytest
from tests.dynamics.slow import kl

from culpa.dynamics import Advantage, ClosedForm, Columns, best_of_n, grpo, ppo, reinforce, tilt
from culpa.dynamics.closed import advantages, parts, policy
from culpa.dynamics.walk import walk

RNG = np.random.default_rng(5)
MASS = RNG.dirichlet(np.ones(5), 7)
START = np.log(MASS).T
REWARD = RNG.standard_normal((5, 7))
REWARD[:, :3] = RNG.integers(0, 3, (5, 3))
REWARD[:, 3] = 4.0


def best_by_enumeration(prob, reward, n):
    """Every draw of n with its probability; ties go to each of the best in equal parts."""
    total = np.zeros(len(prob))
    for drawn in product(range(len(prob)), repeat=n):
        scores = reward[list(drawn)]
        best = [y for y, score in zip(drawn, scores, strict=True) if score == scores.max()]
        for y in best:
            total[y] += np.prod(prob[list(drawn)]) / len(best)
    return total


@pytest.mark.parametrize("n", [2, 3, 4])
def test_best_of_n_by_enumeration(n):
    got = np.exp(policy(START, REWARD, best_of_n(n))).T
    expected = [best_by_enumeration(p, r, n) for p, r in zip(MASS, REWARD.T, strict=True)]
    np.testing.assert_allclose(got, expected, atol=1e-14)


@pytest.mark.parametrize("n", [2, 16, 1_000])
def test_the_divergence_of_best_of_n_is_below_its_bound(n):
    after = np.exp(policy(START, REWARD, best_of_n(n))).T
    spent = np.array([kl(p, q) for p, q in zip(after, MASS, strict=True)])
    assert (spent <= np.log(n) - (n - 1) / n + 1e-12).all()
    assert spent[3] == pytest.approx(0.0, abs=1e-12)


def test_with_many_likely_levels_the_bound_is_nearly_met():
    start = np.log(np.full((2_000, 1), 1 / 2_000))
    after = policy(start, np.arange(2_000.0)[:, None], best_of_n(8))
    assert float((np.exp(after) * (after - start)).sum()) == pytest.approx(np.log(8) - 7 / 8, abs=2e-3)


def test_the_tilted_policy_has_the_highest_reward_minus_divergence():
    beta = 0.7
    after = np.exp(policy(START, REWARD, tilt(beta))).T

    def objective(prob, number):
        return prob @ REWARD[:, number] - beta * kl(prob, MASS[number])

    for number, prob in enumerate(after):
        best = objective(prob, number)
        for _ in range(20):
            other = prob * np.exp(0.1 * RNG.standard_normal(5))
            assert objective(other / other.sum(), number) < best


def test_every_walk_held_by_the_divergence_ends_in_the_tilted_policy():
    start, reward = np.log(np.full((3, 2), 1 / 3)), np.array([[0.0, 1.0], [0.5, 0.0], [1.0, 0.2]])
    ends = walk(Columns(start, start, reward), reinforce().with_kl(0.5), steps=1_000, eta=1.0)
    np.testing.assert_allclose(ends, policy(start, reward, tilt(0.5)), atol=1e-9)


def test_the_way_of_a_tilt_goes_in_equal_parts():
    way = list(islice(parts(Columns(START, START, REWARD), tilt(0.25)), 43))
    np.testing.assert_array_equal(way[0], START)
    np.testing.assert_allclose(way[10], policy(START, REWARD, tilt(1.0)), atol=1e-12)
    np.testing.assert_allclose(way[40], policy(START, REWARD, tilt(0.25)), atol=0)
    np.testing.assert_array_equal(way[42], way[40])


def test_the_way_of_best_of_n_is_best_of_fewer():
    way = list(islice(parts(Columns(START, START, REWARD), best_of_n(5)), 6))
    np.testing.assert_array_equal(way[0], START)
    for n in (2, 3, 4, 5):
        np.testing.assert_array_equal(way[n - 1], policy(START, REWARD, best_of_n(n)))
    np.testing.assert_array_equal(way[5], way[4])


@pytest.mark.parametrize("learner", [best_of_n(4), tilt(0.3)])
def test_absent_outputs_stay_absent(learner):
    padded = np.vstack([START, np.full((2, 7), -np.inf)])
    after = policy(padded, np.vstack([REWARD, np.full((2, 7), 9.0)]), learner)
    np.testing.assert_allclose(after[:5], policy(START, REWARD, learner), atol=1e-13)
    assert (after[5:] == -np.inf).all()


def test_rare_levels_keep_their_digits():
    start = np.array([[-690.0], [np.log1p(-np.exp(-690.0))]])
    up = policy(start, np.array([[1.0], [0.0]]), best_of_n(10))
    assert up[0, 0] == pytest.approx(-690 + np.log(10), abs=1e-12)
    down = policy(start, np.array([[0.0], [1.0]]), best_of_n(10))
    assert down[0, 0] == pytest.approx(-6900, abs=1e-9)
    beyond = policy(np.array([[-2000.0], [0.0]]), np.array([[1.0], [0.0]]), best_of_n(10))
    assert beyond[0, 0] == pytest.approx(-2000 + np.log(10), abs=1e-12)


@pytest.mark.parametrize("learner", [best_of_n(16), tilt(0.01)])
def test_huge_rewards(learner):
    after = policy(START, 1e6 * REWARD, learner)
    assert np.isfinite(after).all()
    np.testing.assert_allclose(np.exp(after).sum(axis=0), 1.0)
    np.testing.assert_allclose(policy(START, REWARD + 1e6, learner), policy(START, REWARD, learner), atol=1e-7)


@pytest.mark.parametrize("learner", [best_of_n(3), tilt(0.5)])
def test_the_implied_advantage_leads_to_the_end_in_one_step(learner):
    rewards = np.stack([REWARD.T, -REWARD.T])
    got = advantages(learner, rewards, START.T)
    assert got.shape == rewards.shape
    for number, reward in enumerate((REWARD, -REWARD)):
        after = MASS * (1 + got[number])
        np.testing.assert_allclose(after, np.exp(policy(START, reward, learner)).T, atol=1e-14)
    np.testing.assert_allclose((MASS * got).sum(axis=-1), 0.0, atol=1e-13)


def test_the_advantages_of_a_path_are_its_own():
    for path in (reinforce(), grpo(4), ppo()):
        expected = Advantage(path, REWARD.T, START.T)(MASS, START.T)
        np.testing.assert_allclose(advantages(path, REWARD.T, START.T), expected, atol=1e-14)


@pytest.mark.parametrize("learner", [best_of_n(3), tilt(0.5)])
def test_an_output_that_is_not_there_has_no_advantage(learner):
    start = np.array([[np.log(0.5), np.log(0.5), -np.inf]])
    rewards = np.array([[1.0, 0.0, np.nan]])
    assert advantages(learner, rewards, start)[0, 2] == 0.0


def test_a_missing_verdict_is_scored_as_the_mean():
    holed, filled = REWARD.T.copy(), REWARD.T.copy()
    holed[5, 2] = np.nan
    rest = np.delete(MASS[5], 2)
    filled[5, 2] = np.delete(REWARD[:, 5], 2) @ rest / rest.sum()
    np.testing.assert_allclose(advantages(tilt(1.0), holed, START.T), advantages(tilt(1.0), filled, START.T))


def test_a_larger_n_is_further_on():
    gains = [(np.exp(policy(START, REWARD, ClosedForm("x", best_of=n))) * REWARD).sum(axis=0) for n in (2, 4, 8)]
    assert (np.diff(gains, axis=0) >= -1e-12).all()
