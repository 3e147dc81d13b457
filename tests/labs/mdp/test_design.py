"""Designed rewards: linear gaps against values, what invariance means, and that no other reward does better."""

import numpy as np
import pytest
from scipy.optimize import linprog
from tests.labs.mdp.random_world import random_world

from culpa.errors import InputError
from culpa.labs.mdp.design import HORIZONS, expadard, exprd, gap_rows, grow, informativeness, keeps, sparsest, target_of
from culpa.labs.mdp.gradient import policy_gradient, softmax
from culpa.labs.mdp.shaping import mean_pay, potential_pay
from culpa.labs.mdp.values import action_values, advantages, expected_return, greedy, optimal, visits
from culpa.labs.mdp.worlds import chain, two_rooms

WORLDS = pytest.mark.parametrize(
    "world",
    [random_world(3), random_world(4, end=False), chain(5), two_rooms(2)],
    ids=["ends", "goes on", "chain", "rooms"],
)


def short_values(world, policy, reward, steps):
    """Q of so many further steps under the policy, by recursion."""
    reward = np.where(world.ends[:, None], 0.0, reward)
    value = reward
    for _ in range(steps):
        after = np.where(world.ends, 0.0, (policy * value).sum(axis=1))
        value = reward + world.gamma * world.transition @ after
    return value


@WORLDS
@pytest.mark.parametrize("steps", [0, 1, 4, None])
def test_gaps_are_linear_in_the_reward(world, steps):
    aim = target_of(world)
    reward = np.where(world.ends[:, None], 0.0, np.random.default_rng(0).normal(size=world.reward.shape))
    rows, state = gap_rows(world, aim, steps)
    value = (
        action_values(world, aim.policy, reward) if steps is None else short_values(world, aim.policy, reward, steps)
    )
    gap = (aim.policy * value).sum(axis=1, keepdims=True) - value
    assert np.tensordot(rows, reward, 2) == pytest.approx(gap[aim.worse])
    assert state.tolist() == np.nonzero(aim.worse)[0].tolist()


@WORLDS
def test_the_margin_is_the_smallest_gap_of_a_worse_action(world):
    aim, value = target_of(world), optimal(world)
    for x in range(world.states):
        gaps = [value[x].max() - value[x, a] for a in range(world.actions) if aim.worse[x, a]]
        assert aim.margin[x] == pytest.approx(min(gaps, default=0.0))
    assert (aim.policy * aim.worse).sum() == 0.0


@WORLDS
def test_designs_keep_the_target_and_their_bound(world):
    aim = target_of(world)
    best = float(expected_return(world, greedy(optimal(world))))
    adapted = expadard(world, np.full(world.reward.shape, 1.0 / world.actions), aim)
    for reward in (exprd(world), sparsest(world), adapted):
        assert keeps(world, reward, aim)
        assert np.abs(reward).max() <= np.abs(world.reward).max() + 1e-12
        assert not reward[world.ends].any()
        assert float(expected_return(world, greedy(optimal(world, reward)))) == pytest.approx(best, abs=1e-9)
    assert not keeps(world, -world.reward, aim)


@WORLDS
def test_informativeness_is_the_mean_shortfall(world):
    reward = np.random.default_rng(1).normal(size=world.reward.shape)
    aim, lost = target_of(world), []
    for steps in HORIZONS:
        value = short_values(world, aim.policy, reward, steps)
        gap = (aim.policy * value).sum(axis=1, keepdims=True) - value
        for x in range(world.states):
            worst = [aim.margin[x] - gap[x, a] for a in range(world.actions) if aim.worse[x, a]]
            lost.append(max(0.0, *worst) if worst else 0.0)
    assert informativeness(world, reward) == pytest.approx(-np.mean(lost))


@WORLDS
def test_the_potential_of_the_best_values_is_fully_informative(world):
    extra = mean_pay(world, potential_pay(world, optimal(world).max(axis=1)))
    assert informativeness(world, world.reward + extra) == pytest.approx(0.0, abs=1e-12)
    assert keeps(world, world.reward + extra, target_of(world))


