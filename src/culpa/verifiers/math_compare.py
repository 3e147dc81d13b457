"""One comparison of a response with a reference by math-verify. Runs in a child process and needs no culpa."""

import logging
import re
from functools import lru_cache
from typing import Any

from math_verify import parse, verify

logging.getLogger("math_verify").setLevel(logging.CRITICAL)  # it warns that its own time-outs are off: they are


# Words that are mathematics without a backslash; any other three letters in a row are a word of a language.
_FUNCTIONS = {"sin", "cos", "tan", "cot", "sec", "csc", "log", "exp", "sqrt", "max", "min", "abs", "gcd", "lcm", "mod"}


@lru_cache(maxsize=4096)
def _reference(answer: str) -> tuple[Any, ...]:
    """Expressions of the reference; none where it holds words, whose letters would be multiplied."""
    without_units = re.sub(r"\\(?:text|mathrm|mbox)\s*\{[^{}]*\}", "", answer)
    words = re.findall(r"(?<![\\A-Za-z])[A-Za-z]{3,}", without_units.strip() or answer)
    if any(word.lower() not in _FUNCTIONS for word in words):
        return ()
    text = answer if "$" in answer else f"${answer.strip()}$"
    return tuple(parse(text, fallback_mode="no_fallback", parsing_timeout=None))


def equal(response: str, answer: str) -> float | None:
    """1 where they are equal as mathematics, 0 where not, None where the reference is no expression."""
    wanted = _reference(answer)
    if not wanted:
        return None
    found = parse(response, parsing_timeout=None)
    return float(verify(list(wanted), found, timeout_seconds=None))
