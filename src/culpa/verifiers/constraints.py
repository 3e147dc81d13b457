"""Twelve instruction constraints by their IFBench names, alone and in combination.

The rules are written afresh from what the constraints ask for (Pyatkin et al., arXiv 2507.02833); where a rule here and
the benchmark's differ, the function says so. One departure concerns all: an empty response satisfies nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from culpa.errors import InputError, shorten
from culpa.verifiers import counting, wording

CONSTRAINTS: Mapping[str, Callable[..., bool]] = MappingProxyType(
    {
        "count:numbers": counting.numbers,
        "count:person_names": counting.person_names,
        "count:pronouns": counting.pronouns,
        "count:punctuation": counting.punctuation,
        "custom:multiples": counting.multiples,
        "format:newline": wording.newline,
        "format:quotes": wording.quotes,
        "sentence:increment": wording.increment,
        "words:alphabet": wording.alphabet,
        "words:last_first": wording.last_first,
        "words:repeats": counting.repeats,
        "words:start_verb": wording.start_verb,
    }
)


def satisfied(response: str, names: Sequence[str], numbers: Mapping[str, int] | None = None) -> list[bool]:
    """Which of the constraints the response satisfies; `numbers` gives other values for their n.

    >>> satisfied("Count 1, 2, 3.", ["count:numbers", "words:start_verb"], {"count:numbers": 3})
    [True, True]
    """
    unknown = [name for name in names if name not in CONSTRAINTS]
    if unknown:
        problem = f"no constraint is called {shorten(unknown[0])!r}."
        raise InputError(problem, remedy=f"Known: {', '.join(CONSTRAINTS)}.")
    given = numbers or {}
    without = [name for name in given if name in names and not _takes_number(name)]
    if without:
        raise InputError(f"{without[0]} has no number to set.", remedy=f"Those with one: {', '.join(_NUMBERED)}.")
    if not response.strip():
        return [False] * len(names)
    return [CONSTRAINTS[name](response, **({"n": given[name]} if name in given else {})) for name in names]


def credit(response: str, names: Sequence[str], *, partial: bool = False) -> float:
    """Binary credit: 1 iff all constraints hold. Partial credit: the share that holds.

    >>> names = ["words:start_verb", "count:numbers"]
    >>> credit("Make tea.", names), credit("Make tea.", names, partial=True)
    (0.0, 0.5)
    """
    if not names:
        raise InputError("credit for no constraint is not defined.", remedy="Name one or more.")
    held = satisfied(response, names)
    return sum(held) / len(held) if partial else float(all(held))


_NUMBERED = ("count:numbers", "count:person_names", "count:pronouns", "sentence:increment", "words:repeats")


def _takes_number(name: str) -> bool:
    return name in _NUMBERED
