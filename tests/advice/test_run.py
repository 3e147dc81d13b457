"""The whole advice: the regimes, what it says of what it cannot tell, and what it refuses."""

from dataclasses import replace
from math import isclose

import numpy as np
import polars as pl
import pytest
from tests.advice.worlds import drawn, record

from culpa.advice import advise
from culpa.advice.checks import checks_of
from culpa.advice.course import Run
from culpa.advice.credit import credits
from culpa.advice.forecast import Asked, draws_of, feature_forecast, pattern_forecast
from culpa.advice.measure import separation
from culpa.advice.run import outcomes_of
from culpa.advice.worlds import POOLED, feature_world
from culpa.dynamics import Horizon, best_of_n, grpo, ppo, reinforce, rloo
from culpa.errors import InputError


def steps(count):
    return Horizon(kl=None, steps=count)


@pytest.fixture(scope="module")
def hard():
    """One easy check and a hard one."""
    return drawn(0.9, 0.05, prompts=60)


@pytest.fixture
def once(monkeypatch):
    """Without draws of the prompts, where nothing is asked of them."""
    monkeypatch.setattr("culpa.advice.run.draws_of", lambda prompts, _: np.zeros((0, prompts)))


@pytest.fixture(scope="module")
def found(hard):
    return advise(hard, learner=reinforce(), horizon=steps(600))


def test_an_easy_and_a_hard_check_call_for_binary_credit(found):
    assert (found.decision.kind, found.decision.credit) == ("use", "binary")
    assert found.decision.confidence >= 0.8
    assert found.measure == ()
    assert found.regime["rule"] == "binary"


def test_rare_skills_call_for_partial_credit():
    said = advise(drawn(0.05, 0.05, prompts=100, seed=1), horizon=steps(150))
    skills = said.outcomes.filter(pl.col("model") == "skills")
    success = dict(zip(skills["credit"], skills["success"], strict=True))
    assert success["partial"] > success["binary"] + 0.1
    assert said.decision.credit == "partial"


@pytest.mark.usefixtures("once")
def test_worlds_that_disagree_name_a_run_that_tells_them_apart():
    said = advise(drawn(0.1, 0.1, prompts=60), learner=reinforce(), horizon=steps(1000))
    assert said.decision.kind == "cannot tell"
    assert "the worlds disagree (by prompt: binary; skills:" in said.decision.reasons[0]
    assert any(line.startswith("train ") and "if by prompt holds" in line for line in said.measure)


def test_the_run_that_tells_them_apart_is_where_they_are_furthest(hard):
    checks = checks_of(hard)
    ways = credits(checks.patterns, np.array([0.9, 0.05]))
    asked = Asked(Run(reinforce(), 0.1, 300), None)
    one, other = (
        pattern_forecast(checks, ways, asked, model=model, prior=POOLED, drawn=np.zeros((0, 60)))
        for model in ("by prompt", "skills")
    )
    step, first, second = separation(one, other, 1)
    gaps = [
        abs(np.subtract(*(np.interp(at, f.courses[1].step[:, 0], f.courses[1].success[:, 0]) for f in (one, other))))
        for at in range(301)
    ]
    assert abs(first - second) == pytest.approx(max(gaps), abs=0.011)
    assert step <= 300


@pytest.mark.usefixtures("once")
def test_few_successes_are_counted_and_more_are_asked_for():
    a, b = np.zeros((2, 30, 8))
    a[:, :4], b[:, 4:6] = 1, 1
    a[0, 7] = b[0, 7] = 1
    said = advise(record(a=a, b=b), horizon=steps(300))
    assert said.regime["p"] == pytest.approx(1 / 240)
    assert said.measure[0] == "only 1 outputs pass all checks: about 2,160 outputs more would show 10"
    b[0, 7] = 0
    none = advise(record(a=a, b=b), horizon=steps(300))
    assert none.measure[0].startswith("no output passes all checks: draw more than the 240 there are")
    assert none.regime["group_for_one"] is None


def test_checks_that_exclude_each_other_leave_success_unknown():
    a = np.tile([1.0, 0.0], (10, 4))
    said = advise(record(a=a, b=1 - a), horizon=steps(300))
    assert said.decision.kind == "cannot tell"
    assert any(line.startswith("no output passes all checks, which do not look") for line in said.decision.reasons)
    assert said.measure[0].startswith("no output passes all checks: draw more")


@pytest.mark.usefixtures("once")
def test_no_difference_says_where_there_was_one():
    said = advise(drawn(0.3, 0.3, prompts=60), horizon=steps(5000))
    assert (said.decision.kind, said.decision.credit) == ("no difference", None)
    assert any("the same at this horizon, not before" in line for line in said.measure)


