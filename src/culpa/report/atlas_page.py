"""The atlas as a page: what helps, what hurts, and every cell with its interval and its price."""

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from culpa.advice.atlas import NONE
from culpa.report.atlas import cell_text, price_text, signed

_TOP = 30  # rows of the two tables that come first
_MARKS = {"helps": "**helps**", "hurts": "**hurts**", "depends": "depends", "no difference": "same", "cannot tell": ""}


def atlas_page(cells: pl.DataFrame, recipe: Mapping[str, Any], picture: str) -> str:
    """Markdown; `picture` is the file of the heat map beside it."""
    parts = [*_head(cells, recipe, picture), *_extremes(cells, recipe), *_remedies(recipe), *_defects(cells, recipe)]
    return "\n".join(parts) + "\n"


def _head(cells: pl.DataFrame, recipe: Mapping[str, Any], picture: str) -> Iterator[str]:
    counts = dict(cells.group_by("verdict").len().iter_rows())
    told = ", ".join(f"{counts.get(verdict, 0):,} {verdict}" for verdict in _MARKS)
    facts = {
        "picture": picture,
        "cells": f"{cells.height:,}",
        "told": told,
        "seeds": len(recipe["seeds"]),
        "minutes": f"{recipe['seconds'] / 60:.1f}",
        "bare": f"{recipe['bare_ns']:.1f}",
    }
    yield _HEAD.format(**recipe, **{f"_{key}": value for key, value in facts.items()})


_HEAD = """# The atlas: which remedy for which defect of a reward

![Effects of remedies on spoiled rewards]({_picture})

{_cells} cells, each a remedy for a planted defect of one size:
{_told}.
Of the cells said to help or to hurt, one in twenty is expected to be called so by chance.

    culpa advise --defect hack_rare:2
    culpa advise rollouts.parquet --truth gold --proxy rm --defect measure

look a defect up, by name or measured in your rollouts, and say how sure the answer is. `python -m culpa.labs.finite`
makes the atlas anew.

## How it was made

- Worlds of {prompts} prompts with {outputs} outputs, {_seeds} seeds of each kind: `apart` (one logit per output),
  `shared` (features shared by all prompts, judged on other prompts) and `verified` (as shared, the truth is right or
  wrong).
- A policy is trained by {learner} for {updates} updates with drawn groups, once for every defect, size, remedy and
  seed. Steps are such that the scale of a reward changes nothing, as under Adam: a remedy gets nothing for a mere
  change of speed.
- Level: the true reward that was gained, in shares of what the same learner gains with the truth. Effect: the level
  with the remedy minus the level without, in the same world of the same seed, mean over the kinds of worlds. ±: half
  of the 95 % interval over seeds (Student's t).
- helps, hurts: the effect stands at a false discovery rate of 5 % over all cells (Benjamini and Hochberg), and is .02
  or more. depends: two kinds of worlds contradict each other, each by .02 or more and by its own interval. same: the
  interval lies within ± .02.
- Price: nanoseconds per reward on 64 groups of 8 where the atlas was made, and passes: in how many products of an array
  with a number that is ({_bare} ns a reward each). Outputs and updates are beside those of the untouched run.
- All runs took {_minutes} minutes of one core; recipe {recipe}, culpa {version}.

What it cannot say: an output is one action, so nothing here is about credit within a sequence, and a delay is one of
updates. Worlds are small, and a remedy has one strength: another may do better, or worse.
"""


def _extremes(cells: pl.DataFrame, recipe: Mapping[str, Any]) -> Iterator[str]:
    for verdict, title in (("helps", "Where remedies help most"), ("hurts", "Where remedies hurt most")):
        yield f"## {title}"
        yield ""
        yield "| defect | size | untouched | remedy | effect | worlds | price |"
        yield "| --- | ---: | ---: | --- | ---: | --- | --- |"
        rows = cells.filter(pl.col("verdict") == verdict).sort("effect", descending=verdict == "helps").head(_TOP)
        for row in rows.iter_rows(named=True):
            price = price_text(recipe["remedies"][row["remedy"]], recipe["bare_ns"])
            spread = f"{signed(row['least'])} to {signed(row['most'])}" if row["worlds"] > 1 else "verified alone"
            yield (
                f"| {row['defect']} | {row['size']:g} | {row['untouched']:.2f} | {row['remedy']} | {cell_text(row)} "
                f"| {spread} | {price} |"
            )
        yield ""


def _remedies(recipe: Mapping[str, Any]) -> Iterator[str]:
    yield "## Remedies"
    yield ""
    yield "| remedy | what it is | worlds | price |"
    yield "| --- | --- | --- | --- |"
    for name, one in recipe["remedies"].items():
        about = one["about"].replace("|", "\\|")
        worlds = "all" if len(one["worlds"]) == len(recipe["worlds"]) else ", ".join(one["worlds"])
        yield f"| {name} | {about} | {worlds} | {price_text(one, recipe['bare_ns'])} |"
    yield ""


def _defects(cells: pl.DataFrame, recipe: Mapping[str, Any]) -> Iterator[str]:
    for name, one in recipe["defects"].items():
        rows = cells.filter(pl.col("defect") == name)
        sizes = one["sizes"]
        yield f"## {name}"
        yield ""
        lost = ", ".join(f"{rows.filter(pl.col('size') == size)['untouched'][0]:.2f}" for size in sizes)
        counted = "" if name == NONE else f" Sizes: {one['size_is']}."
        worlds = "" if len(one["worlds"]) == len(recipe["worlds"]) else f" Worlds: {', '.join(one['worlds'])}."
        yield f"{one['about'].capitalize()}.{counted}{worlds} Untouched: {lost} of what the truth gains."
        yield ""
        heads = [""] if name == NONE else [f"{size:g}" for size in sizes]
        yield f"| remedy | {' | '.join(heads)} |"
        yield f"| --- |{' --- |' * len(heads)}"
        for remedy in rows["remedy"].unique(maintain_order=True):
            found = rows.filter(pl.col("remedy") == remedy).sort("size").iter_rows(named=True)
            yield f"| {remedy} | {' | '.join(map(_told, found))} |"
        yield ""


def _told(cell: Mapping[str, Any]) -> str:
    return f"{cell_text(cell)} {_MARKS[cell['verdict']]}".strip()
