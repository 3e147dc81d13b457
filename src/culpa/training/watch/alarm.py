"""Alarms with a stated false-alarm rate: limits from runs that were healthy, held against every step of a new one.

A run's maximum of a signal's score is one number, so the rate is one per run, not per step. Of n healthy runs the limit
is the j-th smallest maximum: a further run like them goes beyond it with probability (n + 1 - j) / (n + 1) at most,
whatever the distribution (split conformal prediction; Vovk et al., 2005). With n runs nothing below 1 / (n + 1) can be
promised. j is the same for all signals: the smallest for which no more than the asked share of the runs raises any
alarm when its limits are those of the other n - 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from culpa.errors import InputError
from culpa.metrics.arrays import Mask
from culpa.training.watch.batch import Array
from culpa.training.watch.report import StepReport
from culpa.training.watch.signals import SIGNALS, score_of

STILL = 3.0  # the least limit of a signal that did not move in any healthy run: those tell nothing of its noise


@dataclass(frozen=True)
class Thresholds:
    """A limit for each signal's score, and how often a healthy run of that length goes beyond one."""

    limits: Mapping[str, float]  # of the signals that were seen in healthy runs; the others raise no alarm
    runs: int  # healthy runs they come from
    steps: int  # of the longest of them; the rates are for runs no longer
    each: float  # share of healthy runs in which a given signal alarms, at most
    any: float  # share in which at least one does, by leaving each run out in turn


@dataclass(frozen=True)
class Alarm:
    """A signal that has gone beyond its limit at a step."""

    step: int
    signal: str
    meaning: str
    value: float
    score: float
    limit: float

    def __str__(self) -> str:
        """One line.

        >>> print(Alarm(7, "dead", "share of groups without a gradient rises", 0.5, 6.0, 4.0))
        step 7: dead: share of groups without a gradient rises (0.5; score 6.0, limit 4.0)
        """
        return (
            f"step {self.step}: {self.signal}: {self.meaning} "
            f"({abs(self.value):.3g}; score {self.score:.1f}, limit {self.limit:.1f})"
        )


class Watcher:
    """Follows one run, report by report. A signal alarms when it goes beyond its limit, and again if it has been back.

    >>> Watcher(Thresholds({}, 1, 1, 0.5, 0.5)).scores
    {}
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self.thresholds = thresholds
        self.scores: dict[str, float] = {}  # after the last report, of the signals that have one
        self._states = {signal.name: score_of(signal) for signal in SIGNALS}
        self._beyond: set[str] = set()

    def update(self, report: StepReport) -> list[Alarm]:
        """The alarms that this step raises."""
        raised = []
        for signal in SIGNALS:
            score, limit = self._states[signal.name].update(report), self.thresholds.limits.get(signal.name, np.inf)
            if np.isnan(score):
                continue
            self.scores[signal.name] = score
            if score > limit and signal.name not in self._beyond:
                value = signal.value(report)
                raised.append(Alarm(report.step, signal.name, signal.meaning, value, score, limit))
            (self._beyond.add if score > limit else self._beyond.discard)(signal.name)
        return raised


def calibrate(healthy: Sequence[Sequence[StepReport]], rate: float = 0.05) -> Thresholds:
    """Limits from the reports of healthy runs, such that about `rate` of such runs raise any alarm.

    With few runs less can be promised than asked: the limit is then the largest maximum, `each` is 1 / (n + 1), and
    `any` says what is to be expected of all signals together.

    >>> calibrate([[]] * 3).each
    0.25
    """
    if not 0.0 < rate < 1.0:
        raise InputError(f"the false-alarm rate must be between 0 and 1, got {rate}.", remedy="0.05 is usual.")
    if not healthy:
        raise InputError("there are no healthy runs to calibrate on.", remedy="Give one list of reports for each run.")
    return limits_of(np.stack([maxima(run) for run in healthy]), max(map(len, healthy)), rate)


def scores_of(run: Sequence[StepReport]) -> Array:
    """The score of each signal after each step of a run, (t, signals), in the order of `SIGNALS`; NaN where none.

    >>> scores_of([]).shape == (0, len(SIGNALS))
    True
    """
    watcher, rows = Watcher(Thresholds({}, 0, 0, 1.0, 1.0)), []
    for report in run:
        watcher.update(report)
        rows.append([watcher.scores.get(signal.name, np.nan) for signal in SIGNALS])
    return np.array(rows, dtype=np.float64).reshape(-1, len(SIGNALS))


def maxima(run: Sequence[StepReport]) -> Array:
    """The largest score of each signal along a run, (signals,); NaN where it has none.

    >>> bool(np.isnan(maxima([])).all())
    True
    """
    return np.asarray(np.fmax.reduce(scores_of(run), axis=0, initial=np.nan))


def limits_of(best: Array, steps: int, rate: float) -> Thresholds:
    """Limits from the maxima of n healthy runs, (n, signals). A signal that some run lacks has -inf there.

    >>> limits_of(np.arange(1.0, 100.0)[:, None], 50, rate=0.05).limits["dead"]
    96.0
    """
    runs = len(best)
    known: Mask = np.asarray(~np.isnan(best).all(axis=0))
    if not known.any():
        return Thresholds({}, runs, steps, 1 / (runs + 1), 0.0)
    scores = np.where(np.isnan(best), -np.inf, best)[:, known]
    order = np.sort(scores, axis=0)
    shares = [_left_out(scores, order, place) for place in range(runs)]
    place = next((at for at, share in enumerate(shares) if share <= rate), runs - 1)
    names = [signal.name for signal, seen in zip(SIGNALS, known, strict=False) if seen]
    still = (order[0] == order[-1]) & (runs > 1)
    limits = dict(zip(names, map(float, np.where(still, np.fmax(order[place], STILL), order[place])), strict=True))
    return Thresholds(limits, runs, steps, (runs - place) / (runs + 1), shares[place])


def _left_out(scores: Array, order: Array, place: int) -> float:
    """Share of runs beyond the limits of the others at the place before, of the n - 1.

    Those are the values at that place of all n, or the next above where the run itself stands at or below it: either
    way a run is beyond if it is above the value at the place before. For one signal this is (n - place) / n, where a
    further run has (n - place) / (n + 1).
    """
    if place == 0:
        return 1.0
    return float((scores > order[place - 1]).any(axis=1).mean())
