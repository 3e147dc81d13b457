"""Which scores are errors: where a proxy differs from what the truth would say on the proxy's own scale."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from culpa.dynamics.problem import Problem, spread_within
from culpa.errors import InputError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Scale = Literal["same", "matched", "auto"]

TOLERANCE = 0.25  # of the proxy's standard deviation within prompts


def right_scores(case: Problem, reward: Array, scale: Scale) -> Array:
    """What the proxy would say if it were right, (s, p).

    same:     right = G, where proxy and truth are on one scale (verifiers, partial credit, flipped labels)
    matched:  right = m_R(x) + (sd_R / sd_G) (G - m_G(x)), an offset per prompt and one positive scale for all
              (means and pooled standard deviations within prompts, under the policy's mass)
    auto:     whichever `scale_of` says

    Never a regression: a least-squares fit would flatten a weak proxy, and turn the truth round for an opposed one.
    A proxy that is constant within every prompt has no scale of its own: the right scores are then its constants.
    """
    if scale == "auto":
        scale = scale_of(case, reward)
    if scale == "same":
        return case.truth
    if scale != "matched":
        raise InputError(f"no scale is called {scale!r}.", remedy="Known: same, matched, auto.")
    low_r, mean_r, sd_r = _moments(case, reward)
    low_g, mean_g, sd_g = _moments(case, case.truth)
    gain = sd_r / sd_g if sd_g > 0 else 0.0
    right: Array = low_r + (mean_r + gain * ((case.truth - low_g) - mean_g))
    return right


def scale_of(case: Problem, reward: Array) -> Literal["same", "matched"]:
    """The scale of a proxy: the truth's own where it says nothing that the truth never says, as verifiers do.

    A reward model that happens to lie between 0 and 1 has a scale of its own.
    """
    said = np.isin(reward[case.present], case.truth[case.present])
    return "same" if said.all() else "matched"


def errors(case: Problem, reward: Array, right: Array, *, tolerance: float = TOLERANCE) -> Mask:
    """Outputs (s, p) whose score is off by more than a share of the proxy's standard deviation within prompts."""
    *_, sd = _moments(case, reward)
    return case.present & (np.abs(reward - right) > tolerance * sd)


def _moments(case: Problem, values: Array) -> tuple[Array, Array, float]:
    """Of each prompt the lowest value and the mean above it, (p,); the standard deviation within prompts, pooled."""
    low = np.where(case.present, values, np.inf).min(axis=0)
    mass, above = np.exp(case.start), np.where(case.present, values - low, 0.0)
    return low, (mass * above).sum(axis=0), float(spread_within(case, values))
