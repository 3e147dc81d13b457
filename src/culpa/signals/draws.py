"""Steps that draw by chance, as pure functions: the same state gives the same draws."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from culpa.errors import InputError
from culpa.metrics.arrays import Array, Mask, Shape
from culpa.signals.transform import Group, State, Transform


def drawn(function: Callable[[Array, Group, Generator], Array], asker: str) -> Transform:
    """A function of signal, group and a generator as a step: its state is (a seed, calls so far).

    The seed is drawn once from the generator given to `init`; without one, the first call is refused. Every call has
    draws of its own, and the same state the same ones: a run that is stored and read again goes on as it would have.

    >>> from culpa.signals.transform import apply
    >>> noise = drawn(lambda signal, group, rng: signal + rng.integers(1, 2, signal.shape), "noise")
    >>> apply(noise, [[1.0, 2.0]], rng=np.random.default_rng(0)).tolist()
    [[2.0, 3.0]]
    """

    def init(_shape: Shape, rng: Generator | None) -> State:
        return (None if rng is None else int(rng.integers(2**63))), 0

    def act(signal: Array, group: Group, state: State) -> tuple[Array, State]:
        seed, calls = state
        if seed is None:
            raise InputError(f"{asker} draws by chance and got no generator.", remedy="Give rng=default_rng(seed).")
        return function(signal, group, np.random.default_rng([seed, calls])), (seed, calls + 1)

    return Transform(init, act)


def one_of(eligible: Mask, weight: Array, rng: Generator) -> Mask:
    """One eligible cell of every group, (..., s): each with a chance like its weight; none where nothing has weight.

    >>> one_of(np.array([[False, True], [False, False]]), np.ones((2, 2)), np.random.default_rng(0)).tolist()
    [[False, True], [False, False]]
    """
    mass = np.where(eligible, weight, 0.0)
    with np.errstate(divide="ignore"):
        race = rng.exponential(size=mass.shape) / mass  # the first of exponential waiting times of these rates
    first = race.argmin(axis=-1, keepdims=True)
    return np.asarray((np.arange(mass.shape[-1]) == first) & (mass > 0))
