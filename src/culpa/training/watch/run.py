"""One run under watch: reports come in step by step, alarms and lines go out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from culpa.errors import InputError
from culpa.training.watch.alarm import Alarm, Thresholds, Watcher
from culpa.training.watch.batch import TOKENS, Batch, group_starts, grouped
from culpa.training.watch.defaults import default_thresholds
from culpa.training.watch.report import StepReport, step_report
from culpa.training.watch.sinks import Sink

Number = float | None


class Run:
    """Reports to alarms to sinks.

    thresholds: those of `default_thresholds` if not given. history: reports of the same run from before, of a log that
    is continued: they are seen, not written.

    >>> from culpa.training.watch.report import report_of
    >>> run = Run()
    >>> run.take(report_of(0, {"reward": 0.5}))
    []
    """

    def __init__(
        self, sinks: Sequence[Sink] = (), thresholds: Thresholds | None = None, history: Iterable[StepReport] = ()
    ) -> None:
        self.sinks = tuple(sinks)
        self.alarms: list[Alarm] = []
        self.reports = 0
        self.thresholds = thresholds or default_thresholds()
        self._watcher = Watcher(self.thresholds)
        for report in history:
            self._watcher.update(report)

    def take(self, report: StepReport) -> list[Alarm]:
        """See a step; the alarms that it raises."""
        raised = self._watcher.update(report)
        self.alarms += raised
        self.reports += 1
        for sink in self.sinks:
            sink.write(report, raised)
        return raised

    def close(self) -> None:
        """Close the sinks."""
        for sink in self.sinks:
            sink.close()


@dataclass
class Column:
    """What one reward function said of the outputs of a step, one entry each."""

    reward: list[Number] = field(default_factory=list)
    truth: list[Number] = field(default_factory=list)
    prompts: list[object] = field(default_factory=list)
    length: list[Number] = field(default_factory=list)
    counted: str = TOKENS

    def extend(self, other: "Column") -> None:
        """Further outputs of the same step."""
        self.reward += other.reward
        self.truth += other.truth
        self.prompts += other.prompts
        self.length += other.length
        self.counted = other.counted


class Collector:
    """Puts together what reward functions are asked while a trainer trains, and hands whole steps to a run.

    reward = sum of weight x score over the functions, of those that gave a verdict; NaN where none did, as in TRL.
    A step is whole when every function has been asked about as many outputs. With a callback `deferred` is true: the
    step is then held until the callback says that it is over, so that the trainer's own figures join it.
    """

    def __init__(self, run: Run, group: int | None = None) -> None:
        self.run, self.group = run, group
        self.deferred, self.paused = False, False
        self.weights: list[float] = []
        self.more: dict[str, float] = {}
        self._step: int | None = None
        self._columns: dict[int, Column] = {}

    def join(self, weight: float) -> int:
        """A further reward function; its place."""
        self.weights.append(weight)
        return len(self.weights) - 1

    def add(self, place: int, step: int, column: Column) -> None:
        """What a function said. While `paused` the trainer evaluates, and nobody asks to be kept."""
        if self._step is not None and step != self._step:
            self.flush()
        self._step = step
        self._columns.setdefault(place, Column()).extend(column)
        sizes = {len(known.reward) for known in self._columns.values()}
        if not self.deferred and len(self._columns) == len(self.weights) and len(sizes) == 1:
            self.flush()

    def flush(self) -> list[Alarm]:
        """The step that is held goes to the run, if there is one."""
        if self._step is None or not self._columns:
            self.more = {}
            return []
        report = step_report(self._batch(self._step), self.more)
        clipped = self.more.get("completions/clipped_ratio")
        if clipped is not None:
            report = replace(report, health=report.health._replace(clipped=clipped))
        self._step, self._columns, self.more = None, {}, {}
        return self.run.take(report)

    def _batch(self, step: int) -> Batch:
        columns = [self._columns[place] for place in sorted(self._columns)]
        first = columns[0]
        if len({len(column.reward) for column in columns}) > 1:
            problem = "the reward functions were not asked about the same outputs."
            raise InputError(problem, remedy="Watch functions of one trainer with one run.")
        starts = group_starts(first.prompts, self.group)
        weights = [self.weights[place] for place in sorted(self._columns)]
        rows = zip(*(column.reward for column in columns), strict=True)
        reward = [_weighted(row, weights) for row in rows]
        judged = next((column.truth for column in columns if any(one is not None for one in column.truth)), None)
        cells = grouped(reward, starts)
        present = grouped([1.0] * len(reward), starts) == 1.0
        truth = None if judged is None else grouped(judged, starts)
        return Batch(step, cells, present, truth, grouped(first.length, starts), first.counted)


def _weighted(scores: Sequence[Number], weights: Sequence[float]) -> Number:
    """NaN is no verdict as well as None."""
    pairs = zip(weights, scores, strict=True)
    known = [weight * score for weight, score in pairs if score is not None and not np.isnan(score)]
    return sum(known) if known else None