def test_same_seed_same_bytes(hard, found):
    again = advise(hard, learner=reinforce(), horizon=steps(600))
    assert again.outcomes.equals(found.outcomes)
    assert again.decision == found.decision
    other = advise(hard, learner=reinforce(), horizon=steps(600), seed=1)
    assert not other.outcomes["wins"].equals(found.outcomes["wins"]) or not other.rates.equals(found.rates)
    assert other.outcomes["success"].equals(found.outcomes["success"])


def test_every_outcome_has_its_interval_and_its_courses_end(found):
    main = found.outcomes.filter(pl.col("wins").is_not_null())
    assert main.height == 8
    assert found.outcomes.height == 16  # and as many under the other prior
    assert main.filter(pl.col("low") > pl.col("high")).height == 0
    for row in main.iter_rows(named=True):
        curve = found.curves.filter((pl.col("model") == row["model"]) & (pl.col("credit") == row["credit"]))
        assert curve["success"][-1] == pytest.approx(row["success"], abs=1e-9)
        assert curve["step"][-1] == row["step"] == 600


def test_equal_steps_are_read_at_equal_divergence_too(found):
    rows = found.outcomes.filter((pl.col("model") == "skills") & (pl.col("wins").is_not_null()))
    assert rows["other"].unique().to_list() == ["kl"]
    (value,) = rows["other_value"].unique().to_list()
    assert value == pytest.approx(rows["kl"].min())
    least = rows.filter(pl.col("kl") == pl.col("kl").min()).row(0, named=True)
    assert least["success_other"] == pytest.approx(least["success"], abs=1e-6)
    most = rows.filter(pl.col("kl") == pl.col("kl").max()).row(0, named=True)
    assert most["success_other"] < most["success"]


@pytest.mark.usefixtures("once")
def test_equal_divergence_is_read_at_equal_steps_too(hard):
    said = advise(hard, learner=reinforce(), horizon=Horizon(kl=0.2, steps=3000))
    rows = said.outcomes.filter((pl.col("model") == "skills") & (pl.col("prior") == said.facts["prior"]))
    assert rows["kl"].to_list() == pytest.approx([0.2] * 4)
    assert rows["reached"].all()
    assert rows["other"].unique().to_list() == ["steps"]
    first = rows["step"].min()
    assert rows["other_value"][0] == pytest.approx(first, abs=rows["step"].max() * 0.05)
    cut = advise(hard, learner=reinforce(), horizon=Horizon(kl=2.0, steps=50))
    assert not cut.outcomes["reached"].any()


@pytest.mark.usefixtures("once")
def test_the_group_is_the_learners_or_that_of_the_file(hard):
    assert advise(hard, learner=grpo(4), horizon=steps(5)).facts["group"] == 4
    assert advise(hard, learner=rloo(5), horizon=steps(5)).facts["group"] == 5
    assert advise(hard, learner=reinforce(), horizon=steps(5)).facts["group"] == 16


@pytest.mark.usefixtures("once")
def test_learner_and_horizon_by_default(hard):
    facts = advise(hard).facts
    assert (facts["learner"], facts["horizon"], facts["eta"]) == ("grpo:8", {"kl": None, "steps": 1000}, 0.1)


def test_the_prior_is_that_which_the_data_suggest(hard):
    assert advise(hard, horizon=steps(5)).facts["prior"] == "product of rates"
    a = (np.random.default_rng(0).random((40, 16)) < 0.4).astype(float)
    b = np.where(np.random.default_rng(1).random((40, 16)) < 0.8, a, 1 - a)
    bound = advise(record(a=a, b=b), horizon=steps(5))
    assert bound.facts["prior"] == "pooled patterns"
    assert not bound.regime["independent"]
    known = advise(record(a=a, b=b, weight=np.tile(np.arange(1, 17) / 136, (40, 1))), horizon=steps(5))
    assert known.facts["prior"] == "none needed"
    assert known.outcomes.height == 8


def test_many_checks_are_pooled():
    said = advise(drawn(*[0.6] * 8, prompts=20), horizon=steps(20))
    assert said.facts["prior"] == "pooled patterns"
    assert said.outcomes.height == 8
    assert len(said.regime["levers"]) == 8


def test_features_are_a_third_world(hard):
    values = np.random.default_rng(0).normal(size=(60, 16, 3)).astype(np.float32)
    said = advise(replace(hard, features=values), horizon=steps(50))
    assert said.facts["features"] == "the policy's 3-d features"
    assert said.outcomes["model"].unique(maintain_order=True).to_list() == ["by prompt", "skills", "features"]


