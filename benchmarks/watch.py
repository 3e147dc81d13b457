"""Which signals of a watch warn before the truth falls, and which only say so afterwards: on simulated runs.

Healthy and hacked runs are those of `culpa.training.watch.simulated`, sorted by what became of the exact truth, not by
their reward: a healthy run never falls, a fallen one loses .15 of the truth's spread within prompts. Prompts a step and
outputs a prompt vary (8 to 64, 4 to 16).

python benchmarks/watch.py              the tables
python benchmarks/watch.py defaults     the constants of culpa/training/watch/defaults.py
"""

import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.training.watch.alarm import Thresholds, Watcher, limits_of, maxima
from culpa.training.watch.report import StepReport
from culpa.training.watch.signals import SIGNALS
from culpa.training.watch.simulated import FALLEN, HACKED, HONEST, KEPT, STEPS, simulated

Array = npt.NDArray[np.float64]
CALIBRATION, FRESH = 1, 2  # seeds
SIZES = ((8, 8), (16, 4), (16, 16), (32, 8), (64, 8))  # prompts, outputs of each
EACH = 20  # runs of a kind and a size
RATES = (0.02, 0.05, 0.1, 0.2)
FREE = tuple(signal.name for signal in SIGNALS if not signal.labelled)


class Run(NamedTuple):
    kind: str
    reports: list[StepReport]
    peak: int
    fallen: int | None  # the step at which the truth is that far below its best


def runs(kinds: tuple[str, ...], seed: int, each: int = EACH, steps: int = STEPS) -> Iterator[Run]:
    for place, kind in enumerate(kinds):
        for prompts, group in SIZES:
            rng = np.random.default_rng([seed, len(kinds), place, prompts, group])
            seen = simulated(kind, rng, runs=each, prompts=prompts, group=group, steps=steps)
            best = np.maximum.accumulate(seen.value, axis=1)
            for reports, low, fall, peak in zip(seen.reports, best - seen.value, seen.fall, seen.peak, strict=True):
                if KEPT < fall < FALLEN:
                    continue
                yield Run(kind, reports, int(peak), int((low >= FALLEN).argmax()) if fall >= FALLEN else None)


def healthy(seed: int, **size: int) -> list[Run]:
    return [run for run in runs(HONEST, seed, **size) if run.fallen is None]


def hacked(seed: int, **size: int) -> list[Run]:
    return [run for run in runs(HACKED, seed, **size) if run.fallen is not None]


def calibrated(known: list[Run], rate: float) -> Thresholds:
    return limits_of(np.stack([maxima(run.reports) for run in known]), STEPS, rate)


def first_alarms(run: Run, thresholds: Thresholds) -> dict[str, int]:
    """The step of each signal's first alarm."""
    watcher, found = Watcher(thresholds), {}
    for report in run.reports:
        for alarm in watcher.update(report):
            found.setdefault(alarm.signal, alarm.step)
    return found


def table(thresholds: Thresholds, good: list[Run], bad: list[Run]) -> None:
    alarms = [first_alarms(run, thresholds) for run in bad], [first_alarms(run, thresholds) for run in good]
    print(
        "| signal | limit | false alarms | fallen runs it told | before the peak | before the fall | lead to the fall |"
    )
    print("| --- " * 7 + "|")
    named = [(name, (name,)) for name in thresholds.limits]
    for label, names in [*named, ("any without a truth", FREE), ("any", tuple(thresholds.limits))]:
        false = np.mean([any(name in one for name in names) for one in alarms[1]])
        first = [min((one[name] for name in names if name in one), default=None) for one in alarms[0]]
        told = [(at, run) for at, run in zip(first, bad, strict=True) if at is not None]
        peak, fall = (
            sum(at < limit(run) for at, run in told) / len(bad) for limit in (lambda r: r.peak, lambda r: r.fallen)
        )
        lead = np.median([run.fallen - at for at, run in told]) if told else np.nan
        limit = f"{thresholds.limits[label]:.2f}" if label in thresholds.limits else ""
        print(
            f"| {label} | {limit} | {false:.3f} | {len(told) / len(bad):.2f} | {peak:.2f} | {fall:.2f} | {lead:+.0f} |"
        )


def main() -> None:
    known = healthy(CALIBRATION)
    if sys.argv[1:] == ["defaults"]:
        for rate in RATES:
            print(rate, calibrated(known, rate))
        return
    thresholds = calibrated(known, 0.05)
    good, bad = healthy(FRESH), hacked(FRESH)
    print(f"Limits from {thresholds.runs} healthy runs; {len(good)} fresh healthy runs, {len(bad)} fallen ones\n")
    table(thresholds, good, bad)


if __name__ == "__main__":
    main()
