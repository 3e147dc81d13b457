"""The tables of a rehearsal: what they take from the forecasts, and what becomes a note."""

import numpy as np
import pytest
from tests.audit.ahead import sharing as shared_world
from tests.report.rehearsals import known, peaked, record, rehearsed, rows, sharing

from culpa.dynamics import Horizon, SharedForecast, grpo, labelled, reinforce, simulate, stalls
from culpa.dynamics.problem import spread_within
from culpa.dynamics.shared_effects import SHARED_ERRORS
from culpa.predictors import rehearse
from culpa.report import rehearsed as room
from culpa.report.rehearsed import BARE, Asked, curves, falls, outcomes, rehearsal
from culpa.signals import parse


def test_outcomes_are_the_ends_of_the_forecasts_best_first():
    found = rehearsed()
    table, forecast = outcomes(found), found.first
    assert table["true_reward"].to_list() == sorted(forecast.outcome.tolist(), reverse=True)
    by_name = dict(zip(forecast.proxies, forecast.outcome.tolist(), strict=True))
    assert {row["proxy"]: row["true_reward"] for row in table.to_dicts()} == pytest.approx(by_name)
    start = float((np.exp(forecast.problem.start) * forecast.problem.truth).sum(axis=0).mean())
    assert table["start"].to_list() == pytest.approx([start] * 3)
    assert table["step"].to_list() == [300] * 3
    assert table["reached"].all()
    assert table["exact_prompts"].to_list() == [2] * 3


def test_every_signal_has_its_own_rows():
    found = rehearsed(signals=["clip:3"])
    assert outcomes(found).height == 6
    assert rows(outcomes(found), "true_reward", "harmful").keys() == {
        (proxy, signal) for proxy in ("fair", "harsh", "hacked") for signal in (BARE, "clip:3")
    }
    assert found.errors["signal"].unique().sort().to_list() == [BARE, "clip:3"]
    assert curves(found).height == 2 * found.first.curves.height


def test_forecasts_are_left_as_they_are():
    found = rehearsed(stalled=True)
    columns = found.first.curves.columns
    outcomes(found)
    curves(found)
    assert found.first.curves.columns == columns
    assert "signal" not in columns


def test_errors_and_plateaus_are_those_of_the_dynamics():
    found = rehearsed(scale="same", stalled=True)
    assert found.errors.drop("signal").equals(labelled(found.first, scale="same"))
    assert found.stalls.drop("signal").equals(stalls(found.first))
    assert rehearsed().stalls.is_empty()
    assert not rehearsed(scale="matched").errors.equals(found.errors)
    assert rehearsed().errors.drop("signal").equals(labelled(found.first, scale="auto"))
    assert found.errors.columns == ["proxy", "signal", *[name for name in SHARED_ERRORS if name != "proxy"]]
    assert set(found.errors["method"]) == {"counterfactual"}


def test_a_proxy_without_errors_has_none_of_each_kind():
    assert rows(outcomes(rehearsed(scale="same")), "harmful", "benign", "beneficial")["fair", BARE] == (0, 0, 0)
    alone = outcomes(rehearsed(rollouts=record(fair=known().truth), scale="same"))
    assert alone.select("harmful", "benign", "beneficial").row(0) == (0, 0, 0)


def test_what_cannot_be_told_of_a_learner_is_a_note():
    run = simulate(known(), learner=reinforce().with_kl(0.1), horizon=Horizon(kl=None, steps=20))
    found = rehearsal({BARE: run}, asked=Asked(stalled=True), notes=["first"])
    assert found.stalls.is_empty()
    assert found.notes[0] == "first"
    assert found.notes[1].startswith("no plateaus: the way out of a plateau is not known for a KL weight of 0.1.")


def test_errors_that_cannot_be_told_are_null_and_not_zero(monkeypatch):
    def refuse(*_, **__):
        raise room.InputError("the signal couples prompts.")

    monkeypatch.setattr(room, "labelled", refuse)
    found = rehearsed(signals=["whiten"])
    assert outcomes(found).select("harmful", "benign", "beneficial").row(0) == (None, None, None)
    assert found.notes == (
        "no single errors: the signal couples prompts.",
        "no single errors under the signal 'whiten': the signal couples prompts.",
    )


def test_peaks():
    found = peaked(0.1, 0.5, 0.3, 0.4)
    assert rows(outcomes(found), "peak", "peak_step")["fair", BARE] == (0.5, 1)
    fair = next(row for row in outcomes(found).to_dicts() if row["proxy"] == "fair")
    assert falls(found, fair)


