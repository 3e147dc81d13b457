"""From one number an output to one a token: how much of an output's advantage each of its tokens bears.

A token signal is (t, ..., p, s), as that of steps is: the tokens stand on the first axis, NaN where an output has
ended. So statistics over a group stay those along the last axis. A trainer that wants (n, t) reshapes its first axis to
the end: `numpy.moveaxis(signal, 0, -1)`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culpa.errors import InputError
from culpa.metrics.arrays import Array, Mask, Shape
from culpa.signals.transform import Group, Transform, stateless

ANY = -1  # the length of the token axis in an announced shape: as many as the batch at hand has


@dataclass(frozen=True, eq=False)
class Tokens:
    """What is known of the tokens of every output, the `tokens` of a `Group`: all arrays (t, ..., p, s)."""

    mask: Mask  # the policy chose this token: True. False where the output has ended, or a tool spoke
    score: Array | None = None  # what a token or its step is worth on its own; NaN = no verdict
    logprob: Array | None = None  # of the token under the policy
    reference: Array | None = None  # under the policy that it is held to
    other: Array | None = None  # under the policy in another context: a corrupted image, no perception
    segment: Array | None = None  # the number of the part of the output that the token belongs to


TokenWeights = Callable[[Array, Tokens], Array]


def token_weights(weights: TokenWeights, *, mean_one: bool = False) -> Transform:
    """The advantage of an output times a weight at each of its tokens: A_t = A w_t.      (..., p, s) to (t, ..., p, s)

    It comes after the group's statistics, and so leaves them alone: outputs are compared as before, only where an
    output bears its advantage changes. weights: a function of (signal, tokens), to (t, ..., p, s); NaN counts as 1: a
    token that nothing is known of bears the advantage as it is. mean_one: divided by their mean over the output's
    tokens, so that they move credit and add none. Tokens that are not the policy's become NaN.

    >>> from culpa.signals.transform import apply, equal_group
    >>> group = equal_group((1, 1), tokens=Tokens(np.ones((2, 1, 1), dtype=bool), score=np.array([[[0.5]], [[2.0]]])))
    >>> apply(token_weights(lambda signal, tokens: tokens.score), [[3.0]], group).ravel().tolist()
    [1.5, 6.0]
    """

    def act(signal: Array, group: Group) -> Array:
        known = tokens_of(group, "token_weights")
        mask = beside(known.mask, signal)
        given = np.broadcast_to(beside(weights(signal, known), signal), (len(mask), *signal.shape))
        factor = np.where(np.isnan(given), 1.0, given)
        if mean_one:
            count = mask.sum(axis=0)
            mean = np.where(mask, factor, 0.0).sum(axis=0) / np.maximum(count, 1)
            factor = factor / np.where(mean == 0.0, 1.0, mean)
        return np.where(mask, signal * factor, np.nan)

    return stateless(act, _widened)


def spread_tokens() -> Transform:
    """The advantage of an output at each of its tokens: A_t = A. What trainers do with one number an output.

    >>> from culpa.signals.transform import apply, equal_group
    >>> group = equal_group((1, 2), tokens=Tokens(np.array([[[True, True]], [[True, False]]])))
    >>> apply(spread_tokens(), [[3.0, 4.0]], group).tolist()
    [[[3.0, 4.0]], [[3.0, nan]]]
    """
    return token_weights(lambda _signal, tokens: np.ones(tokens.mask.shape))


def by_sign(credit: Callable[[Tokens], Array], *, middle: float = 0.0, floor: float = 0.0) -> TokenWeights:
    """Weights from a credit q_t of 0 to 1: good tokens bear the praise, bad ones the blame.

    w_t = h(q_t) where A > 0, else h(1 - q_t),   h(x) = floor + (1 - floor) clip((x - middle) / (1 - middle), 0, 1)

    The sign of the advantage is kept. middle: what a credit must exceed to bear anything.
    """
    if not (0.0 <= middle < 1.0 and 0.0 <= floor <= 1.0):
        problem = f"middle must be within 0 and 1 and floor up to 1, got {middle} and {floor}."
        raise InputError(problem, remedy="0 and 0: the credit itself.")

    def weights(signal: Array, tokens: Tokens) -> Array:
        own = beside(credit(tokens), signal)
        sided = np.where(signal > 0, own, 1.0 - own)
        return floor + (1.0 - floor) * np.clip((sided - middle) / (1.0 - middle), 0.0, 1.0)

    return weights


def process_weights(*, floor: float = 0.0) -> Transform:
    """The advantage times the score of each step, after normalisation: praise for good steps, blame for bad ones.

    A_t = A (floor + (1 - floor) q_t) for A > 0, A (floor + (1 - floor) (1 - q_t)) for A < 0

    q: `Tokens.score`, 0 to 1; a step's score stands at each of its tokens.
    Departure from Signal Reshaping: its weights are not public, these are ours. Reference: arXiv 2605.07276.

    >>> from culpa.signals.transform import apply, equal_group
    >>> group = equal_group((1, 2), tokens=Tokens(np.ones((1, 1, 2), dtype=bool), score=np.array([[[0.75, 0.75]]])))
    >>> apply(process_weights(), [[1.0, -1.0]], group).tolist()
    [[[0.75, -0.25]]]
    """
    return token_weights(by_sign(lambda tokens: scores_of(tokens, "process_weights"), floor=floor))


def token_gate(*, middle: float = 0.5) -> Transform:
    """The advantage only where a token-level reward model is on its side.

    c_t = sigma(mean of s_1 .. s_t),   w_t = clip((c_t - m) / (1 - m), 0, 1) for A > 0, the same of 1 - c_t for A < 0

    s: `Tokens.score`, unbounded; tokens without one leave the mean, m: middle. At s = 0 nothing passes for m = .5.
    Left out: the variant that keeps the highest quarter of tokens. Reference: OREAL, arXiv 2502.06781.

    >>> from culpa.signals.transform import apply, equal_group
    >>> group = equal_group((1, 1), tokens=Tokens(np.ones((2, 1, 1), dtype=bool), score=np.array([[[2.0]], [[-2.0]]])))
    >>> apply(token_gate(), [[1.0]], group).ravel().round(3).tolist()
    [0.762, 0.0]
    """
    return token_weights(by_sign(running_credit, middle=middle))


def running_credit(tokens: Tokens) -> Array:
    """The sigmoid of the mean score up to each token, (t, ..., p, s); NaN before the first score and off the mask."""
    score = np.where(tokens.mask, scores_of(tokens, "running_credit"), np.nan)
    known = ~np.isnan(score)
    count = np.cumsum(known, axis=0)
    mean = np.cumsum(np.where(known, score, 0.0), axis=0) / np.maximum(count, 1)
    small = np.exp(-np.abs(mean))
    credit = np.where(mean >= 0, 1.0, small) / (1.0 + small)
    return np.where((count > 0) & tokens.mask, credit, np.nan)


def scores_of(tokens: Tokens, asker: str) -> Array:
    """The scores of tokens, for steps that cannot do without."""
    if tokens.score is None:
        raise InputError(f"{asker} needs the tokens' score, which is not there.", remedy="Set Tokens(score=...).")
    return tokens.score


def tokens_of(group: Group, asker: str) -> Tokens:
    """The tokens of a group, for steps that cannot do without."""
    if not isinstance(group.tokens, Tokens):
        problem = f"{asker} needs the group's tokens, which are not there."
        raise InputError(problem, remedy="Set tokens=Tokens(mask) in the group.")
    return group.tokens


def beside(array: NDArray[Any], signal: Array) -> NDArray[Any]:
    """An array of tokens (t, p, s) beside a signal with leading axes: (t, 1, .., p, s)."""
    missing = signal.ndim + 1 - array.ndim
    return array.reshape(array.shape[0], *[1] * missing, *array.shape[1:])


def _widened(shape: Shape) -> Shape:
    return (ANY, *shape)
