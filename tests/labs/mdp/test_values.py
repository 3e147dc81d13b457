"""Exact values and visits against steps followed one by one."""

import numpy as np
import pytest
from tests.labs.mdp.random_world import by_steps, random_policy, random_world

from culpa.errors import InputError
from culpa.labs.mdp.values import (
    action_values,
    advantages,
    backed_up,
    best_actions,
    expected_return,
    greedy,
    occupancy,
    optimal,
    state_values,
    visits,
)
from culpa.labs.mdp.world import Mdp
from culpa.labs.mdp.worlds import chain

SEEDS = pytest.mark.parametrize("seed", range(4))


@SEEDS
@pytest.mark.parametrize("end", [True, False])
def test_return_and_visits_are_those_of_steps(seed, end):
    world = random_world(seed, end=end)
    policy = random_policy(world, seed)
    total, count = by_steps(world, policy)
    assert expected_return(world, policy) == pytest.approx(total)
    assert visits(world, policy) == pytest.approx(count)
    assert (visits(world, policy) * world.reward).sum() == pytest.approx(total)


@SEEDS
def test_values_are_those_of_starting_there(seed):
    world = random_world(seed)
    policy = random_policy(world, seed)
    for x in range(world.states):
        there = Mdp(world.transition, world.reward, world.gamma, np.eye(world.states)[x])
        assert state_values(world, policy)[x] == pytest.approx(by_steps(there, policy)[0])


@SEEDS
def test_an_action_is_worth_its_pay_and_what_follows(seed):
    world = random_world(seed)
    policy = random_policy(world, seed)
    value, action = state_values(world, policy), action_values(world, policy)
    for x in range(world.states - 1):
        for a in range(world.actions):
            later = world.gamma * world.transition[x, a] @ value
            assert action[x, a] == pytest.approx(world.reward[x, a] + later)
    assert (policy * action).sum(axis=1) == pytest.approx(value)
    assert (policy * advantages(world, policy)).sum(axis=1) == pytest.approx(np.zeros(world.states))


def test_an_end_is_worth_nothing_and_never_visited():
    world = random_world()
    policy = random_policy(world)
    paid_there = world.reward + np.where(world.ends[:, None], 7.0, 0.0)
    assert state_values(world, policy, paid_there) == pytest.approx(state_values(world, policy))
    assert not visits(world, policy)[-1].any()
    assert not action_values(world, policy)[-1].any()


def test_without_ends_visits_sum_to_all_of_time():
    world = random_world(end=False)
    policy = random_policy(world)
    assert visits(world, policy).sum() == pytest.approx(10.0)
    assert occupancy(world, policy) == pytest.approx(visits(world, policy) / 10.0)
    assert occupancy(random_world(), policy).sum() == pytest.approx(1.0)


def test_leading_axes_are_a_loop():
    world = random_world()
    policies = random_policy(world, lead=(2, 3))
    rewards = np.random.default_rng(5).normal(size=(3, *world.reward.shape))
    value = state_values(world, policies, rewards)
    ahead = action_values(world, policies, rewards)
    for i in range(2):
        for j in range(3):
            assert value[i, j] == pytest.approx(state_values(world, policies[i, j], rewards[j]))
            assert ahead[i, j] == pytest.approx(action_values(world, policies[i, j], rewards[j]))
            assert visits(world, policies)[i, j] == pytest.approx(visits(world, policies[i, j]))


@SEEDS
def test_no_deterministic_policy_is_better_than_the_optimal_values(seed):
    world = random_world(seed, states=4, actions=2)
    best = optimal(world)
    every = np.array([[[1 - b, b] for b in bits] for bits in np.ndindex(2, 2, 2, 2)], dtype=float)
    found = action_values(world, every).max(axis=0)
    assert best == pytest.approx(found)
    assert expected_return(world, greedy(best)) == pytest.approx(expected_return(world, every).max())
    assert best == pytest.approx(backed_up(world, best.max(axis=1)) * ~world.ends[:, None])


def test_discount_one_needs_an_end():
    world = chain(4, 1.0)
    assert state_values(world, np.full((4, 2), 0.5)) == pytest.approx([1.0, 1.0, 1.0, 0.0])
    assert optimal(world).max(axis=1) == pytest.approx([1.0, 1.0, 1.0, 0.0])
    with pytest.raises(InputError) as error:
        state_values(world, np.array([[1.0, 0.0]] * 4))
    assert str(error.value) == ("with gamma 1 this policy never ends. Give gamma below 1, or a policy that ends.")


def test_ties_are_best_alike_and_the_first_is_taken():
    value = np.array([[1.0, 1.0 + 1e-12, 0.5]])
    assert best_actions(value).tolist() == [[True, True, False]]
    assert greedy(value).tolist() == [[1.0, 0.0, 0.0]]
    assert best_actions(np.array([[1.0, 1.0 - 1e-7]])).tolist() == [[True, False]]
    assert best_actions(np.array([[1e6, 1e6 + 1e-4]])).tolist() == [[True, True]]


def test_what_is_no_policy_is_refused():
    world = chain(3)
    with pytest.raises(InputError) as error:
        state_values(world, np.full((3, 2), 0.6))
    assert str(error.value) == "a row of the policy does not sum to 1. softmax(logits) gives one that does."
    with pytest.raises(InputError, match="policy must have shape \\(3, 2\\), got \\(2, 2\\)"):
        state_values(world, np.full((2, 2), 0.5))
    with pytest.raises(InputError, match="reward must have shape"):
        state_values(world, np.full((3, 2), 0.5), np.zeros((3, 3)))


def test_too_few_rounds_are_told():
    with pytest.raises(InputError, match="no optimal policy was found in 1 rounds"):
        optimal(chain(6), rounds=1)
