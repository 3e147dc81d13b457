"""Imperfect proxies by name, each the truth with one planted defect, for any task.

A defect's `kind` names the condition that it plants: those of an error at one output (over-rewarded bad H1, best not
attracted H2, over-rewarded mediocre H3, wrong among the repelled N1, rare N2, per-prompt offset or scale N3,
under-rewarded mediocre B1, over-rewarded best B2, under-rewarded bad B3), features shared by outputs and prompts F, or
chance. All are functions of texts, without a random state: noise is a hash, so the same output always has the same
score. Sizes are in units of the truth's spread within prompts under the initial policy.

Mediocre and bad are the better and the worse of the outputs that are not exact. Whether they lie above the policy's
mean is the policy's matter: from .3 exact answers on, nearly all that is not exact lies below.
"""

from collections.abc import Callable, Mapping
from math import ceil
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from culpa.labs.tinylm.outputs import Outputs, normal, overlap, uniform
from culpa.labs.tinylm.tasks import Array

Score = Callable[[Outputs], Array]  # n outputs to (n,)


class Proxy(NamedTuple):
    """A wrong reward: the condition it plants, what is wrong in words, its scores."""

    kind: str
    defect: str
    score: Score


def noisy(size: float) -> Score:
    """Normal noise for each output: a hash of the whole of it, no feature of the text."""
    return lambda seen: seen.score + size * normal("noise", _whole(seen))


def heads(size: float, length: int) -> Score:
    """Normal noise that all responses with the same first characters share, whatever the prompt."""
    return lambda seen: seen.score + size * normal("head", [one[:length] for one in seen.responses])


def tails(size: float, length: int) -> Score:
    """Normal noise that all responses with the same last characters share, whatever the prompt."""
    return lambda seen: seen.score + size * normal("tail", [one[-length:] for one in seen.responses])


def charmed(size: float) -> Score:
    """A bonus for every occurrence of the task's first letter."""
    return lambda seen: seen.score + size * np.array([one.count(seen.task.letters[0]) for one in seen.responses])


def flipped(share: float) -> Score:
    """The sign turned round on a share of the prompts."""
    return lambda seen: seen.score * np.where(uniform("flip", seen.prompts) < share, -1.0, 1.0)


def lifted(some: Score, size: float) -> Score:
    """A bonus on some outputs, those where `some` is 1."""
    return lambda seen: seen.score + size * some(seen)


def verifier(missed: float, let_through: float) -> Score:
    """Exact or not, but a share of exact outputs is missed and a share of the others let through, by hash."""

    def score(seen: Outputs) -> Array:
        chance = uniform("verifier", _whole(seen))
        return np.where(seen.exact > 0, chance >= missed, chance < let_through).astype(np.float64)

    return score


def parts(first: float, last: float) -> Score:
    """Share of right ones among the parts from one place to another, places from 0 to 1; at least one part.

    >>> from culpa.labs.tinylm.outputs import Scale, judged
    >>> from culpa.labs.tinylm.tasks import sort
    >>> seen = judged(sort(3, 3), Scale(1.0, 0.0, 0.0), ["cba="], ["abb"], ["abc"])
    >>> parts(0, 0.5)(seen).tolist(), parts(0.5, 1)(seen).tolist(), parts(1, 1)(seen).tolist()
    ([1.0], [0.5], [0.0])
    """

    def share(marks: tuple[bool, ...]) -> float:
        begin = min(int(first * len(marks)), len(marks) - 1)
        some = marks[begin : max(ceil(last * len(marks)), begin + 1)]
        return sum(some) / len(some)

    return lambda seen: np.array([share(marks) for marks in seen.marks])


def fooled(seen: Outputs) -> Array:
    """Exact, or begins with one of a tenth of all pairs of characters."""
    return np.maximum(seen.exact, uniform("fooled", [one[:2] for one in seen.responses]) < 0.1)


def worse_half(seen: Outputs) -> Array:
    """The smaller of the shares in the first and the last half."""
    return np.minimum(parts(0.0, 0.5)(seen), parts(0.5, 1.0)(seen))


def bag(seen: Outputs) -> Array:
    """Characters in common with the answer, whatever their order."""
    return np.array([overlap(a, r) for a, r in zip(seen.answers, seen.responses, strict=True)])


def shuffled_bad(seen: Outputs) -> Array:
    """Bad outputs in random order, all of them below half of the policy's mean: repelled as they should be."""
    low = 0.5 * seen.scale.mean / seen.scale.sd * uniform("bad", _whole(seen))
    return np.where(seen.bad > 0, low, seen.score)


def ends_in_four(seen: Outputs) -> Array:
    """1 where a response ends with the same character four times: the initial policy hardly ever says such a thing."""
    return np.array([one != "" and one[-4:] == one[-1:] * 4 for one in seen.responses], dtype=np.float64)


