"""Sizes from which on a file is refused, since no rollouts look so and what is made of it would fill the memory."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from culpa.errors import InputError, shorten

if TYPE_CHECKING:
    from culpa.rollouts.record import Rollouts

LINE_BYTES = 64 << 20  # of JSON or CSV: no record of a rollout is that long
COLUMNS = 10_000  # of a table
CELLS = 200_000_000  # of a table that is wide; lines of JSON with other keys each make most of them empty
OBJECT_BYTES = 4 << 30  # that a JSON document may take as lists and numbers
LINE_OBJECT_BYTES = 1 << 30  # and a line of JSON
DECODED_BYTES = 1 << 30  # of Parquet, from which on it must not be packed more tightly than rollouts are
DECODED_RATIO = 2000
SCORE = 1e150  # in size: its square is still a number

_WIDE = 1000
_REST = "Keep the columns that matter."


def refuse_wide(columns: Collection[str] | int, path: Path | None = None, *, rows: int = 0) -> None:
    """Complains of more columns than a table of rollouts has, of very many that are nearly empty, and of their names.

    A name between ^ and $, and *, stand for other columns where polars is asked for them.

    >>> refuse_wide(12_000, Path("a.csv"))
    Traceback (most recent call last):
    ...
    culpa.errors.InputError: a.csv: there are 12,000 columns; the limit is 10,000. Keep the columns that matter.
    """
    count = columns if isinstance(columns, int) else len(columns)
    if count > COLUMNS:
        raise InputError(f"there are {count:,} columns; the limit is {COLUMNS:,}.", path=path, remedy=_REST)
    if count > _WIDE and count * rows > CELLS:
        problem = f"{rows:,} rows with {count:,} columns are more than {CELLS:,} cells."
        raise InputError(problem, path=path, remedy=_REST)
    pattern = None if isinstance(columns, int) else next(filter(_is_pattern, columns), None)
    if pattern is not None:
        raise InputError("a column is called like a pattern.", path=path, column=pattern, remedy="Rename it.")


def _is_pattern(name: str) -> bool:
    return name == "*" or (name.startswith("^") and name.endswith("$"))


def refuse_heavy(text: bytes, path: Path, *, row: int | None = None) -> None:
    """Complains of a JSON document, or of lines that end in `row`, that would take too much memory as objects.

    Text counts once, each value 64 bytes, each object 240 more: what CPython takes for the smallest of them.
    """
    limit = OBJECT_BYTES if row is None else LINE_OBJECT_BYTES
    size = len(text) + 64 * (text.count(b",") + text.count(b"[")) + 240 * text.count(b"{")
    if size > limit:
        problem = f"it would take {size / (1 << 30):.1f} GB of memory; the limit is {limit >> 30} GB."
        raise InputError(problem, path=path, row=row, remedy="Write shorter lines of JSON, or Parquet.")


def refuse_dense(rows: int, columns: int, path: Path) -> None:
    """Complains of a Parquet file that unpacks to far more than any rollouts of its size."""
    decoded, packed = 8 * rows * columns, max(path.stat().st_size, 1)
    if decoded > DECODED_BYTES and decoded > DECODED_RATIO * packed:
        problem = f"{packed:,} bytes unpack to {rows:,} rows."
        remedy = (
            f"The limits are {DECODED_BYTES >> 30} GB and a ratio of {DECODED_RATIO}. Write the file with fewer rows."
        )
        raise InputError(problem, path=path, remedy=remedy)


def refuse_large(rollouts: "Rollouts") -> "Rollouts":
    """The same rollouts; complains of a score, by its name, whose square would be larger than a number can be."""
    truth = {} if rollouts.truth is None else {"truth": rollouts.truth}
    for name, values in {**rollouts.proxies, **truth}.items():
        if max(np.fmax.reduce(values, axis=None), -np.fmin.reduce(values, axis=None)) > SCORE:
            row, cell = np.argwhere(np.abs(values) > SCORE)[0]
            where = f"for prompt {shorten(rollouts.prompt_id[row])!r}"
            problem = f"{shorten(name)!r} is {values[row, cell]:.3g} {where}."
            raise InputError(problem, remedy=f"The limit is {SCORE:g}: scale the scores.")
    return rollouts
