"""Derivatives of the outcome by every score against finite differences."""

import numpy as np
import pytest

from culpa.dynamics import Columns, adjoint, best_of_n, first_order, grpo, ppo, reinforce, rloo, second_order, tilt
from culpa.dynamics.walk import log_softmax, walk
from culpa.errors import InputError
from culpa.signals import center

LEARNERS = {
    "plain": reinforce(),
    "rloo": rloo(4),
    "kl": reinforce().with_kl(0.3),
    "grpo": grpo(8),
    "eps": grpo(8, eps=0.1),
    "both": grpo(8, eps=1e-2).with_kl(0.2),
}
each_learner = pytest.mark.parametrize("path", LEARNERS.values(), ids=LEARNERS)


def problem(seed=0, samples=6, prompts=3):
    """Random columns; the first lacks its last output."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((samples, prompts))
    logits[-1, 0] = -np.inf
    start = log_softmax(logits)
    reward, truth = rng.standard_normal((2, samples, prompts))
    return Columns(start, start, reward), truth


def outcome(at, truth, path, steps, eta):
    return (np.exp(walk(at, path, steps=steps, eta=eta)) * truth).sum(axis=0)


def differences(at, truth, path, steps, eta, width=1e-4):
    """Central, of fourth order: of a large step, so that rounding stays below 1e-10."""
    result = np.zeros_like(truth)
    for output in range(len(truth)):
        bump = np.zeros_like(truth)
        bump[output] = width
        up1, up2, down1, down2 = (
            outcome(at._replace(reward=at.reward + far * bump), truth, path, steps, eta) for far in (1, 2, -1, -2)
        )
        result[output] = (8 * (up1 - down1) - (up2 - down2)) / (12 * width)
    return result


@each_learner
@pytest.mark.parametrize("steps", [1, 2, 5, 30, 101])
def test_adjoint_is_the_derivative(path, steps):
    at, truth = problem()
    slow = differences(at, truth, path.in_the_limit(), steps, 0.2)
    np.testing.assert_allclose(adjoint(at, truth, path, steps=steps, eta=0.2), slow, atol=1e-8)


def test_adjoint_begins_where_the_walk_stands():
    at, truth = problem()
    path = reinforce().with_kl(0.5)
    moved = at._replace(logp=walk(at, path, steps=20, eta=0.3))
    slow = differences(moved, truth, path, 10, 0.3)
    np.testing.assert_allclose(adjoint(moved, truth, path, steps=10, eta=0.3), slow, atol=1e-8)


def test_one_percent_more_step_would_be_seen():
    at, truth = problem()
    gap = adjoint(at, truth, reinforce(), steps=30, eta=0.202) - adjoint(at, truth, reinforce(), steps=30, eta=0.2)
    assert np.abs(gap).max() > 1e-4


@each_learner
def test_constants_and_absent_outputs_have_no_influence(path):
    at, truth = problem()
    found = adjoint(at, truth, path, steps=20, eta=0.2)
    np.testing.assert_allclose(found.sum(axis=0), 0.0, atol=1e-12)
    assert found[-1, 0] == 0.0
    moved = adjoint(at._replace(reward=at.reward + 7.0), truth - 3.0, path, steps=20, eta=0.2)
    np.testing.assert_allclose(moved, found, atol=1e-11)


@each_learner
def test_the_influence_is_linear_in_the_truth(path):
    at, truth = problem()
    other = problem(1)[1]
    both = adjoint(at, 2 * truth - other, path, steps=9, eta=0.2)
    parts = [adjoint(at, one, path, steps=9, eta=0.2) for one in (truth, other)]
    np.testing.assert_allclose(both, 2 * parts[0] - parts[1], atol=1e-12)


@each_learner
def test_first_order_is_the_first_step(path):
    at, truth = problem()
    np.testing.assert_allclose(
        first_order(at, truth, path, steps=7, eta=0.2),
        7 * adjoint(at, truth, path, steps=1, eta=0.2 * 1e-6) / 1e-6,
        atol=1e-5,
    )


def test_first_order_is_the_speed_of_training_on_the_truth():
    at, truth = problem()
    speed = (np.exp(walk(at._replace(reward=truth), reinforce(), steps=1, eta=1e-6)) - np.exp(at.start)) / 1e-6
    np.testing.assert_allclose(first_order(at, truth, reinforce(), steps=3, eta=0.1), 0.3 * speed, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_the_errors_of_the_expansions_shrink_as_they_should(steps):
    """Half the step size: a quarter of the first order's error, an eighth of the second's."""
    at, truth = problem()
    gaps = {first_order: [], second_order: []}
    for eta in (0.02, 0.01):
        exact = adjoint(at, truth, reinforce(), steps=steps, eta=eta)
        for expansion, found in gaps.items():
            found.append(np.abs(expansion(at, truth, reinforce(), steps=steps, eta=eta) - exact).max())
    for (coarse, fine), ratio in zip(gaps.values(), (4, 8), strict=True):
        assert coarse / fine == pytest.approx(ratio, rel=0.2)


def test_second_order_is_closer_over_a_tenth_of_flow_time():
    at, truth = problem(samples=9)
    exact = adjoint(at, truth, reinforce(), steps=100, eta=0.01)
    errors = [
        np.linalg.norm(one(at, truth, reinforce(), steps=100, eta=0.01) - exact) for one in (first_order, second_order)
    ]
    assert errors[1] < 0.3 * errors[0]


def test_the_derivative_has_the_other_sign_than_the_finite_error():
    """Why it is no label: a little more for the mediocre output helps, and punishing it outright helps far more."""
    start, truth = np.log([[0.05], [0.5], [0.15], [0.15], [0.15]]), np.array([[1.0], [0.8], [-1.0], [-1.0], [-1.0]])
    at = Columns(start, start, truth)
    assert adjoint(at, truth, reinforce(), steps=2_000, eta=0.1)[1, 0] > 0
    punished = truth.copy()
    punished[1] = -1.0
    run = [outcome(at._replace(reward=one), truth, reinforce(), 2_000, 0.1)[0] for one in (punished, truth)]
    assert run[0] - run[1] > 0.15


@each_learner
def test_the_size_of_a_block_does_not_matter_and_nothing_is_changed(path, monkeypatch):
    at, truth = problem(prompts=8)
    for array in (*at, truth):
        array.flags.writeable = False
    whole = adjoint(at, truth, path, steps=12, eta=0.2)
    monkeypatch.setattr("culpa.dynamics.walk.BLOCK_CELLS", 12)
    np.testing.assert_allclose(adjoint(at, truth, path, steps=12, eta=0.2), whole, atol=1e-13)


@each_learner
@pytest.mark.parametrize("size", [1e6, 1e-6])
def test_extreme_inputs_stay_finite(path, size):
    start = log_softmax(np.array([[0.0, 0.0], [-690.0, -1.0], [-1.0, -690.0]]))
    reward = size * np.array([[0.0, 1.0], [1.0, 1.0], [-1.0, 1.0]])  # the second column has no spread
    assert np.isfinite(adjoint(Columns(start, start, reward), reward, path, steps=20, eta=0.5 / size)).all()


@pytest.mark.parametrize("path", [grpo(8), reinforce().with_kl(0.1)])
def test_no_second_order_where_none_is_derived(path):
    with pytest.raises(InputError) as caught:
        second_order(*problem(), path, steps=1, eta=0.1)
    assert str(caught.value) == (
        f"no second order is known for {path.name} with kl={path.kl}. Take `adjoint`, which is exact."
    )


@pytest.mark.parametrize("derivative", [adjoint, first_order, second_order])
@pytest.mark.parametrize(
    "learner",
    [ppo(), tilt(0.5), best_of_n(4), reinforce().as_flow(), reinforce().with_signal(center(), "center")],
    ids=lambda one: one.name,
)
def test_of_other_learners_no_derivative_is_known(derivative, learner):
    start = np.log(np.full((2, 1), 0.5))
    with pytest.raises(InputError) as caught:
        derivative(Columns(start, start, start), start, learner, steps=1, eta=0.1)
    assert str(caught.value) == (
        f"no derivative is known for {learner.name}: counterfactual only. "
        "Take `effects`, which puts every error right in turn and runs again."
    )
