"""Reward functions as scorers: run in a process of their own, with limits."""

import json
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl

from culpa.errors import InputError
from culpa.lm.score import Scores
from culpa.probing.bench import Bench
from culpa.probing.case import ANSWERS, Case
from culpa.probing.score import Score
from culpa.probing.style import known_style
from culpa.rollouts import columns as c
from culpa.rollouts.naming import listing
from culpa.verifiers.process import Limits, Target

BATCH = 32  # outputs in one call of a reward that takes several, and in one request to its process
LIMITS = Limits()
MOST_HUNG = 16  # outputs in a row that cost a process, after which the function is given up


class FunctionScorer:
    """A reward function in the signature of any trainer (`culpa.probing.style`), loaded when it is first asked.

    What it raises, returns or does to its process costs the outputs concerned their score and nothing else. Where a
    call with several outputs fails, they are asked for one by one. A function that hangs or ends its process on
    `MOST_HUNG` outputs in a row is given up with an error.
    """

    def __init__(
        self,
        target: Target,
        limits: Limits = LIMITS,
        *,
        style: str | None = None,
        answer: str | None = None,
        batch: int = BATCH,
    ) -> None:
        """With `answer` as the column of the reference; without it, the first of `ANSWERS` that is there."""
        self.target, self.limits, self.answer, self.batch = target, limits, answer, batch
        self.style = None if style is None else known_style(style)
        self._bench: Bench | None = None
        self._hung = 0  # outputs in a row

    def __enter__(self) -> Self:
        """The scorer itself; its process ends with the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """End the process."""
        if self._bench is not None:
            self._bench.worker.close()
            self._bench = None

    def __call__(self, prompts: Sequence[str], responses: Sequence[str], columns: pl.DataFrame) -> Scores:
        """A score for every response."""
        cases = self._cases(prompts, responses, columns)
        if self._bench is None:
            self._bench = Bench(self.target, self.limits, cases[0], self.style)
        parts = [cases[first : first + self.batch] for first in range(0, len(cases), self.batch)]
        found = [score for part in parts for score in self._asked(self._bench, part)]
        return Scores(np.array([one.value for one in found]), [reason_of(one) for one in found])

    def _asked(self, bench: Bench, cases: Sequence[Case]) -> list[Score]:
        """The scores; outputs that the worker passed over are asked for again."""
        scores = bench.score_each(cases)
        rest = self._passed_over(range(len(cases)), scores)
        while rest:
            again = bench.score([cases[place] for place in rest], batch=1)
            for place, one in zip(rest, again, strict=True):
                scores[place] = one
            rest = self._passed_over(rest, again)
        return scores

    def _passed_over(self, places: Sequence[int], scores: Sequence[Score]) -> list[int]:
        for one in scores:
            if one.reason != "skipped":
                self._hung = self._hung + 1 if one.reason in ("time-out", "ended") else 0
            if self._hung >= MOST_HUNG:
                problem = f"the reward failed on {MOST_HUNG} outputs in a row ({one.reason}: {one.text})."
                remedy = "See what it does with `culpa check`, or give it more time or memory (--timeout, --memory)."
                raise InputError(problem, remedy=remedy)
        return [place for place, one in zip(places, scores, strict=True) if one.reason == "skipped"]

    def _cases(self, prompts: Sequence[str], responses: Sequence[str], columns: pl.DataFrame) -> list[Case]:
        if self.answer is not None and self.answer not in columns.columns:
            remedy = f"Found: {listing(columns.columns)}."
            raise InputError("there is no such column of answers.", column=self.answer, remedy=remedy)
        answer = self.answer or next((name for name in ANSWERS if name in columns.columns), "")
        rows = json.loads(json.dumps(columns.to_dicts(), default=str)) or [{} for _ in prompts]
        return [
            Case(prompt, response, row.get(answer), None, str(row.pop(c.PROMPT_ID, "")), row)
            for prompt, response, row in zip(prompts, responses, rows, strict=True)
        ]


def reason_of(score: Score) -> str | None:
    """Kind and text of a missing score; None for a number.

    >>> reason_of(Score(float("nan"), "type", "a text where a number is due")), reason_of(Score(1.0))
    ('type: a text where a number is due', None)
    """
    return None if score.known else ": ".join(part for part in (score.reason, score.text) if part)
