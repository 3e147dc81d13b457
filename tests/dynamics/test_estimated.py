"""A learner's advantages as a signal are those of the simulator's drawn groups."""

import numpy as np
import pytest

from culpa.dynamics import grpo, ppo, reinforce, rloo
from culpa.dynamics.advantage import Advantage
from culpa.dynamics.estimated import advantage_of
from culpa.dynamics.sampled import Drawn, draw
from culpa.signals import apply, leave_one_out, parse

START = np.log(np.array([[0.5, 0.2, 0.2, 0.1], [0.25, 0.25, 0.25, 0.25]]))
REWARD = np.array([[1.0, 0.0, 0.3, -2.0], [1.0, 1.0, 0.0, 0.0]])
PATHS = [
    rloo(3),
    grpo(4),
    grpo(5, eps=0.1),
    grpo(5, eps=0.1, sample_std=True),
    grpo(12).with_signal(parse("clip:0.5"), "clip:0.5"),
    rloo(4).with_signal(parse("scale:3"), "scale:3"),
]


@pytest.mark.parametrize("path", PATHS, ids=[f"{path.name} {path.eps} {path.sample_std}" for path in PATHS])
def test_the_step_of_a_drawn_group(path):
    steps = Drawn(Advantage(path, REWARD, START), np.random.default_rng(0))
    steps.begin(np.exp(START), START)
    places = draw(np.exp(START), path.group, np.random.default_rng(0))
    advantage = apply(advantage_of(path), np.take_along_axis(REWARD, places, axis=1))
    wanted = np.zeros_like(START)
    for prompt, spots in enumerate(places):
        for spot, push in zip(spots, advantage[prompt] / path.group, strict=True):
            wanted[prompt] += push * (np.eye(4)[spot] - np.exp(START[prompt]))
    assert steps.step(START) == pytest.approx(wanted, abs=1e-14)
    assert np.abs(wanted).max() > 0.01


def test_reinforce_takes_the_reward_and_a_critic_is_the_others():
    assert apply(advantage_of(reinforce()), REWARD).tolist() == REWARD.tolist()
    assert apply(advantage_of(ppo()), REWARD).tolist() == apply(leave_one_out(), REWARD).tolist()
    clipped = advantage_of(reinforce().with_signal(parse("clip:0.5"), "clip:0.5"))
    assert apply(clipped, REWARD)[0].tolist() == [0.5, 0.0, 0.3, -0.5]


def test_ppo_expects_what_an_exact_critic_gives():
    """Over all groups of 3 that contain output y at the first place, the mean of its advantage is r(y) - V."""
    pi, values = np.exp(START[0]), REWARD[0]
    groups = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    advantage = apply(advantage_of(ppo(group=3)), values[groups])[:, 0]
    chance = pi[groups[:, 1:]].prod(axis=1)
    found = [(chance * advantage)[groups[:, 0] == y].sum() for y in range(4)]
    assert found == pytest.approx(values - pi @ values, abs=1e-14)


def test_no_verdict_leaves_the_group_and_equal_rewards_give_nothing():
    nan = float("nan")
    for path in (rloo(3), grpo(3), ppo(group=3)):
        found = apply(advantage_of(path), [[1.0, nan, 0.0], [0.7, 0.7, 0.7]])
        assert found[0] == pytest.approx([1.0, nan, -1.0], nan_ok=True)
        assert found[1].tolist() == [0.0, 0.0, 0.0]
