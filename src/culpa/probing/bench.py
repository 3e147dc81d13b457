"""A reward that can be asked for scores: its process, its style, and how outputs become calls."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from culpa.probing.case import Case
from culpa.probing.score import Score, read
from culpa.probing.style import STYLES, Style, calls, detect
from culpa.verifiers.process import Limits, Target, Worker


class Bench:
    """A reward in a process of its own, called as its style asks."""

    def __init__(
        self, target: Target, limits: Limits, example: Case, style: Style | None = None, *, hash_seed: int = 0
    ) -> None:
        """Load it; a style that is not given is told by the parameters, and text or chat by trying text first."""
        self.target, self.limits = target, limits
        self.worker = Worker(target, limits, hash_seed=hash_seed)
        try:
            self.style = style or self._found(example)
            calls(self.style, self.worker.parameters, [example])
        except BaseException:
            self.worker.close()
            raise

    def __enter__(self) -> Self:
        """The bench itself; its process ends with the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """End the process."""
        self.worker.close()

    def score(self, cases: Sequence[Case], batch: int | None = None) -> list[Score]:
        """One score per case. A batched reward gets all of them in one call, or `batch` at a time."""
        if not self.style.batched:
            outcomes = self.worker.calls(calls(self.style, self.worker.parameters, cases))
            return [read(self.style, one, 1)[0] for one in outcomes]
        size = batch or max(1, len(cases))
        parts = [cases[first : first + size] for first in range(0, len(cases), size)]
        outcomes = self.worker.calls([calls(self.style, self.worker.parameters, part)[0] for part in parts])
        read_parts = [read(self.style, one, len(part)) for one, part in zip(outcomes, parts, strict=True)]
        return [score for part in read_parts for score in part]

    def score_each(self, cases: Sequence[Case]) -> list[Score]:
        """The same, but where a call with several fails they are asked for one by one, to find which are to blame."""
        scores = self.score(cases)
        failed = bool(scores) and all(one.reason in ("raised", "time-out", "ended") for one in scores)
        return self.score(cases, batch=1) if failed and self.style.batched and len(cases) > 1 else scores

    def at_once(self, cases: Sequence[Case], threads: int, seconds: float) -> list[list[Score]]:
        """Scores of all cases from each of several threads that run at the same time."""
        asked = calls(self.style, self.worker.parameters, cases)
        runs = self.worker.at_once(asked, threads, seconds)
        width = len(cases) if self.style.batched else 1
        return [[score for one in run for score in read(self.style, one, width)] for run in runs]

    def another(self, example: Case, hash_seed: int) -> "Bench":
        """The same reward in a fresh process with another hash seed."""
        return Bench(self.target, self.limits, example, self.style, hash_seed=hash_seed)

    def _found(self, example: Case) -> Style:
        style = detect(self.worker.parameters)
        chat = STYLES.get(f"{style.name}-chat")
        if chat is None or self._runs(style, example) or not self._runs(chat, example):
            return style
        return chat

    def _runs(self, style: Style, example: Case) -> bool:
        call = calls(style, self.worker.parameters, [example])[0]
        return self.worker.calls([call])[0].fault is None
