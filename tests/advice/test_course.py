"""Courses of credits, against the dynamics' own walks: every prompt by itself, shared weights, draws of prompts."""

import numpy as np
import pytest
from tests.advice.worlds import BOTH, product

from culpa.advice.course import Run, World, walk_credit
from culpa.advice.credit import Credit, credits
from culpa.dynamics import Columns, Horizon, grpo, reinforce, rloo
from culpa.dynamics.problem import Problem
from culpa.dynamics.shared import replay
from culpa.dynamics.simulate import run as simulated
from culpa.dynamics.walk import expectations

BITS = BOTH.astype(float)
BINARY, PARTIAL, WEIGHTED, STAGED = credits(BOTH, np.array([0.4, 0.1]))
MASS = np.array([[0.6, 0.25, 0.1, 0.05], [0.2, 0.3, 0.4, 0.1]])
LEARNERS = [reinforce(), rloo(4), grpo(8), grpo(4, eps=0.1, sample_std=True), reinforce().with_kl(0.05)]


def world(mass=MASS, features=None, share=None):
    start = np.log(np.atleast_2d(mass))[None]
    share = np.full((1, start.shape[1]), 1.0 / start.shape[1]) if share is None else np.array([share])
    return World(start, share, None, BITS.prod(axis=1), features)


