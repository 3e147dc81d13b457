"""What to measure next where the data cannot tell: outputs, prompts, or one short run that separates the worlds."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from culpa.advice.checks import Checks
from culpa.advice.credit import CREDITS
from culpa.advice.decide import SURE, Decision
from culpa.advice.forecast import Forecast
from culpa.dynamics.simulate import recorded_steps

Array = npt.NDArray[np.float64]

ENOUGH = 10  # successes from which a rate is known well enough
_CLEAR, _ABOUT = 0.1, 0.01  # of success, between two worlds at one step: told apart, about the same


def measure_next(
    decision: Decision, forecasts: Sequence[Forecast], checks: Checks, regime: dict[str, Any]
) -> tuple[str, ...]:
    """Sentences, the cheapest measurement first; none where something is recommended."""
    if decision.kind == "use":
        return ()
    found = [*_outputs(checks, regime)]
    if decision.kind == "no difference":
        return (*found, *_earlier(forecasts))
    return (*found, *_worlds(decision, forecasts), *_prompts(decision, len(checks.prompts)))


def _outputs(checks: Checks, regime: dict[str, Any]) -> list[str]:
    if not checks.sampled:
        return []
    seen = float((checks.mass[:, -1] * checks.outputs).sum())
    if seen >= ENOUGH:
        return []
    if not seen:
        total = int(checks.outputs.sum())
        return [
            f"no output passes all checks: draw more than the {total:,} there are, from prompts where most pass some"
        ]
    more = ceil((ENOUGH - seen) / regime["p"])
    return [f"only {seen:.0f} outputs pass all checks: about {more:,} outputs more would show {ENOUGH}"]


def _earlier(forecasts: Sequence[Forecast]) -> list[str]:
    """Where credits that end alike were furthest apart on the way."""
    found = []
    for one in forecasts:
        last = min(course.step[-1, 0] for course in one.courses)
        steps = np.array([0, *recorded_steps(max(1, int(last)))])
        ways = np.stack([np.interp(steps, way.step[:, 0], way.success[:, 0]) for way in one.courses])
        at = int(np.ptp(ways, axis=0).argmax())
        best, least = int(ways[:, at].argmax()), int(ways[:, at].argmin())
        if ways[best, at] - ways[least, at] >= _CLEAR:
            found.append(
                f"the same at this horizon, not before ({one.model}): at step {steps[at]:,} success is "
                f"{ways[best, at]:.2f} with {CREDITS[best]} and {ways[least, at]:.2f} with {CREDITS[least]} credit"
            )
    return found


def _worlds(decision: Decision, forecasts: Sequence[Forecast]) -> list[str]:
    """The credit and the step at which two worlds differ most: a short run of it says which of them holds."""
    if decision.credit is not None or len(forecasts) < 2:
        return []
    one, other = forecasts[:2]
    gaps = [separation(one, other, number) for number in range(len(CREDITS))]
    best = int(np.argmax([abs(gap[1] - gap[2]) for gap in gaps]))
    step, first, second = gaps[best]
    if abs(first - second) < _CLEAR:
        return []
    return [
        f"train {CREDITS[best]} credit for {step:,.0f} steps of this size: success is {first:.2f} if {one.model} "
        f"holds, {second:.2f} if {other.model} does"
    ]


def separation(one: Forecast, other: Forecast, credit: int) -> tuple[float, float, float]:
    """The step at which two worlds differ most in the success of a credit, and what each of them says."""
    courses = one.courses[credit], other.courses[credit]
    last = min(course.step[-1, 0] for course in courses)
    steps = np.unique(np.concatenate([course.step[:, 0] for course in courses]))
    steps = steps[steps <= last]
    first, second = (np.interp(steps, course.step[:, 0], course.success[:, 0]) for course in courses)
    widest = np.abs(first - second)
    at = int((widest >= max(widest.max() - _ABOUT, 0.0)).argmax())  # the first that is about as wide
    return float(steps[at]), float(first[at]), float(second[at])


def _prompts(decision: Decision, prompts: int) -> list[str]:
    if decision.confidence is None or decision.confidence >= SURE:
        return []
    return [f"more prompts than these {prompts:,}: draws of them do not agree"]
