"""SSL: Sweet Spot Learning for Differentiated Guidance in Agentic Optimization (2601.22491): closeness in tiers.

Claim: a success that is rare gives groups in which nothing differs; closeness to success, in a few tiers below it,
gives every group a gradient, and one that points the right way. Close to the goal tiers vanish, where closeness as it
is would leave nothing but noise for a group's standard deviation to blow up.

Controlled experiment: a pointer that lands at N(d, 1), a target of half width .25 at 0; closeness is a Gaussian of the
distance, measured with noise. Groups of 8, GRPO. Signal to noise is the mean over the standard deviation, over groups,
of the gradient by d, at d = 1, 2 and 3. The control deals the same tiers out to other outputs of the group.

Departures: 1. no language model: screens, plans and puzzles are not reproduced. 2. the paper's alpha and widths are not
known: .5, and a closeness of standard deviation 1.5. 3. more tiers are better still in this model of noise: that four
are best is not claimed. 4. closeness is partial credit, whose harm is shown in `layered_gates` and `partial_credit`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from culpa.papers.outcome import Check, Outcome, Size
from culpa.signals import Group, Transform, apply, center, chain, divide_std, stateless
from culpa.signals.several import weighted_sum
from culpa.signals.tiers import gaussian_closeness, outcome_plus

SYSTEM = 12
Array = npt.NDArray[np.float64]

HALF, WIDTH, NOISE, ALPHA, GROUP = 0.25, 1.5, 0.08, 0.5, 8
DISTANCES = (1.0, 2.0, 3.0)
NEAR = 0.05  # standard deviation of the pointer at the target
GROUPS = {"full": 40_000, "quick": 10_000}
BLOCKS = 20  # of groups, for the interval

# Thresholds, set before the first run: half of what was measured elsewhere. Signal to noise 2.51, 3.55 and 2.36 against
# 1.11, .47 and .14; groups without a gradient .36, .81 and .98 against .06; energy .006 against .87
RATIO, ALIVE, CALM = (1.6, 4.3, 8.9), (0.15, 0.37, 0.46), 0.43


def rewards(rng: Generator) -> dict[str, Transform]:
    """What becomes of outcome and closeness, (2, p, s), in each run."""

    def deal(signal: Array, _group: Group) -> Array:
        return np.stack([signal[0], rng.permuted(signal[1], axis=-1)])

    return {
        "binary": weighted_sum(1.0, 0.0),
        "tiers": outcome_plus(ALPHA),
        "dealt out": chain(stateless(deal), outcome_plus(ALPHA)),
        "continuous": outcome_plus(ALPHA, k=None),
    }


def experiment(rng: Generator, size: Size = "full") -> Outcome:
    """Signal to noise and dead groups by distance and reward; advantages at the target; the order of rewards."""
    rows: list[dict[str, Any]] = []
    for distance in DISTANCES:
        away = rng.normal(size=(GROUPS[size], GROUP))
        told = measured(distance + away, rng)
        rows += [{"distance": distance, "name": name, **of(way, told, away)} for name, way in rewards(rng).items()]
    close = measured(NEAR * rng.normal(size=(GROUPS[size], GROUP)), rng)
    energy = {
        name: float(np.square(apply(chain(way, *_grpo()), close)).mean())
        for name, way in rewards(rng).items()
        if name in ("tiers", "continuous")
    }
    return Outcome(0, {"runs": rows, "energy": energy, "gap": order(outcome_plus(ALPHA))})


def measured(place: Array, rng: Generator) -> Array:
    """Outcome and noisy closeness of where the pointer lands, (2, p, s)."""
    points = np.stack([place, np.zeros_like(place)], axis=-1)
    close = gaussian_closeness(points, [-WIDTH, -1.0, WIDTH, 1.0])
    return np.stack([(np.abs(place) < HALF).astype(np.float64), close + NOISE * rng.normal(size=place.shape)])


def of(way: Transform, told: Array, away: Array) -> dict[str, Any]:
    """Signal to noise of the step towards the target, of a group, in blocks; the share of groups without a gradient."""
    value = apply(chain(way, *_grpo()), told)
    step = -(value * away).mean(axis=1)
    blocks = step.reshape(BLOCKS, -1)
    return {
        "snr": (blocks.mean(axis=1) / blocks.std(axis=1)).tolist(),
        "dead": float((value == 0.0).all(axis=1).mean()),
    }


def _grpo() -> tuple[Transform, Transform]:
    return center(), divide_std(ddof=1, eps=1e-6)


def order(way: Transform) -> float:
    """The least reward of a success minus the largest of a failure, over closenesses beyond both ends."""
    close = np.linspace(-0.5, 1.5, 401)
    wrong, right = (apply(way, np.stack([np.full_like(close, hit), close])[:, None]) for hit in (0.0, 1.0))
    return float(right.min() - wrong.max())


def holds(outcome: Outcome) -> list[Check]:
    """The claims, each beside the reward that must not show it."""
    data = outcome.data
    runs = {(row["distance"], row["name"]): row for row in data["runs"]}
    checks = []
    for distance, ratio, alive in zip(DISTANCES, RATIO, ALIVE, strict=True):
        binary, tiers, dealt = (runs[distance, name] for name in ("binary", "tiers", "dealt out"))
        plain, better, worse = (float(np.mean(row["snr"])) for row in (binary, tiers, dealt))
        text = f"signal to noise {_text(tiers)} v {_text(binary)}"
        checks.append(Check(f"{distance:.0f} away: tiers point better than success", text, better > ratio * plain))
        text = f"{tiers['dead']:.3f} of groups v {binary['dead']:.3f}"
        checks.append(Check("and leave fewer groups dead", text, binary["dead"] - tiers["dead"] > alive))
        text = f"signal to noise {_text(dealt)}"
        checks.append(Check("control: dealt out to other outputs they do not", text, worse < plain, control=True))
    energy, gap = data["energy"], data["gap"]
    return [
        *checks,
        Check("at the target tiers fall silent", f"energy {energy['tiers']:.4f}", energy["tiers"] < CALM),
        Check(
            "control: closeness as it is does not",
            f"energy {energy['continuous']:.3f}",
            energy["continuous"] > CALM,
            control=True,
        ),
        Check("every success is above every failure", f"by {gap:.2f} at least", gap > 0.0),
    ]


def _text(row: dict[str, Any]) -> str:
    snr = np.array(row["snr"])
    return f"{snr.mean():.2f} +- {1.96 * snr.std(ddof=1) / np.sqrt(snr.size):.2f}"
