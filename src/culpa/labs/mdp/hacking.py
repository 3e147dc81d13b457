"""When a proxy is hacked, by how much at most, and the policies that are held to a reference.

A mass is the share of each cell (outputs, or actions of states as in `occupancy`) in what a policy does; sums to 1.
"""

from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from culpa.errors import InputError
from culpa.metrics.arrays import Array, finite, same_shape
from culpa.metrics.association import correlation

_WIDEST = 30.0  # of the log of a weight: beyond it the optimum is the reference, up to rounding
Held = Literal["chi2", "sqrt_chi2", "kl"]


def chi_squared(mass: ArrayLike, reference: ArrayLike) -> float:
    """chi2(mu || nu) = sum (mu - nu)^2 / nu = sum mu^2 / nu - 1.

    0 where both are the same, endless where mu goes and nu never does.

    >>> chi_squared([1.0, 0.0], [0.5, 0.5])
    1.0
    """
    taken, held = _mass(mass, "mass"), _mass(reference, "reference")
    same_shape("reference", held.shape, (taken.shape,), "Both are masses of the same cells.")
    if (taken[held == 0.0] > 0.0).any():
        return float("inf")
    return float((np.square(taken - held) / np.where(held > 0.0, held, 1.0)).sum())


class HackingBound(NamedTuple):
    """What the truth gains over the reference, in its sds there, and the least that it can have gained."""

    gain: float
    least: float  # -inf where the proxy does not correlate positively
    correlation: float  # of truth and proxy under the reference
    chi2: float
    weight: float  # of sqrt(chi2) in the proxy's objective, by the theory: sd_proxy sqrt(1 - r^2)


def hacking_bound(truth: ArrayLike, proxy: ArrayLike, mass: ArrayLike, reference: ArrayLike) -> HackingBound:
    """The truth's gain over a reference, and its floor by the proxy's gain and the distance gone for it.

    (J(mu, R) - J(nu, R)) / sd_R  >=  ((J(mu, R~) - J(nu, R~)) / sd_R~ - sqrt((1 - r^2) chi2(mu || nu))) / r,   r > 0

    All arguments of one shape. A proxy is hacked where r > 0 and the gain is below 0. Shifts and positive factors of
    truth or proxy change nothing but `weight`. Reference: Laidlaw, Singhal and Dragan, arXiv 2403.03185.

    >>> found = hacking_bound([0.0, 1.0], [0.0, 2.0], [0.0, 1.0], [0.5, 0.5])
    >>> found.gain, found.least, found.chi2
    (1.0, 1.0, 1.0)
    """
    taken, held = _mass(mass, "mass"), _mass(reference, "reference")
    same_shape("reference", held.shape, (taken.shape,), "Both are masses of the same cells.")
    gains, spreads = [], []
    for name, values in (("truth", truth), ("proxy", proxy)):
        given = finite(values, name).astype(np.float64)
        same_shape(name, given.shape, (taken.shape,), "Give one value for every cell.")
        centred = given - float((held * given).sum())
        spread = float(np.sqrt((held * np.square(centred)).sum()))
        if spread == 0.0:
            raise InputError(f"the {name} is the same everywhere under the reference.", remedy="It says nothing there.")
        gains.append(float((taken * centred).sum()) / spread)
        spreads.append(spread)
    r = correlation(np.reshape(truth, (1, -1)), np.reshape(proxy, (1, -1)), held.reshape(1, -1))
    far, off = chi_squared(taken, held), float(np.sqrt(max(1.0 - r * r, 0.0)))
    least = (gains[1] - off * float(np.sqrt(far))) / r if r > 0 and np.isfinite(far) else -float("inf")
    return HackingBound(gains[0], least, r, far, spreads[1] * off)


def held_to(reference: ArrayLike, reward: ArrayLike, weight: float, kind: Held = "sqrt_chi2") -> Array:
    """The mass (n,) with the highest sum mu R - weight D(mu || nu).

    kl: mu = nu exp(R / weight) / Z.   chi2: mu = nu max(1 + (R - c) / (2 weight), 0), c such that it sums to 1.
    sqrt_chi2: that of chi2 with the weight w for which 2 w sqrt(chi2) = weight; both have one path of optima.

    A shift of R changes nothing. The heavier the weight the nearer to the reference; sqrt_chi2 is at it from the
    reward's sd on, where no step pays any more.

    >>> held_to([0.5, 0.5], [0.0, 1.0], 1.0, "chi2").tolist()
    [0.375, 0.625]
    """
    held, pay = _mass(reference, "reference"), finite(reward, "reward").astype(np.float64)
    if held.ndim != 1:
        raise InputError(f"reference must have shape (n,), got {held.shape}.", remedy="The outputs of one prompt.")
    same_shape("reward", pay.shape, (held.shape,), "Give one value for every cell.")
    if not weight > 0.0:
        raise InputError(f"weight must be above 0, got {weight}.", remedy="Without any it is the highest reward alone.")
    if kind not in get_args(Held):
        raise InputError(f"kind must be one of {', '.join(get_args(Held))}, got {kind!r}.", remedy="See held_to.")
    if kind == "kl":
        tilted = held * np.exp((pay - pay[held > 0].max()) / weight, where=held > 0, out=np.zeros_like(pay))
        return np.asarray(tilted / tilted.sum())
    return _by_chi2(held, pay, weight) if kind == "chi2" else _by_root(held, pay, weight)


def _by_chi2(held: Array, pay: Array, weight: float) -> Array:
    """The cells are taken in by falling reward, as long as the last one taken in gets a mass above 0."""
    pay = pay - pay[held > 0].max()
    order = np.argsort(-pay, kind="stable")
    order = order[held[order] > 0]
    mass, rise = np.cumsum(held[order]), np.cumsum((held * pay)[order])
    level = (rise - 2.0 * weight * (1.0 - mass)) / mass  # c, were the first so many cells in
    last = int(np.nonzero(pay[order] - level + 2.0 * weight > 0.0)[0].max())
    found = held * np.maximum(1.0 + (pay - level[last]) / (2.0 * weight), 0.0)
    return np.asarray(found / found.sum())


def _by_root(held: Array, pay: Array, weight: float) -> Array:
    mean = float((held * pay).sum())
    spread = float(np.sqrt((held * np.square(pay - mean)).sum()))
    if weight >= spread:
        return held

    def over(log: float) -> float:
        inner = float(np.exp(log))
        return 2.0 * inner * float(np.sqrt(chi_squared(_by_chi2(held, pay, inner), held))) - weight

    from scipy.optimize import brentq  # noqa: PLC0415 - slow to import

    low = high = float(np.log(weight))
    while over(low) > 0.0:
        low -= 1.0
    while over(high) < 0.0 and high < low + _WIDEST:
        high += 1.0
    return _by_chi2(held, pay, float(np.exp(brentq(over, low, high, xtol=1e-12)))) if over(high) > 0.0 else held


def _mass(values: ArrayLike, name: str) -> Array:
    given = finite(values, name).astype(np.float64)
    if (given < 0.0).any() or not np.isclose(given.sum(), 1.0, atol=1e-6):
        raise InputError(f"{name} is no mass: it sums to {given.sum():g}.", remedy="Divide it by its sum.")
    return given
