"""Forecasts: curves against the slow walk, horizons against brute force."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.dynamics.slow import TRUE, initial, kl, record, slow_walk

from culpa.dynamics import Horizon, best_of_n, grpo, ppo, reinforce, rloo, simulate, tilt
from culpa.dynamics.closed import policy
from culpa.dynamics.problem import problem
from culpa.dynamics.simulate import recorded_steps, run
from culpa.errors import InputError
from culpa.signals import center, clip, length_penalty

RNG = np.random.default_rng(0)
MASS = RNG.dirichlet(np.ones(5), 4)
TRUTH, FIRST, SECOND = RNG.standard_normal((3, 4, 5))
ROLLOUTS = record(MASS, TRUTH, one=FIRST, two=SECOND)


def brute_force(reward, steps, eta):
    """Probabilities of all prompts after every step (steps + 1, p, s), and their mean divergence."""
    runs = np.stack([slow_walk(m, r, steps, eta) for m, r in zip(MASS, reward, strict=True)], axis=1)
    return runs, np.array([np.mean([kl(p, q) for p, q in zip(now, MASS, strict=True)]) for now in runs])


@pytest.mark.parametrize("value", [0.001, 0.05, 0.4, 0.7])
def test_the_horizon_is_the_first_step_that_reaches_the_divergence(value):
    forecast = simulate(ROLLOUTS, learner=reinforce(), horizon=Horizon(kl=value, steps=600), eta=0.3)
    for number, reward in enumerate((FIRST, SECOND)):
        runs, spent = brute_force(reward, 600, 0.3)
        first = int((spent >= value).argmax())
        assert forecast.horizon[number] == first
        assert spent[first - 1] < value <= spent[first]
        np.testing.assert_allclose(np.exp(forecast.final[number]).T, runs[first], atol=1e-11)
        np.testing.assert_allclose(forecast.outcome[number], (runs[first] * TRUTH).sum(axis=1).mean(), atol=1e-11)
    assert forecast.reached.all()


def test_a_divergence_that_rises_and_falls_is_caught_at_its_rise():
    """The mediocre output rises first and gives way later: looked at seldom, the peak would be missed."""
    mass, truth = initial(0.12), TRUE
    path = slow_walk(mass, truth, 3_000, 0.1)
    spent = np.array([kl(now, mass) for now in path])
    falls = int((np.diff(spent) < 0).argmax())
    value = spent[falls] - 1e-9
    assert 0 < falls < 2_000
    assert (spent[falls:] < value).any()
    forecast = simulate(record(mass, truth, rm=truth), learner=reinforce(), horizon=Horizon(kl=value, steps=3_000))
    assert forecast.horizon[0] == int((spent >= value).argmax())


def test_a_divergence_that_is_never_reached():
    forecast = simulate(ROLLOUTS, learner=reinforce(), horizon=Horizon(kl=50.0, steps=37))
    assert forecast.reached.tolist() == [False, False]
    assert forecast.horizon.tolist() == [37, 37]


def test_a_horizon_of_steps_only():
    forecast = simulate(ROLLOUTS, learner=reinforce(), horizon=Horizon(kl=None, steps=37), eta=0.3)
    runs, _ = brute_force(FIRST, 37, 0.3)
    assert forecast.reached.all()
    assert forecast.horizon.tolist() == [37, 37]
    np.testing.assert_allclose(np.exp(forecast.final[0]).T, runs[-1], atol=1e-12)


@pytest.mark.parametrize(
    "horizon", [Horizon(kl=0.3, steps=500), Horizon(kl=None, steps=120), Horizon(kl=9.0, steps=60)]
)
def test_curves_are_the_means_along_the_run(horizon):
    forecast = simulate(ROLLOUTS, learner=reinforce(), horizon=horizon, eta=0.3)
    runs, spent = brute_force(SECOND, int(forecast.horizon[1]), 0.3)
    curve = forecast.curves.filter(pl.col("proxy") == "two")
    steps = curve["step"].to_numpy()
    assert steps[0] == 0
    assert steps[-1] == forecast.horizon[1]
    assert (np.diff(steps) > 0).all()
    now = runs[steps]
    np.testing.assert_allclose(curve["true_reward"], (now * TRUTH).sum(axis=2).mean(axis=1), atol=1e-11)
    np.testing.assert_allclose(curve["proxy_reward"], (now * SECOND).sum(axis=2).mean(axis=1), atol=1e-11)
    np.testing.assert_allclose(curve["kl"], spent[steps], atol=1e-11)
    np.testing.assert_allclose(curve["entropy"], -(now * np.log(now)).sum(axis=2).mean(axis=1), atol=1e-11)


def test_each_proxy_is_on_its_own():
    both = simulate(ROLLOUTS, learner=grpo(8))
    alone = simulate(ROLLOUTS, ["two"], learner=grpo(8))
    assert both.horizon[1] == alone.horizon[0]
    np.testing.assert_array_equal(both.final[1], alone.final[0])


def test_says_for_how_many_prompts_the_groups_size_is_exact():
    scores = np.array([[1.0, 0.0, 0.0], [1.0, 0.5, 0.0], [2.0, 2.0, 2.0]])
    rollouts = record(np.full((3, 3), 1 / 3), scores, mixed=scores, binary=scores > 0.6)
    fixed = Horizon(kl=None, steps=1)
    assert simulate(rollouts, learner=grpo(8), horizon=fixed).finite.tolist() == [2, 3]
    assert simulate(rollouts, learner=grpo(8).in_the_limit(), horizon=fixed).finite.tolist() == [0, 0]
    assert simulate(rollouts, learner=reinforce(), horizon=fixed).finite.tolist() == [3, 3]


@pytest.mark.parametrize("most", [1, 2, 7, 100, 10_000])
def test_recorded_steps_begin_at_0_and_end_at_the_last(most):
    steps = recorded_steps(most)
    assert (steps[0], steps[-1]) == (0, most)
    assert steps == sorted(set(steps))
    assert len(steps) <= 41


@pytest.mark.parametrize(("value", "steps"), [(0.0, 5), (-1.0, 5), (float("nan"), 5), (float("inf"), 5), (None, 0)])
def test_a_horizon_that_is_none_is_refused(value, steps):
    with pytest.raises(InputError) as caught:
        Horizon(kl=value, steps=steps)
    expected = f"the horizon is kl={value}, steps={steps}. Use at least one step, and a positive KL or None."
    assert str(caught.value) == expected


@pytest.mark.parametrize("eta", [0.0, -0.1, float("nan"), float("inf")])
def test_a_step_size_that_is_not_positive_is_refused(eta):
    with pytest.raises(InputError) as caught:
        simulate(ROLLOUTS, learner=reinforce(), eta=eta)
    assert str(caught.value) == f"the step size must be positive, got {eta}. 0.1 is usual."


def test_a_horizon_by_gain_is_the_first_step_at_which_the_proxy_has_risen_so_far():
    for size in (0.1, 0.3, 0.6):
        forecast = simulate(ROLLOUTS, learner=reinforce(), horizon=Horizon(gain=size, steps=1_000), eta=0.3)
        for number, reward in enumerate((FIRST, SECOND)):
            runs, _ = brute_force(reward, 1_000, 0.3)
            mean = (MASS * reward).sum(axis=1, keepdims=True)
            spread = np.sqrt((MASS * (reward - mean) ** 2).sum(axis=1).mean())
            rise = ((runs - MASS) * reward).sum(axis=2).mean(axis=1) / spread
            assert forecast.reached[number]
            assert forecast.horizon[number] == int((rise >= size).argmax())


def test_a_gain_does_not_depend_on_the_scale_of_a_proxy():
    rollouts = record(MASS, TRUTH, one=FIRST, shifted=FIRST + 1e3)
    forecast = simulate(rollouts, learner=grpo(8).in_the_limit(), horizon=Horizon(gain=0.5))
    assert forecast.horizon[0] == forecast.horizon[1]
    scaled = simulate(record(MASS, TRUTH, one=7 * FIRST), learner=grpo(8).in_the_limit(), horizon=Horizon(gain=0.5))
    assert scaled.horizon[0] == forecast.horizon[0]


def test_a_proxy_without_spread_never_gains():
    forecast = simulate(
        record(MASS, TRUTH, flat=np.full((4, 5), 0.1)), learner=reinforce(), horizon=Horizon(gain=0.1, steps=9)
    )
    assert (forecast.horizon[0], forecast.reached[0]) == (9, False)


def test_a_horizon_has_one_measure():
    assert (Horizon(gain=0.5).kl, Horizon(gain=0.5).gain, Horizon().kl, Horizon().gain) == (None, 0.5, 0.4, None)
    assert Horizon(None, 7, gain=0.5) == Horizon(steps=7, gain=0.5)
    assert repr(Horizon(gain=0.5)) == "Horizon(kl=None, steps=10000, gain=0.5)"
    assert repr(Horizon()) == "Horizon(kl=0.4, steps=10000)"


@pytest.mark.parametrize(
    ("kl", "gain", "steps"),
    [(0.4, 0.5, 5), (0.1, 0.5, 5), (None, 0.0, 5), (None, float("nan"), 5), (None, float("inf"), 5), (None, 0.5, 0)],
)
def test_two_measures_or_an_impossible_gain_are_refused(kl, gain, steps):
    with pytest.raises(InputError) as caught:
        Horizon(kl=kl, gain=gain, steps=steps)
    assert str(caught.value) == (
        f"the horizon is kl={kl}, gain={gain}, steps={steps}. "
        "Use a positive KL or a positive gain, not both, and at least one step."
    )


LEARNERS = [ppo(1), reinforce().with_signal(center(), "center"), rloo(8)]


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda one: one.name)
@pytest.mark.parametrize("horizon", [Horizon(kl=0.2, steps=500), Horizon(gain=0.4, steps=500), Horizon(None, 50)])
def test_the_same_steps_whoever_walks(learner, horizon):
    plain, other = (simulate(ROLLOUTS, learner=one, horizon=horizon, eta=0.3) for one in (reinforce(), learner))
    assert other.horizon.tolist() == plain.horizon.tolist()
    np.testing.assert_allclose(other.final, plain.final, atol=1e-10)
    for name in plain.curves.columns[1:]:
        np.testing.assert_allclose(other.curves[name], plain.curves[name], atol=1e-10)


def test_small_steps_are_the_flow():
    forecast = simulate(ROLLOUTS, learner=reinforce(), horizon=Horizon(kl=0.2, steps=50_000), eta=0.002)
    flowing = simulate(ROLLOUTS, learner=reinforce().as_flow(), horizon=Horizon(kl=0.2, steps=50_000), eta=0.002)
    np.testing.assert_allclose(flowing.horizon, forecast.horizon, rtol=2e-3)
    np.testing.assert_allclose(flowing.outcome, forecast.outcome, atol=1e-3)


def test_a_closed_form_is_read_off_on_its_way_or_at_its_end():
    whole = simulate(ROLLOUTS, learner=tilt(0.3), horizon=Horizon(kl=None))
    assert whole.horizon.tolist() == [40, 40]
    assert whole.reached.all()
    np.testing.assert_allclose(whole.final[0], policy(np.log(MASS).T, FIRST.T, tilt(0.3)), atol=1e-13)
    short = simulate(ROLLOUTS, learner=best_of_n(64), horizon=Horizon(kl=0.4))
    before = policy(np.log(MASS).T, FIRST.T, best_of_n(int(short.horizon[0])))
    kls = [np.mean([kl(p, q) for p, q in zip(np.exp(one).T, MASS, strict=True)]) for one in (before, short.final[0])]
    assert kls[0] < 0.4 <= kls[1]
    never = simulate(ROLLOUTS, learner=best_of_n(2), horizon=Horizon(kl=3.0))
    assert (never.horizon.tolist(), never.reached.tolist()) == ([1, 1], [False, False])


def test_a_sampled_run_says_so_and_follows_its_generator():
    def sampled(seed):
        return simulate(ROLLOUTS, learner=rloo(4), horizon=Horizon(None, 30), rng=np.random.default_rng(seed))

    one, same, other = sampled(1), sampled(1), sampled(2)
    assert one.sampled
    assert not simulate(ROLLOUTS, learner=rloo(4), horizon=Horizon(None, 1)).sampled
    np.testing.assert_array_equal(one.final, same.final)
    assert np.abs(one.final - other.final).max() > 1e-3
    drawn = simulate(ROLLOUTS, learner=grpo(4), horizon=Horizon(None, 1), rng=np.random.default_rng(0))
    assert drawn.finite.tolist() == [4, 4]


def test_forms_are_counted_after_the_signal():
    scores = np.array([[2.0, -1.0, -3.0], [1.0, 0.5, 0.0]])
    rollouts = record(np.full((2, 3), 1 / 3), scores, rm=scores)
    path = grpo(8).with_signal(clip(0.0, 1.0), "clip:0,1")
    assert simulate(rollouts, learner=path, horizon=Horizon(None, 1)).finite.tolist() == [1]
    assert simulate(rollouts, learner=grpo(8), horizon=Horizon(None, 1)).finite.tolist() == [0]


def test_lengths_of_the_record_reach_the_signal():
    length = RNG.integers(1, 9, (4, 5)).astype(float)
    rollouts = replace(ROLLOUTS, length=length)
    path = reinforce().with_signal(length_penalty(0.2), "length_penalty:0.2")
    got = simulate(rollouts, ["one"], learner=path, horizon=Horizon(None, 20))
    expected = simulate(record(MASS, TRUTH, one=FIRST - 0.2 * length), learner=reinforce(), horizon=Horizon(None, 20))
    np.testing.assert_allclose(got.final, expected.final, atol=1e-11)
    with pytest.raises(InputError, match="length_penalty needs the group's length"):
        simulate(ROLLOUTS, learner=path, horizon=Horizon(None, 2))


def test_a_problem_with_missing_verdicts_runs():
    holed = FIRST.copy()
    holed[0, 1] = np.nan
    forecast = run(problem(record(MASS, TRUTH, one=holed), missing="mean"), grpo(8), Horizon(None, 5), 0.1)
    assert forecast.final.shape == (1, 5, 4)
    assert np.isfinite(forecast.outcome).all()
