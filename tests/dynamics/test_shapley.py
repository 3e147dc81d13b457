"""The additive split: exact shares against all orders of slow runs, what must hold of them, and their two rivals."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import polars as pl
import pytest
from tests.dynamics.slow import PUNISHED, TRUE, initial, kl, limit_scale, record, slow_walk

from culpa.dynamics import Horizon, adjoint, best_of_n, effects, grpo, reinforce, rloo, shapley, simulate
from culpa.dynamics.scale import binary_scale
from culpa.dynamics.shapley import integrated, split
from culpa.dynamics.walk import Columns
from culpa.errors import InputError
from culpa.signals import parse

ETA = 0.2


def rng():
    return np.random.default_rng(11)


def problem(prompts=3, outputs=6, wrong=4, seed=0):
    """Random prompts with so many errors each, all of them far beyond the tolerance."""
    random = np.random.default_rng(seed)
    truth = random.standard_normal((prompts, outputs))
    mass = random.dirichlet(np.ones(outputs), prompts)
    off = np.zeros((prompts, outputs))
    for row in off:
        row[random.choice(outputs, wrong, replace=False)] = random.choice([-1, 1], wrong) * random.uniform(1, 2, wrong)
    return mass, truth, truth + off


def forecast(mass, truth, proxy, *, steps=40, learner=None):
    horizon = Horizon(kl=None, steps=steps)
    return simulate(record(mass, truth, rm=proxy), learner=learner or reinforce(), horizon=horizon, eta=ETA)


def brute(mass, truth, wrong, steps, **how):
    """Shares by walking every order of the errors, one prompt (s,); also the total."""
    errors = np.flatnonzero(wrong != truth)

    def worth(stay):
        reward = truth.copy()
        reward[list(stay)] = wrong[list(stay)]
        return slow_walk(mass, reward, steps, ETA, **how)[-1] @ truth

    shares = dict.fromkeys(errors.tolist(), 0.0)
    orders = list(permutations(errors.tolist()))
    for order in orders:
        for place, output in enumerate(order):
            shares[output] += (worth(order[: place + 1]) - worth(order[:place])) / len(orders)
    return shares, worth(errors) - worth(())


def shares(found, prompt="p0"):
    return dict(found.frame.filter(prompt_id=prompt).select("output", "share").iter_rows())


@pytest.mark.parametrize("wrong", [1, 2, 3, 4])
def test_exact_shares_are_means_over_all_orders(wrong):
    mass, truth, proxy = problem(prompts=2, wrong=wrong)
    found = split(forecast(mass, truth, proxy), "rm", rng=rng())
    for number in range(2):
        wanted, total = brute(mass[number], truth[number], proxy[number], 40)
        assert shares(found, f"p{number}") == pytest.approx(wanted, abs=1e-10)
        assert found.prompts["total"][number] == pytest.approx(total, abs=1e-10)
    assert found.prompts["errors"].to_list() == [wrong, wrong]
    assert (found.frame["standard_error"] == 0.0).all()


def test_orders_that_are_all_drawn_give_the_exact_shares(monkeypatch):
    """Of two errors an order and its reverse are all there are."""
    mass, truth, proxy = problem(wrong=2)
    run = forecast(mass, truth, proxy)
    exact = split(run, "rm", rng=rng())
    monkeypatch.setattr(shapley, "_EXACT", 1)
    drawn = split(run, "rm", rng=rng(), permutations=4)
    np.testing.assert_allclose(drawn.frame["share"], exact.frame["share"], atol=1e-12)
    np.testing.assert_allclose(drawn.frame["standard_error"], 0.0, atol=1e-12)


def test_sampled_shares_are_near_the_exact_ones_as_their_error_says(monkeypatch):
    mass, truth, proxy = problem(prompts=40, outputs=8, wrong=6)
    run = forecast(mass, truth, proxy, steps=60)
    exact = split(run, "rm", rng=rng())
    monkeypatch.setattr(shapley, "_EXACT", 0)
    drawn = split(run, "rm", rng=rng(), permutations=32)
    gap = (drawn.frame["share"] - exact.frame["share"]).to_numpy() / drawn.frame["standard_error"].to_numpy()
    assert 0.85 < np.sqrt((gap**2).mean()) < 1.3
    more = split(run, "rm", rng=rng(), permutations=128)
    ratio = more.frame["standard_error"].mean() / drawn.frame["standard_error"].mean()
    assert ratio == pytest.approx(0.5, abs=0.05)


def test_sampled_orders_against_slow_runs_of_the_same_orders(monkeypatch):
    mass, truth, proxy = problem(prompts=1, wrong=4)
    monkeypatch.setattr(shapley, "_EXACT", 0)
    found = split(forecast(mass, truth, proxy), "rm", rng=rng(), permutations=4)
    half = rng().permuted(np.tile(np.arange(4), (2, 1)), axis=1)
    errors = np.flatnonzero(proxy[0] != truth[0])

    def gains(order):
        reward, result, last = truth[0].copy(), np.zeros(4), slow_walk(mass[0], truth[0], 40, ETA)[-1] @ truth[0]
        for player in order:
            reward[errors[player]] = proxy[0, errors[player]]
            value = slow_walk(mass[0], reward, 40, ETA)[-1] @ truth[0]
            result[player], last = value - last, value
        return result

    pairs = np.array([(gains(order) + gains(order[::-1])) / 2 for order in half])
    np.testing.assert_allclose(found.frame["share"], pairs.mean(axis=0), atol=1e-10)
    np.testing.assert_allclose(found.frame["standard_error"], pairs.std(axis=0, ddof=1) / np.sqrt(2), atol=1e-10)


@pytest.mark.parametrize("most", [0, 8])
def test_shares_sum_to_the_total(monkeypatch, most):
    monkeypatch.setattr(shapley, "_EXACT", most)
    mass, truth, proxy = problem(prompts=10, wrong=5)
    run = forecast(mass, truth, proxy, steps=200)
    found = split(run, "rm", rng=rng(), permutations=8)
    assert found.completeness < 1e-12
    sums = found.frame.group_by("prompt_id", maintain_order=True).sum()["share"]
    clean = forecast(mass, truth, truth, steps=200)
    ends = ((np.exp(one.final[0]) * run.problem.truth).sum(axis=0) for one in (run, clean))
    np.testing.assert_allclose(sums, next(ends) - next(ends), atol=1e-12)


def test_a_single_error_has_its_effect_as_share():
    run = forecast(initial(0.05), TRUE, PUNISHED, steps=400)
    found = split(run, "rm", rng=rng()).frame
    table = effects(run)
    assert found["share"].item() == pytest.approx(table["effect"].item(), abs=1e-12)
    assert found["output"].item() == table["output"].item() == 1


def test_errors_are_those_that_effects_tells():
    mass, truth, proxy = problem(prompts=20, outputs=10, wrong=6)
    proxy = truth + 3.0 * (proxy - truth)
    proxy[:, 0] = truth[:, 0] + 0.5  # too little to count beside the proxy's spread, though not beside the truth's
    run = forecast(mass, truth, proxy)
    for scale in ("same", "matched"):
        table = effects(run, scale=scale).sort("prompt_id", "output")
        found = split(run, "rm", rng=rng(), scale=scale, permutations=4).frame.sort("prompt_id", "output")
        assert found.select("prompt_id", "output").equals(table.select("prompt_id", "output"))


def test_errors_alike_have_equal_shares():
    mass, truth = np.array([0.2, 0.2, 0.3, 0.3]), np.array([1.0, 1.0, 0.0, -1.0])
    found = split(forecast(mass, truth, np.array([0.0, 0.0, 1.0, -1.0])), "rm", rng=rng())
    share = shares(found)
    assert share[0] == pytest.approx(share[1], abs=1e-14)
    assert share[0] != pytest.approx(share[2], abs=1e-3)


def test_an_error_that_no_policy_sees_has_no_share():
    mass, truth = np.array([0.5, 0.5 - 1e-200, 1e-200]), np.array([1.0, 0.0, 0.5])
    share = shares(split(forecast(mass, truth, np.array([0.0, 1.0, 3.0])), "rm", rng=rng()))
    assert share[2] == pytest.approx(0.0, abs=1e-12)
    assert abs(share[0]) > 0.1


def test_effects_do_not_add_up_where_shares_do():
    """Two errors, each of which alone suffices: neither has much of an effect, together they have."""
    mass, truth, proxy = np.array([0.3, 0.3, 0.4]), np.array([1.0, 1.0, 0.0]), np.zeros(3)
    run = forecast(mass, truth, proxy, steps=200)
    alone = effects(run)["effect"].to_numpy()
    found = split(run, "rm", rng=rng())
    assert np.abs(alone.sum() - found.prompts["total"].item()) > 0.2
    assert found.frame["share"].sum() == pytest.approx(found.prompts["total"].item(), abs=1e-12)


def test_scores_within_the_tolerance_stay_as_they_are():
    mass, truth, proxy = problem(prompts=1, wrong=2)
    small = truth + np.where(proxy == truth, 0.1, 0.0)
    wrong = np.where(proxy == truth, small, proxy)
    found = split(forecast(mass, truth, wrong), "rm", rng=rng())

    def worth(*stay):
        reward = small[0].copy()
        reward[list(stay)] = wrong[0, list(stay)]
        return slow_walk(mass[0], reward, 40, ETA)[-1] @ truth[0]

    a, b = np.flatnonzero(proxy[0] != truth[0])
    first = (worth(a) - worth() + worth(a, b) - worth(b)) / 2
    assert shares(found) == pytest.approx({a: first, b: worth(a, b) - worth() - first}, abs=1e-10)


def test_a_constant_added_to_truth_and_proxy_changes_nothing():
    mass, truth, proxy = problem()
    truth, proxy = np.round(truth * 8) / 8, np.round(proxy * 8) / 8
    plain, moved = (split(forecast(mass, truth + add, proxy + add), "rm", rng=rng()).frame for add in (0.0, 2.0**40))
    np.testing.assert_allclose(moved["share"], plain["share"], atol=1e-12)


def test_completeness_is_the_largest_gap_of_either_sign():
    prompts = pl.DataFrame({"completeness": [0.25, -0.5]})
    assert shapley.Split(pl.DataFrame(), prompts).completeness == 0.5


def test_a_normalising_learner_keeps_its_groups_where_all_sets_are_binary():
    mass, truth, proxy = np.array([0.1, 0.2, 0.3, 0.4]), np.array([1.0, 1.0, 0.0, 0.0]), np.array([1.0, 0.0, 1.0, 0.0])
    found = split(forecast(mass, truth, proxy, learner=grpo(4)), "rm", rng=rng())

    def groups(prob, reward):
        return binary_scale(np.array([prob @ reward]), grpo(4))[0] if np.ptp(reward) else 0.0

    assert shares(found) == pytest.approx(brute(mass, truth, proxy, 40, scale=groups)[0], abs=1e-10)


def test_a_normalising_learner_takes_the_limit_where_one_set_is_not_binary():
    """Scores and right scores are of two levels each, but a mixture has three."""
    mass, truth, proxy = np.array([0.2, 0.3, 0.5]), np.array([1.0, 0.0, 0.0]), np.array([0.0, 2.0, 0.0])
    found = split(forecast(mass, truth, proxy, learner=grpo(4)), "rm", rng=rng())

    def limit(prob, reward):
        return limit_scale(prob, reward) if np.ptp(reward) else 0.0

    assert shares(found) == pytest.approx(brute(mass, truth, proxy, 40, scale=limit)[0], abs=1e-10)


def test_one_error_or_two_outputs_are_binary_in_every_set():
    three = np.array([[0.2, 0.3, 0.5]]), np.array([[1.0, 0.0, 0.0]]), np.array([[-2.0, 0.0, 0.0]])
    two = np.array([[0.3, 0.7]]), np.array([[1.0, 0.0]]), np.array([[-2.0, 5.0]])

    def groups(prob, reward):
        gap = np.ptp(reward)
        return binary_scale(np.array([prob @ (reward - reward.min()) / gap]), grpo(4))[0] / gap

    for mass, truth, proxy in (three, two):
        found = split(forecast(mass, truth, proxy, learner=grpo(4)), "rm", rng=rng())
        wanted, _ = brute(mass[0], truth[0], proxy[0], 40, scale=groups)
        assert shares(found) == pytest.approx(wanted, abs=1e-10)


def test_divergence_and_baseline_are_those_of_the_learner():
    mass, truth, proxy = problem(prompts=1, wrong=3)
    run = forecast(mass, truth, proxy, learner=rloo(4).with_kl(0.3))
    found = shares(split(run, "rm", rng=rng()))
    assert found == pytest.approx(brute(mass[0], truth[0], proxy[0], 40, kl_weight=0.3)[0], abs=1e-10)


def test_the_horizon_is_that_of_the_proxy_s_own_run():
    mass, truth, proxy = problem(prompts=1, wrong=3)
    run = simulate(record(mass, truth, other=truth, rm=proxy), learner=reinforce(), horizon=Horizon(kl=0.1), eta=ETA)
    path = slow_walk(mass[0], proxy[0], 200, ETA)
    steps = next(step for step, prob in enumerate(path) if kl(prob, mass[0]) >= 0.1)
    assert steps != run.horizon[0]
    found = shares(split(run, "rm", rng=rng()))
    assert found == pytest.approx(brute(mass[0], truth[0], proxy[0], steps)[0], abs=1e-10)


def test_padding_and_prompts_without_errors_have_no_rows():
    mass = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    truth, proxy = np.array([[1.0, 0.0, 0.0], [1.0, 0.5, 0.0]]), np.array([[0.0, 1.0, 9.0], [1.0, 0.5, 0.0]])
    found = split(forecast(mass, truth, proxy), "rm", rng=rng())
    assert found.frame.select("prompt_id", "output").rows() == [("p0", 0), ("p0", 1)]
    assert found.prompts["prompt_id"].to_list() == ["p0"]


@pytest.mark.parametrize("of", [lambda run: split(run, "rm", rng=rng()), lambda run: integrated(run, "rm")])
def test_a_proxy_without_errors_has_an_empty_split(of):
    mass, truth, _ = problem()
    found = of(forecast(mass, truth, truth))
    assert found.frame.height == found.prompts.height == 0
    assert found.frame.schema == shapley.SHARES
    assert found.completeness == 0.0


@pytest.mark.parametrize("most", [2, 8])
@pytest.mark.parametrize("cells", [1, 150, 10**9])
def test_portions_do_not_change_the_split(monkeypatch, cells, most):
    mass, truth, proxy = problem(prompts=7, wrong=3)
    proxy[3] = truth[3]
    run = forecast(mass, truth, proxy)
    monkeypatch.setattr(shapley, "_EXACT", most)
    whole = split(run, "rm", rng=rng())
    monkeypatch.setattr(shapley, "_CELLS", cells)
    np.testing.assert_allclose(split(run, "rm", rng=rng()).frame["share"], whole.frame["share"], atol=1e-13)


def test_portions_stay_within_their_cells():
    plans = [shapley._Plan(number, np.arange(2), shapley._bits(2), None) for number in range(5)]
    sizes = {1: [1] * 5, 79: [1] * 5, 80: [2, 2, 1], 160: [4, 1], 200: [5]}
    for cells, wanted in sizes.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shapley, "_CELLS", cells)
            assert [len(some) for some in shapley._batches(plans, 10)] == wanted


def test_same_seed_same_split_and_exact_ones_need_none(monkeypatch):
    run = forecast(*problem(wrong=5))
    assert split(run, "rm", rng=rng()).frame.equals(split(run, "rm", rng=np.random.default_rng(99)).frame)
    monkeypatch.setattr(shapley, "_EXACT", 4)
    first, second, other = (split(run, "rm", rng=np.random.default_rng(seed)).frame for seed in (1, 1, 2))
    assert first.equals(second)
    assert not first.equals(other)


def test_up_to_eight_errors_are_exact():
    run = forecast(*problem(prompts=1, outputs=10, wrong=8), steps=5)
    assert (split(run, "rm", rng=rng()).frame["standard_error"] == 0.0).all()
    run = forecast(*problem(prompts=1, outputs=10, wrong=9), steps=5)
    assert (split(run, "rm", rng=rng()).frame["standard_error"] > 0.0).all()


def slope(run, prompts, points):
    """The mean derivative on the way from the truth to the proxy."""
    case = run.problem
    total = 0.0
    for point in range(points):
        reward = case.truth + (point + 0.5) / points * (case.rewards[0] - case.truth)
        at = Columns(case.start, case.start, reward)
        total = total + adjoint(at, case.truth, run.learner, steps=int(run.horizon[0]), eta=ETA)[:, :prompts]
    return total / points


def test_integrated_gradients_are_errors_times_mean_derivatives():
    mass, truth, proxy = problem(wrong=4)
    run = forecast(mass, truth, proxy, steps=30)
    found = integrated(run, "rm", points=5)
    wanted = ((run.problem.rewards[0] - run.problem.truth) * slope(run, 3, 5)).T
    np.testing.assert_allclose(found.frame["share"], wanted[proxy != truth], atol=1e-12)
    totals = split(run, "rm", rng=rng()).prompts["total"]
    np.testing.assert_allclose(found.prompts["total"], totals, atol=1e-12)
    sums = found.frame.group_by("prompt_id", maintain_order=True).sum()["share"]
    np.testing.assert_allclose(found.prompts["completeness"], sums - totals, atol=1e-12)
    assert found.completeness == found.prompts["completeness"].abs().max()


def test_integrated_gradients_add_up_with_many_points_and_less_with_few():
    run = forecast(*problem(prompts=10, wrong=4), steps=60)
    gaps = [integrated(run, "rm", points=points).completeness for points in (1, 4, 16, 64)]
    assert gaps[-1] < 1e-4 < gaps[0]
    assert gaps == sorted(gaps, reverse=True)


def test_integrated_gradients_agree_with_the_split_in_a_short_run_only():
    mass, truth, proxy = problem(prompts=20, outputs=8, wrong=4)
    far = []
    for steps in (2, 200):
        run = forecast(mass, truth, proxy, steps=steps)
        exact, cheap = split(run, "rm", rng=rng()), integrated(run, "rm")
        gap = np.abs(exact.frame["share"].to_numpy() - cheap.frame["share"].to_numpy())
        far.append(gap.mean() / np.abs(exact.frame["share"].to_numpy()).mean())
    assert far[0] < 0.05 < far[1]


def test_integrated_gradients_of_a_normalising_learner_are_those_of_the_limit():
    mass, truth, proxy = np.array([0.1, 0.2, 0.3, 0.4]), np.array([1.0, 1.0, 0.0, 0.0]), np.array([1.0, 0.0, 1.0, 0.0])
    run = forecast(mass, truth, proxy, learner=grpo(4), steps=10)
    _, total = brute(mass, truth, proxy, 10, scale=limit_scale)
    assert integrated(run, "rm").prompts["total"].item() == pytest.approx(total, abs=1e-10)


def test_unknown_proxies_are_refused():
    run = forecast(*problem())
    with pytest.raises(InputError, match=r"the forecast has no proxy 'gold'\. It has: rm\."):
        split(run, "gold", rng=rng())


@pytest.mark.parametrize("number", [0, 2, 7, -4])
def test_orders_come_in_pairs(number):
    with pytest.raises(InputError, match=f"permutations must be an even number of at least 4, got {number}"):
        split(forecast(*problem()), "rm", rng=rng(), permutations=number)


def test_no_point_is_refused():
    with pytest.raises(InputError, match="the straight way needs at least one point, got 0"):
        integrated(forecast(*problem()), "rm", points=0)


@pytest.mark.parametrize("learner", [best_of_n(4), reinforce().with_signal(parse("center"), "center")])
def test_learners_without_independent_steps_are_refused(learner):
    run = replace(forecast(*problem()), learner=learner)
    with pytest.raises(InputError, match=r"an additive split is not known for .*Take reinforce\(\)"):
        split(run, "rm", rng=rng())
