"""Files in parts that can be read anywhere: cut between two prompts, at places that the files alone decide.

However many processes work on the parts, they are the same parts: what is put together from them in order is the same
to the last bit.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import polars as pl

from culpa.errors import InputError
from culpa.rollouts import columns as c
from culpa.rollouts.dense import from_frame
from culpa.rollouts.detect import Source, expand, located, open_dump
from culpa.rollouts.dump import Options, Span
from culpa.rollouts.files import kind_of, last_record, peek, readable
from culpa.rollouts.naming import Naming, listing
from culpa.rollouts.order import prompt_aligned
from culpa.rollouts.record import Rollouts
from culpa.rollouts.remote import origin
from culpa.rollouts.tables import guess

CHUNK_ROWS = 131_072
PARTS = 64  # a large source is cut into about so many
LEAST, MOST = 1 << 19, 1 << 25  # rows of a part
_ROW_BYTES = 200  # of JSON lines: what stands for a row, where rows are not counted
_WINDOW = 4096  # rows looked at for the end of a prompt


@dataclass(frozen=True)
class Part:
    """Some files, or spans of their rows, and how they are to be understood. Small: it travels to where it is read."""

    paths: tuple[Path, ...]
    naming: Naming
    options: Options
    spans: Mapping[Path, Span] = field(default_factory=dict)
    texts: bool = True  # whether it has any, as far as is known
    origins: Mapping[Path, str] = field(default_factory=dict)  # addresses of copies: another machine makes its own

    def chunks(self, rows: int = CHUNK_ROWS, *, only: Collection[str] | None = None) -> Iterator[Rollouts]:
        """Its rollouts in chunks of about `rows` rows; a prompt is never cut. only: the prompts that are wanted.

        The last chunk's `notes` are complete.
        """
        here = {path: self._here(path) for path in self.paths}
        spans = {here[path]: span for path, span in self.spans.items()}
        dump = open_dump(here.values(), self.naming, self.options, spans)
        frames: Iterable[pl.DataFrame] = map(self.naming.apply, dump.frames)
        if only is not None:
            wanted = pl.Series(sorted(only), dtype=pl.String).implode()
            some = (frame.filter(pl.col(c.PROMPT_ID).is_in(wanted)) for frame in frames)
            frames = (_apart(frame) for frame in some if frame.height)
        for frame in prompt_aligned(frames, rows):
            rollouts = from_frame(frame, dump.notes)
            check_scores(rollouts)
            yield rollouts

    def _here(self, path: Path) -> Path:
        """The file, or this machine's own copy of what it is a copy of."""
        return path if path.exists() or path not in self.origins else expand(self.origins[path])[0]

    @property
    def unread(self) -> bool:
        """Whether it has texts that are not read."""
        return self.texts and not self.options.text

    def with_text(self) -> "Part":
        """The same rows with their prompts and responses."""
        return replace(self, options=replace(self.options, text=True))


