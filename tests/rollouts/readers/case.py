"""One row of the readers' contract table: how to write a good dump, and what it holds."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from culpa.rollouts.dump import Options
from culpa.rollouts.json_frame import json_frame

Record = dict[str, Any]
Writer = Callable[[Path, list[Record]], tuple[Path, ...]]
Place = tuple[str | int, ...]  # keys and indices that lead into a record


@dataclass(frozen=True)
class Case:
    """A module `test_<reader>.py` beside this file shows one as its constant `CASE`.

    `write(folder, records)` writes a dump exactly as the format has it and returns the paths to give to `read`
    (a folder, where the format is one). The contract damages the records, or the bytes of the file `target`.
    """

    reader: str  # module name in culpa.rollouts.readers
    records: Sequence[Record]
    write: Writer
    rows: int
    proxies: Mapping[str, Sequence[float | None]]  # bare name -> values, one for each row, in order
    number: Place  # where the first record holds a number; the contract puts "high" there
    column: str  # what the error then calls this column
    needed: Place  # a key without which no record makes sense; the contract takes it from all of them
    missing: str = ""  # how the error then calls it, where not by the last key of `needed`
    target: str = "*"  # pattern, inside the folder, of the file to damage; the last one that fits
    options: Options = field(default_factory=Options)
    lines: bool = True  # the target is JSON lines, so that a malformed line has a number


def write_jsonl(path: Path, records: Sequence[Record]) -> Path:
    """JSON lines as python's json writes them: NaN is NaN."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def write_json(path: Path, document: object) -> Path:
    """One JSON document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def write_parquet(path: Path, records: Sequence[Record], schema: Mapping[str, Any] | None = None) -> Path:
    """A Parquet file; a column of mixed types becomes text, as a Parquet column has one type."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = json_frame(list(records)) if schema is None else pl.DataFrame(list(records), schema=dict(schema))
    frame.write_parquet(path)
    return path
