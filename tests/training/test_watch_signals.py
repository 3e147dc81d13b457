"""From a signal to its score: against the formula written out, and what each signal sees."""

import numpy as np
import pytest
from tests.training.watch_cases import report, series

from culpa.training.watch.report import report_of
from culpa.training.watch.signals import SIGNALS, Signal, score_of

BY_NAME = {signal.name: signal for signal in SIGNALS}


def scores(signal, reports):
    state = score_of(signal)
    return [state.update(one) for one in reports]


def slow(values, least, way="rise"):
    """The formula over the whole series, for the last value."""
    first = np.array(values[:8])
    middle = 0.0 if way == "opposite" else first.mean()
    size = np.sqrt(first.var(ddof=1) + least**2)
    z = (np.array(values[8:]) - middle) / size
    levels = [sum(0.2 * 0.8 ** (t - u) * z[u] for u in range(t + 1)) for t in range(len(z))]
    last = max(0.0, *levels) - levels[-1] if way == "drop" else levels[-1]
    return last / np.sqrt(0.2 / 1.8)


@pytest.mark.parametrize("way", ["rise", "drop", "opposite"])
def test_the_score_is_that_of_the_formula(way):
    values = np.random.default_rng(0).normal(1.0, 1.0, 30).tolist()
    signal = Signal("x", "", lambda r: r.health.reward, 0.3, way)
    assert scores(signal, series("reward", values))[-1] == pytest.approx(slow(values, 0.3, way))


def test_noise_alone_gives_about_standard_normal_scores():
    rng = np.random.default_rng(1)
    signal = Signal("x", "", lambda r: r.health.reward, 0.0)
    last = [scores(signal, series("reward", rng.normal(size=60)))[-1] for _ in range(150)]
    assert abs(np.median(last)) < 0.4
    assert 0.8 < np.subtract(*np.quantile(last, [0.75, 0.25])) / 1.349 < 1.9  # the first 8 values are noisy as well


def test_the_first_eight_have_no_score():
    seen = scores(BY_NAME["dead"], series("group/dead", [0.1] * 10))
    assert np.isnan(seen[:8]).all()
    assert seen[8:] == [0.0, 0.0]


def test_a_step_without_the_figure_changes_nothing():
    dead = BY_NAME["dead"]
    reports = series("group/dead", np.linspace(0, 1, 12))
    holed = [*reports[:10], report(10, reward=1.0), *reports[10:]]
    assert scores(dead, holed)[-1] == scores(dead, reports)[-1]
    assert scores(dead, holed)[10] == scores(dead, holed)[9]


def test_trifles_do_not_count_however_exact_they_are():
    assert scores(BY_NAME["dead"], series("group/dead", [0.0] * 8 + [1e-3] * 100))[-1] < 0.1


RISING = {
    "dead": ("group/dead", 1),
    "flat": ("group/spread", -1),
    "missing": ("group/missing", 1),
    "longer": ("completions/mean_length", 1),
    "shorter": ("completions/mean_length", -1),
    "clipped": ("completions/clipped_ratio", 1),
    "kl": ("group/kl", 1),
    "truth": ("harm/truth", -1),
    "weaker": ("harm/correlation", -1),
    "harmful": ("harm/harmful", 1),
    "push": ("harm/push", 1),
}


@pytest.mark.parametrize("name", RISING)
def test_a_signal_sees_its_own_figure_go_its_own_way(name):
    figure, sign = RISING[name]
    values = np.concatenate([np.full(8, 0.5), np.linspace(0.5, 0.9, 20)])
    worse, better = (values, 1 - values) if sign > 0 else (1 - values, values)
    assert scores(BY_NAME[name], series(figure, worse))[-1] > 3
    assert scores(BY_NAME[name], series(figure, better))[-1] <= 0
    others = [one for one in SIGNALS if one.name not in (name, "opposed")]
    assert not any(scores(one, series(figure, worse))[-1] > 0 for one in others)


def test_opposed_is_a_correlation_below_nothing():
    reports = [series("harm/correlation", [level] * 20) for level in (0.5, 0.0, -0.5)]
    high, none, low = (scores(BY_NAME["opposed"], one)[-1] for one in reports)
    assert high < 0 == none < low


def both(reward, truth):
    figures = zip(reward, truth, strict=True)
    rest = {"harm/reward_spread": 1.0, "harm/truth_spread": 1.0}
    return [report_of(t, {"harm/reward": r, "harm/truth": g} | rest) for t, (r, g) in enumerate(figures)]


def test_the_trend_needs_the_one_to_rise_and_the_other_to_fall():
    at, noise = np.arange(10.0), np.random.default_rng(0).normal(0, 0.1, (2, 10))
    signal = BY_NAME["trend"]
    assert scores(signal, both(at + noise[0], -at + noise[1]))[-1] > 5
    assert scores(signal, both(at + noise[0], at + noise[1]))[-1] == 0.0
    assert scores(signal, both(-at, -at))[-1] == 0.0
    assert np.isnan(scores(signal, both(at, -at))[8])


def test_the_trend_is_over_the_last_ten_probes():
    at = np.arange(10.0)
    long = both([*(9 - at), *at], [*at, *-at])
    assert scores(BY_NAME["trend"], long)[-1] == pytest.approx(scores(BY_NAME["trend"], both(at, -at))[-1])


def test_the_trend_of_exact_values_is_measured_in_spreads():
    at = np.arange(10.0)
    assert scores(BY_NAME["trend"], both(at, -at / 90))[-1] == pytest.approx((9 / 90) / 0.1)


def test_names_are_each_there_once_and_free_signals_need_no_truth():
    assert len(BY_NAME) == len(SIGNALS)
    free = report(0, reward=1.0, group__dead=0.5, group__spread=1.0, completions__mean_length=3.0)
    for signal in SIGNALS:
        assert not signal.labelled or np.isnan(signal.value(free))
