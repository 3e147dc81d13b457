"""Verdicts that are wrong by chance: how much of that a run survives."""

from typing import Literal, get_args

import numpy as np
from numpy.random import Generator

from culpa.errors import InputError
from culpa.metrics.arrays import Array
from culpa.signals.draws import drawn
from culpa.signals.transform import Group, Transform, stateless

Level = Literal["group", "sample"]


def flip(p: float, level: Level = "group") -> Transform:
    """Reward r turned into 1 - r with chance p: for all outputs of a prompt at once, or for each by itself.

    For rewards of 0 to 1. "group" is a wrong reference answer: at every call each prompt is turned or not. Under
    advantages that are centred and divided by the group's standard deviation, E[A] = (1 - 2 p) A exactly: up to one
    half such noise slows learning and changes nothing else. "sample" is a careless judge; there the mean of the centred
    reward shrinks as much, but not that of the normalised one. Needs a generator, unless p is 0 or 1.
    Reference: Noisy Rewards in Learning to Reason, arXiv 2505.22653.

    >>> from culpa.signals.transform import apply
    >>> apply(flip(1.0), [[1.0, 0.25]]).tolist()
    [[0.0, 0.75]]
    """
    if not 0.0 <= p <= 1.0:
        raise InputError(f"p must be within 0 and 1, got {p}.", remedy="It is the chance of a wrong verdict.")
    if level not in get_args(Level):
        raise InputError(f"level must be one of {', '.join(get_args(Level))}, got {level!r}.", remedy="See flip.")

    def chance(signal: Array, _group: Group, rng: Generator) -> Array:
        shape = signal.shape if level == "sample" else (*signal.shape[:-1], 1)
        return np.where(rng.random(shape) < p, 1.0 - signal, signal)

    if p in (0.0, 1.0):
        return stateless(lambda signal, _group: 1.0 - signal if p else signal)
    return drawn(chance, "flip")