def test_draws_with_features_judge_other_prompts_after_the_same_training(hard):
    values = np.random.default_rng(0).normal(size=(60, 16, 3)).astype(np.float32)
    rollouts = replace(hard, features=values)
    checks = checks_of(rollouts)
    ways = credits(checks.patterns, np.array([0.9, 0.05]))
    asked = Asked(Run(reinforce(), 0.5, 50), None)
    drawn_ = np.zeros((2, 60))
    drawn_[0] = 1.0
    drawn_[1, 7] = 60.0
    said = feature_forecast(feature_world(rollouts, checks), ways, asked, drawn_)
    np.testing.assert_allclose(said.drawn[:, 0], said.outcome(asked), rtol=1e-9)
    assert said.drawn[0, 1] == pytest.approx(said.courses[0].by_prompt[-1, 7])


def test_draws_with_features_know_which_prompts_were_walked(hard, monkeypatch):
    monkeypatch.setattr("culpa.advice.worlds.CELLS", 20 * 16)
    values = np.random.default_rng(0).normal(size=(60, 16, 3)).astype(np.float32)
    rollouts = replace(hard, features=values)
    checks = checks_of(rollouts)
    sampled = feature_world(rollouts, checks)
    asked = Asked(Run(reinforce(), 0.5, 5), None)
    counts = np.zeros((2, 60))
    counts[0, sampled.prompts[11]] = 60.0
    counts[1, 1] = 60.0  # none of those that were walked: all of them
    assert 1 not in sampled.prompts
    said = feature_forecast(sampled, credits(checks.patterns, np.array([0.9, 0.05])), asked, counts)
    assert said.drawn[0, 0] == pytest.approx(said.courses[0].by_prompt[-1, 11])
    assert said.drawn[0, 1] == pytest.approx(said.outcome(asked)[0])


def test_draws_are_walked_finely_enough(monkeypatch):
    checks = checks_of(drawn(0.3, 0.1, prompts=40, samples=8))
    ways = credits(checks.patterns, np.array([0.3, 0.1]))
    asked = Asked(Run(grpo(8), 0.1, 300), None)
    counts = draws_of(40, np.random.default_rng(0))[:20]

    def walked(model):
        return pattern_forecast(checks, ways, asked, model=model, prior=POOLED, drawn=counts).drawn

    for model in ("by prompt", "skills"):
        monkeypatch.undo()
        usual = walked(model)
        monkeypatch.setattr("culpa.advice.forecast._COARSE", 0.02)
        assert np.abs(usual - walked(model)).mean() < 0.02


def test_intervals_hold_the_middle_of_the_draws(hard):
    checks = checks_of(hard)
    asked = Asked(Run(reinforce(), 0.1, 5), None)
    ways = credits(checks.patterns, np.array([0.9, 0.05]))
    said = pattern_forecast(checks, ways, asked, model="skills", prior=POOLED, drawn=np.zeros((0, 60)))
    drawn_ = np.tile(np.linspace(0.0, 1.0, 201), (4, 1))
    drawn_[1] = drawn_[1] - 0.2
    frame = outcomes_of([replace(said, drawn=drawn_)], asked)
    assert (frame["low"][0], frame["high"][0]) == pytest.approx((0.025, 0.975))
    assert frame["wins"].to_list() == [1.0, 0.0, 1.0, 1.0]


@pytest.mark.usefixtures("once")
@pytest.mark.parametrize("group", [4, 16])
def test_a_staged_credit_switches_by_the_group_of_the_learner(group):
    said = advise(drawn(0.2, 0.2, prompts=40), learner=grpo(group), horizon=steps(150))
    row = said.outcomes.filter((pl.col("model") == "skills") & (pl.col("credit") == "staged")).row(0, named=True)
    curve = said.curves.filter((pl.col("model") == "skills") & (pl.col("credit") == "staged"))
    at = np.interp(row["switch"], curve["step"], curve["success"])
    assert at * group == pytest.approx(1.0, rel=0.1)


def test_draws_are_those_of_the_prompts():
    drawn_ = draws_of(50, np.random.default_rng(0))
    assert drawn_.shape == (200, 50)
    assert (drawn_.sum(axis=1) == 50).all()
    assert draws_of(1, np.random.default_rng(0)).shape == (0, 1)


def test_draws_are_about_the_forecast(found):
    main = found.outcomes.filter(pl.col("wins").is_not_null())
    assert ((main["low"] <= main["success"]) & (main["success"] <= main["high"])).all()


