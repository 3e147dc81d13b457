"""One correct and one wrong output of a prompt, with the strengths that make both halves one gradient."""

import numpy as np
from numpy.random import Generator

from culpa.metrics.arrays import Array
from culpa.signals.draws import drawn, one_of
from culpa.signals.transform import Group, Transform, stateless


def balanced_pairs(*, correct: float = 0.5, scaled: bool = True, draw: bool = True) -> Transform:
    """Advantages of one correct and one wrong output of every prompt that has both; the others get 0.

    A = + p / (2 w) for the correct one, - (1 - p) / (2 w) for the wrong one,   p: the group's share of correct outputs

    The signal is the reward. Cloning a correct output has the mean gradient grad p / p, pushing a wrong one down
    grad p / (1 - p), where p is the success rate: the second is p / (1 - p) times the first, 19 times at p = .95. Times
    p and 1 - p both are grad p, and so is their mean. `scaled` false leaves p and 1 - p out: the control. draw: which
    of several is by chance, with a generator; draw=False shares the weight among all, its mean.
    A prompt without both gets 0; an output without weight too. Where outputs are enumerated nothing is drawn.

    Departures from OREAL: 1. its code scales by the leave-one-out advantage, about 1 - p and -p, with a factor of .5
    on the wrong half, and divides by tokens; the balance here is that of its theory. 2. the token gate is a step of its
    own, `token_gate`. Reference: OREAL, arXiv 2502.06781.

    >>> from culpa.signals.transform import apply
    >>> apply(balanced_pairs(), [[1.0, 0.0]], rng=np.random.default_rng(0)).tolist()
    [[0.5, -0.5]]
    """

    def shared(signal: Array, group: Group) -> Array:
        return _pairs(signal, group, correct, scaled, None)

    def chance(signal: Array, group: Group, rng: Generator) -> Array:
        return _pairs(signal, group, correct, scaled, None if group.enumerated else rng)

    return drawn(chance, "balanced_pairs") if draw else stateless(shared)


def _pairs(signal: Array, group: Group, correct: float, scaled: bool, rng: Generator | None) -> Array:
    known = ~np.isnan(signal)
    mass = np.where(known, np.broadcast_to(group.weight, signal.shape), 0.0)
    total = mass.sum(axis=-1, keepdims=True)
    share = mass / np.where(total > 0, total, 1.0)
    right = known & (signal > correct) & (share > 0)
    wrong = known & ~(signal > correct) & (share > 0)
    rate = np.where(right, share, 0.0).sum(axis=-1, keepdims=True)
    both = right.any(axis=-1, keepdims=True) & wrong.any(axis=-1, keepdims=True)
    value = np.zeros(signal.shape)
    for cells, sign, factor in ((right, 1.0, rate), (wrong, -1.0, 1.0 - rate)):
        kept = cells if rng is None else one_of(cells, share, rng)
        whole = np.where(kept, share, 0.0).sum(axis=-1, keepdims=True)
        strength = factor if scaled else np.ones_like(rate)
        value += sign * np.where(kept & both, 0.5 * strength / np.where(whole > 0, whole, 1.0), 0.0)
    return np.where(known, value, np.nan)
