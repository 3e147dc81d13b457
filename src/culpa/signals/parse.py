"""A chain from one line of text, for the command line and for settings."""

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType, NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from culpa.errors import InputError, shorten
from culpa.signals import (
    baseline,
    dead,
    deviation,
    entropy,
    envelope,
    flips,
    gates,
    likely,
    occupancy,
    pairs,
    penalty,
    pointwise,
    presets,
    quantile,
    running,
    saturate,
    selected,
    several,
    tiers,
)
from culpa.signals.transform import Transform, chain

Make = Callable[..., Transform]


def parse(text: str) -> Transform:
    """The chain that a line describes: steps by name, `|` between them, options after a colon.

    "center | clip:3 | divide_std:ddof=1" is chain(center(), clip(3), divide_std(ddof=1)). Options are separated by
    commas, by position or as name=value; values are numbers, true, false, none, nan, or a word that the step knows.

    >>> from culpa.signals.transform import apply
    >>> apply(parse("center | scale:2 | clip:-1,5"), [[1.0, 3.0]]).tolist()
    [[-1.0, 2.0]]
    """
    parts = [part.strip() for part in text.split("|")]
    if "" in parts:
        raise InputError(f"{shorten(text)!r} has an empty step.", remedy=f"Known: {', '.join(KNOWN)}.")
    return chain(*map(_step, parts))


def _step(text: str) -> Transform:
    name, _, options = (part.strip() for part in text.partition(":"))
    if name not in KNOWN:
        raise InputError(f"no step is called {shorten(name)!r}.", remedy=f"Known: {', '.join(KNOWN)}.")
    make = KNOWN[name]
    positional, named = _options(options)
    signature = inspect.signature(make)
    try:
        bound = signature.bind(*positional, **named)
    except TypeError as error:
        usage = ", ".join(str(parameter).split(":")[0] for parameter in signature.parameters.values())
        raise InputError(f"{shorten(text)!r}: {error}.", remedy=f"It takes: {usage or 'nothing'}.") from error
    hints = get_type_hints(make)
    for option, words in bound.arguments.items():
        several = words if isinstance(words, tuple) else (words,)
        values = tuple(_value(word, hints[option], f"{name}'s {option}") for word in several)
        bound.arguments[option] = values if isinstance(words, tuple) else values[0]
    return make(*bound.args, **bound.kwargs)


def _options(text: str) -> tuple[list[str], dict[str, str]]:
    """Positional and named options as the words they are."""
    positional: list[str] = []
    named: dict[str, str] = {}
    for option in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (part.strip() for part in option.partition("="))
        if equals:
            named[key] = value
        else:
            positional.append(key)
    return positional, named


def _value(word: str, hint: Any, what: str) -> Any:
    """The word as a value of the parameter's type."""
    plain = word.lower()
    kinds = get_args(hint) if get_origin(hint) not in (None, Literal) else (hint,)
    for kind in kinds:
        if kind is NoneType and plain == "none":
            return None
        if kind is bool and plain in ("true", "false"):
            return plain == "true"
        if get_origin(kind) is Literal and plain in get_args(kind):
            return plain
        if kind in (int, float):
            try:
                return kind(word)
            except ValueError:
                continue
    raise InputError(f"{what} cannot be {shorten(word)!r}.", remedy=f"It is {' or '.join(map(_called, kinds))}.")


def _called(kind: Any) -> str:
    names = {float: "a number", int: "a whole number", bool: "true or false", NoneType: "none"}
    return names.get(kind) or (", ".join(get_args(kind)) if get_origin(kind) is Literal else "set in Python only")


def _makers(*modules: ModuleType) -> dict[str, Make]:
    """The public functions of the modules that give a step, by name."""
    found = {}
    for module in modules:
        for name, value in sorted(vars(module).items()):
            own = inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
            if own and get_type_hints(value).get("return") is Transform:
                found[name] = value
    return found


KNOWN: Mapping[str, Make] = MappingProxyType(
    _makers(
        baseline,
        deviation,
        pointwise,
        running,
        several,
        dead,
        penalty,
        occupancy,
        presets,
        saturate,
        quantile,
        likely,
        envelope,
        entropy,
        selected,
        pairs,
        flips,
        tiers,
    )
    | {"layered": gates.layered}
)