def test_the_draw_of_all_prompts_is_the_forecast_itself():
    """Though a draw walks fewer kinds of prompts, in longer steps."""
    rollouts = drawn(0.4, 0.2, prompts=80, samples=8, spread=1.5)
    checks = checks_of(rollouts)
    ways = credits(checks.patterns, np.array([0.4, 0.2]))
    asked = Asked(Run(grpo(8), 0.1, 400), None)
    for model in ("by prompt", "skills"):
        said = pattern_forecast(checks, ways, asked, model=model, prior=POOLED, drawn=np.ones((1, 80)))
        np.testing.assert_allclose(said.drawn[:, 0], said.outcome(asked), atol=1e-12)


def test_a_draw_of_some_prompts_is_about_the_forecast_of_those_alone(monkeypatch):
    monkeypatch.setattr("culpa.advice.worlds.strength", lambda _: 4.0)  # else that of all of them
    easy, hard = drawn(0.6, 0.5, prompts=20, samples=8), drawn(0.2, 0.2, prompts=20, samples=8, seed=1)
    both = record(**{name: np.concatenate([easy.proxies[name], hard.proxies[name]]) for name in easy.proxies})
    counts = np.repeat([[0.0, 2.0]], 20, axis=1)
    asked = Asked(Run(reinforce(), 0.1, 300), None)
    for model in ("by prompt", "skills"):
        one, other = (
            pattern_forecast(
                checks_of(made), credits(checks_of(made).patterns, np.array([0.2, 0.2])), asked,
                model=model, prior=POOLED, drawn=taken,
            )
            for made, taken in ((both, counts), (hard, counts[:0]))
        )  # fmt: skip
        away = np.abs(one.outcome(asked) - other.outcome(asked)).max()
        assert np.abs(one.drawn[:, 0] - other.outcome(asked)).max() < away / 2


def test_one_prompt_alone_cannot_tell():
    said = advise(record(a=[[1, 1, 0, 0, 0, 1]], b=[[1, 0, 0, 0, 0, 0]]), learner=reinforce(), horizon=steps(100))
    assert said.decision.kind == "cannot tell"
    assert said.outcomes["low"].null_count() == said.outcomes.height


def test_a_truth_is_what_is_forecast_and_the_difference_is_said():
    a, b = np.tile([[1.0, 1, 0, 0]], (20, 1)), np.tile([[1.0, 0, 1, 0]], (20, 1))
    truth = np.tile([[0.0, 1, 0, 0]], (20, 1))
    said = advise(record(a=a, b=b, truth=truth), horizon=steps(200))
    ends = said.outcomes.filter(pl.col("credit") == "binary")["success"]
    assert ends.max() < 0.05  # all checks passed is what is rewarded, and is not what the truth wants
    assert said.facts["truth"]
    assert said.notes[-1] == (
        "success is the truth, 0.250 of the mass; all checks pass in 0.250, and the two differ on 0.500"
    )


def test_where_the_policy_stands(found, hard):
    rates = {name: float(values.mean()) for name, values in hard.proxies.items()}
    p = float(np.mean(hard.proxies["check_0"] * hard.proxies["check_1"]))
    none = float(np.mean((1 - hard.proxies["check_0"]) * (1 - hard.proxies["check_1"])))
    regime = found.regime
    assert isclose(regime["p"], p)
    assert isclose(regime["r"], none)
    assert isclose(regime["q"], 1 - p - none)
    assert isclose(regime["pk"], 16 * p)
    assert regime["group_for_one"] == int(np.ceil(1 / p))
    assert regime["rarest"] == "check_1"
    assert regime["boundary"] < 0
    assert regime["prompts_losing"] == 1.0
    assert regime["levers"][1] == pytest.approx(1 / (2 * rates["check_0"]), rel=0.05)


def test_silent_groups_are_those_of_the_start(found, hard):
    passed = (hard.proxies["check_0"] * hard.proxies["check_1"]).sum(axis=1)
    assert found.credits["silent"][0] == pytest.approx(np.mean(passed % 16 == 0))  # groups of 16 from 16 samples
    assert found.credits["credit"].to_list() == ["binary", "partial", "weighted", "staged"]
    assert found.credits["exact"].all()
    limit = advise(drawn(*[0.6] * 5, prompts=10), horizon=steps(5)).credits
    assert limit["exact"].to_list() == [True, True, False, True]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"learner": ppo()}, "ppo:4 is no learner for advice. Use reinforce, rloo:K or grpo:K."),
        ({"learner": best_of_n(4)}, "best_of_n:4 is no learner for advice."),
        ({"horizon": Horizon(gain=1.0)}, "a gain is counted on the credit's own scale, which differs from credit"),
        ({"eta": 0.0}, "the step size must be positive, got 0.0. 0.1 is usual."),
        ({"eta": float("inf")}, "the step size must be positive, got inf."),
    ],
)
def test_what_cannot_be_asked(hard, asked, message):
    with pytest.raises(InputError) as error:
        advise(hard, **asked)
    assert message in str(error.value)
