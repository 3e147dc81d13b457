"""The next token as an action: cross-entropy as a policy gradient, and rewards that sharpen or spread it."""

import numpy as np
from numpy.typing import ArrayLike

from culpa.errors import InputError
from culpa.metrics.arrays import Array, float64s, refuse, same_shape


def next_token_reward(
    prob: ArrayLike, target: ArrayLike, *, beta: float = 0.0, head: float = 0.0, tail: float = 0.0, count: int = 100
) -> Array:
    """The reward of every token of the vocabulary, (..., v), whose policy gradient is that of a next-token loss.

    r(target) = (1 - pi)^beta / pi,   r(another) = head if it is among the `count` likeliest, else tail

    prob: pi (..., v); target: (...) its number. The reward is held while the gradient is taken:
    sum_v pi r grad log pi moves the logits by w - pi sum w, w = pi r. All 0 is cross-entropy. beta below 0 sharpens,
    above 0 spreads; tail below 0 takes mass from the unlikely. The torch loss of the same gradient is
    `culpa.objectives.vocabulary.shaped_xent`. Reference: arXiv 2512.22955.

    >>> next_token_reward([0.5, 0.25, 0.25], 0, tail=-0.1, count=2).tolist()
    [2.0, 0.0, -0.1]
    """
    given = float64s(prob, "prob")
    refuse(~((given > 0.0) & (given <= 1.0)), "prob", "a value that is no chance above 0", "Give softmax(logits).")
    wanted = np.asarray(target)
    same_shape("target", wanted.shape, (given.shape[:-1],), "Give one number for each row of chances.")
    if not np.issubdtype(wanted.dtype, np.integer) or ((wanted < 0) | (wanted >= given.shape[-1])).any():
        raise InputError(f"target must be numbers from 0 to {given.shape[-1] - 1}.", remedy="They count the tokens.")
    if count < 1:
        raise InputError(f"the head needs at least 1 token, got {count}.", remedy="The paper takes 100.")
    order = np.argsort(-given, axis=-1, kind="stable")
    likely = np.zeros(given.shape, dtype=np.bool_)
    np.put_along_axis(likely, order[..., :count], True, axis=-1)
    right = np.arange(given.shape[-1]) == wanted[..., None]
    rest = np.maximum(1.0 - given, np.finfo(np.float64).eps)
    return np.where(right, rest**beta / given, np.where(likely, head, tail))
