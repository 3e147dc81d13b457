"""Limits that need no healthy runs of one's own, and what each signal is good for: both measured on simulated runs.

Printed by `python benchmarks/watch.py defaults`: 363 runs of the honest kinds of `simulated` whose truth never fell, of
100 steps, with 8 to 64 prompts of 4 to 16 outputs a step, all of them judged. The rates hold for that mixture. Of
fresh healthy runs .049 raised an alarm at the limits for .05, but .130 of those with 8 prompts a step, .013 of those
with 32, and .212 of runs of 300 steps. `calibrate` on healthy runs of one's own is better.

Of 179 runs whose truth fell those limits told .99: .34 before it began to fall, .82 before it had fallen by .15 of its
spread within prompts, in the median 11 steps before. Without a truth .15 were told, none of them early. The first 8
probes give no score: with a probe at every fifth step only .13 were told before the fall.
"""

from collections.abc import Mapping
from typing import Literal

from culpa.errors import InputError
from culpa.training.watch.alarm import Thresholds
from culpa.training.watch.signals import SIGNALS

Role = Literal["warns", "audits", "silent"]

RUNS, STEPS = 363, 100
_MEASURED: Mapping[float, tuple[float, float, tuple[float, ...]]] = {  # rate: each, any, limits in the order of SIGNALS
    0.02: (0.0027, 0.028, (55.09, 54.60, 3.00, 17.63, 14.02, 30.59, 108.79, 2.82, 1.92, 12.37, 3.38, 7.32, 13.76)),
    0.05: (0.0055, 0.044, (54.69, 51.12, 3.00, 17.34, 13.80, 29.31, 97.58, 2.78, 1.38, 11.49, 1.87, 6.14, 13.38)),
    0.1: (0.0110, 0.083, (48.87, 44.72, 3.00, 16.78, 11.53, 28.66, 92.84, 2.60, 1.23, 10.13, -0.76, 5.83, 11.01)),
    0.2: (0.0275, 0.198, (43.44, 38.71, 3.00, 15.20, 9.46, 22.36, 87.58, 1.85, 0.93, 7.43, -1.48, 4.86, 8.27)),
}

# Alone, with a limit for 5% of healthy runs, of those whose truth fell: warns: it told at least half before the truth
# began to fall; audits: at least half, but not before; silent: fewer.
ROLES: Mapping[str, Role] = {
    "dead": "silent",
    "flat": "silent",
    "missing": "silent",
    "longer": "silent",
    "shorter": "silent",
    "clipped": "silent",
    "kl": "silent",
    "truth": "audits",
    "trend": "audits",
    "weaker": "audits",
    "opposed": "warns",
    "harmful": "audits",
    "push": "audits",
}


def default_thresholds(rate: float = 0.05) -> Thresholds:
    """The built-in limits for a share of healthy runs that may raise any alarm: 0.02, 0.05, 0.1 or 0.2.

    >>> default_thresholds().runs
    363
    """
    if rate not in _MEASURED:
        known = ", ".join(map(str, _MEASURED))
        problem = f"there are no built-in limits for a false-alarm rate of {rate}."
        raise InputError(problem, remedy=f"Known: {known}. For others, calibrate on healthy runs.")
    each, together, limits = _MEASURED[rate]
    named = {signal.name: limit for signal, limit in zip(SIGNALS, limits, strict=True)}
    return Thresholds(named, RUNS, STEPS, each, together)
