"""Which signals of a watch warn before the truth falls, and which only say so afterwards: on simulated runs.

Healthy and hacked runs are those of `culpa.training.watch.simulated`, sorted by what became of the exact truth, not by
their reward: a healthy run never falls, a fallen one loses .15 of the truth's spread within prompts. Prompts a step and
outputs a prompt vary (8 to 64, 4 to 16). "Before the peak": before the truth begins to fall.

python benchmarks/watch.py              the tables of docs/watch.md
python benchmarks/watch.py defaults     the constants of culpa/training/watch/defaults.py
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.training.watch.alarm import Thresholds, limits_of, scores_of
from culpa.training.watch.report import StepReport
from culpa.training.watch.signals import SIGNALS
from culpa.training.watch.simulated import FALLEN, HACKED, HONEST, KEPT, STEPS, simulated

Array = npt.NDArray[np.float64]
CALIBRATION, FRESH = 1, 2  # seeds
SIZES = ((8, 8), (16, 4), (16, 16), (32, 8), (64, 8))  # prompts, outputs of each
EACH = 20  # runs of a kind and a size
RATES = (0.02, 0.05, 0.1, 0.2)
NAMES = tuple(signal.name for signal in SIGNALS)
FREE = tuple(signal.name for signal in SIGNALS if not signal.labelled)
EVERY = 5  # probes of the last table


class Run(NamedTuple):
    kind: str
    prompts: int
    reports: list[StepReport]
    scores: Array  # (t, signals)
    peak: int
    fallen: int | None  # the step at which the truth is that far below its best


class Told(NamedTuple):
    """What a rule says of healthy and of fallen runs; shares, and steps from the alarm to the fall."""

    false: float
    told: float
    peak: float
    fall: float
    lead: float


def runs(kinds: tuple[str, ...], seed: int, each: int = EACH, steps: int = STEPS, every: int = 1) -> Iterator[Run]:
    for place, kind in enumerate(kinds):
        for prompts, group in SIZES:
            rng = np.random.default_rng([seed, len(kinds), place, prompts, group])
            seen = simulated(kind, rng, runs=each, prompts=prompts, group=group, steps=steps)
            best = np.maximum.accumulate(seen.value, axis=1)
            for reports, low, fall, peak in zip(seen.reports, best - seen.value, seen.fall, seen.peak, strict=True):
                if KEPT < fall < FALLEN:
                    continue
                probed = [one if one.step % every == 0 else replace(one, probe=None) for one in reports]
                at = int((low >= FALLEN).argmax()) if fall >= FALLEN else None
                yield Run(kind, prompts, probed, scores_of(probed), int(peak), at)


def healthy(seed: int, **how: int) -> list[Run]:
    return [run for run in runs(HONEST, seed, **how) if run.fallen is None]


def hacked(seed: int, **how: int) -> list[Run]:
    return [run for run in runs(HACKED, seed, **how) if run.fallen is not None]


def calibrated(known: Sequence[Run], rate: float) -> Thresholds:
    best = np.stack([np.fmax.reduce(run.scores, axis=0) for run in known])
    return limits_of(best, max(len(run.scores) for run in known), rate)


def alone(known: Sequence[Run], name: str, rate: float = 0.05) -> dict[str, float]:
    """The limit of a signal that is the only one."""
    best = np.sort([np.fmax.reduce(run.scores[:, NAMES.index(name)]) for run in known])
    return {name: float(best[min(int(np.ceil((1 - rate) * (len(best) + 1))), len(best)) - 1])}


def first(run: Run, limits: dict[str, float]) -> int | None:
    """The step of the first alarm under these limits."""
    beyond = np.stack([run.scores[:, NAMES.index(name)] > limit for name, limit in limits.items()]).any(axis=0)
    return int(beyond.argmax()) if beyond.any() else None


def told(limits: dict[str, float], good: Sequence[Run], bad: Sequence[Run]) -> Told:
    found = [(at, run) for run in bad if (at := first(run, limits)) is not None]
    return Told(
        float(np.mean([first(run, limits) is not None for run in good])),
        len(found) / len(bad),
        sum(at < run.peak for at, run in found) / len(bad),
        sum(at < run.fallen for at, run in found) / len(bad),
        float(np.median([run.fallen - at for at, run in found])) if found else np.nan,
    )


def role(seen: Told) -> str:
    """warns: half of the fallen runs are told before the truth begins to fall; audits: half of them at all."""
    return "warns" if seen.peak >= 0.5 else "audits" if seen.told >= 0.5 else "silent"


def row(name: str, seen: Told, *more: str) -> None:
    figures = f"{seen.false:.3f} | {seen.told:.2f} | {seen.peak:.2f} | {seen.fall:.2f} | {seen.lead:+.0f}"
    print(" | ".join([f"| {name}", figures, *more]) + " |")


def head(name: str, *more: str) -> None:
    columns = [name, "false alarms", "told", "before the peak", "before the fall", "steps before the fall", *more]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")


def tables(known: Sequence[Run]) -> None:
    good, bad = healthy(FRESH), hacked(FRESH)
    print(f"{len(known)} healthy runs to calibrate on, {len(good)} fresh healthy runs, {len(bad)} fallen runs\n")
    print("One signal alone, its limit for 5% of healthy runs\n")
    head("signal", "role")
    for name in NAMES:
        seen = told(alone(known, name), good, bad)
        row(name, seen, role(seen))
    limits = dict(calibrated(known, 0.05).limits)
    print("\nAll signals together, limits for 5% of healthy runs\n")
    head("signals")
    for label, names in (("all", NAMES), ("those without a truth", FREE)):
        row(label, told({name: limits[name] for name in names}, good, bad))
    for kind in HACKED:
        row(f"all, on {kind}", told(limits, good, [run for run in bad if run.kind == kind]))
    print("\nThe same limits elsewhere\n")
    head("runs")
    row(
        f"judged at every {EVERY}th step", told(limits, healthy(3, each=5, every=EVERY), hacked(3, each=5, every=EVERY))
    )
    for count in sorted({prompts for prompts, _ in SIZES}):
        row(
            f"of {count} prompts a step",
            told(limits, *([run for run in part if run.prompts == count] for part in (good, bad))),
        )
    longer = 3 * STEPS
    row(f"of {longer} steps", told(limits, healthy(3, each=5, steps=longer), hacked(3, each=5, steps=longer)))


def constants(known: Sequence[Run]) -> None:
    good, bad = healthy(FRESH), hacked(FRESH)
    for rate in RATES:
        print(rate, calibrated(known, rate))
    print({name: role(told(alone(known, name), good, bad)) for name in NAMES})


if __name__ == "__main__":
    (constants if sys.argv[1:] == ["defaults"] else tables)(healthy(CALIBRATION))
