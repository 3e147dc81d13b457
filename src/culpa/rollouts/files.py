"""Bytes to frames: Parquet, JSON lines and CSV in blocks of bounded size, with errors that name the row."""

import codecs
import io
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from culpa.errors import InputError, shorten
from culpa.rollouts.archive import zip_members
from culpa.rollouts.csv_rows import refuse_endless, refuse_ragged, separator
from culpa.rollouts.dump import Kind, Peek, Span
from culpa.rollouts.json_frame import Json, json_frame, refuse_deep
from culpa.rollouts.json_text import parsed
from culpa.rollouts.limits import LINE_BYTES, refuse_dense, refuse_heavy, refuse_wide

BLOCK_BYTES = 16 << 20  # of JSON or CSV parsed at once; a record has to fit
_PIECE = 1 << 17  # of JSON lines whose names are looked at together
_DECODED = 4  # blocks of Parquet at once
BLOCK_ROWS = 131_072  # a row group of the files that `write` makes

_SUFFIXES: Mapping[str, Kind] = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".eval": "zip",
    ".zip": "zip",
    ".pt": "torch",
    ".pth": "torch",
}


def kind_of(path: Path) -> Kind:
    """What a file is, by its name. A JSON file whose first line is a whole object and not its last is JSON lines."""
    if path.is_dir():
        return "folder"
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(sorted(_SUFFIXES))
        raise InputError("the file type is not known by its name.", path=path, remedy=f"Rename it; known are {known}.")
    return "jsonl" if kind == "json" and _is_lines(path) else kind


def peek(path: Path) -> Peek:
    """Name, kind, columns and first record of a file; reads no more than its beginning."""
    if not path.exists():
        raise InputError("there is no such file.", path=path, remedy="Check the path; quote globs.")
    kind = kind_of(path)
    if kind == "folder":
        return Peek(path, kind, frozenset(child.name for child in islice(path.iterdir(), 1000)))
    if path.stat().st_size == 0:
        raise InputError("the file is empty.", path=path, remedy="Check that the run that writes it got so far.")
    if kind == "zip":
        with zip_members(path) as archive:
            return Peek(path, kind, frozenset(archive.namelist()[:1000]))
    if kind == "torch":
        return Peek(path, kind)
    first = _first_record(path, kind)
    refuse_wide(first, path)
    return Peek(path, kind, frozenset(first), first)


def blocks(
    path: Path, *, strings: Collection[str] = (), drop: Collection[str] = (), span: Span | None = None
) -> Iterator[pl.DataFrame]:
    """The rows of a table file (Parquet, JSON lines, CSV), block by block, in order.

    Columns in `strings` come as text just as written ("007" stays "007"); columns in `drop` are left out. With `span`
    only these rows of a Parquet file.
    """
    kind = kind_of(path)
    if kind == "parquet":
        yield from _parquet_blocks(path, strings, drop, span)
    elif kind == "jsonl":
        yield from _jsonl_blocks(path, strings, drop)
    elif kind == "csv":
        yield from _csv_blocks(path, drop)
    elif kind == "json":
        rows = [record for _, record in records(path)]
        refuse_wide({name for record in rows for name in record}, path, rows=len(rows))
        if rows:
            yield json_frame(rows, strings).drop(drop, strict=False)
    else:
        raise InputError(
            f"a {kind} file holds no table.", path=path, remedy="Convert it to Parquet, JSON lines or CSV."
        )


def parquet_schema(path: Path) -> dict[str, pl.DataType]:
    """Columns and types of a Parquet file; reads its footer only."""
    with readable(path):
        return dict(pl.scan_parquet(path, glob=False).collect_schema())


def parquet_metadata(path: Path) -> dict[str, str]:
    """The words that a Parquet file's writer left in its footer."""
    with readable(path):
        return pl.read_parquet_metadata(path)


def records(path: Path) -> Iterator[tuple[int, Json]]:
    """Row number (from 1) and record of every JSON object of a JSON-lines file, or of a JSON file holding a list."""
    if kind_of(path) == "jsonl":
        for start, block in _line_blocks(path):
            yield from _parse_lines(path, start, block)
        return
    document = json_document(path)
    rows = document if isinstance(document, list) else [document]
    for row, record in enumerate(rows, start=1):
        if not isinstance(record, dict):
            raise InputError(f"expected an object, got {shorten(record)}.", path=path, row=row)
        yield row, record


def last_record(path: Path) -> Json:
    """The record of the last line of a JSON-lines file that is not blank; reads no more than its end."""
    size, reach = path.stat().st_size, 1 << 16
    with readable(path), path.open("rb") as file:
        while True:
            file.seek(max(0, size - reach))
            line = file.read().rstrip().rpartition(b"\n")
            if line[1] or reach >= min(size, LINE_BYTES):
                break
            reach *= 4
    return next((record for _, record in _parse_lines(path, 0, line[2])), {})


