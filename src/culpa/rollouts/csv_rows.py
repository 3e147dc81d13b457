"""What can be said of a CSV file's rows that polars does not say."""

import csv
from contextlib import suppress
from pathlib import Path

from culpa.errors import InputError
from culpa.rollouts.limits import LINE_BYTES, refuse_wide


def separator(path: Path) -> str:
    """Tabs in `.tsv`, else commas."""
    return "\t" if path.suffix.lower() == ".tsv" else ","


def refuse_head(path: Path) -> None:
    """Complains of a line of names that is too long or names too many, before anything is made of it."""
    with path.open("rb") as file:
        head = file.readline(LINE_BYTES)
    if len(head) == LINE_BYTES:
        raise InputError(f"the line of names is longer than {LINE_BYTES >> 20} MB.", path=path, row=1)
    refuse_wide(head.count(separator(path).encode()) + 1, path)


def refuse_ragged(path: Path) -> None:
    """Says which row has too many fields."""
    with path.open(newline="", encoding="utf-8-sig") as file, suppress(csv.Error, UnicodeDecodeError):
        rows = csv.reader(file, delimiter=separator(path))
        width = len(next(rows))
        for row, fields in enumerate(rows, start=2):
            if len(fields) > width:
                problem = f"there are {len(fields)} fields under {width} names."
                raise InputError(problem, path=path, row=row, remedy="Quote the fields that hold commas or quotes.")
