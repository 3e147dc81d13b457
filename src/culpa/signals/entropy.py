"""A controller of the policy's entropy that acts by the advantages of correct outputs."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from culpa.errors import InputError
from culpa.metrics.arrays import Array, Shape
from culpa.signals.baseline import center
from culpa.signals.deviation import divide_std
from culpa.signals.transform import Group, State, Transform, chain, known_field

_MOST = 700.0  # the log of a ratio; its exponential is still a number


def dcpo(
    target: float,
    *,
    cool: float = 0.8,
    warm: float = 1.2,
    cap: float = 0.1,
    correct: float = 0.5,
    advantage: Transform | None = None,
) -> Transform:
    """Advantages that hold the policy's entropy at a target, by correct outputs as a warmer or cooler policy has them.

    A' = (1 - a) A + a 1[r > correct] rho(y),   rho(y) = pi_T(y) / pi(y),   pi_T(y) = pi(y)^(1/T) / sum_y pi(y)^(1/T)

    a = b / (1 + b),   b = min(|target - H|, cap) / p,   H = - sum_y pi(y) log pi(y), p = share of correct outputs, both
    over the batch; T = warm where H <= target, else cool. (..., p, s) to the like; the signal is the reward. In
    expectation the second part is REINFORCE on correct outputs under pi_T: it moves the policy towards its own
    tempered form without a bonus for entropy. Without a correct output, and at H = target, this is A: `advantage` of
    the signal, which is centred and divided by the group's standard deviation if none is given.

    Departures from the paper: 1. an output counts as one action, where the paper has rho and H token by token; H is in
    nats per output. 2. the sum in pi_T is the mean of pi^(1/T - 1) over the group's outputs: exact where outputs are
    enumerated, an estimate where they are drawn. 3. H is that of this batch, not of the step before. The usual clip on
    the ratio is the learner's. An output of unknown log-probability becomes NaN; one without a verdict has no part in
    H and pi_T.
    Reference: DCPO, arXiv 2601.12730.

    >>> from culpa.signals.transform import apply, equal_group
    >>> group = equal_group((1, 2), logprob=np.log([[0.5, 0.5]]))
    >>> apply(dcpo(1.0), [[1.0, 0.0]], group).round(4).tolist()
    [[1.0, -0.8333]]
    """
    _check(target, cool, warm, cap, correct)
    inner = chain(center(), divide_std()) if advantage is None else advantage

    def act(signal: Array, group: Group, state: State) -> tuple[Array, State]:
        logp = np.broadcast_to(known_field(group, "logprob", "dcpo"), signal.shape)
        cells = np.where(np.isfinite(logp), signal, np.nan)
        base, state = inner.apply(cells, group, state)
        mass = np.where(np.isnan(cells), 0.0, group.weight)
        gap = target - _mean(-logp, mass)
        right = cells > correct
        rate = _mean(right.astype(np.float64), mass)
        pull = np.minimum(np.abs(gap), cap) / np.where(rate > 0, rate, np.inf)
        share = np.where(np.isnan(gap), 0.0, pull / (1.0 + pull))
        ratio = _tempered(logp, mass, np.where(gap >= 0, warm, cool))
        return (1.0 - share) * base + share * np.where(right, ratio, 0.0), state

    return Transform(_keeping(inner), act)


def _keeping(inner: Transform) -> Callable[[Shape, Generator | None], State]:
    def init(shape: Shape, rng: Generator | None) -> State:
        if inner.output(shape) != shape:
            problem = f"dcpo needs an advantage that keeps the shape, got one from {shape} to {inner.output(shape)}."
            raise InputError(problem, remedy="Merge rewards in a step of its own, before it.")
        return inner.init(shape, rng)

    return init


def _tempered(logp: Array, mass: Array, temperature: Array) -> Array:
    """pi_T / pi of every output, (..., p, s); its mean over a group under the masses is 1."""
    power = (1.0 / temperature - 1.0) * np.where(np.isfinite(logp), logp, 0.0)
    top = np.where(mass > 0, power, -np.inf).max(axis=-1, keepdims=True)
    own = np.exp(np.minimum(power - np.where(np.isfinite(top), top, 0.0), _MOST))
    whole = mass.sum(axis=-1, keepdims=True)
    mean = (mass * own).sum(axis=-1, keepdims=True) / np.where(whole > 0, whole, 1.0)
    return np.asarray(own / np.where(mean > 0, mean, 1.0))


def _mean(values: Array, mass: Array) -> Array:
    """The weighted mean over the batch, (..., 1, 1); NaN where nothing has mass."""
    whole = mass.sum(axis=(-2, -1), keepdims=True)
    total = (mass * np.where(mass > 0, values, 0.0)).sum(axis=(-2, -1), keepdims=True)
    return np.asarray(total / np.where(whole > 0, whole, np.nan))


def _check(target: float, cool: float, warm: float, cap: float, correct: float) -> None:
    if not 0.0 <= target < np.inf:
        raise InputError(f"target must be zero or more, got {target}.", remedy="It is an entropy, in nats.")
    if not 0.0 < cool <= 1.0 <= warm < np.inf:
        raise InputError(
            f"cool must be above 0 and at most 1, warm 1 or more, got {cool} and {warm}.", remedy="Temperatures."
        )
    if not 0.0 <= cap < np.inf or not np.isfinite(correct):
        problem = f"cap must be zero or more and correct a finite number, got {cap} and {correct}."
        raise InputError(problem, remedy="0.1 and 0.5 suit rewards of 0 and 1.")
