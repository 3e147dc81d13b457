"""The truth of outputs that nobody judged, as far as the judged ones tell: its expected value and its spread.

    G = m_x + b' x + e,        x = the scores of all proxies, as they are and centred in their prompt, and the features

b by ridge regression on the judged outputs, its penalty chosen by cross-validation over prompts; m_x is what is left in
each prompt, drawn towards 0 where few of its outputs are judged. The spread has three parts: of b, of m_x, and of e.
How large m_x and e are is told by prompts that b was not fitted on.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.errors import InputError
from culpa.predictors.features import Floats
from culpa.rollouts import Array, Rollouts

PENALTIES = np.geomspace(1e-2, 1e4, 13)  # of standardised columns, per judged output 1
FOLDS = 5
FEW = 10  # judged outputs, or those beside a first one of their prompt: fewer tell nothing
_ROUNDING = 1e-12


class Expected(NamedTuple):
    """Of every output, judged or not: what its truth is expected to be, and how far it may be off."""

    mean: Array  # (p, s); the truth itself where it is known; NaN on padding
    spread: Array  # (p, s) standard deviation; 0 where the truth is known


def expected_truth(record: Rollouts, features: Floats | None, truth: Array) -> Expected:
    """What the truth of unjudged outputs is expected to be. truth: (p, s), NaN where unknown.

    features: (p, s, d), centred within prompts; None: scores alone tell. With fewer than two judged prompts or ten
    judged outputs nothing is told but their mean and spread.
    """
    known = record.present & ~np.isnan(truth)
    if not known.any():
        raise InputError("no output has a known truth.", remedy="Label some outputs first.")
    low, high = float(np.nanmin(truth)), float(np.nanmax(truth))
    rows, columns = np.nonzero(record.present)
    design, judged = _design(record, features)[record.present], known[record.present]
    values = truth[record.present]
    fit = _fit(design[judged], values[judged], rows[judged])
    guess, doubt = fit.of(design)
    mean, spread = np.full(record.shape, np.nan), np.full(record.shape, np.nan)
    shift, wobble = _prompt_shift(values[judged] - guess[judged], rows[judged], len(truth), fit)
    mean[rows, columns] = np.clip(guess + shift[rows], low, high)
    spread[rows, columns] = np.sqrt(doubt + wobble[rows] + fit.within)
    mean[known], spread[known] = truth[known], 0.0
    return Expected(mean, spread)


class _Fit(NamedTuple):
    """A ridge regression: standardised columns, weights, and the inverse that its uncertainty needs."""

    centre: Array
    scale: Array
    level: float
    weights: Array
    turned: Array  # (q, q) eigenvectors of the columns' products
    strength: Array  # (q,) eigenvalues plus the penalty
    within: float  # variance of what is left in prompts that it was not fitted on, about their own means
    between: float  # variance of those means

    def of(self, design: Array) -> tuple[Array, Array]:
        """The mean and the variance of its uncertainty, (n,)."""
        x = (design - self.centre) / self.scale
        doubt = ((x @ self.turned) ** 2 / self.strength).sum(axis=1)
        return self.level + x @ self.weights, (self.within + self.between) * doubt


def _design(record: Rollouts, features: Floats | None) -> Array:
    """Scores as they are and centred in their prompt, and features: (p, s, q).

    No verdict: the mean of the prompt's others, and where it has none, of all prompts.
    """
    parts = []
    mass = np.where(record.weight > 0, record.weight, 0.0)
    for scores in record.proxies.values():
        gap = np.isnan(scores)
        known, held = np.where(gap, 0.0, mass), np.where(gap, 0.0, scores)
        whole, total = known.sum(axis=1, keepdims=True), (known * held).sum(axis=1, keepdims=True)
        every = total.sum() / whole.sum() if whole.sum() > 0 else 0.0
        mean = np.where(whole > 0, total / np.where(whole > 0, whole, 1.0), every)
        filled = np.where(gap, mean, scores)
        apart = filled - mean
        parts += [filled, np.where(np.abs(apart) > _ROUNDING * np.abs(filled), apart, 0.0)]
    stacked = np.stack(parts, axis=-1)
    return stacked if features is None else np.concatenate([stacked, features], axis=-1, dtype=np.float64)


def _fit(design: Array, values: Array, prompts: npt.NDArray[np.int64]) -> _Fit:
    centre, scale = design.mean(axis=0), design.std(axis=0)
    scale = np.where(scale > _ROUNDING * np.abs(centre), scale, 1.0)
    x, level = (design - centre) / scale, float(values.mean())
    y = values - level
    eigenvalues, turned = np.linalg.eigh(x.T @ x)
    number = np.unique(prompts, return_inverse=True)[1]
    if number[-1] == 0 or len(y) < FEW:
        strength, weights, left = np.full(len(turned), np.inf), np.zeros(len(turned)), y
    else:
        misses = _held_out(x, y, number % FOLDS)
        best = int((misses**2).mean(axis=0).argmin())
        strength, left = np.maximum(eigenvalues, 0.0) + PENALTIES[best], misses[:, best]
        weights = turned @ ((turned.T @ (x.T @ y)) / strength)
    return _Fit(centre, scale, level, weights, turned, strength, *_parts(left, number))


def _held_out(x: Array, y: Array, fold: npt.NDArray[np.int64]) -> Array:
    """What is left of each value by a fit on the other folds, for every penalty, (n, 13)."""
    misses = np.empty((len(y), len(PENALTIES)))
    for out in (fold == one for one in np.unique(fold)):
        rest, target = x[~out], y[~out]
        eigenvalues, turned = np.linalg.eigh(rest.T @ rest)
        strength = np.maximum(eigenvalues, 0.0)[:, None] + PENALTIES
        misses[out] = y[out][:, None] - (x[out] @ turned) @ ((turned.T @ (rest.T @ target))[:, None] / strength)
    return misses


def _parts(left: Array, prompts: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Variance within and between prompts of what is left; all of it within where too few share a prompt to tell."""
    number = np.bincount(prompts).astype(np.float64)
    mean = np.bincount(prompts, weights=left) / number
    free = len(left) - len(number)
    if free < FEW:
        return float(np.mean(left**2)), 0.0
    within = float(((left - mean[prompts]) ** 2).sum() / free)
    return within, max(0.0, float((mean**2 - within / number).mean()))


def _prompt_shift(rest: Array, prompts: npt.NDArray[np.int64], count: int, fit: _Fit) -> tuple[Array, Array]:
    """What is left in each prompt and the variance of that, (p,): drawn towards 0 where its outputs are few."""
    number = np.bincount(prompts, minlength=count).astype(np.float64)
    mean = np.bincount(prompts, weights=rest, minlength=count) / np.maximum(number, 1.0)
    if not fit.between:
        return np.zeros(count), np.zeros(count)
    part = fit.between * number / (fit.between * number + fit.within)
    return part * mean, fit.between * (1.0 - part)
