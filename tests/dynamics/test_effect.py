"""Effects of errors against corrected runs made one by one; kinds, crossings, forms."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.dynamics.slow import PUNISHED, TRUE, initial, record, slow_walk

from culpa.dynamics import Horizon, best_of_n, effects, grpo, ppo, reinforce, simulate, tilt
from culpa.dynamics.effect import ERRORS, _Pairs, spread_of
from culpa.dynamics.errors import right_scores
from culpa.dynamics.walk import Columns, walk
from culpa.errors import InputError
from culpa.signals import clip, length_penalty, parse, scheduled, whiten

RNG = np.random.default_rng(1)
MASS = RNG.dirichlet(np.ones(5), 3)
TRUTH = RNG.standard_normal((3, 5))
PROXY = TRUTH + RNG.standard_normal((3, 5)) * (RNG.random((3, 5)) < 0.6)
ROLLOUTS = record(MASS, TRUTH, rm=PROXY, other=RNG.standard_normal((3, 5)))


def fixed(steps):
    return Horizon(kl=None, steps=steps)


def one_by_one(start, wrong, mended, truth, path, steps):
    """Effect after every step, from two single runs."""
    at = Columns(start[:, None], start[:, None], wrong[:, None])
    pair = (at, at._replace(reward=mended[:, None]))
    ends = [[np.exp(walk(one, path, steps=step, eta=0.1))[:, 0] @ truth for one in pair] for step in steps]
    return np.array([with_error - without for with_error, without in ends])


@pytest.mark.parametrize("path", [reinforce(), reinforce().with_kl(0.2), grpo(8)], ids=["plain", "kl", "grpo"])
@pytest.mark.parametrize("scale", ["same", "matched"])
def test_as_single_corrected_runs(path, scale):
    forecast = simulate(ROLLOUTS, learner=path, horizon=Horizon(kl=0.3))
    table = effects(forecast, scale=scale)
    assert set(table["proxy"]) == {"rm", "other"}
    for row in table.iter_rows(named=True):
        number, prompt = forecast.proxies.index(row["proxy"]), int(row["prompt_id"][1:])
        case, reward = forecast.problem, forecast.problem.rewards[number]
        right = right_scores(case, reward, scale)
        mended = reward[:, prompt].copy()
        mended[row["output"]] = right[row["output"], prompt]
        run = (case.start[:, prompt], reward[:, prompt], mended, case.truth[:, prompt], path)
        assert row["horizon"] == forecast.horizon[number]
        assert row["effect"] == pytest.approx(one_by_one(*run, [row["horizon"]])[0], abs=1e-12)
        assert row["right"] == right[row["output"], prompt]
        assert (row["score"], row["truth"]) == (reward[row["output"], prompt], TRUTH[prompt, row["output"]])
        assert row["mass"] == pytest.approx(MASS[prompt, row["output"]])
        assert row["learner"] == path.name


def test_every_error_has_a_row_and_nothing_else():
    table = effects(simulate(ROLLOUTS, ["rm"], learner=reinforce(), horizon=fixed(1)))
    spread = np.sqrt(np.mean((MASS * (PROXY - (MASS * PROXY).sum(axis=1, keepdims=True)) ** 2).sum(axis=1)))
    wrong = np.abs(PROXY - TRUTH) > 0.25 * spread
    found = {(int(name[1:]), output) for name, output in table.select("prompt_id", "output").rows()}
    assert found == set(zip(*map(np.ndarray.tolist, np.nonzero(wrong)), strict=True))
    assert 0 < len(found) < 15


def test_kinds_follow_the_tolerance():
    forecast = simulate(ROLLOUTS, learner=reinforce(), horizon=fixed(60))
    width = TRUTH.max() - TRUTH.min()
    for tolerance in (0.0, 1e-3, 0.1, 10.0):
        table = effects(forecast, tolerance=tolerance)
        for effect, kind in table.select("effect", "kind").rows():
            expected = (
                "harmful" if effect < -tolerance * width else "beneficial" if effect > tolerance * width else "benign"
            )
            assert kind == expected
    assert set(effects(forecast)["kind"]) == {"harmful", "benign", "beneficial"}
    assert set(effects(forecast, tolerance=10.0)["kind"]) == {"benign"}


@pytest.mark.parametrize(("p", "low", "high"), [(0.05, 100, 300), (0.15, 30, 100)])
def test_the_effect_of_the_controlled_error_changes_sign(p, low, high):
    run = simulate(record(initial(p), TRUE, rm=PUNISHED), learner=reinforce(), horizon=fixed(1_000))
    row = effects(run).row(0, named=True)
    along = one_by_one(np.log(initial(p)), PUNISHED, TRUE, TRUE, reinforce(), range(400))
    assert low < row["crossing"] < high
    assert row["crossing"] == int((along > 2e-3).argmax())  # the first step, not the first look
    assert (along[1 : row["crossing"]] <= 2e-3).all()
    assert (row["kind"], row["output"]) == ("beneficial", 1)


def test_at_a_short_horizon_the_same_error_is_harmful_and_has_not_crossed():
    run = simulate(record(initial(0.05), TRUE, rm=PUNISHED), learner=reinforce(), horizon=fixed(60))
    row = effects(run).row(0, named=True)
    assert (row["kind"], row["crossing"]) == ("harmful", None)


def test_crossings_by_brute_force():
    forecast = simulate(ROLLOUTS, ["rm"], learner=reinforce(), horizon=fixed(300), eta=0.3)
    case, width = forecast.problem, TRUTH.max() - TRUTH.min()
    crossed = 0
    for row in effects(forecast, tolerance=1e-4).iter_rows(named=True):
        prompt, output = int(row["prompt_id"][1:]), row["output"]
        mended = PROXY[prompt].copy()
        mended[output] = TRUTH[prompt, output]
        runs = [slow_walk(MASS[prompt], reward, 300, 0.3) @ case.truth[:, prompt] for reward in (PROXY[prompt], mended)]
        signs = [int(np.sign(gap)) if abs(gap) > 1e-4 * width else 0 for gap in runs[0] - runs[1]]
        first = next((sign for sign in signs if sign), 0)
        expected = next((step for step, sign in enumerate(signs) if first and sign == -first), None)
        assert row["crossing"] == expected
        crossed += expected is not None
    assert crossed


@pytest.mark.parametrize("cells", [1, 700, 1 << 20])
def test_the_size_of_a_portion_does_not_matter(cells, monkeypatch):
    forecast = simulate(ROLLOUTS, learner=grpo(8), horizon=fixed(60))
    whole = effects(forecast)
    monkeypatch.setattr("culpa.dynamics.effect._CELLS", cells)
    part = effects(forecast)
    np.testing.assert_allclose(part["effect"], whole["effect"], atol=1e-13)
    assert part.drop("effect").equals(whole.drop("effect"))


def test_both_runs_of_a_pair_take_the_same_form():
    """A binary proxy with one score put right to a third value: the limit for both, whatever other prompts hold."""
    mass, truth = np.array([[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]]), np.array([[1.0, 0.5, 0.0], [1.0, 0.0, 0.0]])
    proxy = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    path = grpo(4)
    table = effects(simulate(record(mass, truth, rm=proxy), learner=path, horizon=fixed(10)))
    assert table["output"].to_list() == [1, 1]
    for prompt, form in ((0, path.in_the_limit()), (1, path)):
        alone = one_by_one(np.log(mass[prompt]), proxy[prompt], truth[prompt], truth[prompt], form, [10])[0]
        assert table["effect"][prompt] == pytest.approx(alone, abs=1e-13)
    other = one_by_one(np.log(mass[0]), proxy[0], truth[0], truth[0], path, [10])[0]
    assert abs(table["effect"][0] - other) > 1e-3  # the mixed pair would have been another number


def test_a_constant_proxy_is_compared_in_the_form_of_the_binary_one():
    truth = np.array([1.0, 0.0, 0.0])
    run = simulate(record([0.2, 0.3, 0.5], truth, rm=np.zeros(3)), learner=grpo(4), horizon=fixed(10))
    alone = one_by_one(np.log([0.2, 0.3, 0.5]), np.zeros(3), truth, truth, grpo(4), [10])[0]
    assert effects(run)["effect"].to_list() == [pytest.approx(alone, abs=1e-13)]


def test_a_constant_truth_has_no_effects():
    table = effects(simulate(record(MASS, np.full((3, 5), 0.3), rm=PROXY), learner=reinforce(), horizon=fixed(50)))
    assert (table["effect"] == 0).all()
    assert set(table["kind"]) == {"benign"}


def test_a_right_proxy_has_an_empty_table():
    table = effects(simulate(record(MASS, TRUTH, rm=TRUTH), learner=reinforce(), horizon=fixed(50)))
    assert table.height == 0
    assert table.schema == pl.Schema(ERRORS)


def test_a_negative_tolerance_is_refused():
    forecast = simulate(ROLLOUTS, learner=reinforce(), horizon=fixed(1))
    with pytest.raises(InputError) as caught:
        effects(forecast, tolerance=-1.0)
    assert str(caught.value) == "the tolerance must be zero or more, got -1.0. 0.001 is usual."


def test_shares_of_kinds_on_random_problems():
    """Early, harmful and beneficial errors are about equally common; late, most are benign, and the rest harmful."""
    rng = np.random.default_rng(7)
    truth = rng.standard_normal((60, 16))
    proxy = truth + 1.5 * rng.standard_normal(truth.shape) * (rng.random(truth.shape) < 0.4)
    rollouts = record(rng.dirichlet(np.ones(16), 60), truth, rm=proxy)
    shares = {}
    for steps in (30, 200, 1_500):
        table = effects(simulate(rollouts, learner=reinforce(), horizon=fixed(steps), eta=0.2), tolerance=1e-3 / 6)
        shares[steps] = {kind: (table["kind"] == kind).mean() for kind in ("harmful", "benign", "beneficial")}
    assert shares[30]["harmful"] == pytest.approx(0.39, abs=0.12)
    assert shares[30]["beneficial"] == pytest.approx(0.45, abs=0.12)
    assert shares[30]["benign"] < shares[200]["benign"] < shares[1_500]["benign"]
    assert shares[1_500]["benign"] == pytest.approx(0.85, abs=0.15)
    assert shares[1_500]["beneficial"] < shares[200]["beneficial"] < shares[30]["beneficial"]


SIGNAL = reinforce().with_signal(parse("center | clip:0.7"), "center | clip:0.7")
OTHERS = [ppo(3), grpo(8).with_rounds(3, 0.1), best_of_n(12), tilt(0.3), SIGNAL]


@pytest.mark.parametrize("learner", OTHERS, ids=lambda one: one.name)
def test_other_learners_as_single_corrected_runs(learner):
    forecast = simulate(ROLLOUTS, learner=learner, horizon=Horizon(kl=0.1, steps=60), eta=0.3)
    table = effects(forecast)
    assert table.height > 10
    for row in table.iter_rows(named=True):
        prompt = int(row["prompt_id"][1:])
        wrong = ROLLOUTS.proxies[row["proxy"]][prompt]
        mended = wrong.copy()
        mended[row["output"]] = TRUTH[prompt, row["output"]]
        ends = []
        for scores in (wrong, mended):
            one = record(MASS[prompt], TRUTH[prompt], rm=scores)
            fixed_run = Horizon(None, int(row["horizon"]))
            ends.append(simulate(one, learner=learner.in_the_limit(), horizon=fixed_run, eta=0.3).outcome[0])
        assert row["effect"] == pytest.approx(ends[0] - ends[1], abs=1e-11)
        assert row["learner"] == learner.name
    assert np.abs(table["effect"]).max() > 0.02


def test_the_effects_of_a_flow_are_those_of_small_steps():
    fine, flow = (
        effects(simulate(ROLLOUTS, learner=path, horizon=fixed(1_500), eta=0.01))
        for path in (reinforce(), reinforce().as_flow())
    )
    np.testing.assert_allclose(flow["effect"], fine["effect"], atol=2e-3)
    assert np.abs(fine["effect"]).max() > 0.05


def test_the_crossing_of_a_flow_is_a_step_near_that_of_the_walk():
    steps, flow = (
        effects(simulate(record(initial(0.05), TRUE, rm=PUNISHED), learner=path, horizon=fixed(5_000), eta=0.02))
        for path in (reinforce(), reinforce().as_flow())
    )
    assert flow["crossing"].item() == pytest.approx(steps["crossing"].item(), rel=0.02)
    assert steps["crossing"].item() > 500


def test_an_error_beyond_the_clip_does_nothing():
    truth = np.array([[1.0, 0.5, 0.0, 0.2]])
    proxy = np.array([[9.0, 0.5, 0.0, 0.2]])
    path = grpo(8).with_signal(clip(1.0), "clip:1")
    table = effects(simulate(record([[0.2, 0.3, 0.3, 0.2]], truth, rm=proxy), learner=path, horizon=fixed(20)))
    assert table["effect"].to_list() == [pytest.approx(0.0, abs=1e-12)]


def test_the_spread_that_a_learner_divides_by_is_that_after_its_signal():
    mass = np.array([[0.2], [0.3], [0.5]])
    wrong, mended = np.array([[9.0], [0.5], [0.0]]), np.array([[1.0], [0.5], [0.0]])
    pairs = _Pairs(np.log(mass), np.zeros((3, 3, 1)), wrong, mended, None)
    clipped = spread_of(pairs, grpo(8).with_signal(clip(1.0), "clip:1"))
    np.testing.assert_allclose(clipped[:, 0], np.sqrt([0.275 - 0.35**2] * 2))
    bare = spread_of(pairs, grpo(8))
    np.testing.assert_allclose(bare[:, 0], np.sqrt([16.275 - 1.95**2, 0.275 - 0.35**2]))


def test_lengths_count_in_the_corrected_runs():
    length = np.arange(15.0).reshape(3, 5)
    path = reinforce().with_signal(length_penalty(0.1), "length_penalty:0.1")
    rollouts = replace(ROLLOUTS, length=length)
    table = effects(simulate(rollouts, ["rm"], learner=path, horizon=fixed(40)))
    for row in table.iter_rows(named=True):
        prompt = int(row["prompt_id"][1:])
        wrong = PROXY[prompt] - 0.1 * length[prompt]
        mended = wrong.copy()
        mended[row["output"]] += TRUTH[prompt, row["output"]] - PROXY[prompt, row["output"]]
        alone = one_by_one(np.log(MASS[prompt]), wrong, mended, TRUTH[prompt], reinforce(), [40])[0]
        assert row["effect"] == pytest.approx(alone, abs=1e-12)


COUPLED = (
    "the effect of single errors is not computed for a signal that couples prompts. "
    "Take statistics over the group instead of the batch, or no signal."
)


@pytest.mark.parametrize("text", ["whiten", "normalise_running", "center:over=batch | clip:0.5"])
def test_a_signal_that_couples_prompts_has_no_effects_of_single_errors(text):
    path = reinforce().with_signal(parse(text), text)
    with pytest.raises(InputError) as caught:
        effects(simulate(ROLLOUTS, learner=path, horizon=fixed(20)))
    assert str(caught.value) == COUPLED


def test_a_coupling_that_begins_late_is_found():
    path = reinforce().with_signal(scheduled(whiten(), lambda time: float(time > 10)), "late")
    assert effects(simulate(ROLLOUTS, learner=path, horizon=fixed(9))).height > 3
    with pytest.raises(InputError, match="couples prompts"):
        effects(simulate(ROLLOUTS, learner=path, horizon=fixed(30)))


def test_a_sampled_run_has_no_effects():
    run = simulate(ROLLOUTS, learner=reinforce(), horizon=fixed(3), rng=np.random.default_rng(0))
    with pytest.raises(InputError) as caught:
        effects(run)
    assert str(caught.value) == (
        "the effect of an error is that on the expected run, and this run is sampled. Simulate without rng."
    )