@WORLDS
def test_no_reward_that_keeps_the_target_is_more_informative(world):
    aim, rng = target_of(world), np.random.default_rng(2)
    found = exprd(world, aim, horizons=(1, 4))
    best = informativeness(world, found, aim, (1, 4))
    assert best >= informativeness(world, world.reward, aim, (1, 4)) - 1e-9
    assert best >= informativeness(world, sparsest(world, aim), aim, (1, 4)) - 1e-9
    for _ in range(30):
        other = found + 0.1 * rng.normal(size=found.shape)
        if np.abs(other).max() <= np.abs(world.reward).max() and keeps(world, other, aim, 0.0):
            assert informativeness(world, other, aim, (1, 4)) <= best + 1e-6


def test_the_sparsest_has_the_smallest_sum():
    world = chain(5)
    total = np.abs(sparsest(world)).sum()
    assert total <= np.abs(world.reward).sum() + 1e-9
    assert total < np.abs(exprd(world)).sum()


def test_outside_the_active_states_nothing_is_paid():
    world = chain(5)
    reward = exprd(world, active=[1, 3])
    assert not reward[[0, 2, 4]].any()
    mask = np.isin(np.arange(5), [1, 3])
    assert exprd(world, active=mask) == pytest.approx(reward)


def test_states_are_grown_from_those_that_pay():
    world, aim = chain(6), target_of(chain(6))

    def score(reward):
        return informativeness(world, reward, aim)

    grown = grow(world, 3, score)
    assert grown[0] == 4
    assert len(set(grown.tolist())) == 3
    second = max(score(exprd(world, aim, active=[4, x])) for x in range(4))
    assert score(exprd(world, aim, active=grown[:2])) == pytest.approx(second)


@pytest.mark.parametrize("seed", range(7, 12))
def test_an_adapted_reward_is_what_the_learner_gains_from_most(seed):
    """Its objective is the derivative of the teacher's advantage along the learner's next step under R for one step."""
    world, aim = random_world(seed, states=6), target_of(random_world(seed, states=6))
    policy = softmax(2 * np.random.default_rng(seed).normal(size=world.reward.shape))
    around = 0.9 * aim.policy + 0.1 / world.actions
    taught = advantages(world, aim.policy)

    def gain(reward):
        total = 0.0
        for x in range(world.states):
            for a in range(world.actions):
                lead = taught[x, a] - policy[x] @ taught[x]
                weight = visits(world, around)[x].sum() * visits(world, policy)[x, a] * policy[x, a]
                total += weight * lead * (reward[x, a] - policy[x] @ reward[x])
        return total

    found = expadard(world, policy, aim)
    slope = np.array([gain(one) for one in np.eye(world.reward.size).reshape(-1, *world.reward.shape)])
    rows, state = gap_rows(world, aim)
    free = np.repeat(~world.ends, world.actions)
    most = np.abs(world.reward).max()
    best = linprog(
        -slope[free],
        A_ub=-rows.reshape(len(rows), -1)[:, free],
        b_ub=1e-6 * most - aim.margin[state],
        bounds=(-most, most),
    )
    assert gain(found) == pytest.approx(-best.fun, rel=1e-6)


def test_a_designed_reward_moves_the_policy_sooner():
    world = two_rooms(4)
    start = np.zeros(world.reward.shape)
    value = [
        float(expected_return(world, softmax(policy_gradient(world, start, reward))))
        for reward in (world.reward, exprd(world))
    ]
    assert value[1] > 1.1 * value[0]


def test_what_cannot_be_designed_is_told():
    world = chain(5)
    with pytest.raises(InputError) as error:
        exprd(world, active=[0])
    assert str(error.value) == "no reward up to 1 keeps the target best. Allow larger rewards or more states."
    with pytest.raises(InputError) as error:
        target_of(world, np.full((5, 2), 0.5))
    assert str(error.value) == "the policy is not a deterministic optimal one. greedy(optimal(world)) is."
    with pytest.raises(InputError, match="not a deterministic optimal one"):
        target_of(world, np.array([[1.0, 0.0]] * 5))
    with pytest.raises(InputError, match="no further state allows a design"):
        grow(world, 9, lambda _: 0.0)
    assert target_of(world, greedy(optimal(world))).policy.shape == (5, 2)
