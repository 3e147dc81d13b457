"""The memory of a chain of steps as JSON and back, to the last bit: no pickle, so that nothing runs that is read.

Known are None, numbers, texts, tuples (also named ones of `culpa.signals`), lists, dictionaries with texts as keys,
arrays, and numpy's generators.
"""

import base64
from collections.abc import Callable
from typing import Any

import numpy as np

from culpa.errors import InputError, shorten
from culpa.signals import running, saturate

_NAMED = {one.__name__: one for one in (running.Running, saturate.Range)}
Json = Any


def to_json(state: Any) -> Json:
    """The state as what JSON knows.

    >>> to_json((1, None))
    {'tuple': [1, None]}
    """
    if state is None or isinstance(state, bool | int | str):
        return state
    if isinstance(state, float):
        return {"float": state.hex()}
    if isinstance(state, tuple | list | dict):
        return _several(state)
    if isinstance(state, np.ndarray | np.generic):
        array = np.asarray(state)
        text = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
        return {"array": text, "dtype": array.dtype.str, "shape": list(array.shape)}
    if isinstance(state, np.random.Generator):
        return {"generator": to_json(dict(state.bit_generator.state))}
    problem = f"a step's memory holds a {type(state).__name__}, which cannot be kept in a checkpoint."
    raise InputError(problem, remedy="Keep numbers, arrays and tuples of them.")


def _several(state: Any) -> Json:
    if isinstance(state, dict):
        return {"dict": {str(key): to_json(value) for key, value in state.items()}}
    parts = [to_json(one) for one in state]
    if isinstance(state, list):
        return {"list": parts}
    name = type(state).__name__
    return {"tuple": parts, "name": name} if name in _NAMED else {"tuple": parts}


def from_json(value: Json) -> Any:
    """What `to_json` was given.

    >>> from_json(to_json((0.1, np.arange(2.0))))
    (0.1, array([0., 1.]))
    """
    if not isinstance(value, dict):
        return value
    kind = next(iter(value), "")
    if kind not in _READERS:
        problem = f"a checkpoint holds {shorten(repr(value), 80)}, which is not known."
        raise InputError(problem, remedy="It was written by another version: start the run anew.")
    return _READERS[kind](value[kind], value)


def _array(text: str, whole: dict[str, Any]) -> Any:
    dtype = np.dtype(whole["dtype"])
    if dtype.hasobject:
        raise InputError("a checkpoint holds an array of objects.", remedy="Start the run anew.")
    return np.frombuffer(base64.b64decode(text), dtype).reshape(whole["shape"]).copy()


def _tuple(parts: list[Json], whole: dict[str, Any]) -> Any:
    made = [from_json(one) for one in parts]
    return _NAMED[whole["name"]](*made) if "name" in whole else tuple(made)


def _generator(held: Json, _whole: dict[str, Any]) -> np.random.Generator:
    state: dict[str, Any] = from_json(held)
    known = {one.__name__: one for one in (np.random.PCG64, np.random.Philox, np.random.MT19937, np.random.SFC64)}
    if state.get("bit_generator") not in known:
        raise InputError("a checkpoint holds an unknown generator.", remedy="Start the run anew.")
    bits = known[state["bit_generator"]]()
    bits.state = state  # type: ignore[assignment] # one class of several
    return np.random.Generator(bits)


_READERS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "float": lambda text, _: float.fromhex(text),
    "array": _array,
    "tuple": _tuple,
    "list": lambda parts, _: [from_json(one) for one in parts],
    "dict": lambda parts, _: {key: from_json(one) for key, one in parts.items()},
    "generator": _generator,
}
