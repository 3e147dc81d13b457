"""What a reader hands over: frames with native columns, and what the dump could not tell."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, cast

import polars as pl

from culpa.errors import InputError, shorten
from culpa.rollouts.limits import refuse_wide

Kind = Literal["parquet", "jsonl", "json", "csv", "zip", "torch", "folder"]
Span = tuple[int, int]  # the first row of a part of a file, and the one behind its last


@dataclass(frozen=True)
class Peek:
    """What can be known of a file without reading it: enough for a reader to recognise its own."""

    path: Path
    kind: Kind
    columns: frozenset[str] = frozenset()  # of the table, or the keys of the first record; member names of a zip
    first: Mapping[str, object] = field(default_factory=dict)  # the first record, where there is one


@dataclass(frozen=True)
class Options:
    """What a user may say about a dump that the dump does not say itself."""

    text: bool = True  # keep prompts and responses; False saves most of the memory
    group: int | None = None  # samples per prompt, where no group id is recorded
    tokenizer: str | None = None  # folder or name, for dumps that hold token ids only
    reader: str | None = None  # the format's name, where files could be taken for another
    join: tuple[str, ...] = ()  # further files whose scores are added, matched on prompt and response


@dataclass(frozen=True)
class Dump:
    """Native frames, one row per output, and notes on what was lost. Notes are complete once the frames are consumed.

    A frame holds `prompt_id` (String), and any of `prompt`, `response` (String), `weight`, `truth`, `logprob`,
    `length`, `proxy.<name>` (Float64; null = no verdict), `proxy.<name>.reason` (String), `chosen` (Boolean),
    `features` (Array of Float32), and further columns, which are kept.
    """

    frames: Iterable[pl.DataFrame]
    notes: list[str]

    def whole(self) -> pl.DataFrame:
        """All frames as one; columns that only some frames have are null elsewhere."""
        return stacked(list(self.frames))


class Reader(Protocol):
    """A module of `culpa.rollouts.readers`: it knows its own files when it sees them, and reads them."""

    NAME: str

    def sniff(self, peek: Peek) -> bool:
        """Whether this is one of my files. Strict: at most one reader may say yes."""
        ...

    def read(self, paths: tuple[Path, ...], options: Options) -> Dump:
        """The files of one dump as native frames."""
        ...


def stacked(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Frames one below the other; columns that only some have are null elsewhere, no frames are an empty one.

    Lists in one frame and words in another under the same name become JSON text, as they do inside one block.

    >>> stacked([pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [0.5], "b": ["x"]})]).rows()
    [(1.0, None), (0.5, 'x')]
    """
    refuse_wide({name for frame in frames for name in frame.columns}, rows=sum(frame.height for frame in frames))
    if len(frames) < 2:
        return frames[0] if frames else pl.DataFrame()
    shapes: dict[str, set[str]] = {}
    for name, dtype in (column for frame in frames for column in frame.schema.items()):
        shapes.setdefault(name, set()).add(_shape(dtype))
    mixed = [name for name, found in shapes.items() if not all(max(found, key=len).startswith(one) for one in found)]
    try:
        return pl.concat([_as_json(frame, mixed) for frame in frames], how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        problem = f"a column is of other kinds in other files or blocks ({shorten(error, 200)})."
        raise InputError(problem, remedy="Read the files one by one.") from error


def _shape(dtype: pl.DataType) -> str:
    """Lists outside, then struct or value; nothing is known of a column of nulls. Polars' own casts lose the names."""
    if isinstance(dtype, pl.List | pl.Array):
        return f"l{_shape(cast(pl.DataType, dtype.inner))}"
    return "s" if isinstance(dtype, pl.Struct) else "" if dtype == pl.Null else "v"


def _as_json(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    texts = [
        pl.Series(
            name, [None if v is None else v if isinstance(v, str) else json.dumps(v, default=str) for v in values]
        )
        for name, values in ((name, frame[name].to_list()) for name in names if name in frame.columns)
    ]
    return frame.with_columns([text.cast(pl.String) for text in texts])


def one(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """A dump of a single frame."""
    yield frame
