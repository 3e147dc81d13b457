"""The names of proxies beside figures: short, apart from each other, and in the colour of their line."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from culpa.errors import shorten

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
    places = spread_out(wished, GAP, (4.0, height - 4.0))
    return [Label(short[name], colour[name], place) for name, place in zip(ends, places, strict=True)]


def spread_out(places: Sequence[float], gap: float, ends: tuple[float, float]) -> list[float]:
    """Places at least a gap apart and between the ends, near to where they were, in the same order.

    Where there is no room for all of them, they run over the far end.

    >>> spread_out([1.0, 1.0, 5.0], 1.0, (0.0, 9.0)), spread_out([1.0, 1.0], 1.0, (1.0, 9.0))
    ([0.5, 1.5, 5.0], [1.0, 2.0])
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    blocks: list[tuple[float, int]] = []  # of those that touch: middle and number
    for i in order:
        block = (_held(places[i], 1, gap, ends), 1)
        while blocks and blocks[-1][0] + (blocks[-1][1] + block[1]) * gap / 2 > block[0]:
            middle, number = blocks.pop()
            whole = number + block[1]
            block = (_held((middle * number + block[0] * block[1]) / whole, whole, gap, ends), whole)
        blocks.append(block)
    flat = [middle + gap * (k - (number - 1) / 2) for middle, number in blocks for k in range(number)]
    return [flat[order.index(i)] for i in range(len(places))]


def _held(middle: float, number: int, gap: float, ends: tuple[float, float]) -> float:
    """The middle of so many, moved so that all are between the ends."""
    half = (number - 1) * gap / 2
    return max(min(middle, ends[1] - half), ends[0] + half)
