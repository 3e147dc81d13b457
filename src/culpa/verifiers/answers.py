"""Answers that are right to the letter, by a pattern, or as JSON. 1: right, 0: wrong, None: no verdict."""

import json
import re
from collections.abc import Iterator

from culpa.errors import InputError, shorten
from culpa.verifiers.extract import final_answer

_FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*?)```", re.DOTALL | re.IGNORECASE)
_DEEPEST = 50


def exact(response: str, answer: object, *, fold: bool = False) -> float | None:
    r"""1 where the final answer is the reference, letter by letter, with runs of white space as one space.

    The final answer is what stands in the last box, <answer> tag or #### line, else the whole response. `fold` makes
    capitals and small letters alike. An empty reference can be matched by nothing: None.

    >>> exact(r"It is \boxed{42}.", "42"), exact("It is 42.", "42"), exact("paris", "Paris"), exact("x", " ")
    (1.0, 0.0, 0.0, None)
    """
    wanted, found = _squeezed(str(answer)), _squeezed(final_answer(response))
    if answer is None or not wanted:
        return None
    return float(found.casefold() == wanted.casefold() if fold else found == wanted)


def regex(response: str, answer: str, *, whole: bool = True) -> float:
    r"""1 where the final answer fits the pattern `answer`: all of it, or with `whole=False` some part of the response.

    A pattern with nested repetitions can take for ever on a long response, and Python cannot interrupt it: give such
    patterns a process with a time-out (`culpa check` does).

    >>> regex(r"\boxed{4.0}", r"4(\.0+)?"), regex("about 4", "4"), regex("about 4", "4", whole=False)
    (1.0, 0.0, 1.0)
    """
    try:
        pattern = re.compile(answer)
    except re.error as error:
        problem = f"{shorten(answer)!r} is no regular expression ({error})."
        raise InputError(problem, remedy="Escape what stands for itself: re.escape.") from error
    return float((pattern.fullmatch(final_answer(response)) if whole else pattern.search(response)) is not None)


def json_answer(response: str, answer: object, *, key: str | None = None) -> float | None:
    """1 where the response's JSON equals the reference: any order of keys, 1 equal to 1.0, true not equal to 1.

    The JSON is the last fenced block, else the final answer, else the last object or list in the text. With `key` only
    that member of the object is compared. A response without JSON is wrong. `answer` is a value, or a text of JSON; a
    text that is none stands for itself. A reference of null has no verdict: None.

    >>> json_answer('So: {"n": 4, "unit": "m"}', {"unit": "m", "n": 4.0}), json_answer('{"ok": 1}', '{"ok": true}')
    (1.0, 0.0)
    >>> json_answer('{"answer": "Paris", "why": "..."}', "Paris", key="answer"), json_answer("Paris is it", "Paris")
    (1.0, 0.0)
    """
    wanted = _value(answer)
    if wanted is None:
        return None
    for text in _candidates(response):
        try:
            found = _parsed(text)
        except ValueError:
            continue
        if key is not None:
            return float(isinstance(found, dict) and key in found and _same(found[key], wanted))
        return float(_same(found, wanted))
    return 0.0


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _value(answer: object) -> object:
    if not isinstance(answer, str):
        return answer
    try:
        return _parsed(answer)
    except ValueError:
        return answer


def _parsed(text: str) -> object:
    """Strict JSON: no NaN, no infinity, and not so deep that comparing it would overflow the stack."""

    def refuse(name: str) -> object:
        raise ValueError(name)

    if len(re.findall(r"[\[{]", text)) > 10_000:
        raise ValueError("too many brackets")
    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("too deep") from error


def _candidates(response: str) -> Iterator[str]:
    fenced = _FENCE.findall(response)
    if fenced:
        yield fenced[-1]
    yield final_answer(response)
    for start, end in (("{", "}"), ("[", "]")):
        yield from _last_bracketed(response, start, end)


def _last_bracketed(text: str, start: str, end: str) -> Iterator[str]:
    """From the openings of the last few, the furthest left first, to the last closing bracket."""
    last = text.rfind(end)
    openings = [found.start() for found in re.finditer(re.escape(start), text[: last + 1])]
    for opening in openings[-_DEEPEST:]:
        yield text[opening : last + 1]


def _same(one: object, other: object) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other
