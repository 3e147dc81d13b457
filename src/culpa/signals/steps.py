"""Scores of the steps of an output, as a process reward model gives them: bounded, so that more steps do not pay.

A step signal is (t, ..., p, s): the steps stand on the first axis, NaN where an output has ended or a step has no
verdict. What is done to it keeps that shape; `weighted_sum(missing="skip")` makes one reward of it. These steps have no
form in `parse`: there, a first axis may be anything.
"""

from dataclasses import replace

import numpy as np

from culpa.errors import InputError
from culpa.metrics.arrays import Array
from culpa.signals.moments import moments
from culpa.signals.transform import Group, Transform, stateless


def clip_steps(eta: float | None = None) -> Transform:
    """Every step's score counted from eta, and nothing gained above it: good steps get 0, bad ones are punished.

    r'_k = min(s_k - eta, 0)        (t, ..., p, s) to the like

    So no sequence of steps is worth more than 0, whatever its length. eta not given: the mean score of all steps of the
    batch, each with the weight of its output; adding a constant to all scores then changes nothing.
    Reference: Gao et al., arXiv 2410.15115.

    >>> from culpa.signals.transform import apply
    >>> apply(clip_steps(0.8), [[[0.9]], [[0.3]], [[float("nan")]]]).ravel().tolist()
    [0.0, -0.5, nan]
    """
    if eta is not None and not np.isfinite(eta):
        raise InputError(f"eta must be a finite number, got {eta}.", remedy="Without one it is the batch's mean.")

    def act(signal: Array, group: Group) -> Array:
        _check(signal, "clip_steps")
        return np.minimum(_from_mean(signal, group) if eta is None else signal - eta, 0.0)

    return stateless(act)


def delta_steps() -> Transform:
    """Every step's score less that of the next one, so that what a step earns is its own score, whatever follows.

    r'_k = s_k - s_{k+1} for k < K - 1,   r'_{K-1} = s_{K-1},   r'_K = 0        (t, ..., p, s) to the like

    K is the output's last step with a verdict: it is judged by the outcome alone. The rewards from step k < K on add up
    to s_k, those of the whole output to s_1: more steps add nothing. A step without a verdict is as if it were not
    there. Scaling scales; adding a constant c to the scores adds c at step K - 1, and nothing else.
    Reference: Gao et al., arXiv 2410.15115.

    >>> from culpa.signals.transform import apply
    >>> apply(delta_steps(), [[[0.9]], [[0.5]], [[0.75]]]).ravel().tolist()
    [0.4, 0.5, 0.0]
    """

    def act(signal: Array, _group: Group) -> Array:
        _check(signal, "delta_steps")
        result = np.full(signal.shape, np.nan)
        following, last = np.zeros(signal.shape[1:]), np.ones(signal.shape[1:], dtype=np.bool_)
        for k in reversed(range(len(signal))):
            known = ~np.isnan(signal[k])
            own = np.where(last | ~known, 0.0, signal[k])
            result[k] = np.where(known, own - following, np.nan)
            following, last = np.where(known, own, following), last & ~known
        return result

    return stateless(act)


def _from_mean(signal: Array, group: Group) -> Array:
    """Each score minus the mean of all steps of its batch."""
    shape = np.moveaxis(signal, 0, -3).shape
    rows = (*shape[:-3], shape[-3] * shape[-2], shape[-1])
    weight = np.broadcast_to(group.weight, signal.shape)
    flat, flat_weight = (np.moveaxis(array, 0, -3).reshape(rows) for array in (signal, weight))
    found = moments(flat, replace(group, weight=flat_weight), "batch")
    return np.moveaxis(found.deviation.reshape(shape), -3, 0)


def _check(signal: Array, asker: str) -> None:
    if signal.ndim < 3:
        raise InputError(
            f"{asker} needs a signal of shape (t, ..., p, s), got {signal.shape}.",
            remedy="Stack the scores of the steps on the first axis.",
        )
