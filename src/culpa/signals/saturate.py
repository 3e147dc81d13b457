"""Bounded or saturating rewards from the unbounded scores of a reward model: preference as reward, and its rivals."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.random import Generator

from culpa.errors import InputError
from culpa.metrics.arrays import Array, Shape, known_or_nan
from culpa.signals.running import normalise_running
from culpa.signals.transform import Group, State, Transform, stateless

Curve = Literal["sigmoid", "log_sigmoid", "tanh", "arctan", "identity"]


def par(reference: float | Array, *, k: float = 1.0, shift: float = 0.0) -> Transform:
    """Preference as reward (PAR): the chance of winning against reference outputs of the same prompt.

    r' = mean_m sigma(k (r - shift - r_m)),   sigma(x) = 1 / (1 + e^-x)        (..., p, s) to the like, within 0..1

    reference: the scores of m reference outputs of every prompt, (p, m) by the same reward model, NaN where there is
    none, or one number for all prompts. Adding a constant to a prompt's scores and to its references changes nothing;
    the order of outputs stays. Steepest at the references, flat far above them: there is little to gain by more. A
    prompt without references becomes NaN. k = 1 is the preference of the Bradley-Terry model that scores were fitted
    by. shift: the rival that starts slowly has 3. PAR's code takes .01 per token beyond 300 first:
    chain(length_penalty(0.01, free=300), par(...)). Reference: Fu et al., arXiv 2502.18770.

    >>> from culpa.signals.transform import apply
    >>> apply(par(0.5), [[0.5, 1.5, -8.0]]).round(4).tolist()
    [[0.5, 0.7311, 0.0002]]
    """
    held = _references(reference)
    if not (np.isfinite(k) and k > 0.0 and np.isfinite(shift)):
        raise InputError(f"par needs a positive k and a finite shift, got {k} and {shift}.", remedy="PAR has 1 and 0.")

    def act(signal: Array, _group: Group) -> Array:
        return _mean(_sigmoid(k * (signal[..., None] - shift - _rows(held, signal))))

    return stateless(act)


def squash(curve: Curve = "sigmoid", *, reference: float | Array = 0.0, quantile: float | None = None) -> Transform:
    """A curve of how far a signal is above its prompt's reference scores: what PAR is compared with.

    r' = mean_m curve(r - r_m),   or with a quantile   curve(r - mean_m r_m - Phi^-1(quantile) sd_m r_m)

    (..., p, s) to the like; sd is divided by m. curve: sigmoid, log_sigmoid (log sigma(x), bounded above alone), tanh,
    arctan, identity (which centres). reference as in `par`; not given it is 0, and the curve one of the bare score.
    log_sigmoid at .85 is the rival called LSC. The rival "ceil" is clip(-inf, c), "meanstd" normalise_running().
    Left out: the fitted polynomial, which follows the sigmoid.
    Reference: Fu et al., arXiv 2502.18770; log_sigmoid: Wang et al., arXiv 2402.00742.

    >>> from culpa.signals.transform import apply
    >>> apply(squash("identity", reference=np.array([[1.0, 3.0]])), [[2.0, 3.0]]).tolist()
    [[0.0, 1.0]]
    """
    if curve not in _CURVES:
        raise InputError(f"curve must be one of {', '.join(get_args(Curve))}, got {curve!r}.", remedy="See squash.")
    if quantile is not None and not 0.0 < quantile < 1.0:
        raise InputError(f"quantile must be between 0 and 1, got {quantile}.", remedy="LSC has .85.")
    held, bend = _references(reference), _CURVES[curve]

    def act(signal: Array, _group: Group) -> Array:
        rows = _rows(held, signal)
        if quantile is None:
            return _mean(bend(signal[..., None] - rows))
        from scipy.special import ndtri  # noqa: PLC0415 - slow to import

        centre = _mean(rows)
        spread = np.sqrt(_mean(np.square(rows - centre[..., None])))
        return bend(signal - centre - ndtri(quantile) * spread)

    return stateless(act)


def clip_running(width: float = 1.0) -> Transform:
    """Signal cut off `width` standard deviations from the mean of all batches so far, this one among them.

    r' = clip(r, mean - width std, mean + width std);   mean and std as in `normalise_running`

    The bounds move with the data, so what is cut off today was not yesterday: a rival of PAR, not a safe bound.
    Reference: Fu et al., arXiv 2502.18770.

    >>> from culpa.signals.transform import apply
    >>> apply(clip_running(), [[-1.0, -1.0, 1.0, 5.0]]).round(4).tolist()
    [[-1.0, -1.0, 1.0, 3.4495]]
    """
    if not width >= 0.0:
        raise InputError(f"width must be zero or more, got {width}.", remedy="In standard deviations.")
    inner = normalise_running()

    def act(signal: Array, group: Group, state: State) -> tuple[Array, State]:
        _, after = inner.apply(signal, group, state)
        spread = np.sqrt(after.squares / np.where(after.mass > 0, after.mass, np.nan))
        return np.clip(signal, after.mean - width * spread, after.mean + width * spread), after

    return Transform(inner.init, act)


class Range(NamedTuple):
    """The lowest and highest verdict of all batches so far, (..., 1, 1)."""

    low: Array
    high: Array


def minmax_running() -> Transform:
    """Signal from the lowest to the highest verdict of all batches so far, as 0 to 1; this batch is one of them.

    r' = (r - low) / (high - low)        (..., p, s) to the like

    Adding a constant to all and scaling change nothing. Without any spread 0. Cells of weight 0 have no say, and may
    lie outside 0..1. Reference: Fu et al., arXiv 2502.18770.

    >>> from culpa.signals.transform import apply
    >>> apply(minmax_running(), [[1.0, 2.0], [5.0, float("nan")]]).tolist()
    [[0.0, 0.25], [1.0, nan]]
    """

    def init(shape: Shape, _rng: Generator | None) -> State:
        none = np.full((*shape[:-2], 1, 1), np.inf)
        return Range(none, -none)

    def act(signal: Array, group: Group, state: State) -> tuple[Array, State]:
        counts = (group.weight > 0) & ~np.isnan(signal)
        low, high = np.where(counts, signal, np.inf), np.where(counts, signal, -np.inf)
        after = Range(
            np.minimum(state.low, low.min(axis=(-2, -1), keepdims=True)),
            np.maximum(state.high, high.max(axis=(-2, -1), keepdims=True)),
        )
        seen = np.isfinite(after.low)
        low, width = np.where(seen, after.low, np.nan), np.where(seen, after.high, 0.0) - np.where(seen, after.low, 0.0)
        away = signal - low
        return np.where(width > 0, away / np.where(width > 0, width, 1.0), 0.0 * away), after

    return Transform(init, act)


def _log_sigmoid(x: Array) -> Array:
    return np.asarray(np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x))))


def _sigmoid(x: Array) -> Array:
    return np.asarray(np.exp(_log_sigmoid(x)))


def _identity(x: Array) -> Array:
    return x


_CURVES: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {"sigmoid": _sigmoid, "log_sigmoid": _log_sigmoid, "tanh": np.tanh, "arctan": np.arctan, "identity": _identity}
)


def _mean(values: Array) -> Array:
    """The mean of what is known along the last axis; NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    return np.where(count > 0, np.where(known, values, 0.0).sum(axis=-1) / np.maximum(count, 1), np.nan)


def _references(reference: float | Array) -> Array:
    """The references as (..., p, m), or (1, 1) of one number for all prompts."""
    held = known_or_nan(reference, "reference")
    if held.ndim == 1:
        raise InputError(
            f"reference has shape {held.shape}, which is neither a number nor (p, m).",
            remedy="Give a row of reference scores for each prompt, or one number for all.",
        )
    if np.isnan(held).all():
        raise InputError("reference holds no score.", remedy="Score outputs of the reference policy first.")
    return held.reshape(1, 1) if held.ndim == 0 else held


def _rows(held: Array, signal: Array) -> Array:
    """The references beside each cell, (..., p, 1, m)."""
    if held.shape[-2] not in (1, signal.shape[-2]):
        raise InputError(
            f"reference has {held.shape[-2]} prompts, the signal {signal.shape[-2]}.",
            remedy="Give a row of reference scores for each prompt, or one number for all.",
        )
    return held[..., None, :]
