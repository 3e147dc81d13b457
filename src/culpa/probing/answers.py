"""Null answers: asked for side by side with right ones, and counted where they are rewarded."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from culpa.errors import shorten
from culpa.probing.case import Case
from culpa.probing.finding import Finding, Level
from culpa.probing.nulls import NULLS, Null, applied, bare_reference
from culpa.probing.score import Score
from culpa.probing.seen import Seen

PROMPTS = 12  # on which each null answer is tried


class Tried(NamedTuple):
    """A null answer on several prompts."""

    null: Null
    cases: tuple[Case, ...]
    scores: tuple[Score, ...]
    bar: float

    @property
    def rewarded(self) -> list[int]:
        """The cases on which it scores above the bar."""
        return [number for number, one in enumerate(self.scores) if one.known and one.value > self.bar]

    @property
    def rate(self) -> float:
        """Share of the prompts on which it is rewarded."""
        return len(self.rewarded) / len(self.scores)


def tried(seen: Seen, nulls: Sequence[Null] = NULLS) -> Iterator[Tried]:
    """Each null answer on up to `PROMPTS` prompts; one that is made to break the reward on a single one."""
    hosts = _hosts(seen)
    references = tuple(dict.fromkeys(str(case.answer) for case in seen.cases if case.answer is not None))
    for null in nulls:
        made = [one for case in (hosts[:1] if null.odd else hosts) if (one := applied(null, case, references[:40]))]
        if made:
            scores = seen.bench.score_each([*made, *hosts])[: len(made)] if seen.bench.style.batched else None
            yield Tried(null, tuple(made), tuple(scores or seen.bench.score(made)), seen.bar)


def _hosts(seen: Seen) -> list[Case]:
    """One case for each of some prompts, its best known response."""
    first: dict[str, Case] = {}
    for case in sorted(seen.cases, key=lambda one: one.right is not True):
        first.setdefault(case.prompt_id, case)
    chosen = [first[name] for name in dict.fromkeys(case.prompt_id for case in seen.cases)]
    places = sorted({int(place) for place in np.linspace(0, len(chosen) - 1, min(len(chosen), PROMPTS))})
    return [chosen[place] for place in places]


def broken(results: Sequence[Tried]) -> Iterator[Finding]:
    """Null answers and odd inputs that get no score, one finding for each way."""
    for reason, (level, code, said) in _BREAKS.items():
        places = [(one, score) for one in results for score in one.scores if score.reason == reason]
        if places:
            names = ", ".join(dict.fromkeys(one.null.name for one, _ in places))
            text = f"{said} on {names}: {shorten(places[0][1].text or reason, 200)}"
            yield Finding(level, code, "odd inputs", text)


_BREAKS: dict[str, tuple[Level, str, str]] = {
    "raised": ("warning", "odd-exception", "raises"),
    "ended": ("error", "odd-crash", "its process ends"),
    "time-out": ("warning", "odd-time-out", "takes too long"),
    "nan": ("warning", "odd-nan", "gives NaN"),
    "infinite": ("warning", "odd-infinite", "gives infinity"),
    "type": ("warning", "odd-type", "gives no number"),
    "length": ("warning", "odd-length", "gives another number of scores"),
}


def rewarded(seen: Seen, one: Tried) -> Finding:
    """The finding of a null answer that is rewarded somewhere.

    Grave where it pays like a right answer on half the prompts; where right and wrong pay alike it says little.
    """
    level: Level = "error" if one.rate >= 0.5 and seen.separates else "warning"
    first = one.rewarded[0]
    pay = f"above {one.bar:.3g}, " + ("half way from wrong to right" if seen.separates else "the mean of the outputs")
    count = f"{len(one.rewarded)} of {len(one.scores)} prompts"
    text = f"{one.null.name} ({one.null.about}) is rewarded on {count}: it scores {pay}"
    code = "no-reference" if not one.null.answer else "null-answer"
    return Finding(level, code, "null answers", text, seen.example(one.cases[first], one.scores[first]))


def bare(seen: Seen) -> Iterator[Finding]:
    """Whether the reference alone is enough."""
    hosts = [one for case in _hosts(seen) if (one := bare_reference(case)) is not None]
    if not hosts or not seen.separates:
        return
    known = [one for one in seen.bench.score_each(hosts) if one.known]
    paid = sum(one.value > seen.bar for one in known)
    if known and paid >= len(known) / 2:
        text = f"the bare reference is enough on {paid} of {len(known)} prompts: work and format are not looked at"
        yield Finding("note", "bare-reference", "null answers", text)
