"""What a proxy adds to the truth, within prompts: the residual that defects are measured on.

With a = truth and b = proxy minus their means in each prompt, slope = sum w a b / sum w a a over all prompts, the
residual is e = (b / slope - a) / sd(a): in the truth's standard deviations within prompts.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.errors import InputError, shorten
from culpa.rollouts import Rollouts

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Judged(NamedTuple):
    """Prompts with two or more outputs that have a truth and a verdict, (p, s); 0 in all arrays where there is none."""

    weight: Array  # a row sums to 1
    truth: Array
    proxy: Array
    length: Array | None
    logprob: Array | None

    def drawn(self, rows: npt.NDArray[np.int64]) -> "Judged":
        """Some of the prompts, or some of them twice."""
        return Judged(*(None if one is None else one[rows] for one in self))  # type: ignore[arg-type]


class Scored(NamedTuple):
    """The same with what follows from it, (p, s)."""

    weight: Array
    truth: Array
    proxy: Array
    ahead: Array  # truth minus the prompt's mean, in its standard deviations within prompts
    residual: Array  # e
    slope: float  # of the proxy on the truth
    unit: float  # the truth's standard deviation within prompts
    length: Array | None
    logprob: Array | None

    @property
    def own(self) -> Mask:
        """The outputs, without padding."""
        return self.weight > 0

    @property
    def graded(self) -> bool:
        """Whether the truth has more than two values."""
        return len(np.unique(self.truth[self.own])) > 2

    @property
    def effective(self) -> Array:
        """Outputs of each prompt, as many as unequal weights are worth, (p,)."""
        return np.asarray(1.0 / np.square(self.weight).sum(axis=1))

    @property
    def shrunk(self) -> float:
        """By what the standard deviation within prompts of so few drawn outputs is smaller than that of many.

        1 where weights within a prompt are not equal: they are taken for exact masses, which leave nothing out.
        """
        count = self.own.sum(axis=1)
        return float(np.sqrt((1.0 - np.isclose(self.effective, count) / count).mean()))

    def overall(self, values: Array) -> float:
        """The mean over prompts of the policy's means."""
        return float((self.weight * values).sum(axis=1).mean())

    def level(self, values: Array) -> Array:
        """The mean of each prompt, (p, 1)."""
        return level(self.weight, values)


def judged(rollouts: Rollouts, proxy: str) -> Judged:
    """The policy's own outputs that the truth and the proxy both know, of prompts with two or more of them.

    >>> cells = np.array([[1.0, 3.0, np.nan], [0.0, 2.0, 4.0]])
    >>> names = np.array(["a", "b"], dtype=object)
    >>> rollouts = Rollouts(names, cells == cells, np.array([[.5, .5, 0], [1 / 3] * 3]), {"rm": cells}, cells)
    >>> judged(rollouts, "rm").weight.tolist()[0]
    [0.5, 0.5, 0.0]
    """
    if rollouts.truth is None:
        problem = "the rollouts have no truth, and a defect is measured against it."
        raise InputError(problem, remedy="Name it: --truth COLUMN.")
    if proxy not in rollouts.proxies:
        found = ", ".join(map(shorten, rollouts.proxies)) or "none"
        raise InputError(f"no proxy is called {shorten(proxy)!r}.", remedy=f"Found: {found}.")
    scores = rollouts.proxies[proxy]
    known = rollouts.present & ~np.isnan(rollouts.truth) & ~np.isnan(scores) & (rollouts.weight > 0)
    rows = known.sum(axis=1) >= 2
    if rows.sum() < 2:
        problem = "fewer than two prompts have two of the policy's own outputs with a truth and a verdict."
        raise InputError(problem, remedy="Label more outputs of the same prompts.")

    def filled(values: npt.NDArray[np.floating]) -> Array:
        return np.asarray(np.where(known, values, 0.0)[rows], dtype=np.float64)

    def whole(values: npt.NDArray[np.floating] | None) -> Array | None:
        return None if values is None or np.isnan(values[known & rows[:, None]]).any() else filled(values)

    weight = filled(rollouts.weight)
    return Judged(
        weight / weight.sum(axis=1, keepdims=True),
        filled(rollouts.truth),
        filled(scores),
        whole(rollouts.length),
        whole(rollouts.logprob),
    )


def scored(cells: Judged) -> Scored:
    """The residual of what was judged.

    >>> even = np.full((2, 2), 0.5)
    >>> found = scored(Judged(even, np.array([[0.0, 2.0], [0.0, 2.0]]), np.array([[1.0, 7.0], [0.0, 2.0]]), None, None))
    >>> found.slope, found.residual.tolist()
    (2.0, [[-0.5, 0.5], [0.5, -0.5]])
    """
    ahead, behind = (one - level(cells.weight, one) for one in (cells.truth, cells.proxy))
    variance = float((cells.weight * ahead**2).sum(axis=1).mean())
    if not variance > 0:
        problem = "the truth is the same for all outputs of every prompt."
        raise InputError(problem, remedy="Judge outputs of which some are better than others.")
    slope = float((cells.weight * ahead * behind).sum(axis=1).mean()) / variance
    if not slope > 0:
        problem = "within prompts the proxy does not rise with the truth: there is no scale to measure defects on."
        raise InputError(problem, remedy="culpa audit says what is wrong with it.")
    unit = float(np.sqrt(variance))
    residual = (behind / slope - ahead) / unit
    return Scored(*cells[:3], ahead / unit, residual, slope, unit, *cells[3:])


def level(weight: Array, values: Array) -> Array:
    """The mean of each prompt, (p, 1)."""
    return np.asarray((weight * values).sum(axis=1, keepdims=True))
