"""The child process: loads one function and calls it with what comes as JSON lines. Run as a script, it needs no culpa.

A request is one line on the standard input, an answer one line on the channel that was the standard output. What the
function prints goes elsewhere, and a process that it forks cannot answer in its place. Values leave as JSON only.
"""

import asyncio
import importlib
import importlib.util
import inspect
import json
import math
import os
import resource
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

Reply = dict[str, object]

MOST_ITEMS = 100_000
_DEEPEST = 5
_LARGEST = 1e300  # an integer may be too long to be read back
FILE_BYTES = 64 << 20
_SPARE_CPU = 2.0  # seconds over the time-out, so that the parent's clock rings first


def main() -> None:
    """Answer requests until the input ends."""
    requests, answers = _channels()
    limits = json.loads(requests.readline())
    _limit(limits["memory"])
    function: Callable[..., object] | None = None
    for line in requests:
        request = json.loads(line)
        _allow(request["seconds"])
        if request["op"] == "load":
            try:
                function = load(request)
                reply: Reply = {"value": described(function)}
            except BaseException as error:
                reply = {"error": fault(error)}
            replies = iter([reply])
        elif function is None:
            raise SystemExit("no function is loaded")
        else:
            replies = _replies(function, request)
        for number, reply in enumerate(replies):
            answers.write(json.dumps({"id": request["id"], "number": number, **reply}) + "\n")
            answers.flush()


def _replies(function: Callable[..., object], request: Mapping[str, Any]) -> Iterator[Reply]:
    """To calls one after the other one reply each; to calls in threads a single one."""
    if request["op"] == "threads":
        yield {"value": at_once(function, request["calls"], request["threads"])}
        return
    for call in request["calls"]:
        _allow(request["seconds"])
        yield outcome(function, *call)


def load(request: Mapping[str, Any]) -> Callable[..., object]:
    """The function of a file or a module; a name with points leads through attributes."""
    sys.path[:0] = request["paths"]
    if request["file"]:
        stem = Path(request["file"]).stem
        name = stem if stem not in sys.modules else f"reward_{stem}"  # a file called json.py replaces nothing
        spec = importlib.util.spec_from_file_location(name, request["file"])
        if spec is None or spec.loader is None:
            raise ImportError(f"{request['file']} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(request["module"])
    found: object = module
    for part in request["function"].split("."):
        found = getattr(found, part)
    found = found() if inspect.isclass(found) else found
    if not callable(found):
        raise TypeError(f"{request['function']} is a {type(found).__name__}, which cannot be called")
    return found


def described(function: Callable[..., object]) -> Reply:
    """Its parameters, each with its kind and whether it has to be given."""
    parameters = inspect.signature(function).parameters.values()
    empty = inspect.Parameter.empty
    return {"parameters": [[one.name, one.kind.name.lower(), one.default is empty] for one in parameters]}


def outcome(function: Callable[..., object], args: list[Any], named: dict[str, Any]) -> Reply:
    """The value of one call, or what it raised."""
    try:
        value = function(*map(_given, args), **{name: _given(one) for name, one in named.items()})
        if inspect.isawaitable(value):
            value = asyncio.run(_awaited(value))
        return {"value": plain(value)}
    except BaseException as error:  # also SystemExit and KeyboardInterrupt: the function's, not ours
        return {"error": fault(error)}


def at_once(function: Callable[..., object], calls: list[Any], threads: int) -> list[list[Reply]]:
    """All calls in every thread, each thread from another place on, as often interrupted as possible."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    barrier = threading.Barrier(threads)

    def one(shift: int) -> list[Reply]:
        barrier.wait()
        order = [(number + shift * len(calls) // threads) % len(calls) for number in range(len(calls))]
        found = {number: outcome(function, *calls[number]) for number in order}
        return [found[number] for number in range(len(calls))]

    try:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(one, range(threads)))
    finally:
        sys.setswitchinterval(interval)


def plain(value: object, depth: int = 0) -> object:
    """What JSON can hold; arrays and tensors become lists, anything else is only named.

    >>> plain((1, None, True, {"score": 0.5}, {1}))
    [1, None, True, {'score': 0.5}, {'__odd__': 'set'}]
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return value if not abs(value) > _LARGEST else math.inf if value > 0 else -math.inf
    listed = getattr(value, "tolist", None)
    if callable(listed) and not isinstance(value, type) and depth < _DEEPEST:
        return plain(listed(), depth + 1)
    if depth < _DEEPEST and isinstance(value, list | tuple) and len(value) <= MOST_ITEMS:
        return [plain(one, depth + 1) for one in value]
    if depth < _DEEPEST and isinstance(value, Mapping) and len(value) <= MOST_ITEMS:
        return {str(name): plain(one, depth + 1) for name, one in value.items()}
    return {"__odd__": type(value).__name__}


def fault(error: BaseException) -> list[str]:
    """Type, message and place of what was raised; the place is where it left the user's code."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename != __file__]
    own = [one for one in frames if "<frozen" not in one.filename]
    place = f"{Path(own[-1].filename).name}, line {own[-1].lineno}" if own else ""
    return [type(error).__name__, str(error)[:2000], place]


async def _awaited(value: Any) -> object:
    return await value


def _given(value: object) -> object:
    """What cannot be said in JSON: a function that does nothing, and the state of a trainer at its first step."""
    if value == {"__given__": "nothing"}:
        return lambda *_, **__: None
    if value == {"__given__": "trainer_state"}:
        return SimpleNamespace(global_step=0, epoch=0.0, max_steps=1)
    return value


def _channels() -> tuple[TextIO, TextIO]:
    """The two ends of the talk, out of the function's reach; its own input is empty, its output the error stream."""
    requests, answers = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.close(nowhere)
    os.dup2(2, 1)

    def leave() -> None:
        os.close(requests)
        os.close(answers)

    os.register_at_fork(after_in_child=leave)
    return os.fdopen(requests, encoding="utf-8"), os.fdopen(answers, "w", encoding="utf-8")


def _limit(memory: int) -> None:
    _cap(resource.RLIMIT_CORE, 0)
    _cap(resource.RLIMIT_FSIZE, FILE_BYTES)
    if memory:
        _cap(resource.RLIMIT_AS, memory << 20)


def _cap(kind: int, value: int) -> None:
    """As low as asked, or as the system has it already."""
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, hard))


def _allow(seconds: float) -> None:
    """So much processor time from now on, on every core; then the system ends the process, watched or not."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _cap(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + seconds * (os.cpu_count() or 1) + _SPARE_CPU))


if __name__ == "__main__":
    main()