def exactly(learner, steps=40, eta=0.5, **more):
    return Run(learner, eta, steps, move=0.0, **more)


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda one: one.name)
def test_every_prompt_by_itself_is_the_walk_of_the_dynamics(learner):
    found = walk_credit(world(), BINARY, exactly(learner))
    start = np.log(MASS.T)
    reward = np.tile(BINARY.reward[:, None], (1, 2))
    _, means = expectations(Columns(start, start, reward), learner, reward[None], steps=40, eta=0.5)
    np.testing.assert_allclose(found.success[:, 0], means[0].mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(found.by_prompt, means[0], rtol=1e-9)
    assert found.step[:, 0].tolist() == list(range(41))


@pytest.mark.parametrize("learner", [reinforce(), reinforce().with_kl(0.05)], ids=lambda one: one.name)
@pytest.mark.parametrize("credit", [PARTIAL, WEIGHTED], ids=lambda one: one.name)
def test_any_credit_is_simulated_as_by_simulate(learner, credit):
    found = walk_credit(world(), credit, exactly(learner))
    ids = np.array(["a", "b"], dtype=object)
    truth, reward = (np.tile(column[:, None], (1, 2)) for column in (BINARY.reward, credit.reward))
    case = Problem(ids, np.arange(2), np.log(MASS.T), truth, reward[None], ("it",))
    forecast = simulated(case, learner, Horizon(kl=None, steps=40), 0.5)
    curve = forecast.curves.filter(forecast.curves["step"] == 40).row(0, named=True)
    assert found.success[-1, 0] == pytest.approx(curve["true_reward"], rel=1e-9)
    assert found.kl[-1, 0] == pytest.approx(curve["kl"], rel=1e-9)


@pytest.mark.parametrize("learner", [reinforce(), reinforce().with_kl(0.05)], ids=lambda one: one.name)
@pytest.mark.parametrize("each", [False, True], ids=["of patterns", "of outputs"])
def test_shared_weights_are_those_of_the_dynamics(learner, each):
    features = np.random.default_rng(0).normal(size=(2, 4, 3)) if each else BITS
    found = walk_credit(world(features=features), PARTIAL, exactly(learner))
    case = Problem(np.array(["a", "b"], dtype=object), np.arange(2), np.log(MASS.T), MASS.T, MASS.T[None], ("it",))
    both = features if each else np.tile(BITS, (2, 1, 1))
    middle = (MASS[:, :, None] * both).sum(axis=1, keepdims=True)
    rewards = np.tile(PARTIAL.reward, (1, 2, 1))
    *_, end = replay(case, rewards, both - middle, learner, np.full((1, 40), 0.5))
    success = (np.exp(end[0]) * BITS.prod(axis=1)).sum(axis=1)
    assert found.success[-1, 0] == pytest.approx(success.mean(), rel=1e-9)
    np.testing.assert_allclose(found.by_prompt[-1], success, rtol=1e-9)


@pytest.mark.parametrize("features", [None, BITS], ids=["by prompt", "skills"])
@pytest.mark.parametrize("learner", [reinforce(), grpo(8)], ids=lambda one: one.name)
def test_steps_taken_together_come_to_the_same(features, learner):
    here = world(product(0.1, 0.3), features)
    exact, together = (walk_credit(here, PARTIAL, Run(learner, 0.1, 1500, move=move)) for move in (0.0, 0.1))
    assert len(together.step) < len(exact.step) / 3
    assert together.step[-1, 0] == 1500
    at = np.interp(exact.step[:, 0], together.step[:, 0], together.success[:, 0])
    assert np.abs(at - exact.success[:, 0]).max() < 0.02


def test_a_switch_is_not_stepped_over():
    here = world(product(0.1, 0.3))
    run = Run(reinforce(), 0.1, 1500)
    exact, together = (walk_credit(here, STAGED, run._replace(move=move)) for move in (0.0, 0.1))
    assert together.switch[0] == pytest.approx(exact.switch[0], rel=0.01)
    at = np.interp(exact.step[:, 0], together.step[:, 0], together.success[:, 0])
    assert np.abs(at - exact.success[:, 0]).max() < 0.02


def test_independent_skills_stay_independent():
    """The factorised policy: each skill by its own recursion."""
    a, b = 0.1, 0.3
    found = walk_credit(world(product(a, b), BITS), BINARY, exactly(reinforce(), 60))
    for _ in range(60):
        odds = [np.log(one / (1 - one)) + 0.5 * one * (1 - one) * other for one, other in ((a, b), (b, a))]
        a, b = (1 / (1 + np.exp(-one)) for one in odds)
    assert found.success[-1, 0] == pytest.approx(a * b, rel=1e-9)


def test_draws_are_walked_as_if_each_were_alone():
    shares = np.array([[0.5, 0.5], [0.9, 0.1], [0.0, 1.0]])
    for features in (None, BITS):
        start = np.repeat(np.log(MASS)[None], 3, axis=0)
        together = walk_credit(World(start, shares, None, BITS.prod(axis=1), features), STAGED, Run(grpo(4), 0.5, 60))
        for number, share in enumerate(shares):
            alone = walk_credit(world(features=features, share=share), STAGED, Run(grpo(4), 0.5, 60))
            assert together.success[-1, number] == pytest.approx(alone.success[-1, 0], rel=1e-9)
            assert together.switch[number] == alone.switch[0]


def test_a_share_counts_as_so_many_prompts():
    three = np.stack([MASS[0], MASS[0], MASS[1]])
    run = exactly(reinforce())
    once = walk_credit(world(features=BITS, share=[2 / 3, 1 / 3]), PARTIAL, run)
    thrice = walk_credit(world(three, BITS), PARTIAL, run)
    np.testing.assert_allclose(once.success, thrice.success, rtol=1e-10)
    np.testing.assert_allclose(once.kl, thrice.kl, rtol=1e-8, atol=1e-12)


def test_outputs_may_be_listed_one_by_one():
    """Two outputs of one pattern, named by `pattern`, and the same pattern listed twice."""
    mass = np.array([[0.5, 0.3, 0.2]])
    pattern, value = np.array([[0, 0, 3]]), np.array([[0.0, 0.0, 1.0]])
    here = World(np.log(mass)[None], np.ones((1, 1)), pattern, value, None)
    found = walk_credit(here, PARTIAL, exactly(grpo(5)))
    other = World(np.log(mass)[None], np.ones((1, 1)), None, value[0], None)
    same = walk_credit(other, Credit("it", PARTIAL.reward[pattern[0]]), exactly(grpo(5)))
    np.testing.assert_allclose(found.success, same.success, rtol=1e-10)


def test_an_output_that_is_not_there_never_comes():
    mass = np.array([[0.7, 0.3, 0.0, 0.0]])
    with np.errstate(divide="ignore"):
        found = walk_credit(world(mass), PARTIAL, exactly(reinforce()))
    assert (found.success == 0).all()
    assert np.isfinite(found.kl).all()


def test_a_staged_credit_changes_where_success_times_the_group_is_one():
    here = world(product(0.1, 0.2), BITS)
    partial = walk_credit(here, PARTIAL, exactly(reinforce(), 400))
    staged = walk_credit(here, STAGED, exactly(reinforce(), 400, group=5))
    switch = int(staged.switch[0])
    assert switch == int((partial.success[:, 0] * 5 >= 1).argmax()) > 0
    np.testing.assert_allclose(staged.success[: switch + 1], partial.success[: switch + 1])
    binary = world(np.exp(0 * MASS[:1]), BITS)  # from there on the steps are those of binary credit
    assert binary.start.shape == (1, 1, 4)
    assert staged.success[-1, 0] > partial.success[-1, 0]


def test_after_the_switch_the_steps_are_those_of_binary_credit():
    here = world()
    at_once = walk_credit(here, STAGED, exactly(grpo(8), group=100))
    binary = walk_credit(here, BINARY, exactly(grpo(8)))
    assert at_once.switch.tolist() == [0.0]
    np.testing.assert_allclose(at_once.success, binary.success)
    never = walk_credit(here, STAGED, exactly(grpo(8), group=0))
    partial = walk_credit(here, PARTIAL, exactly(grpo(8)))
    assert never.switch.tolist() == [np.inf]
    np.testing.assert_allclose(never.success, partial.success)


def test_a_course_ends_at_its_divergence():
    found = walk_credit(world(), BINARY, Run(reinforce(), 0.5, 10_000, kl=0.3))
    assert (found.kl[:-1] < 0.3).all()
    assert found.kl[-1, 0] >= 0.3
    short = walk_credit(world(), BINARY, Run(reinforce(), 0.5, 5, kl=0.3))
    assert short.step[-1, 0] == 5
    assert short.kl[-1, 0] < 0.3


def test_a_pull_back_to_the_start_is_not_overshot():
    found = walk_credit(world(), BINARY, Run(reinforce().with_kl(0.5), 0.5, 4000))
    tilted = MASS * np.exp(BITS.prod(axis=1) / 0.5)
    tilted /= tilted.sum(axis=1, keepdims=True)
    assert found.success[-1, 0] == pytest.approx(tilted[:, -1].mean(), abs=1e-3)
