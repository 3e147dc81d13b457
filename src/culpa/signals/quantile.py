"""Advantages that are normal quantiles of ranks."""

import numpy as np

from culpa.metrics.arrays import Array
from culpa.signals.ranks import Levels, levels
from culpa.signals.transform import Group, Transform, stateless

_NARROW = 1e-5  # of the mass beside it: there the difference of densities loses digits, and the middle has none to lose


def gaussian_rank() -> Transform:
    """The normal quantile of an output's rank in its group, ties sharing the mean of theirs (G2RPO's advantage).

    A_i = mean of Phi^-1((j - 1/2) / G) over the places j that outputs of the same signal take        (..., p, s)

    Any increasing map of the signal changes nothing, so no outlier counts for more than its place. The mean of a group
    is 0; its variance is 1 without ties and in the limit only. Equal values give 0. With unequal weights places are as
    wide as the weights, and a tie divides its own equally. Where outputs are enumerated the places of a tie that fills
    (a, b) are endlessly many: A = (phi(z_a) - phi(z_b)) / (b - a), z = Phi^-1. An output of weight 0 that ties with
    none has the quantile between its neighbours, beyond them all that of a quarter of the smallest weight.
    Reference: OpenVLThinkerV2, arXiv 2604.08539.

    >>> from culpa.signals.transform import apply
    >>> apply(gaussian_rank(), [[0.0, 0.0, 1.0, 1.0, 1.0]]).round(2).tolist()
    [[-0.9, -0.9, 0.6, 0.6, 0.6]]
    """

    def act(signal: Array, group: Group) -> Array:
        found = levels(signal, group.weight)
        value = _over_interval(found) if group.enumerated else _over_places(found)
        whole = (found.below == 0) & (found.above == 0) & (found.mass > 0)
        return np.where(np.isnan(signal) | np.isnan(found.below), np.nan, np.where(whole, 0.0, value))

    return stateless(act)


def _over_places(found: Levels) -> Array:
    """The mean quantile of the middles of the equal parts of each level."""
    counted = found.place > 0
    low, high = _ends(found)
    part = found.mass / np.maximum(found.tied, 1)
    single = _quantile(
        np.where(counted, found.below + part * (found.place - 0.5), low),
        np.where(counted, found.above + part * (found.tied - found.place + 0.5), high),
    )
    number = found.level.ravel()
    total = np.bincount(number, np.where(counted, single, 0.0).ravel())[number].reshape(single.shape)
    return np.where(found.tied > 0, total / np.maximum(found.tied, 1), single)


def _over_interval(found: Levels) -> Array:
    """The mean quantile over the whole interval of each level."""
    low, high = _ends(found)
    narrow = found.mass <= _NARROW * np.minimum(found.below, found.above)
    middle = _quantile(low + 0.5 * found.mass, high + 0.5 * found.mass)
    difference = _density(_quantile(found.below, found.mass + found.above)) - _density(
        _quantile(found.below + found.mass, found.above)
    )
    flat = narrow | (found.mass == 0)
    return np.where(flat, middle, difference / np.where(flat, 1.0, found.mass))


def _ends(found: Levels) -> tuple[Array, Array]:
    """The mass below and above; where there is none beyond a value without mass, a quarter of the smallest share."""
    share = np.where(found.share > 0, found.share, np.inf)
    least = np.where(found.mass > 0, 0.0, 0.25 * share.min(axis=-1, keepdims=True))
    return np.maximum(found.below, least), np.maximum(found.above, least)


def _quantile(below: Array, above: Array) -> Array:
    """Phi^-1 by the smaller of the two masses, which together are 1."""
    from scipy.special import ndtri  # noqa: PLC0415 - slow to import

    return np.asarray(np.where(below <= above, ndtri(below), -ndtri(above)))


def _density(z: Array) -> Array:
    return np.asarray(np.exp(-0.5 * np.square(z)) / np.sqrt(2.0 * np.pi))
