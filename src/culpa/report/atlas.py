"""What the atlas says of a defect, in words and as data: what helps, and as prominently what hurts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from culpa._version import __version__
from culpa.advice.atlas import NONE, Found, Judgement
from culpa.report.section import Section, Table

SCHEMA = "culpa.defect/1"
_TITLES = {"helps": "What helps against {}", "hurts": "What hurts"}
_REST = {
    "depends": "Depends on the world or the size",
    "cannot tell": "Cannot tell",
    "no difference": "No difference",
}


class Answer(NamedTuple):
    """What was looked up, what it was looked up in, and what was measured before, if anything."""

    found: Sequence[Found]
    recipe: Mapping[str, Any]
    sizes: pl.DataFrame | None = None
    proxy: str | None = None


def defect_sections(answer: Answer) -> Iterator[Section]:
    """The answer in reading order."""
    if answer.sizes is not None:
        yield _measured(answer)
    for one in answer.found:
        yield Section(
            "" if answer.sizes is None else one.defect, lines=tuple(("", line) for line in _about(one, answer))
        )
        judged = one.remedies()
        for kind in ("helps", "hurts"):
            yield _table(one, [judgement for judgement in judged if judgement.kind == kind], kind, answer.recipe)
        yield Section("Otherwise", lines=tuple(_rest(judged)))
    yield Section("How it was measured", lines=tuple(("note", line) for line in _how(answer.recipe)))


def defect_dict(answer: Answer, args: dict[str, Any]) -> dict[str, Any]:
    """Everything as plain lists and dictionaries; what is not a number is null."""
    recipe = answer.recipe
    looked = [
        {
            "defect": one.defect,
            "size": one.size,
            "beside": list(one.beside),
            "outside": one.outside,
            "remedies": [
                {"remedy": judged.remedy, "verdict": judged.kind, "sure": judged.sure or None, "cells": judged.cells}
                | {key: recipe["remedies"][judged.remedy][key] for key in ("about", "outputs", "updates", "ns")}
                for judged in one.remedies()
            ],
        }
        for one in answer.found
    ]
    facts = {key: recipe[key] for key in ("recipe", "version", "worlds", "learner", "updates", "bare_ns")}
    return {
        "schema": SCHEMA,
        "version": __version__,
        "args": args,
        "atlas": facts | {"seeds": len(recipe["seeds"])},
        "proxy": answer.proxy,
        "measured": None if answer.sizes is None else [_plain(row) for row in answer.sizes.iter_rows(named=True)],
        "defects": looked,
    }


def signed(value: float) -> str:
    """An effect with its sign, two digits.

    >>> signed(0.034), signed(-0.5), signed(-0.001)
    ('+.03', '-.50', '.00')
    """
    text = f"{value:+.2f}"
    short = text.replace("0.", ".") if text[1:3] == "0." else text
    return ".00" if short[1:] == ".00" else short


def cell_text(cell: Mapping[str, Any]) -> str:
    """An effect and half the width of its interval.

    >>> cell_text({"effect": 0.25, "low": 0.2, "high": 0.3})
    '+.25 ± .05'
    """
    return f"{signed(cell['effect'])} ± {(cell['high'] - cell['low']) / 2.0:.2f}".replace("± 0.", "± .")


def price_text(remedy: Mapping[str, Any], bare: float) -> str:
    """What a remedy costs beside the untouched run.

    >>> price_text({"outputs": 2.0, "updates": 1.0, "ns": None}, 1.0)
    '2 x outputs'
    >>> price_text({"outputs": 1.0, "updates": 1.0, "ns": 30.0}, 1.5)
    '30 ns a reward, 20 passes'
    """
    parts = [f"{remedy[key]:g} x {key}" for key in ("outputs", "updates") if remedy[key] != 1.0]
    if remedy["ns"] is not None:
        parts.append(f"{remedy['ns']:.0f} ns a reward, {remedy['ns'] / bare:.0f} passes")
    return "; ".join(parts) or "nothing"


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}


def _measured(answer: Answer) -> Section:
    assert answer.sizes is not None
    known = answer.recipe["defects"]
    rows = []
    for row in answer.sizes.iter_rows(named=True):
        one = known[row["defect"]]
        grid = ", ".join(f"{size:g}" for size in one["sizes"])
        if np.isnan(row["size"]):
            rows.append((row["defect"], "not measured", "", grid, one["size_is"]))
        else:
            rows.append(
                (row["defect"], f"{row['size']:.2f}", f"{row['low']:.2f} to {row['high']:.2f}", grid, one["size_is"])
            )
    lines = ["Each size is what the defect would have if it were the only one: they do not add up."]
    if not answer.found:
        lines.append("None is surely as large as the smallest in the atlas: nothing is looked up.")
    headers = ("defect", "size", "95%", "in the atlas", "counted in")
    title = f"Defects of {answer.proxy}" if answer.proxy else "Defects"
    return Section(title, tuple(("note", line) for line in lines), Table(headers, tuple(rows)))


def _about(found: Found, answer: Answer) -> Iterator[str]:
    known = answer.recipe["defects"][found.defect]
    yield f"{found.defect}: {known['about']}."
    grid = ", ".join(f"{size:g}" for size in known["sizes"])
    if found.size is not None:
        beside = " and ".join(f"{size:g}" for size in found.beside)
        where = "is in the atlas" if found.beside == (found.size,) else f"lies beside the atlas's {beside}"
        yield f"Size {found.size:.3g} ({known['size_is']}) {where}."
        if found.outside > 1.0:
            yield f"It is {found.outside:.2g} times beyond the atlas's range ({grid}): what follows is a guess."
    elif found.defect != NONE:
        yield f"All sizes of the atlas: {grid} ({known['size_is']})."
    levels = found.rows.group_by("size").agg(pl.col("untouched").first()).sort("size")["untouched"].to_list()
    lost = ", ".join(f"{level:.2f}" for level in levels)
    sizes = ", ".join(f"{size:g}" for size in found.beside)
    of = "" if found.defect == NONE else f" (size{'s' if len(found.beside) > 1 else ''} {sizes})"
    yield f"Untouched, the reward gains {lost} of what the truth would{of}."


def _table(found: Found, judged: list[Judgement], kind: str, recipe: Mapping[str, Any]) -> Section:
    title = _TITLES[kind].format(found.defect if found.defect != NONE else "a reward without a defect")
    if not judged:
        return Section(title, lines=(("note", f"No remedy of the atlas surely {kind} here."),))
    ordered = judged if kind == "helps" else judged[::-1]
    sizes = tuple(f"size {size:g}" for size in found.beside)
    rows = tuple(
        (
            one.remedy,
            *(cell_text(cell) for cell in one.cells),
            _worlds(one),
            one.sure,
            price_text(recipe["remedies"][one.remedy], recipe["bare_ns"]),
            recipe["remedies"][one.remedy]["about"],
        )
        for one in ordered
    )
    return Section(title, table=Table(("remedy", *sizes, "worlds", "how sure", "price", "what it is"), rows))


def _worlds(judged: Judgement) -> str:
    least, most = min(cell["least"] for cell in judged.cells), max(cell["most"] for cell in judged.cells)
    count = judged.cells[0]["worlds"]
    return f"{signed(least)} to {signed(most)} in {count}" if count > 1 else "1 alone"


def _rest(judged: list[Judgement]) -> Iterator[tuple[str, str]]:
    for kind, title in _REST.items():
        names = [one.remedy for one in judged if one.kind == kind]
        if names:
            yield "note", f"{title}: {', '.join(names)}."


def _how(recipe: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "An effect is a share of what the same learner gains with the truth, at the end of equally many updates, "
        "against the untouched reward of the same world and seed; ±: half a 95% interval over seeds."
    )
    yield (
        f"Worlds: {', '.join(recipe['worlds'])}, {len(recipe['seeds'])} seeds each; {recipe['learner']}, "
        f"{recipe['updates']} updates whose size does not depend on a reward's scale."
    )
    yield "helps, hurts: stands among all cells of the atlas at a false discovery rate of 5%, and is .02 or more."
    yield "These are small worlds: a remedy that helps in all of them is worth a trial, no more."
