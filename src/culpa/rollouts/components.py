"""Weighted sums of a record's proxies: what a policy learns from when it is trained on several rewards at once."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import isfinite
from typing import NamedTuple

import numpy as np

from culpa.errors import InputError, shorten
from culpa.rollouts.naming import listing
from culpa.rollouts.record import Array, Rollouts

_SIGN = re.compile(r"\s*([+-]?)\s*")
_WEIGHT = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*\*\s*")
_BEHIND = re.compile(r"\s*(?=[+-]|\Z)")  # a name ends where the sum goes on or ends
_OPERATOR = re.compile(r"\s[+-]\s")
_FORM = "Write NAME = 0.7*SCORE + 0.3*SCORE; the name may be left out."


class Mix(NamedTuple):
    """A weighted sum of scores, under a name of its own."""

    name: str
    weights: dict[str, float]  # score -> weight


def parse_mix(text: str, scores: Iterable[str]) -> Mix:
    """The weighted sum that a line describes: terms `weight*score`, joined by + and -, perhaps `name =` before them.

    Scores are found by their names, the longest first, so that a name may hold signs: "a-b" is the score of that name
    where there is one, else a minus b; "a - b" with spaces is always the difference. Without a name, the sum is called
    by its own text. A score that stands twice has the sum of its weights.

    >>> parse_mix("both = 0.7*org/rm-a + 0.3*verifier", ["org/rm-a", "verifier", "verifier-2"])
    Mix(name='both', weights={'org/rm-a': 0.7, 'verifier': 0.3})
    >>> parse_mix("a - .5*b", ["a", "b"])
    Mix(name='a - .5*b', weights={'a': 1.0, 'b': -0.5})
    """
    known = sorted(scores, key=len, reverse=True)
    name, equals, formula = text.partition("=")
    try:
        return Mix(" ".join(text.split()), _weights(text.strip(), known))
    except InputError:
        if not equals:
            raise
    if not name.strip():
        raise InputError(f"the mix {shorten(text)!r} has an empty name.", remedy=_FORM)
    return Mix(name.strip(), _weights(formula.strip(), known))


def mixed(rollouts: Rollouts, texts: Sequence[str]) -> Rollouts:
    """The record with a further proxy for each weighted sum of its proxies; a later sum may use an earlier one.

    R[p, s] = sum over scores of weight x score[p, s]; NaN where a score of weight other than 0 has no verdict.

    >>> rm, check = np.array([[1.0, 2.0]]), np.array([[1.0, np.nan]])
    >>> known = {"rm": rm, "check": check}
    >>> rollouts = Rollouts(np.array(["a"], dtype=object), rm > 0, np.array([[0.5, 0.5]]), known)
    >>> mixed(rollouts, ["both = 0.5*rm + check"]).proxies["both"].tolist()
    [[1.5, nan]]
    """
    proxies = dict(rollouts.proxies)
    for text in texts:
        mix = parse_mix(text, proxies)
        if mix.name in proxies:
            problem = f"two scores would be called {shorten(mix.name)!r}."
            raise InputError(problem, remedy="Name the mix: NAME = 0.7*SCORE + 0.3*SCORE.")
        proxies[mix.name] = _sum(rollouts, proxies, mix)
    return replace(rollouts, proxies=proxies)


def _sum(rollouts: Rollouts, proxies: dict[str, Array], mix: Mix) -> Array:
    total = np.where(rollouts.present, 0.0, np.nan)
    with np.errstate(over="ignore"):
        for score, weight in mix.weights.items():
            if weight != 0.0:
                total = total + weight * proxies[score]
    if np.isinf(total).any():
        problem = f"the mix {shorten(mix.name)!r} is larger than a number can be."
        raise InputError(problem, remedy="Use smaller weights.")
    return np.asarray(total)


def _weights(formula: str, known: Sequence[str]) -> dict[str, float]:
    weights: dict[str, float] = {}
    place = 0
    while place < len(formula) or not weights:
        sign = _SIGN.match(formula, place)
        start = sign.end() if sign else place
        score, weight, after = _term(formula, start, known)
        weights[score] = weights.get(score, 0.0) + (-weight if sign and sign[1] == "-" else weight)
        place = after
    return weights


def _term(formula: str, place: int, known: Sequence[str]) -> tuple[str, float, int]:
    """The score, its weight, and where the term ends."""
    weight, at = 1.0, place
    score = _score(formula, at, known)
    number = None if score else _WEIGHT.match(formula, place)
    if number:
        weight, at = float(number[1]), number.end()
        score = _score(formula, at, known)
    if score is None:
        behind = _OPERATOR.search(formula, place)
        term = formula[place : behind.start() if behind else None]
        problem = f"{shorten(term)!r} is no term of a mix." if term else f"the mix {shorten(formula)!r} lacks a term."
        raise InputError(problem, remedy=f"{_FORM} Scores: {listing(sorted(known))}.")
    if not isfinite(weight):
        raise InputError(f"the weight of {shorten(score)!r} is infinite.", remedy="Use a smaller number.")
    end = _BEHIND.match(formula, at + len(score))
    return score, weight, end.end() if end else at + len(score)


def _score(formula: str, place: int, known: Sequence[str]) -> str | None:
    """The longest known name that stands there whole."""
    fits = (name for name in known if formula.startswith(name, place) and _BEHIND.match(formula, place + len(name)))
    return next(filter(None, fits), None)