def json_document(path: Path) -> object:
    """A whole JSON file."""
    with readable(path):
        raw = path.read_bytes()
        refuse_heavy(raw, path)
        text = raw.decode("utf-8-sig")
    try:
        return parsed(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not valid JSON ({shorten(error)}).", path=path, remedy="Was it cut off?") from error


@contextmanager
def readable(path: Path | None) -> Iterator[None]:
    """Turns what polars, the system and the decoder raise into an `InputError` that names the file."""
    try:
        yield
    except InputError:
        raise
    except (PolarsError, OSError, UnicodeError, MemoryError) as error:
        raise InputError(f"cannot be read ({shorten(error, 200)}).", path=path) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # polars' internal assertions; not an Exception
            raise
        raise InputError("cannot be read: the file is damaged.", path=path) from error


def _parquet_blocks(
    path: Path, strings: Collection[str], drop: Collection[str], span: Span | None
) -> Iterator[pl.DataFrame]:
    """Slices of fixed length, decoded a few at a time: row groups may be longer, and are decoded once for each."""
    with readable(path):
        frame = pl.scan_parquet(path, glob=False).drop(drop, strict=False)
        refuse_wide(frame.collect_schema(), path)
        cast = [pl.col(name).cast(pl.String) for name, dtype in frame.collect_schema().items()
                if name in strings and not dtype.is_nested()]  # fmt: skip
        first, end = span or (0, int(frame.select(pl.len()).collect().item()))
        refuse_dense(end - first, len(frame.collect_schema()), path)
        for start in range(first, end, _DECODED * BLOCK_ROWS):
            decoded = frame.with_columns(cast).slice(start, min(end - start, _DECODED * BLOCK_ROWS)).collect()
            yield from decoded.iter_slices(BLOCK_ROWS)


def _csv_blocks(path: Path, drop: Collection[str]) -> Iterator[pl.DataFrame]:
    """Every column as text: types are given where the columns are named, so that ids keep their zeros."""
    with _readable_csv(path):
        for block in (
            _scan_csv(path).drop(drop, strict=False).collect_batches(chunk_size=BLOCK_ROWS, maintain_order=True)
        ):
            if block.height:
                yield block


def _scan_csv(path: Path) -> pl.LazyFrame:
    refuse_endless(path)
    frame = pl.scan_csv(path, separator=separator(path), infer_schema=False, glob=False)
    doubled = [name for name in frame.collect_schema().names() if '""' in name]  # polars leaves them so in names
    refuse_wide(frame.collect_schema(), path)
    return frame.rename({name: name.replace('""', '"') for name in doubled})


@contextmanager
def _readable_csv(path: Path) -> Iterator[None]:
    with readable(path):
        try:
            yield
        except PolarsError:
            refuse_ragged(path)
            raise


def _jsonl_blocks(path: Path, strings: Collection[str], drop: Collection[str]) -> Iterator[pl.DataFrame]:
    overrides = dict.fromkeys(strings, pl.String())
    for start, block in _line_blocks(path):
        try:
            schema = _schema(block, path)
            refuse_deep(schema.values())
            schema |= {name: dtype for name, dtype in overrides.items() if name in schema}
            frame = pl.read_ndjson(io.BytesIO(block), schema=schema)
        except PolarsError:  # NaN, mixed types, or a malformed line: the slow parser tells which
            rows = [record for _, record in _parse_lines(path, start, block)]
            refuse_wide({name for record in rows for name in record}, path, rows=len(rows))
            frame = json_frame(rows, strings)
        yield frame.drop(drop, strict=False)


def _schema(block: bytes, path: Path) -> dict[str, pl.DataType]:
    """Names and types of the lines; in pieces first, since polars takes the square of the number of names."""
    names: set[str] = set()
    found: list[dict[str, pl.DataType]] = []
    start = 0
    while start < len(block):
        end = block.find(b"\n", start + _PIECE) + 1 or len(block)
        schema = dict(pl.scan_ndjson(io.BytesIO(block[start:end]), infer_schema_length=None).collect_schema())
        if not found or schema != found[0]:
            names.update(schema)
            refuse_wide(names, path, rows=block.count(b"\n"))
            found.append(schema)
        start = end
    if len(found) == 1:  # all pieces alike, as they mostly are: so is the whole
        return found[0]
    return dict(pl.scan_ndjson(io.BytesIO(block), infer_schema_length=None).collect_schema())


def _line_blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Line number of the first line (from 1) and whole lines of about BLOCK_BYTES, without ever holding the file."""
    row = 1
    with readable(path), path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            if not block.endswith(b"\n"):
                rest = file.readline(LINE_BYTES)
                if len(rest) == LINE_BYTES and not rest.endswith(b"\n"):
                    last = row + block.count(b"\n")
                    raise InputError(f"a line is longer than {LINE_BYTES >> 20} MB.", path=path, row=last)
                block += rest
            if len(block) > 2 * BLOCK_BYTES:
                refuse_heavy(block, path, row=row + block.count(b"\n", 0, -1))
            if not block.isspace():
                yield row, block
            row += block.count(b"\n")


def _parse_lines(path: Path, start: int, block: bytes) -> Iterator[tuple[int, Json]]:
    for row, line in enumerate(block.split(b"\n"), start=start):
        if not line or line.isspace():
            continue
        try:
            record = parsed(line)
        except (ValueError, RecursionError) as error:
            remedy = "Was the file cut off while it was written? Delete the line, or write the file again."
            raise InputError(f"not valid JSON ({shorten(error)}).", path=path, row=row, remedy=remedy) from error
        if not isinstance(record, dict):
            raise InputError(f"expected an object, got {shorten(record)}.", path=path, row=row)
        yield row, record


def _first_record(path: Path, kind: Kind) -> Json:
    if kind == "jsonl":
        return next((record for _, record in records(path)), {})
    if kind == "json":
        document = json_document(path)
        first = document[0] if isinstance(document, list) and document else document
        return first if isinstance(first, dict) else {}
    if kind == "parquet":
        with readable(path):
            schema = pl.scan_parquet(path, glob=False)
            return next(iter(schema.head(1).collect().to_dicts()), dict.fromkeys(schema.collect_schema().names()))
    with _readable_csv(path):
        rows = _scan_csv(path).head(1).collect()
    return next(iter(rows.to_dicts()), dict.fromkeys(rows.columns))


def _is_lines(path: Path) -> bool:
    with readable(path), path.open("rb") as file:
        head = file.read(1 << 20).removeprefix(codecs.BOM_UTF8).lstrip()
    return re.match(rb"\{[^\n]*\}\s*\n\s*\{", head) is not None
