"""Accuracy and harm-aware accuracy of every proxy on the policy's own pairs, plain and weighed by log-probabilities."""

from itertools import combinations
from typing import get_args

import numpy as np
import numpy.typing as npt

from culpa.errors import InputError
from culpa.metrics import mean, pair_counts, pair_weights, pairwise_accuracy
from culpa.metrics.weights import Kind
from culpa.rollouts import Rollouts

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_NAMES = {"raw": "raw", "length": "per token", "tempered": "tempered", "per_prompt": "per prompt"}


def accuracies(rollouts: Rollouts, *, weighted: bool = True) -> dict[str, Array]:
    """Acc and HAcc of each proxy, (k,), over the pairs of the policy's outputs that the truth orders.

    "Acc", "HAcc" count a tie 0, with ", tie ½" a half; a pair weighs as the chance to draw it. Where the record has
    log-probabilities, "Acc-W raw" and its like weigh it once more by them (`culpa.metrics.pair_weights`): raw, tempered
    to half of the pairs' effective number, per prompt, and, where it has lengths, per token. On samples this weighs
    twice what sampling weighs already; it is what is published. NaN where there is no pair. Proxies with a missing
    verdict have no weighted form: NaN.

    >>> scores = np.array([[1.0, 0.0, 0.0]])
    >>> rollouts = Rollouts(np.array(["a"], dtype=object), scores >= 0, scores * 0 + 1 / 3, {"rm": scores}, scores + 1)
    >>> {name: value.tolist() for name, value in accuracies(rollouts).items()}
    {'Acc': [1.0], 'Acc, tie ½': [1.0], 'HAcc': [1.0], 'HAcc, tie ½': [1.0]}
    """
    if rollouts.truth is None:
        raise InputError("the rollouts have no truth.", remedy="Name it: read(..., truth=COLUMN).")
    if not rollouts.proxies:
        raise InputError("the rollouts have no proxy.", remedy="Name them: read(..., proxies=[COLUMN, ...]).")
    cube = np.stack(list(rollouts.proxies.values()))
    centre = np.stack([mean(score, rollouts.weight) for score in cube])
    counts = pair_counts(cube, rollouts.truth, rollouts.weight, centre)
    ordered, right, tied, excused, excused_tied = (part.sum(axis=1) for part in counts[:5])
    half = tied / 2
    tops = {
        "Acc": right,
        "Acc, tie ½": right + half,
        "HAcc": right + excused,
        "HAcc, tie ½": right + excused + half - excused_tied / 2,
    }
    some = np.where(ordered > 0, ordered, np.nan)
    return {name: top / some for name, top in tops.items()} | (_weighted(rollouts, cube, centre) if weighted else {})


def _weighted(rollouts: Rollouts, cube: Array, centre: Array) -> dict[str, Array]:
    """The published forms. Pairs (p, n) have the better output first; a pair that the truth does not order has no mass.

    cube: (k, p, s); centre: (k, p).
    """
    if rollouts.logprob is None or rollouts.truth is None:
        return {}
    better, worse, ordered = _pairs(rollouts.truth, (rollouts.weight > 0) & ~np.isnan(rollouts.logprob))
    rows = np.flatnonzero(ordered.any(axis=1))
    if not len(rows):
        return {}

    def sides(values: Array) -> tuple[Array, Array]:
        return np.take_along_axis(values, better, axis=-1)[rows], np.take_along_axis(values, worse, axis=-1)[rows]

    kept = ordered[rows]
    up, down = (np.where(kept, side, -np.inf) for side in sides(rollouts.logprob))
    lengths = None if rollouts.length is None else sides(np.where(rollouts.present, rollouts.length, 1.0))
    found: dict[str, Array] = {}
    for kind in get_args(Kind):
        if kind not in _NAMES or (kind == "length" and (lengths is None or not (lengths[0] > 0).all())):
            continue
        mass = pair_weights(up, down, kind=kind, lengths=lengths)
        for title, harm in (("Acc-W", False), ("HAcc-W", True)):
            found[f"{title} {_NAMES[kind]}"] = np.array(
                [
                    _accuracy(sides(score), kept, mass, middle[rows] if harm else None)
                    for score, middle in zip(cube, centre, strict=True)
                ]
            )
    return found


def _pairs(truth: Array, own: Mask) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Mask]:
    """Places of the better and the worse output of every pair of a prompt, (p, n), and whether the truth orders it."""
    one, other = np.array(list(combinations(range(truth.shape[1]), 2)), dtype=np.int64).reshape(-1, 2).T
    known = np.where(own, truth, np.nan)
    above = known[:, one] > known[:, other]
    return np.where(above, one, other), np.where(above, other, one), above | (known[:, one] < known[:, other])


def _accuracy(sides: tuple[Array, Array], kept: Mask, mass: Array, middle: Array | None) -> float:
    """Over the pairs that are kept; NaN where one of them has no verdict."""
    up, down = (np.where(kept, side, 0.0) for side in sides)
    if np.isnan(up).any() or np.isnan(down).any():
        return float("nan")
    return pairwise_accuracy(up, down, mean=middle, weights=mass)