@pytest.mark.parametrize("truths", [(0.1, 0.2, 0.3), (0.5, 0.4, 0.3), (0.1, 0.3001, 0.3), (0.2, 0.2, 0.2)])
def test_rising_sinking_and_flat_runs_have_no_peak(truths):
    found = peaked(*truths)
    assert not falls(found, next(row for row in outcomes(found).to_dicts() if row["proxy"] == "fair"))


def test_the_proxy_gain_is_in_spreads_within_prompts():
    found = rehearsed()
    mass, scores = np.exp(found.first.problem.start), found.first.problem.rewards
    variance = [np.mean([np.cov(reward[:, p], aweights=mass[:, p], ddof=0) for p in range(2)]) for reward in scores]
    np.testing.assert_allclose(spread_within(found.first.problem, scores), np.sqrt(variance))
    part = curves(found).filter(proxy="hacked")
    rise = part["proxy_reward"][-1] - part["proxy_reward"][0]
    assert part["proxy_gain"][-1] == pytest.approx(rise / np.sqrt(variance[2]))
    assert part["proxy_gain"][0] == 0


def test_a_proxy_without_spread_has_no_gain():
    found = rehearsed(rollouts=known(flat=np.full((2, 4), 7.0)), steps=3)
    assert rows(outcomes(found), "proxy_gain")["flat", BARE] == (None,)


def test_offsets_per_prompt_do_not_count_as_spread():
    rollouts = known()
    shifted = rollouts.truth + np.array([[1000.0], [-5.0]])
    found = rehearsed(rollouts=record(fair=rollouts.truth, shifted=shifted), steps=3)
    fair, offset = spread_within(found.first.problem, found.first.problem.rewards)
    assert offset == pytest.approx(fair)


def test_sampled_runs_by_row():
    runs = [simulate(known(), learner=reinforce(), horizon=Horizon(kl=None, steps=steps)) for steps in (10, 30, 50)]
    found = rehearsed(steps=30)
    found = rehearsal(found.forecasts, {BARE: runs})
    assert found.sampled.height == 9
    hacked = np.array([run.outcome[2] for run in runs])
    expected = (hacked.mean(), hacked.min(), hacked.max())
    got = rows(outcomes(found), "sampled_mean", "sampled_low", "sampled_high")["hacked", BARE]
    assert got == pytest.approx(expected)
    assert found.sampled.filter(proxy="harsh")["step"].to_list() == [10, 30, 50]
    assert found.sampled.filter(proxy="harsh")["run"].to_list() == [0, 1, 2]
    assert rows(outcomes(rehearsed()), "sampled_mean")["hacked", BARE] == (None,)


# ---- outputs that share features ----


def test_shared_features_have_outcomes_and_errors_of_their_own_run():
    run, found = rehearse(shared_world()), sharing(repeat=3)
    assert isinstance(found.first, SharedForecast)
    assert found.shared
    assert not rehearsed(steps=1).shared
    ends = {row["proxy"]: row["true_reward"] for row in outcomes(found).to_dicts()}
    assert ends == pytest.approx(dict(zip(run.proxies, run.outcome, strict=True)))
    steps = {row["proxy"]: row["step"] for row in outcomes(found).to_dicts()}
    assert steps == dict(zip(run.proxies, run.horizon.tolist(), strict=True))
    assert found.errors.drop("signal").equals(labelled(run, top=3))
    by_proxy = found.errors.filter(method="counterfactual").group_by("proxy").len()
    assert by_proxy["len"].to_list() == [3] * 3


def test_what_outputs_have_in_common_is_said():
    assert sharing().features == "three things"
    assert rehearsed(steps=1).features == "none"


def test_plateaus_of_shared_features_are_a_note():
    found = sharing(stalled=True)
    assert found.stalls.is_empty()
    assert found.notes == (
        "no plateaus: plateaus are known of prompts by themselves, and these outputs share features. "
        'Rehearse with the features "none".',
    )


def test_a_signal_has_no_single_errors_where_features_are_shared():
    bare = rehearse(shared_world())
    whitened = rehearse(shared_world(), learner=grpo(4).with_signal(parse("whiten"), "whiten"))
    found = rehearsal({BARE: bare, "whiten": whitened})
    assert found.judged == (BARE,)
    assert len(found.notes) == 1
    assert found.notes[0].startswith("no single errors under the signal 'whiten': ")
    counts = rows(outcomes(found), "harmful")
    assert counts["near", "whiten"] == (None,)
    assert counts["near", BARE][0] is not None
