"""The truth of outputs that nobody judged, as far as the judged ones tell: its expected value and its spread.

    G = m_x + b' x + e,        x = the scores of all proxies, as they are and centred in their prompt, and the features

b by ridge regression on the judged outputs, its penalty chosen by cross-validation over prompts; m_x is what is left in
each prompt, drawn towards 0 where few of its outputs are judged. The spread has three parts: of b, of m_x, and of e.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.predictors.features import Floats
from culpa.rollouts import Array, Rollouts

PENALTIES = np.geomspace(1e-2, 1e4, 13)  # of standardised columns, per judged output 1
FOLDS = 5


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
    low, high = float(np.nanmin(truth)), float(np.nanmax(truth))
    rows, columns = np.nonzero(record.present)
    design, judged = _design(record, features)[record.present], known[record.present]
    values = truth[record.present]
    fit = _fit(design[judged], values[judged], rows[judged])
    guess, doubt = fit.of(design)
    mean, spread = np.full(record.shape, np.nan), np.full(record.shape, np.nan)
    rest = values[judged] - guess[judged]
    shift, wobble = _prompt_shift(rest, rows[judged], len(truth), fit.noise)
    mean[rows, columns] = np.clip(guess + shift[rows], low, high)
    spread[rows, columns] = np.sqrt(doubt + wobble[rows] + fit.noise)
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
    noise: float  # variance of what is left, by cross-validation

    def of(self, design: Array) -> tuple[Array, Array]:
        """The mean and the variance of its uncertainty, (n,)."""
        x = (design - self.centre) / self.scale
        return self.level + x @ self.weights, self.noise * ((x @ self.turned) ** 2 / self.strength).sum(axis=1)


def _design(record: Rollouts, features: Floats | None) -> Array:
    """Scores as they are and centred in their prompt, and features: (p, s, q). No verdict: the mean of the others."""
    parts = []
    mass = np.where(record.weight > 0, record.weight, 0.0)
    for scores in record.proxies.values():
        gap = np.isnan(scores)
        known = np.where(gap, 0.0, mass)
        whole = known.sum(axis=1, keepdims=True)
        mean = (known * np.where(gap, 0.0, scores)).sum(axis=1, keepdims=True) / np.where(whole > 0, whole, 1.0)
        filled = np.where(gap, mean, scores)
        parts += [filled, filled - mean]
    stacked = np.stack(parts, axis=-1)
    return stacked if features is None else np.concatenate([stacked, features], axis=-1, dtype=np.float64)


def _fit(design: Array, values: Array, prompts: npt.NDArray[np.int64]) -> _Fit:
    centre, scale = design.mean(axis=0), design.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    x, level = (design - centre) / scale, float(values.mean())
    y = values - level
    folds = np.unique(prompts, return_inverse=True)[1] % FOLDS
    errors = np.mean([_held_out(x, y, folds == fold) for fold in range(FOLDS)], axis=0)
    best = int(errors.argmin())
    eigenvalues, turned = np.linalg.eigh(x.T @ x)
    strength = np.maximum(eigenvalues, 0.0) + PENALTIES[best]
    weights = turned @ ((turned.T @ (x.T @ y)) / strength)
    return _Fit(centre, scale, level, weights, turned, strength, float(errors[best]))


def _held_out(x: Array, y: Array, out: npt.NDArray[np.bool_]) -> Array:
    """Mean square error on a fold for every penalty, (13,); the variance where a fold is all there is, or empty."""
    if not out.any() or out.all():
        return np.full(len(PENALTIES), float(np.mean(y**2)))
    rest, target = x[~out], y[~out]
    eigenvalues, turned = np.linalg.eigh(rest.T @ rest)
    toward, seen = turned.T @ (rest.T @ target), x[out] @ turned
    strength = np.maximum(eigenvalues, 0.0)[:, None] + PENALTIES
    return np.asarray(np.mean((y[out][:, None] - seen @ (toward[:, None] / strength)) ** 2, axis=0))


def _prompt_shift(rest: Array, prompts: npt.NDArray[np.int64], count: int, noise: float) -> tuple[Array, Array]:
    """What is left in each prompt and the variance of that, (p,): drawn towards 0 where its outputs are few."""
    number = np.bincount(prompts, minlength=count).astype(np.float64)
    total = np.bincount(prompts, weights=rest, minlength=count)
    mean = np.divide(total, number, out=np.zeros(count), where=number > 0)
    several = number > 1
    within = noise / np.maximum(number, 1.0)
    between = max(0.0, float((mean[several] ** 2 - within[several]).mean())) if several.any() else 0.0
    part = between / (between + within) if between > 0 else np.zeros(count)
    part = np.where(number > 0, part, 0.0)
    return part * mean, between * (1.0 - part)
