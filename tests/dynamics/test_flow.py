"""The flow against ever finer walks, and against the law of two outputs over a million steps."""

import numpy as np
import pytest
from scipy.optimize import brentq

from culpa.dynamics import Columns, grpo, reinforce
from culpa.dynamics.flow import flow
from culpa.dynamics.walk import walk
from culpa.errors import InputError

RNG = np.random.default_rng(13)
START = np.log(RNG.dirichlet(np.ones(5), 6)).T
REWARD = RNG.standard_normal((5, 6))
REWARD[:, :3] = RNG.integers(0, 2, (5, 3))
AT = Columns(START, START, REWARD)
PATHS = [reinforce(), reinforce().with_kl(0.3), grpo(4), grpo(8, eps=0.1, sample_std=True), grpo(8).with_kl(0.2)]


def refined(path, tau, steps):
    """Three walks, each twice as fine, extrapolated to steps of nothing: errors of the first two orders leave."""
    one, two, four = (np.exp(walk(AT, path, steps=steps * n, eta=tau / steps / n)) for n in (1, 2, 4))
    return (8 * four - 6 * two + one) / 3


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.name}-{path.kl}-{path.eps}")
@pytest.mark.parametrize("tau", [0.5, 10.0])
def test_as_the_walk_with_ever_finer_steps(path, tau):
    end = np.exp(flow(AT, path.as_flow(), np.array([tau]))[0])
    np.testing.assert_allclose(end, refined(path, tau, 1_000), atol=1e-6)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.name}-{path.kl}-{path.eps}")
def test_times_on_the_way(path):
    taus = np.array([0.0, 0.7, 3.0])
    states = flow(AT, path.as_flow(), taus)
    np.testing.assert_allclose(states[0], START, atol=1e-12)
    for tau, state in zip(taus[1:], states[1:], strict=True):
        np.testing.assert_allclose(state, flow(AT, path.as_flow(), np.array([tau]))[0], atol=1e-8)
    later = flow(AT._replace(logp=states[1]), path.as_flow(), np.array([2.3]))[0]
    np.testing.assert_allclose(later, states[2], atol=1e-8)


@pytest.mark.parametrize("p", [0.05, 1e-3, 1e-4])
@pytest.mark.parametrize("tau", [10.0, 1e3, 5e4, 1e5])
def test_two_outputs_follow_their_law(p, tau):
    """D tau = F(z) - F(z0), F(z) = z + sinh z of the log odds z: a plateau and what comes after, to the last digits."""
    odds, gap = np.log(p / (1 - p)), 0.2
    start = np.log(np.array([[p], [1 - p]]))
    end = flow(Columns(start, start, np.array([[gap], [0.0]])), reinforce().as_flow(), np.array([tau]))[0]
    goal = odds + np.sinh(odds) + gap * tau
    expected = brentq(lambda z: z + np.sinh(z) - goal, -30, 30, xtol=1e-13)
    assert np.exp(end[0, 0]) == pytest.approx(1 / (1 + np.exp(-expected)), abs=1e-6)
    assert end[0, 0] - end[1, 0] == pytest.approx(expected, abs=1e-5)


def test_many_columns_as_each_alone(monkeypatch):
    together = flow(AT, grpo(4).as_flow(), np.array([4.0]))
    monkeypatch.setattr("culpa.dynamics.flow.CELLS", 1)
    np.testing.assert_allclose(flow(AT, grpo(4).as_flow(), np.array([4.0])), together, atol=1e-8)


def test_absent_outputs_stay_absent():
    fills = zip(AT, (-np.inf, -np.inf, 9.0), strict=True)
    padded = Columns(*(np.vstack([array, np.full((1, 6), fill)]) for array, fill in fills))
    for path in PATHS:
        end = flow(padded, path.as_flow(), np.array([2.0]))[0]
        np.testing.assert_allclose(end[:5], flow(AT, path.as_flow(), np.array([2.0]))[0], atol=1e-9)
        assert (end[5] == -np.inf).all()


def test_huge_rewards_and_tiny_probabilities():
    start = np.array([[-690.0, -0.5], [0.0, -1.0], [-1.0, -2.0]])
    start = start - np.log(np.exp(start).sum(axis=0))
    at = Columns(start, start, np.array([[1e6, -1e6], [0.0, 1e6], [1.0, 3.0]]))
    end = flow(at, reinforce().as_flow(), np.array([1.0]))[0]
    assert np.isfinite(end).all()
    np.testing.assert_allclose(np.exp(end).sum(axis=0), 1.0)


def test_no_time_is_no_move():
    np.testing.assert_array_equal(flow(AT, reinforce().as_flow(), np.zeros(2)), np.stack([START] * 2))


def test_an_integrator_that_gives_up_is_not_believed(monkeypatch):
    class Failed:
        success, message = False, "step size too small."

    monkeypatch.setattr("scipy.integrate.solve_ivp", lambda *_, **__: Failed)
    with pytest.raises(InputError) as caught:
        flow(AT, reinforce().as_flow(), np.array([3.0]))
    assert str(caught.value) == (
        "the flow could not be followed to 3: step size too small. "
        "Take the learner without as_flow(): it walks step by step."
    )
