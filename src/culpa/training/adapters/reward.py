"""A reward function of TRL with a chain behind it."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from culpa.errors import InputError
from culpa.metrics.arrays import Array
from culpa.signals import Transform, equal_group
from culpa.training.adapters.stage import Stage, refuse_groups

Maker = Callable[[Mapping[str, Any]], Transform]
Verdicts = list[float | None]


def reward(function: Callable[..., Any], signal: str | Transform | Maker, *, seed: int = 0) -> "Shaped | AsyncShaped":
    """A TRL reward function whose verdicts pass a chain before the trainer sees them.

    function   f(prompts, completions, completion_ids, **columns) -> list of numbers or None; async stays async
    signal     "par:0 | clip:3", or a `Transform`, pointwise: what compares the outputs of one prompt is refused.
               Or a function of the batch's columns that makes one, for what changes from row to row:
               lambda columns: par(np.reshape(columns["reference"], (-1, 1))). It remembers nothing.

    None is NaN inside the chain and None again behind it. A chain with a memory goes on from call to call; each process
    has its own, and a statistic over the batch is that of the process's rows. Lengths are those of `completion_ids`.
    A chain that merges takes a list of step scores for each output. The verdicts before the chain stand in the table of
    completions, as "<name>/raw". Given a text, or a function of a module, it can be pickled.

    >>> def words(completions, **columns):
    ...     return [None if not text else float(len(text.split())) for text in completions]
    >>> reward(words, "clip:0,2")(prompts=["a", "a", "a"], completions=["b c d", "b", ""])
    [2.0, 1.0, None]
    """
    if hasattr(function, "forward"):
        raise InputError(
            "the reward is a model, which the trainer calls by itself.",
            remedy="Give it to SignalMixin's trainer as it is, with the chain as signal=.",
        )
    bare: Any = function
    while isinstance(bare, functools.partial):
        bare = bare.func
    if not callable(bare):
        raise InputError(
            f"a reward is a function, got {type(bare).__name__}.", remedy="Give f(completions, **columns)."
        )
    waits = inspect.iscoroutinefunction(bare) or inspect.iscoroutinefunction(type(bare).__call__)
    return (AsyncShaped if waits else Shaped)(function, signal, seed=seed, name=_called(bare))


class _Chained:
    """What is common to both: the chain, and how verdicts pass it."""

    def __init__(self, function: Callable[..., Any], signal: Any, *, seed: int, name: str) -> None:
        self.function, self.seed = function, seed
        self.__name__ = name
        self.stage: Stage | Maker = signal
        if isinstance(signal, str | Transform) or not callable(signal):
            self.stage = Stage(signal, seed=seed)
            refuse_groups(self.stage)

    def _passed(self, verdicts: Any, columns: Mapping[str, Any]) -> Verdicts:
        stage = self.stage if isinstance(self.stage, Stage) else Stage(self.stage(columns), seed=self.seed)
        values = _values(verdicts, stage.merges, self.__name__)
        count = values.shape[-2]
        due = len(columns.get("completions", verdicts))
        if count != due:
            problem = f"{self.__name__} gave {count} verdicts for {due} completions."
            raise InputError(problem, remedy="Give one for each; None where there is none.")
        if not count:
            return []
        ids = columns.get("completion_ids")
        length = None if ids is None else np.array([[float(len(one))] for one in ids])
        shaped = stage(values, equal_group((count, 1), length=length))
        if "log_extra" in columns and not stage.merges:
            columns["log_extra"](f"{self.__name__}/raw", _listed(values))
        return _listed(shaped)


class Shaped(_Chained):
    """What `reward` makes of a function."""

    def __call__(self, *args: Any, **columns: Any) -> Verdicts:
        """The verdicts of the function, passed through the chain."""
        return self._passed(self.function(*args, **columns), _named(args, columns))


class AsyncShaped(_Chained):
    """What `reward` makes of an async function."""

    async def __call__(self, *args: Any, **columns: Any) -> Verdicts:
        """The verdicts of the function, passed through the chain."""
        return self._passed(await self.function(*args, **columns), _named(args, columns))


def _named(args: Sequence[Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    """TRL names every argument; by position they are these."""
    return {**dict(zip(("prompts", "completions", "completion_ids"), args, strict=False)), **columns}


def _called(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _values(verdicts: Any, steps: bool, name: str) -> Array:
    """Verdicts as (n, 1), or those of steps as (t, n, 1), NaN where an output has no more."""
    rows = verdicts.tolist() if hasattr(verdicts, "tolist") else list(verdicts)
    try:
        if not steps:
            return np.array([_number(one) for one in rows], dtype=np.float64).reshape(-1, 1)
        lists = [[] if one is None else [_number(step) for step in one] for one in rows]
    except (TypeError, ValueError) as error:
        what = "a list of step scores, as this chain merges them," if steps else "a number or None"
        raise InputError(f"{name} gave a verdict that cannot be read: {error}.", remedy=f"Give {what} each.") from error
    table = np.full((max([1, *map(len, lists)]), len(rows), 1), np.nan)
    for row, scores in enumerate(lists):
        table[: len(scores), row, 0] = scores
    return table


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _listed(values: Array) -> Verdicts:
    return [None if np.isnan(one) else float(one) for one in values.ravel()]
