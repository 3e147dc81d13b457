"""What a reward gave back, as numbers; what is no number has a reason, and is never 0."""

import math
import sys
from collections.abc import Sequence
from typing import NamedTuple

from culpa.probing.style import Style
from culpa.verifiers.process import Outcome

TOLERANCE = 1e-6  # relative to the larger of the scores and 1: smaller differences are rounding


class Score(NamedTuple):
    """A number, or NaN with the reason why there is none."""

    value: float
    reason: str = ""  # a number where empty; else none, nan, infinite, type, length, or the kind of a fault
    text: str = ""

    @property
    def known(self) -> bool:
        """Whether it is a number."""
        return not self.reason


def read(style: Style, outcome: Outcome, count: int) -> list[Score]:
    """The scores of the `count` outputs of one call.

    A dictionary gives its member `rewards` (openrlhf) or `score` (verl, plain). A truth value is 1 or 0.

    >>> from culpa.probing.style import STYLES
    >>> [score.reason for score in read(STYLES["trl"], Outcome([1, None, "x"]), 3)]
    ['', 'none', 'type']
    """
    if outcome.fault is not None:
        return [Score(math.nan, outcome.fault.kind, outcome.fault.text)] * count
    value = outcome.value
    member = "rewards" if style.name == "openrlhf" else "score"
    if isinstance(value, dict) and "__odd__" not in value and style.name in ("openrlhf", "verl", "plain"):
        if member not in value:
            keys = ", ".join(map(str, value))[:80]
            return [Score(math.nan, "type", f"a dictionary without {member!r} (it has: {keys})")] * count
        value = value[member]
    if not style.batched:
        return [_score(value[0] if isinstance(value, list) and len(value) == 1 else value)]
    if not isinstance(value, list):
        return [Score(math.nan, "type", f"{_kind(value)} where a list is due")] * count
    if len(value) != count:
        return [Score(math.nan, "length", f"{len(value)} scores for {count} outputs")] * count
    return [_score(one[0] if isinstance(one, list) and len(one) == 1 else one) for one in value]


def differing(ones: Sequence[Score], others: Sequence[Score]) -> list[int]:
    """Where two runs over the same outputs disagree: by more than rounding, or one has a number and the other has none.

    >>> differing([Score(1.0), Score(0.0)], [Score(1.0 + 1e-9), Score(0.1)])
    [1]
    """
    return [number for number, pair in enumerate(zip(ones, others, strict=True)) if not _alike(*pair)]


def shown(score: Score) -> str:
    """A score in a sentence.

    >>> shown(Score(0.5)), shown(Score(math.nan, "none"))
    ('0.5', 'None')
    """
    if score.known:
        return f"{score.value:.6g}"
    return {"none": "None", "nan": "NaN"}.get(score.reason) or score.text or score.reason


def _alike(one: Score, other: Score) -> bool:
    if not (one.known and other.known):
        return one.reason == other.reason
    return abs(one.value - other.value) <= TOLERANCE * max(1.0, abs(one.value), abs(other.value))


def _score(value: object) -> Score:
    if value is None:
        return Score(math.nan, "none")
    if not isinstance(value, int | float):
        return Score(math.nan, "type", f"{_kind(value)} where a number is due")
    if isinstance(value, float) and math.isnan(value):
        return Score(math.nan, "nan")
    if abs(value) > sys.float_info.max:
        return Score(math.nan, "infinite", str(float("inf") if value > 0 else -float("inf")))
    return Score(float(value))


def _kind(value: object) -> str:
    if isinstance(value, dict) and set(value) == {"__odd__"}:
        return f"an object of type {value['__odd__']}"
    names = {"str": "a text", "list": "a list", "dict": "a dictionary", "NoneType": "None"}
    return names.get(type(value).__name__, f"the number {value}")
