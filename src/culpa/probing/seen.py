"""What the probes share: the reward's bench, the cases, and their scores as they came the first time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from culpa.errors import shorten
from culpa.probing.bench import Bench
from culpa.probing.case import Case
from culpa.probing.score import Score, shown

LEAST = 0.25  # standard deviations between right and wrong; less is no difference


@dataclass
class Seen:
    """The first scores of all cases, and what follows from them."""

    bench: Bench
    cases: Sequence[Case]
    scores: Sequence[Score]
    processes: int = 2
    some: int = 24  # cases that the probes of sameness take; the first scores are of all
    stable: bool = True  # whether a second call gave the same; else nothing can be compared

    @property
    def few(self) -> Sequence[Case]:
        """The cases that probes of sameness score again and again, from all over the data."""
        return [self.cases[number] for number in self.few_numbers]

    @property
    def few_numbers(self) -> list[int]:
        """Their numbers."""
        count = len(self.cases)
        return sorted({int(place) for place in np.linspace(0, count - 1, min(count, self.some))})

    def mean(self, right: bool | None = None) -> float:
        """Mean score of the cases that are right, or wrong, or of all; NaN where none has a score."""
        pairs = zip(self.cases, self.scores, strict=True)
        values = [one.value for case, one in pairs if one.known and (right is None or case.right is right)]
        return float(np.mean(values)) if values else float("nan")

    @property
    def gap(self) -> float:
        """How much higher right responses score than wrong ones, in standard deviations of all scores; NaN: unknown."""
        values = np.array([one.value for one in self.scores if one.known])
        spread = float(values.std()) if len(values) and values.max() > values.min() else 1.0
        return (self.mean(True) - self.mean(False)) / spread

    @property
    def separates(self) -> bool:
        """Whether right responses score higher than wrong ones by more than `LEAST` standard deviations."""
        return self.gap > LEAST

    @property
    def bar(self) -> float:
        """The score above which an answer counts as rewarded: the middle between right and wrong, else the mean."""
        return (self.mean(True) + self.mean(False)) / 2 if self.separates else self.mean()

    def example(self, case: Case, score: Score | None = None, other: Score | None = None) -> str:
        """One output in a line, with its score, or with two that should be the same."""
        text = f"prompt {shorten(case.prompt, 60)!r}, response {shorten(case.response, 100)!r}"
        if score is None:
            return text
        return f"{text}: {shown(score)}" + ("" if other is None else f", then {shown(other)}")
