"""The names of proxies beside figures: short, apart from each other, and in the colour of their line."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from culpa.errors import shorten
from culpa.report.plot import spaced

NAME = 22  # characters of a name beside a figure
COLOURED = 7  # proxies that have a colour of their own; the others share one
GAP = 14.5  # between names below each other
CALM = "var(--calm)"


class Label(NamedTuple):
    """A name at the end of a line."""

    name: str
    colour: str
    place: float  # from the top of the figure


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Names short enough to stand beside a figure, and still apart.

    >>> list(short_names(["rm", "a" * 40 + "1" * 20, "a" * 40 + "2" + "1" * 19]).values())
    ['rm', 'aaaaaaaaaaa…1111111111', 'aaaaaaaaa…11111111 (2)']
    """
    result: dict[str, str] = {}
    for name in names:
        short, number = shorten(name, NAME), 1
        while short in result.values():
            number += 1
            short = f"{shorten(name, NAME - 4)} ({number})"
        result[name] = short
    return result


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for the best proxies, one for all others.

    >>> colours(["a", "b"])
    {'a': 'var(--c0)', 'b': 'var(--c1)'}
    """
    return {name: f"var(--c{place})" if place < COLOURED else CALM for place, name in enumerate(names)}


def labels(
    ends: Mapping[str, float], colour: Mapping[str, str], span: tuple[float, float], height: float
) -> list[Label]:
    """The names of lines near their ends. ends: last values; span: the values at the foot and at the top.

    >>> labels({"rm": 1.0}, {"rm": "red"}, (0.0, 2.0), 100.0)
    [Label(name='rm', colour='red', place=50.0)]
    """
    short = short_names(list(ends))
    wished = [(span[1] - value) / (span[1] - span[0]) * height for value in ends.values()]
    places = spaced(wished, GAP, 4.0, height - 4.0)
    return [Label(short[name], colour[name], place) for name, place in zip(ends, places, strict=True)]