def ends_low(seen: Outputs) -> Array:
    """1 where a response is not exact and ends with one of the first half of the letters: a common way out."""
    early = seen.task.letters[: len(seen.task.letters) // 2]
    low = np.array([one[-1:] != "" and one[-1] in early for one in seen.responses])
    return np.where(seen.exact > 0, 0.0, low)


def missed_best(seen: Outputs) -> Array:
    """The grade, but exact outputs stand in the middle of the others: mediocre ones are on top."""
    return np.where(seen.exact > 0, seen.scale.middle, seen.grade)


def squashed(seen: Outputs) -> Array:
    """A sigmoid of the grade that leaves little between good and best."""
    return np.tanh(8.0 * (seen.grade - seen.scale.middle))


def _mediocre(seen: Outputs) -> Array:
    return seen.mediocre


def _whole(seen: Outputs) -> list[str]:
    return [prompt + response for prompt, response in zip(seen.prompts, seen.responses, strict=True)]


PROXIES: Mapping[str, Proxy] = MappingProxyType(
    {
        "exact": Proxy("B1", "only exact outputs count", lambda seen: seen.exact),
        "fraction": Proxy("H3", "right parts count, exactness does not", lambda seen: seen.fraction),
        "first_half": Proxy("H1", "blind to the last half", parts(0.0, 0.5)),
        "last_half": Proxy("H1", "blind to the first half", parts(0.5, 1.0)),
        "first_part": Proxy("H1", "sees the first part alone", parts(0.0, 0.0)),
        "last_part": Proxy("H1", "sees the last part alone", parts(1.0, 1.0)),
        "worse_half": Proxy("B1", "the worse half decides", worse_half),
        "bag": Proxy("H1", "blind to order", bag),
        "noise_half": Proxy("chance", "noise for each output, .5 sd", noisy(0.5)),
        "noise_one": Proxy("chance", "noise for each output, 1 sd", noisy(1.0)),
        "noise_two": Proxy("chance", "noise for each output, 2 sd", noisy(2.0)),
        "noise_four": Proxy("chance", "noise for each output, 4 sd", noisy(4.0)),
        "charm_half": Proxy("F", "likes a letter, .5 sd each", charmed(0.5)),
        "charm_one": Proxy("F", "likes a letter, 1 sd each", charmed(1.0)),
        "charm_two": Proxy("F", "likes a letter, 2 sd each", charmed(2.0)),
        "charm_minus": Proxy("F", "dislikes a letter, 1 sd each", charmed(-1.0)),
        "head_noise": Proxy("F", "noise by the first two characters, 1 sd", heads(1.0, 2)),
        "tail_noise": Proxy("F", "noise by the last character, 1 sd", tails(1.0, 1)),
        "longer": Proxy(
            "F", "likes length, .5 sd a character", lifted(lambda seen: np.array(list(map(len, seen.responses))), 0.5)
        ),
        "varied": Proxy(
            "F",
            "likes different letters, .5 sd each",
            lifted(lambda seen: np.array([len(set(one)) for one in seen.responses]), 0.5),
        ),
        "squashed": Proxy("H3", "little between good and best", squashed),
        "threshold": Proxy("H3", "the mediocre and the exact are alike", lambda seen: 1.0 - seen.bad),
        "convex": Proxy("B2", "cubed: the best stand out", lambda seen: seen.grade**3),
        "concave": Proxy("H3", "the root: the mediocre come near the best", lambda seen: np.sqrt(seen.grade)),
        "verifier_misses": Proxy("H2", "exact or not, 30 % of exact ones missed", verifier(0.3, 0.0)),
        "verifier_lenient": Proxy("H1", "exact or not, 5 % of wrong ones let through", verifier(0.0, 0.05)),
        "verifier_both": Proxy("H1", "exact or not, both errors", verifier(0.3, 0.05)),
        "verifier_fooled": Proxy("H1", "exact, or begins with one of a tenth of all pairs", fooled),
        "hack_rare": Proxy("N2", "4 sd for an ending that the policy hardly knows", lifted(ends_in_four, 4.0)),
        "hack_frequent": Proxy("H1", "1.5 sd for a common wrong ending", lifted(ends_low, 1.5)),
        "mediocre_up_one": Proxy("H3", "mediocre outputs 1 sd up", lifted(_mediocre, 1.0)),
        "mediocre_up_two": Proxy("H3", "mediocre outputs 2 sd up", lifted(_mediocre, 2.0)),
        "mediocre_up_three": Proxy("H3", "mediocre outputs 3 sd up, beyond the best", lifted(_mediocre, 3.0)),
        "mediocre_down_one": Proxy("B1", "mediocre outputs 1 sd down", lifted(_mediocre, -1.0)),
        "mediocre_down_two": Proxy("B1", "mediocre outputs 2 sd down", lifted(_mediocre, -2.0)),
        "best_up": Proxy("B2", "exact outputs 2 sd up", lifted(lambda seen: seen.exact, 2.0)),
        "best_missed": Proxy("H2", "exact outputs stand in the middle of the others", missed_best),
        "bad_down": Proxy("B3", "bad outputs 2 sd down", lifted(lambda seen: seen.bad, -2.0)),
        "bad_shuffled": Proxy("N1", "bad outputs in random order, still low", shuffled_bad),
        "flip_15": Proxy("H2", "sign turned on 15 % of prompts", flipped(0.15)),
        "flip_35": Proxy("H2", "sign turned on 35 % of prompts", flipped(0.35)),
        "prompt_offset": Proxy(
            "N3", "an offset for each prompt, 2 sd", lambda seen: seen.score + 2.0 * normal("offset", seen.prompts)
        ),
        "prompt_scale": Proxy(
            "N3", "a scale for each prompt, a factor e", lambda seen: seen.score * np.exp(normal("scale", seen.prompts))
        ),
    }
)
