"""Pay for staying where a reference policy goes: the regularisers of occupancies, as a penalty of the reward."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from culpa.errors import InputError
from culpa.metrics.arrays import Array, finite
from culpa.signals.transform import Group, Transform, known_field, stateless

Distance = Literal["sqrt_chi2", "chi2", "kl"]


def occupancy_penalty(
    weight: float, kind: Distance = "sqrt_chi2", *, trim: float = 0.01, most: float = 20.0
) -> Transform:
    """The reward whose policy gradient is that of J - weight D(pi || reference): r - weight g.     (..., p, s)

    rho = pi(y) / ref(y),   chi2 = mean of rho over the batch under the policy, - 1
    sqrt_chi2: g = (rho - 1) / sqrt(chi2)      chi2: g = 2 (rho - 1)      kl: g = log rho

    rho is of what a cell stands for, from `logprob` and `reference`: of whole outputs, or of occupancies where they
    hold a discriminator's log-ratio (`fit_log_ratio`). A rare output that the policy takes up costs its rho, which
    grows without end, where KL takes the logarithm. At the reference chi2 is 0, and so is the penalty. log rho is cut
    at -+ most; trim: this share of the mass at each end of rho - 1 is left out of chi2 (0 where outputs are
    enumerated). A cell without a log-probability gets NaN and leaves the mean.
    Departures: 1. the code behind the paper sets a penalty that is not finite to 0; here it is cut before. 2. total
    variation and Wasserstein distances are left out. Reference: Laidlaw et al., arXiv 2403.03185 (named ORPO there).

    >>> from culpa.signals.transform import apply, equal_group
    >>> group = equal_group((1, 2), logprob=np.log([[0.8, 0.2]]), reference=np.log([[0.4, 0.6]]))
    >>> apply(occupancy_penalty(1.0, "chi2"), [[1.0, 1.0]], group).round(3).tolist()
    [[-1.0, 2.333]]
    """
    if not np.isfinite(weight):
        raise InputError(f"weight must be a finite number, got {weight}.", remedy="0 leaves the reward as it is.")
    if kind not in get_args(Distance):
        raise InputError(f"kind must be one of {', '.join(get_args(Distance))}, got {kind!r}.", remedy="See its help.")
    if not 0.0 <= trim < 0.5:
        raise InputError(f"trim must be from 0 to .5, got {trim}.", remedy="It is a share at each end.")

    def act(signal: Array, group: Group) -> Array:
        own = known_field(group, "logprob", "occupancy_penalty")
        held = known_field(group, "reference", "occupancy_penalty")
        log = np.clip(np.broadcast_to(own - held, signal.shape), -most, most)
        if kind == "kl":
            return signal - weight * log
        above = np.expm1(log)
        if kind == "chi2":
            return signal - weight * 2.0 * above
        mass = np.where(np.isnan(signal) | np.isnan(log), 0.0, group.weight)
        root = np.sqrt(np.maximum(_mean(above, mass, 0.0 if group.enumerated else trim), 0.0))[..., None, None]
        return signal - weight * np.where(root > 0.0, above / np.where(root > 0.0, root, 1.0), 0.0 * above)

    return stateless(act)


def _mean(values: Array, mass: Array, trim: float) -> Array:
    """The mean of a batch (..., p, s) under its masses, (...,), with a share of the mass cut off at each end."""
    flat = np.where(mass > 0, values, 0.0).reshape(*values.shape[:-2], -1)
    order = np.argsort(flat, axis=-1, kind="stable")
    ordered = np.take_along_axis(flat, order, axis=-1)
    share = np.take_along_axis(np.broadcast_to(mass, values.shape).reshape(flat.shape), order, axis=-1)
    share = share / np.maximum(share.sum(axis=-1, keepdims=True), np.finfo(np.float64).tiny)
    upto = np.cumsum(share, axis=-1)
    kept = np.clip(np.minimum(upto, 1.0 - trim) - np.maximum(upto - share, trim), 0.0, None)
    return np.asarray((kept * ordered).sum(axis=-1) / (1.0 - 2.0 * trim))


@dataclass(frozen=True)
class LogRatio:
    """log mu(z) / nu(z) as a linear function of features z."""

    slope: Array  # (d,)
    level: float

    def __call__(self, features: ArrayLike) -> Array:
        """Its value at features (..., d)."""
        return np.asarray(finite(features, "features") @ self.slope + self.level)


def fit_log_ratio(current: ArrayLike, reference: ArrayLike, *, ridge: float = 1e-3, rounds: int = 100) -> LogRatio:
    """The log-ratio of two laws from draws of both, by logistic regression: which of the two did z come from?

    Features (n, d) and (n', d). Newton's steps on the mean log-loss, both samples with mass one half, plus
    ridge / 2 |slope|^2 on standardised features. Right where the true log-ratio is linear in the features; of one-hot
    features it is the log-ratio of the counts. The level is not held down.

    >>> fit_log_ratio([[0.0], [1.0], [1.0], [1.0]], [[0.0], [0.0], [0.0], [1.0]], ridge=1e-9)([[1.0]]).round(3).tolist()
    [1.099]
    """
    one, other = (finite(x, name).astype(np.float64) for x, name in ((current, "current"), (reference, "reference")))
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1] or not len(one) or not len(other):
        raise InputError(
            f"current and reference must be (n, d) and (n', d), got {one.shape} and {other.shape}.",
            remedy="One row of features for each draw.",
        )
    both, label = np.vstack([one, other]), np.repeat([1.0, 0.0], [len(one), len(other)])
    mass = np.repeat([0.5 / len(one), 0.5 / len(other)], [len(one), len(other)])
    centre, spread = both.mean(axis=0), both.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    rows = np.hstack([(both - centre) / spread, np.ones((len(both), 1))])
    held = np.append(np.full(one.shape[1], ridge), 0.0)
    found = np.zeros(rows.shape[1])
    for _ in range(rounds):
        chance = 0.5 * (1.0 + np.tanh(0.5 * rows @ found))
        slope = rows.T @ (mass * (chance - label)) + held * found
        curve = (rows.T * (mass * chance * (1.0 - chance))) @ rows + np.diag(held + 1e-12)
        step = np.linalg.solve(curve, slope)
        found = found - step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            break
    direction = found[:-1] / spread
    return LogRatio(direction, float(found[-1] - direction @ centre))
