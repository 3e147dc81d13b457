"""Steps and reports for the tests of the watch."""

import numpy as np

from culpa.training.watch.batch import Batch
from culpa.training.watch.report import report_of


def batch(rng, prompts=5, samples=6, step=0, coarse=False, **more):
    """Random scores and truths, with missing ones, unknown ones and padding."""
    shape = (prompts, samples)
    present = np.arange(samples) < rng.integers(1, samples + 1, (prompts, 1))
    draw = (lambda: rng.integers(0, 3, shape) / 10) if coarse else (lambda: rng.normal(size=shape))
    reward, truth = (np.where(present & (rng.random(shape) > 0.2), draw(), np.nan) for _ in range(2))
    return Batch(step, reward, present, truth, **more)


def report(step, **figures):
    """A report of these figures: names with two underscores for the slash."""
    return report_of(step, {name.replace("__", "/"): value for name, value in figures.items()})


def series(name, values):
    """A report for each value of one figure."""
    return [report_of(step, {name: float(value)}) for step, value in enumerate(values)]
