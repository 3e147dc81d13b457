"""What may give a run away: one row per signal, and how a signal becomes a score that can be held against a limit.

A signal is smoothed, and compared with how it began:

    z = (x - m) / sqrt(s^2 + d^2)          m, s: mean and standard deviation (n - 1) of the first 8 values
    e = (1 - 0.2) e + 0.2 z                e = 0 after the first 8, which have no score
    score = e / sqrt(0.2 / (2 - 0.2))      about standard normal while nothing but noise changes

d is the least change that counts, so that large batches without noise raise no alarm over trifles.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

import numpy as np

from culpa.training.watch.probe import Probe, slope_of
from culpa.training.watch.report import StepReport

WARM_UP, SMOOTHING, WINDOW = 8, 0.2, 10
_UNIT = (SMOOTHING / (2.0 - SMOOTHING)) ** 0.5
Way = Literal["rise", "drop", "opposite", "trend"]


class Signal(NamedTuple):
    """One figure of a step that is watched."""

    name: str
    meaning: str
    value: Callable[[StepReport], float]  # what is shown, and watched: it alarms where this rises
    least: float  # d, in the unit of the value
    way: Way = "rise"  # above its first values; drop: below its own peak; opposite: above 0; trend: over the window
    labelled: bool = False  # whether it needs a truth


class Score(Protocol):
    """A signal's state along one run."""

    def update(self, report: StepReport) -> float:
        """The score after one more step; NaN while there is none."""
        ...


def score_of(signal: Signal) -> Score:
    """A fresh state for a run.

    >>> score_of(SIGNALS[0]).__class__.__name__
    'Smoothed'
    """
    return Trended(signal) if signal.way == "trend" else Smoothed(signal)


class Smoothed:
    """The score of the formula above; for a drop, what the smoothed value lies below its own peak.

    `opposite` has m = 0: the value itself may not be above 0 for long.
    """

    def __init__(self, signal: Signal) -> None:
        self._signal = signal
        self._first: list[float] = []
        self._level, self._peak, self._score = 0.0, 0.0, np.nan

    def update(self, report: StepReport) -> float:
        """The score after one more step."""
        value = self._signal.value(report)
        if not np.isfinite(value):
            return self._score
        if len(self._first) < WARM_UP:
            self._first.append(value)
            if len(self._first) == WARM_UP:
                self._middle = 0.0 if self._signal.way == "opposite" else float(np.mean(self._first))
                self._size = float(np.hypot(np.std(self._first, ddof=1), self._signal.least))
            return self._score
        self._level += SMOOTHING * ((value - self._middle) / self._size - self._level)
        self._peak = max(self._peak, self._level)
        self._score = (self._peak - self._level if self._signal.way == "drop" else self._level) / _UNIT
        return self._score


class Trended:
    """Proxy up while the truth goes down, over the last 10 probes: min(t of the proxy, - t of the truth), at least 0.

    t = b L / sqrt((error of b x L)^2 + (d x spread)^2), b a least-squares slope, L the steps from first to last
    """

    def __init__(self, signal: Signal) -> None:
        self._least = signal.least
        self._seen: list[tuple[int, Probe]] = []
        self._score = np.nan

    def update(self, report: StepReport) -> float:
        """The score after one more step."""
        if report.probe is None:
            return self._score
        self._seen = [*self._seen, (report.step, report.probe)][-WINDOW:]
        if len(self._seen) == WINDOW:
            up = self._clear([p.reward for _, p in self._seen], [p.reward_spread for _, p in self._seen])
            down = -self._clear([p.truth for _, p in self._seen], [p.truth_spread for _, p in self._seen])
            self._score = max(0.0, min(up, down))
        return self._score

    def _clear(self, values: list[float], spreads: list[float]) -> float:
        at = np.array([step for step, _ in self._seen], dtype=np.float64)
        slope, error, freedom = slope_of(at, np.array(values))
        if not freedom:
            return 0.0
        span, least = at[-1] - at[0], self._least * float(np.mean(spreads))
        noise = float(np.hypot(error * span, least))
        return float(slope * span / noise) if noise > 0 else 0.0


def _of_probe(value: Callable[[Probe], float]) -> Callable[[StepReport], float]:
    return lambda report: np.nan if report.probe is None else value(report.probe)


def _log(value: float) -> float:
    return float(np.log(value)) if value > 0 else np.nan


SIGNALS = (
    Signal("dead", "share of groups without a gradient rises", lambda r: r.health.dead, 0.05),
    Signal("flat", "the rewards' spread within groups falls", lambda r: -_log(r.health.spread), 0.1),
    Signal("missing", "share of outputs without a verdict rises", lambda r: r.health.missing, 0.02),
    Signal("longer", "outputs become longer", lambda r: _log(r.health.length), 0.05),
    Signal("shorter", "outputs become shorter", lambda r: -_log(r.health.length), 0.05),
    Signal("clipped", "share of outputs that are cut off rises", lambda r: r.health.clipped, 0.05),
    Signal("kl", "the policy leaves the reference", lambda r: r.health.kl, 0.1),
    Signal("truth", "the truth falls below its best so far", _of_probe(lambda p: p.truth), 0.05, "drop", True),
    Signal("trend", "the proxy rises while the truth falls", _of_probe(lambda p: p.truth), 0.1, "trend", True),
    Signal("weaker", "proxy and truth go together less", _of_probe(lambda p: -p.correlation), 0.1, "rise", True),
    Signal("opposed", "proxy and truth are opposed", _of_probe(lambda p: -p.correlation), 0.1, "opposite", True),
    Signal("harmful", "more outputs attract and should not", _of_probe(lambda p: p.harmful), 0.05, "rise", True),
    Signal("push", "more of the push goes to those", _of_probe(lambda p: p.push), 0.05, "rise", True),
)
