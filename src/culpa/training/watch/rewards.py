"""A reward function under watch: the trainer gets the same values, and each step's groups are reported."""

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from culpa.errors import InputError, shorten
from culpa.training.watch.batch import CHARACTERS, TOKENS, group_starts
from culpa.training.watch.run import Collector, Column, Number

Reward = Callable[..., Any]
_TOOLS = ("log_extra", "log_metric")  # of the trainer, for functions whose scores are its rewards


def watched(
    reward: Reward,
    collector: Collector,
    *,
    truth: Reward | None = None,
    every: int = 1,
    prompts: int | None = None,
    weight: float = 1.0,
) -> Reward:
    """The same reward function, whose groups the collector sees. Nothing changes for the trainer.

    reward   as TRL calls it: f(prompts, completions, **columns) -> list of numbers or None, sync or async
    truth    called in the same way, on the outputs that are judged; without one nothing is said of harm. What it raises
             does not stop the training: those outputs stay unjudged, and `harm/failed` is 1 at that step
    every    judge at every so manieth step
    prompts  judge the outputs of so many prompts a step, evenly spread over the batch; all of them if not given
    weight   of this function in the sum that is trained on (TRL's `reward_weights`)

    The result is a plain function, sync or async as the reward is, with its name. In a training on several machines
    the first one reports its own share. The step is the trainer's, or the number of the call.

    >>> from culpa.training.watch.run import Run
    >>> run = Run()
    >>> short = watched(lambda completions, **_: [1.0 / len(text) for text in completions], Collector(run))
    >>> short(prompts=["a", "a"], completions=["x", "yyyy"]), run.reports
    ([1.0, 0.25], 1)
    """
    if not callable(reward) or hasattr(reward, "forward"):
        problem = f"{shorten(type(reward).__name__)} is not a reward function."
        raise InputError(problem, remedy="Give a function of prompts and completions; a model's dump can be tailed.")
    if every < 1 or (prompts is not None and prompts < 1):
        problem = f"every is {every}, prompts is {prompts}."
        raise InputError(problem, remedy="Judge at every step or less often, one prompt or more.")
    seen = _Seen(collector, collector.join(weight), truth, (every, prompts))
    named = functools.partial(functools.update_wrapper, assigned=("__module__", "__name__", "__qualname__", "__doc__"))

    async def later(*args: Any, **kwargs: Any) -> Any:
        values = await reward(*args, **kwargs)
        asked = seen.asked(args, kwargs)
        if asked is not None:
            judged = seen.judge(asked)
            seen.keep(asked, values, await judged if inspect.isawaitable(judged) else judged)
        return values

    def at_once(*args: Any, **kwargs: Any) -> Any:
        values = reward(*args, **kwargs)
        asked = seen.asked(args, kwargs)
        if asked is not None:
            judged = seen.judge(asked)
            seen.keep(asked, values, awaited(judged) if inspect.iscoroutine(judged) else judged)
        return values

    wrapper = named(later if _is_async(reward) else at_once, reward)
    wrapper.__name__ = getattr(reward, "__name__", type(reward).__name__)
    return wrapper


class _Seen:
    """What the collector is told of one reward function."""

    def __init__(self, collector: Collector, place: int, truth: Reward | None, pace: tuple[int, int | None]) -> None:
        self._collector, self._place, self._truth, (self._every, self._prompts) = collector, place, truth, pace
        self._calls = -1

    def asked(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """The arguments by name, with the step; None where somebody else reports."""
        self._calls += 1
        given = dict(zip(("prompts", "completions"), args, strict=False)) | dict(kwargs)
        state = given.get("trainer_state")
        if self._collector.paused or not getattr(state, "is_world_process_zero", True):
            return None
        return given | {"step": int(getattr(state, "global_step", self._calls))}

    def judge(self, asked: dict[str, Any]) -> Any:
        """What the truth says of the outputs to be judged, or will say; nothing where none are."""
        if self._truth is None or asked["step"] % self._every:
            return {}
        places = self._judged(asked)
        count = len(asked["completions"])
        part = {
            name: [value[place] for place in places] if isinstance(value, list) and len(value) == count else value
            for name, value in asked.items()
            if name not in (*_TOOLS, "step")
        }
        try:
            said = self._truth(**part)
        except Exception:  # a judge that fails must not end a training
            return self._failed()
        if inspect.isawaitable(said):
            return self._wait(places, said)
        return self._by_place(places, said)

    def keep(self, asked: dict[str, Any], values: Sequence[Any], judged: Mapping[int, Number]) -> None:
        """Hand the step's outputs to the collector. A wrong number of values is the trainer's to refuse."""
        texts, ids = asked["completions"], asked.get("completion_ids")
        if len(values) != len(texts):
            return
        length = [float(len(one)) for one in ids] if ids is not None else [float(len(_text(text))) for text in texts]
        column = Column(
            reward=[None if value is None else float(value) for value in values],
            truth=[judged.get(place) for place in range(len(texts))],
            prompts=[_text(prompt) for prompt in asked["prompts"]],
            length=list(length),
            counted=CHARACTERS if ids is None else TOKENS,
        )
        self._collector.add(self._place, asked["step"], column)

    def _judged(self, asked: dict[str, Any]) -> list[int]:
        """The outputs of as many groups as are to be judged, evenly spread."""
        starts = group_starts([_text(prompt) for prompt in asked["prompts"]], self._collector.group)
        groups = len(starts) - 1
        wanted = groups if self._prompts is None else min(self._prompts, groups)
        chosen = [number * groups // wanted for number in range(wanted)]
        return [place for number in chosen for place in range(starts[number], starts[number + 1])]

    async def _wait(self, places: Sequence[int], said: Any) -> dict[int, Number]:
        try:
            return self._by_place(places, await said)
        except Exception:
            return self._failed()

    def _by_place(self, places: Sequence[int], said: Sequence[Any]) -> dict[int, Number]:
        if len(said) != len(places):
            problem = f"the truth gave {len(said)} values for {len(places)} outputs."
            raise InputError(problem, remedy="It is called as a reward function is, on a part of the batch.")
        return {place: None if value is None else float(value) for place, value in zip(places, said, strict=True)}

    def _failed(self) -> dict[int, Number]:
        self._collector.more["harm/failed"] = 1.0
        return {}


def _is_async(function: Reward) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _text(said: Any) -> str:
    """A text, or the texts of a chat's messages."""
    if isinstance(said, str):
        return said
    return "\n".join(str(message.get("content") or "") for message in said)


def awaited(value: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine gives, in a thread of its own: a notebook has a loop that is running already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, value).result()