def cut(
    source: Source,
    *,
    truth: str | None = None,
    proxies: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    options: Options | None = None,
) -> list[Part]:
    """The parts of files that are read like those of `scan`, in order; text is left out unless `options` asks for it.

    Parquet is cut within files, JSON lines between files. Formats of trainers, whose files may hang together, are one
    part.
    """
    options = options or Options(text=False)
    refuse_join(options)
    naming = Naming(truth, tuple(proxies), names or {})
    paths, _, reader = located(source, options)
    kinds = {kind_of(path) for path in paths}
    if reader is not None or not kinds <= {"parquet", "jsonl"}:
        return [Part(paths, naming, options, origins=_origins(paths))]
    tables = [_Table.of(path, naming) for path in paths]
    total = sum(table.rows for table in tables)
    size = min(max(total // PARTS, LEAST), MOST)
    pieces = [piece for table in tables for piece in table.pieces(size)]
    return [_part(group, naming, options) for group in _grouped(pieces, size)]


def _origins(paths: Sequence[Path]) -> dict[Path, str]:
    return {path: found for path in paths if (found := origin(path)) is not None}


def _apart(frame: pl.DataFrame) -> pl.DataFrame:
    """The same rows in memory of their own: what polars filters still holds all words of the frame it came from."""
    words = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    return frame.with_columns(pl.Series(name, frame[name].to_list(), dtype=pl.String) for name in words)


def refuse_join(options: Options) -> None:
    """Scores of other files are matched on all outputs at once."""
    if options.join:
        raise InputError(
            "files to join cannot be streamed.", remedy="Join them once: culpa convert IN OUT --join FILE."
        )


def check_scores(rollouts: Rollouts) -> None:
    """Refuse rollouts of which nothing is scored."""
    if not rollouts.proxies and rollouts.truth is None and c.CHOSEN not in rollouts.table.columns:
        found = listing(rollouts.table.columns)
        raise InputError("the file has no score.", remedy=f"Name one with --proxy or --truth. Other columns: {found}.")


class _Table(NamedTuple):
    """A table file: how long it is, and what its columns mean."""

    path: Path
    rows: int
    plan: Mapping[str, str]  # native name -> column

    @property
    def column(self) -> str:
        """The one that tells its prompts apart."""
        return self.plan.get(c.PROMPT_ID) or self.plan[c.PROMPT]

    @classmethod
    def of(cls, path: Path, naming: Naming) -> "_Table":
        """What can be known without reading the rows."""
        if kind_of(path) != "parquet":
            plan = guess(dict.fromkeys(peek(path).columns, pl.String()), naming.names, path)
            return cls(path, path.stat().st_size // _ROW_BYTES, plan)
        with readable(path):
            frame = pl.scan_parquet(path, glob=False)
            plan = guess(frame.collect_schema(), naming.names, path)
            rows = int(frame.select(pl.len()).collect().item())
        return cls(path, rows, plan)

    def pieces(self, size: int) -> "list[_Piece]":
        """Spans of `size` rows and a little more, up to where the prompt changes."""
        if kind_of(self.path) != "parquet" or self.rows <= size:
            return [_Piece(self, None)]
        ends = [0]
        while ends[-1] < self.rows:
            ends.append(self._change(min(ends[-1] + size, self.rows)))
        return [_Piece(self, span) for span in pairwise(ends)]

    def _change(self, row: int) -> int:
        """The first row from this one on that begins another prompt than the one before it."""
        start, window = row - 1, _WINDOW
        with readable(self.path):
            frame = pl.scan_parquet(self.path, glob=False).select(self.column)
            while start + 1 < self.rows:
                ids = frame.slice(start, window).collect().to_series()
                other = ids.ne_missing(ids.shift(1))[1:].arg_true()
                if len(other):
                    return start + 1 + int(other[0])
                start, window = start + len(ids) - 1, 2 * window
        return self.rows

    def edges(self) -> tuple[object, object]:
        """The prompts of the first and of the last row."""
        if kind_of(self.path) == "jsonl":
            return peek(self.path).first.get(self.column), last_record(self.path).get(self.column)
        with readable(self.path):
            frame = pl.scan_parquet(self.path, glob=False).select(self.column)
            found = [frame.slice(row, 1).collect().to_series().to_list() for row in (0, self.rows - 1)]
        first, last = (value[0] if value else None for value in found)
        return first, last


class _Piece(NamedTuple):
    table: _Table
    span: Span | None  # None: all of it

    @property
    def rows(self) -> int:
        return self.table.rows if self.span is None else self.span[1] - self.span[0]


def _grouped(pieces: list[_Piece], size: int) -> Iterator[list[_Piece]]:
    """Neighbours together until there are enough rows, and where a prompt goes on in the next file."""
    group = pieces[:1]
    for before, piece in pairwise(pieces):
        same = before.table.path == piece.table.path
        if sum(one.rows for one in group) >= size and (same or before.table.edges()[1] != piece.table.edges()[0]):
            yield group
            group = []
        group = [*group, piece]
    if group:
        yield group


def _part(group: list[_Piece], naming: Naming, options: Options) -> Part:
    spans = {piece.table.path: piece.span for piece in group if piece.span is not None}
    texts = any(c.RESPONSE in piece.table.plan for piece in group)
    paths = tuple(piece.table.path for piece in group)
    return Part(paths, naming, options, spans, texts, _origins(paths))
