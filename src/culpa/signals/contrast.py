"""Credit by role: the tokens of an output that depend on what they should depend on bear more of its advantage."""

from typing import Literal, get_args

import numpy as np

from culpa.errors import InputError
from culpa.metrics.arrays import Array, Mask
from culpa.signals.tokens import Tokens, token_weights
from culpa.signals.transform import Transform

Form = Literal["exp", "top"]
_FURTHEST, _LARGEST = 20.0, 10.0  # bounds of the log-ratio and of its k3, as VPPO has them


def contrast_weights(
    strength: float = 1.0, form: Form = "exp", *, share: float = 0.2, roles: bool = False
) -> Transform:
    """The advantage of an output by how much each of its tokens depends on the context. (..., p, s) to (t, ..., p, s)

    exp: w_t = exp(strength (s_t - mean s)) over its mean in the output,   s_t = |log pi(y_t) - log pi'(y_t)|
    top: w_t = 1 / share for the highest `share` of an output's tokens by e^d - d - 1, d = log pi' - log pi, else 0

    pi: `Tokens.logprob`; pi': `Tokens.other`, the same tokens under the policy in a corrupted context: another image
    for tokens that describe one, no description for those that reason from it. Weights are never negative and of mean 1
    over an output's tokens, so the sign of its advantage and its sum over tokens are kept; where pi' = pi they are 1.
    roles: the means are over the tokens of one `Tokens.segment` of the output, so that credit moves within a role
    only. A token without a log-probability bears what the mean token does. top keeps ceil(share n) of n tokens, more
    where they tie.

    Departures: 1. SRPO's own form is not public; exp is ours in its spirit. 2. of VPPO (top) the rescaling of whole
    outputs by their mean dependency is left out, and the kept tokens are raised so that the mean weight is 1.
    Reference: SRPO, arXiv 2605.07274; VPPO, arXiv 2510.09285.

    >>> from culpa.signals.transform import apply, equal_group
    >>> logprob, other = np.array([[[-1.0]], [[-1.0]]]), np.array([[[-1.0 - np.log(3)]], [[-1.0]]])
    >>> known = Tokens(np.ones((2, 1, 1), dtype=bool), logprob=logprob, other=other)
    >>> apply(contrast_weights(), [[2.0]], equal_group((1, 1), tokens=known)).ravel().round(3).tolist()
    [3.0, 1.0]
    """
    if form not in get_args(Form):
        raise InputError(f"form must be one of {', '.join(get_args(Form))}, got {form!r}.", remedy="See its help.")
    if not 0.0 < share <= 1.0 or not np.isfinite(strength):
        problem = f"share must be above 0 and up to 1 and strength finite, got {share} and {strength}."
        raise InputError(problem, remedy="strength 0 or share 1: every token bears the same.")

    def weights(_signal: Array, tokens: Tokens) -> Array:
        if tokens.logprob is None or tokens.other is None:
            problem = "contrast_weights needs the tokens' logprob and other."
            raise InputError(problem, remedy="Score the same tokens in the corrupted context: Tokens(other=...).")
        gap = np.clip(tokens.other - tokens.logprob, -_FURTHEST, _FURTHEST)
        known = tokens.mask & ~np.isnan(gap)
        if form == "exp":
            raw = np.exp(strength * np.minimum(np.abs(gap), _FURTHEST))
        else:
            raw = np.minimum(np.expm1(gap) - gap, _LARGEST)
        result = np.full(gap.shape, np.nan)
        for part in _parts(tokens, known, roles):
            result = np.where(part, _evened(raw, part) if form == "exp" else _top(raw, part, share), result)
        return result

    return token_weights(weights)


def _parts(tokens: Tokens, known: Mask, roles: bool) -> list[Mask]:
    """The tokens over which weights have mean 1: an output's, or those of one role in it."""
    if not roles:
        return [known]
    if tokens.segment is None:
        raise InputError("roles need the tokens' segment, which is not there.", remedy="Set Tokens(segment=...).")
    segment = np.asarray(tokens.segment)
    return [known & (segment == one) for one in np.unique(segment[tokens.mask])]


def _evened(raw: Array, part: Mask) -> Array:
    """Divided by the mean over an output's tokens."""
    count = np.maximum(part.sum(axis=0), 1)
    mean = np.where(part, raw, 0.0).sum(axis=0) / count
    return np.asarray(raw / np.where(mean > 0.0, mean, 1.0))


def _top(raw: Array, part: Mask, share: float) -> Array:
    """1 for the highest share of an output's tokens, else 0, then evened."""
    ordered = -np.sort(np.where(part, -raw, np.inf), axis=0)
    last = np.maximum(np.ceil(share * part.sum(axis=0) - 1e-9).astype(np.int64) - 1, 0)
    edge = np.take_along_axis(ordered, last[None], axis=0)
    return _evened(np.where(raw >= edge, 1.0, 0.0), part)
