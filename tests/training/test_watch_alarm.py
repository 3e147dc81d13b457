"""Limits and what they promise: on numbers of a known distribution, and on fresh simulated runs."""

import numpy as np
import pytest
from tests.training.watch_cases import series

from culpa.errors import InputError
from culpa.training.watch.alarm import STILL, Alarm, Thresholds, Watcher, calibrate, limits_of, maxima, scores_of
from culpa.training.watch.defaults import ROLES, default_thresholds
from culpa.training.watch.signals import SIGNALS
from culpa.training.watch.simulated import simulated

NAMES = [signal.name for signal in SIGNALS]


def noise(rng, steps=30, shift=0.0):
    values = rng.normal(size=steps)
    values[10:] += shift
    return series("group/dead", values)


def first(run, limits):
    """The first alarm of a run."""
    watcher = Watcher(limits)
    return next((alarm for report in run for alarm in watcher.update(report)), None)


def test_a_limit_is_an_order_statistic_of_the_maxima():
    best = np.full((19, len(SIGNALS)), np.nan)
    best[:, 0] = np.random.default_rng(0).permutation(19)
    known = limits_of(best, 40, rate=0.11)
    assert known == Thresholds({NAMES[0]: 17.0}, 19, 40, each=0.1, any=2 / 19)


def test_no_more_can_be_promised_than_the_runs_allow():
    assert calibrate([noise(np.random.default_rng(0), steps) for steps in (12, 20, 9)]).steps == 20
    for runs in (1, 4, 9):
        known = calibrate([noise(np.random.default_rng(seed)) for seed in range(runs)], rate=0.01)
        assert known.each == pytest.approx(1 / (runs + 1))
        assert known.runs == runs
        assert known.limits["dead"] == max(maxima(noise(np.random.default_rng(s)))[0] for s in range(runs))


def test_the_rate_holds_for_fresh_runs():
    """Over many calibrations on 39 runs the rate of one signal is (n + 1 - j) / (n + 1)."""
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(2000):
        best = np.full((39, len(SIGNALS)), np.nan)
        best[:, 0] = rng.exponential(size=39)
        known = limits_of(best, 1, rate=0.1)
        rates.append(np.exp(-known.limits["dead"]))
    assert np.mean(rates) == pytest.approx(known.each, abs=0.004)
    assert known.each == pytest.approx(3 / 40)
    assert known.any == pytest.approx(3 / 39)


def test_signals_share_the_rate():
    rng = np.random.default_rng(1)
    best = rng.normal(size=(400, len(SIGNALS)))
    known = limits_of(best, 1, rate=0.1)
    fresh = rng.normal(size=(20_000, len(SIGNALS)))
    rate = float((fresh > np.array([known.limits[name] for name in NAMES])).any(axis=1).mean())
    assert known.any <= 0.1
    assert rate == pytest.approx(known.any, abs=0.04)
    assert known.each < 0.02


def test_the_lower_the_rate_the_higher_the_limits():
    best = np.random.default_rng(2).normal(size=(200, len(SIGNALS)))
    strict, loose = limits_of(best, 1, 0.02), limits_of(best, 1, 0.3)
    assert all(strict.limits[name] > loose.limits[name] for name in NAMES)


def test_a_signal_that_no_healthy_run_moved_gets_a_limit_all_the_same():
    quiet = [series("group/missing", [0.0] * 20) for _ in range(5)]
    known = calibrate(quiet)
    assert known.limits == {"missing": STILL}
    assert first(series("group/missing", [0.0] * 12 + [0.01] * 8), known) is None
    assert first(series("group/missing", [0.0] * 12 + [0.5] * 8), known).step == 12


def test_a_signal_that_healthy_runs_lack_raises_no_alarm():
    known = calibrate([noise(np.random.default_rng(seed)) for seed in range(3)])
    assert set(known.limits) == {"dead"}
    assert first(series("group/missing", [0.0] * 12 + [1.0] * 8), known) is None


def test_an_alarm_is_raised_once_and_again_after_it_was_back():
    known = Thresholds({"dead": 3.0}, 1, 1, 0.5, 0.5)
    watcher = Watcher(known)
    values = [0.1] * 8 + [0.9] * 6 + [0.1] * 30 + [0.9] * 6
    raised = [alarm.step for one in series("group/dead", values) for alarm in watcher.update(one)]
    assert len(raised) == 2
    assert 8 <= raised[0] < 14
    assert raised[1] >= 44


def test_an_alarm_says_when_what_and_how_far():
    alarm = first(series("group/dead", [0.1] * 8 + [0.9] * 6), Thresholds({"dead": 3.0}, 1, 1, 0.5, 0.5))
    assert isinstance(alarm, Alarm)
    assert (alarm.signal, alarm.value, alarm.limit) == ("dead", 0.9, 3.0)
    assert str(alarm).startswith(f"step {alarm.step}: dead: share of groups without a gradient rises (0.9; score ")


def test_the_scores_of_a_run_are_those_that_the_watcher_had():
    run = noise(np.random.default_rng(0))
    table, watcher = scores_of(run), Watcher(Thresholds({}, 1, 1, 0.5, 0.5))
    for row, one in zip(table, run, strict=True):
        watcher.update(one)
        assert row[0] == watcher.scores.get("dead", row[0]) or np.isnan(row[0])
    assert maxima(run)[0] == np.nanmax(table[:, 0])


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
def test_rates_that_are_none_are_refused(rate):
    with pytest.raises(InputError, match="the false-alarm rate must be between 0 and 1"):
        calibrate([[]], rate)


def test_no_healthy_run_is_refused():
    with pytest.raises(InputError, match="no healthy runs to calibrate on"):
        calibrate([])


def test_rates_that_were_not_measured_are_refused():
    with pytest.raises(InputError, match=r"no built-in limits for a false-alarm rate of 0\.03"):
        default_thresholds(0.03)


@pytest.mark.slow
def test_built_in_limits_hold_what_they_promise_on_fresh_healthy_runs():
    runs = [
        run
        for place, kind in enumerate(("true", "noisy", "verifier", "harmless"))
        for seen in [simulated(kind, np.random.default_rng([7, place]), runs=5, prompts=12)]
        for run, fall in zip(seen.reports, seen.fall, strict=True)
        if fall <= 0.03
    ]
    false = sum(first(run, default_thresholds()) is not None for run in runs)
    assert len(runs) >= 16
    assert false <= 3  # of 20 at a rate of .05: more in less than 2 of 100 draws


@pytest.mark.slow
def test_built_in_limits_tell_planted_hacks_most_of_them_before_the_truth_has_fallen():
    told, early, fallen = 0, 0, 0
    for place, kind in enumerate(("overdone", "rare", "passed")):
        seen = simulated(kind, np.random.default_rng([8, place]), runs=6, prompts=12)
        lost = np.maximum.accumulate(seen.value, axis=1) - seen.value
        for run, low in zip(seen.reports, lost, strict=True):
            if low.max() >= 0.15:
                fallen += 1
                alarm = first(run, default_thresholds())
                told += alarm is not None
                early += alarm is not None and alarm.step < int((low >= 0.15).argmax())
    assert fallen >= 10
    assert told >= 0.9 * fallen
    assert early >= 0.6 * fallen


def test_every_signal_has_a_role_and_every_rate_a_limit_for_every_signal():
    assert set(ROLES) == set(NAMES)
    assert set(ROLES.values()) <= {"warns", "audits", "silent"}
    for rate in (0.02, 0.05, 0.1, 0.2):
        known = default_thresholds(rate)
        assert set(known.limits) == set(NAMES)
        assert known.any <= rate + 0.015
