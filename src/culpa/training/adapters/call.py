"""Any reward function called the way it wants to be, in this process: one way in for trainers that have their own."""

from collections.abc import Callable, Sequence
from typing import Any

from culpa.errors import InputError
from culpa.metrics.arrays import Array, float64s
from culpa.probing.case import Case
from culpa.probing.score import read
from culpa.probing.style import STYLES, calls, detect, known_style
from culpa.verifiers.process import Outcome
from culpa.verifiers.worker import described, outcome

_EXPECTED = {"", "none", "nan"}


class Caller:
    """A reward function, its style told by the names of its parameters: see `culpa.probing.style`.

    style   where the names mislead, or for chats: "trl-chat", "verifiers-chat"
    No verdict is NaN. What the function raises, and what is no number, is an error: it is never scored.

    >>> Caller(lambda response, answer: float(answer in response))([Case("2+2?", "4", "4"), Case("2+3?", "4", "5")])
    array([1., 0.])
    """

    def __init__(self, function: Callable[..., Any], style: str | None = None) -> None:
        if not callable(function):
            raise InputError(f"a reward is a function, got {type(function).__name__}.", remedy="Give the function.")
        self.function = function
        self.name = str(getattr(function, "__name__", type(function).__name__))
        found: Any = described(function)["parameters"]
        self.parameters: list[list[Any]] = found
        try:
            self.style = detect(self.parameters) if style is None else known_style(style)
        except InputError as error:
            known = ", ".join(STYLES)
            problem = f"the parameters of {self.name} fit no known style, or {style!r} is none."
            raise InputError(problem, remedy=f'Say which: style="plain". Known: {known}.') from error

    def __call__(self, cases: Sequence[Case]) -> Array:
        """One verdict for each case."""
        asked = calls(self.style, self.parameters, cases) if cases else []
        each = len(cases) if self.style.batched else 1
        return self._verdicts([outcome(self.function, one.args, one.named) for one in asked], each)

    def plainly(self, count: int, **named: Any) -> tuple[Array, Any]:
        """The verdicts of one call with these arguments, as far as the function takes them; and all that it gave."""
        free = any(kind == "var_keyword" for _, kind, _ in self.parameters)
        taken = {name for name, _, _ in self.parameters}
        reply = outcome(self.function, [], {name: one for name, one in named.items() if free or name in taken})
        return self._verdicts([reply], count), reply.get("value")

    def _verdicts(self, replies: Sequence[dict[str, Any]], each: int) -> Array:
        scores = []
        for reply in replies:
            if "error" in reply:
                kind, text, *_ = reply["error"]
                raise InputError(f"{self.name} raised {kind}: {text}.", remedy="Where it has no verdict, return None.")
            scores += read(self.style, Outcome(reply["value"]), each)
        for number, score in enumerate(scores):
            if score.reason not in _EXPECTED:
                problem = f"{self.name} gave {score.text or score.reason} for output {number}."
                raise InputError(problem, remedy=f"It is called as {self.style.name}: {self.style.meaning}.")
        return float64s([score.value for score in scores], "the verdicts")
