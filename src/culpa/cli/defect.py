"""The part of `culpa advise` that looks a defect up in the atlas, by its name or as it is measured."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from culpa.advice.atlas import NONE, Found, look_up, read_atlas, read_cells
from culpa.advice.defects import MEASURES, measured
from culpa.errors import InputError, shorten
from culpa.report.atlas import Answer
from culpa.rollouts import Rollouts

MEASURE = "measure"
_TRACE = 0.01  # of the smallest size of the atlas: below it a defect is not there


def looked_up(asked: str, rollouts: Rollouts | None, seed: int) -> Answer:
    """What the atlas says of NAME, of NAME:SIZE, of NAME as large as the rollouts have it, or of all that they have."""
    name, size = _parsed(asked)
    if rollouts is None:
        if name == MEASURE:
            raise InputError("there is nothing to measure.", remedy="Name files, or a defect: --defect NAME:SIZE.")
        return _answer([(name, size)])
    if size is not None:
        problem = f"the size of {name} is given, {size:g}, and so are files to measure it in."
        raise InputError(problem, remedy="Leave out the one or the other.")
    proxy = _only(tuple(rollouts.proxies))
    if name != MEASURE and name not in MEASURES:
        look_up(read_cells(), read_atlas().recipe, name)  # refuses a name that is none
        raise InputError(f"{name} cannot be measured in rollouts.", remedy=f"Give its size: --defect {name}:SIZE.")
    found = measured(rollouts, proxy, seed=seed)
    if name == MEASURE:
        return _answer(_large(found))._replace(sizes=found, proxy=proxy)
    found = found.filter(pl.col("defect") == name)
    own, least = float(found["size"][0]), read_atlas().recipe["defects"][name]["sizes"][0]
    if not own > least * _TRACE:
        what = "cannot be measured in these rollouts" if np.isnan(own) else f"is not there: {own:.2g}"
        raise InputError(f"{name} {what}.", remedy="Look at all sizes, without files: --defect " + name + ".")
    return _answer([(name, own)])._replace(sizes=found, proxy=proxy)


def _answer(asked: Sequence[tuple[str, float | None]]) -> Answer:
    cells, recipe = read_cells(), read_atlas().recipe
    found: list[Found] = [look_up(cells, recipe, name, size) for name, size in asked]
    return Answer(found, recipe)


def _parsed(asked: str) -> tuple[str, float | None]:
    name, colon, text = (part.strip() for part in asked.partition(":"))
    if not colon:
        return name, None
    try:
        size = float(text)
    except ValueError as error:
        problem = f"{shorten(text)!r} is no size of a defect."
        raise InputError(problem, remedy="Write NAME:NUMBER, such as hack_rare:2.") from error
    if name in (MEASURE, NONE):
        raise InputError(f"{name} has no size, got {shorten(text)!r}.", remedy=f"Write --defect {name}.")
    return name, size


def _only(proxies: tuple[str, ...]) -> str:
    if len(proxies) != 1:
        found = ", ".join(map(shorten, proxies[:8])) or "none"
        problem = f"a defect is one of a single proxy, and there are {len(proxies)}: {found}."
        raise InputError(problem, remedy="Name one: --proxy NAME.")
    return proxies[0]


def _large(found: pl.DataFrame) -> list[tuple[str, float | None]]:
    """The defects that are surely as large as the smallest of the atlas."""
    known = read_atlas().recipe["defects"]
    return [
        (row["defect"], row["size"])
        for row in found.iter_rows(named=True)
        if row["low"] >= known[row["defect"]]["sizes"][0]
    ]
