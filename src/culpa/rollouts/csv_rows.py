"""What can be said of a CSV file's rows that polars does not say."""

import csv
from contextlib import suppress
from pathlib import Path

from culpa.errors import InputError
from culpa.rollouts.limits import LINE_BYTES, refuse_wide

_BLOCK = 1 << 24


def separator(path: Path) -> str:
    """Tabs in `.tsv`, else commas."""
    return "\t" if path.suffix.lower() == ".tsv" else ","


def refuse_endless(path: Path) -> None:
    """Complains of a line that is too long, and of too many names, before anything is made of them."""
    with path.open("rb") as file:
        head = file.readline(LINE_BYTES)
        refuse_wide(head.count(separator(path).encode()) + 1, path)
        file.seek(0)
        row, length = 1, 0
        while block := file.read(_BLOCK):
            end = block.find(b"\n")
            length += len(block) if end < 0 else end
            if length >= LINE_BYTES:
                raise InputError(f"a line is longer than {LINE_BYTES >> 20} MB.", path=path, row=row)
            if end >= 0:
                row, length = row + block.count(b"\n"), len(block) - block.rfind(b"\n") - 1


def refuse_ragged(path: Path) -> None:
    """Says which row has too many fields."""
    with path.open(newline="", encoding="utf-8-sig") as file, suppress(csv.Error, UnicodeDecodeError):
        rows = csv.reader(file, delimiter=separator(path))
        width = len(next(rows, []))
        for row, fields in enumerate(rows, start=2):
            if len(fields) > width:
                problem = f"there are {len(fields)} fields under {width} names."
                raise InputError(problem, path=path, row=row, remedy="Quote the fields that hold commas or quotes.")
