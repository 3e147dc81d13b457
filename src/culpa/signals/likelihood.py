"""Rewards from how likely a model makes the reference answer after its own reasoning: no verifier is asked.

The signal is the log-probability of every token of the reference answer after an output's reasoning, (t, ..., p, s):
the answer's tokens stand on the first axis, NaN beyond its end. One number an output comes out, (..., p, s); an answer
of no token is no verdict. The reward depends on the policy's weights, so its gradient has a second half beside the
advantage of the reasoning: `answer_weights` times the gradient of the answer's log-probabilities.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

from culpa.errors import InputError
from culpa.metrics.arrays import Array, known_or_nan
from culpa.signals.moments import moments
from culpa.signals.ranks import levels
from culpa.signals.transform import Group, Transform, known_field, merges, stateless

Kind = Literal["logprob", "mean_logprob", "probability", "token_probability"]
Objective = Literal[Kind, "marginal"]
_LARGE = 30.0  # exp(x) - 1 and exp(x) are the same number beyond


def answer_likelihood(kind: Kind = "logprob") -> Transform:
    """How likely the answer's L tokens are: one of four readings.        (t, ..., p, s) to (..., p, s)

    logprob            sum_t log pi(a_t)         trains at any length; the paper's recommendation
    mean_logprob       sum_t log pi(a_t) / L
    probability        prod_t pi(a_t)            VeriFree: nothing is left of it for long answers
    token_probability  sum_t pi(a_t) / L         RLPR, before its baseline

    Reference: Likelihood-Based Reward Designs, arXiv 2602.03979; VeriFree, arXiv 2505.21493.

    >>> from culpa.signals.transform import apply
    >>> logp = np.log([[[0.5, 0.5]], [[0.5, 0.25]]])
    >>> [apply(answer_likelihood(kind), logp).round(3).tolist()[0] for kind in ("probability", "token_probability")]
    [[0.25, 0.125], [0.5, 0.375]]
    """
    if kind not in _READINGS:
        raise InputError(f"kind must be one of {', '.join(get_args(Kind))}, got {kind!r}.", remedy="logprob is safe.")
    read = _READINGS[kind]

    def act(signal: Array, _group: Group) -> Array:
        _check(signal, "answer_likelihood")
        return read(signal)

    return stateless(act, merges)


def token_probability_gain(base: float | Array) -> Transform:
    """How much likelier the reasoning makes the answer's tokens, where it does: max(0, mean_t pi(a_t | z) - base).

    base: the same mean without any reasoning, a number for each prompt (p,), or one for all. Takes (t, ..., p, s). A
    prompt of unknown base becomes NaN. Left out: RLPR's filter of prompts by a running standard deviation, which is a
    trainer's. Reference: RLPR, arXiv 2506.18254.

    >>> from culpa.signals.transform import apply
    >>> apply(token_probability_gain(0.4), np.log([[[0.5, 0.3]]])).round(3).tolist()
    [[0.1, 0.0]]
    """
    held = known_or_nan(base, "base")
    if held.ndim > 1:
        raise InputError(f"base has shape {held.shape}.", remedy="Give a number for each prompt, or one for all.")

    def act(signal: Array, _group: Group) -> Array:
        _check(signal, "token_probability_gain")
        if held.ndim and len(held) not in (1, signal.shape[-2]):
            problem = f"base has {len(held)} prompts, the signal {signal.shape[-2]}."
            raise InputError(problem, remedy="Give a number for each prompt, or one for all.")
        return np.maximum(_READINGS["token_probability"](signal) - held[..., None], 0.0)

    return stateless(act, merges)


def perplexity_rank() -> Transform:
    """The place of an output in its group by the answer's perplexity, the least first: (G - rank) / G, rank 0 to G - 1.

    Perplexity is judged by -(sum_t log pi(a_t) / L) / (1 + log10 of the reasoning's length); ties share the mean of
    their ranks.        (t, ..., p, s) to (..., p, s), within 0..1, the mean of a group (G + 1) / 2 G

    Reads the group's length: that of the reasoning, in tokens; an output of unknown length, or none, becomes NaN and
    has no rank. Where outputs are enumerated it is 1 - P(less) - P(as much) / 2, that of endless groups.
    Departures from NOVER: its bonus for outputs that are both shorter and likelier and the one for form are rewards of
    their own; scoring by a slowly averaged policy is the scorer's affair. Reference: NOVER, arXiv 2505.16022.

    >>> from culpa.signals.transform import apply, equal_group
    >>> group = equal_group((1, 2), length=np.array([[10.0, 10.0]]))
    >>> apply(perplexity_rank(), np.log([[[0.5, 0.25]]]), group).tolist()
    [[1.0, 0.5]]
    """

    def act(signal: Array, group: Group) -> Array:
        _check(signal, "perplexity_rank")
        length = np.broadcast_to(known_field(group, "length", "perplexity_rank"), signal.shape[1:])
        thought = 1.0 + np.log10(np.where(length >= 1.0, length, np.nan))
        found = levels(-_READINGS["mean_logprob"](signal) / thought, group.weight)
        return 1.0 - found.below - 0.5 * (found.mass if group.enumerated else found.mass - found.share)

    return stateless(act, merges)


def marginal_gain() -> Transform:
    """What an output adds to the log of the group's mean probability of the answer (JEPO), as an advantage.

    A_i = (log sum_j w_j pi_j - log (sum_{j != i} w_j pi_j / (1 - w_i))) / w_i,   pi_j = prod_t pi(a_t | z_j)

    (t, ..., p, s) to (..., p, s). Multiplying a prompt's probabilities by a constant changes nothing, so long answers
    train as well as short ones. A lone output has no others: NaN. Where outputs are enumerated, and for those without
    weight, it is the limit for small weights, pi_i / mean pi - 1. The group's objective is one number, the log of a
    mean; its gradient is the sum over outputs of the paper's difference, and so the mean of A, as a trainer takes it.
    Departure from the paper's summary: that factor 1 / w = G. Reference: JEPO, arXiv 2503.19618.

    >>> from culpa.signals.transform import apply
    >>> apply(marginal_gain(), np.log([[[0.2, 0.1]]])).round(3).tolist()
    [[0.811, -0.575]]
    """

    def act(signal: Array, group: Group) -> Array:
        _check(signal, "marginal_gain")
        total, share = _from_top(_sum(signal), group)
        logs = np.where(share > 0, np.where(np.isnan(total), 0.0, total), -np.inf)
        # Of a lone output there is nothing to compare with; one without weight may be far above all others.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            weighed = logs + np.log(share)
            mean = np.logaddexp.reduce(weighed, axis=-1, keepdims=True)
            own = np.exp(weighed - mean)  # above one half the difference would lose digits; of ties none is
            apart = np.logaddexp(_before(weighed), _before(weighed[..., ::-1])[..., ::-1])
            others = np.where(own > 0.5, apart, mean + np.log1p(-own))
            rest = others - np.log1p(-share)
            ratio = np.where(np.isnan(total) | np.isneginf(rest), np.nan, total - rest)
            gain = np.where(
                ratio < _LARGE, np.log1p(share * np.expm1(np.minimum(ratio, _LARGE))), np.log(share) + ratio
            )
            limit = np.expm1(np.where(np.isneginf(mean) | np.isnan(total), np.nan, total - mean))
        small = (share == 0) | group.enumerated
        return np.where(small, limit, gain / np.where(share > 0, share, 1.0))

    return stateless(act, merges)


def answer_weights(kind: Objective = "logprob") -> Transform:
    """The other half of the gradient: what each token of the answer is to be cloned with.   (t, ..., p, s) to the like

    d r / d log pi(a_t): 1 for logprob, 1 / L for mean_logprob, pi(a) for probability, pi(a_t) / L for
    token_probability; and for marginal, of the group's log mean, pi_i(a) / sum_j w_j pi_j(a). They weight the negative
    log-likelihood of the answer's tokens, a loss beside that of the reasoning:

    grad E_z[r] = E_z[A grad log pi(z) + sum_t weight_t grad log pi(a_t | z)]

    >>> from culpa.signals.transform import apply
    >>> apply(answer_weights("probability"), np.log([[[0.5]], [[0.25]]])).round(3).ravel().tolist()
    [0.125, 0.125]
    """
    if kind not in get_args(Objective):
        known = ", ".join(get_args(Objective))
        raise InputError(f"kind must be one of {known}, got {kind!r}.", remedy="The reward's own, or marginal.")

    def act(signal: Array, group: Group) -> Array:
        _check(signal, "answer_weights")
        known = ~np.isnan(signal)
        count = np.maximum(known.sum(axis=0), 1)
        value: Array = np.ones(signal.shape[1:])
        if kind == "mean_logprob":
            value = 1.0 / count
        elif kind == "probability":
            value = _exp(_sum(signal))
        elif kind == "token_probability":
            value = _exp(signal) / count
        elif kind == "marginal":
            total, share = _from_top(_sum(signal), group)
            mean = (share * np.exp(np.where(share > 0, total, -np.inf))).sum(axis=-1, keepdims=True)
            value = _exp(total) / np.where(mean > 0, mean, np.nan)
        return np.where(known, value, np.nan)

    return stateless(act)


def _sum(signal: Array) -> Array:
    known = ~np.isnan(signal)
    return np.where(known.any(axis=0), np.where(known, signal, 0.0).sum(axis=0), np.nan)


def _mean(signal: Array) -> Array:
    return np.asarray(_sum(signal) / np.maximum((~np.isnan(signal)).sum(axis=0), 1))


def _exp(signal: Array) -> Array:
    with np.errstate(over="ignore"):  # of log-probabilities there is nothing to overflow
        return np.asarray(np.exp(signal))


def _from_top(total: Array, group: Group) -> tuple[Array, Array]:
    """Log-probabilities less the largest of the group that has weight, and the share of each cell."""
    share = moments(total, group).share
    top = np.where(share > 0, total, -np.inf).max(axis=-1, keepdims=True)
    return total - np.where(np.isfinite(top), top, 0.0), share


_READINGS: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {
        "logprob": _sum,
        "mean_logprob": _mean,
        "probability": lambda signal: _exp(_sum(signal)),
        "token_probability": lambda signal: _mean(_exp(signal)),
    }
)


def _before(logs: Array) -> Array:
    """The log of the sum of all before each, along the last axis; -inf for the first."""
    none = np.full_like(logs[..., :1], -np.inf)
    return np.concatenate([none, np.logaddexp.accumulate(logs[..., :-1], axis=-1)], axis=-1)


def _check(signal: Array, asker: str) -> None:
    if signal.ndim < 3:
        raise InputError(
            f"{asker} needs a signal of shape (t, ..., p, s), got {signal.shape}.",
            remedy="Stack the log-probabilities of the answer's tokens on the first axis.",
        )
