"""From what a user points at to files, and from files to the reader that knows them."""

import glob
import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from os import PathLike, fspath
from os.path import exists
from pathlib import Path
from types import MappingProxyType
from typing import cast

import polars as pl

from culpa.errors import InputError, shorten
from culpa.rollouts import readers, remote, tables
from culpa.rollouts.dump import Dump, Options, Peek, Reader, Span
from culpa.rollouts.files import peek, readable
from culpa.rollouts.naming import Naming

Source = str | PathLike[str] | Iterable[str | PathLike[str]]

_TABLES = (".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".eval", ".zip")


def expand(source: Source) -> tuple[Path, ...]:
    """The files meant by a path, an address, a glob or several of them; "step_2" sorts before "step_10"."""
    given = [source] if isinstance(source, str | PathLike) else list(source)
    if not given:
        raise InputError("no file is given.", remedy="Name a file, a folder or a glob.")
    paths: list[Path] = []
    for item in given:
        text = fspath(item)
        if remote.is_remote(text):
            paths += remote.fetched(text)
            continue
        found = [Path(text)] if exists(text) else [Path(name) for name in glob.glob(text, recursive=True)]
        if not found:
            raise InputError("there is no such file.", path=text, remedy="Check the path; quote globs.")
        paths += sorted(found, key=_natural)
    return tuple(dict.fromkeys(paths))


def files_of(source: Source, options: Options) -> tuple[Path, ...]:
    """The files that are read: of a folder the tables in it, or every file where a reader knows the folder whole."""
    paths = _inside_folders(expand(source), _named(options))
    every = [sorted(path.rglob("*"), key=_natural) if path.is_dir() else [path] for path in paths]
    return tuple(path for part in every for path in part if not path.is_dir())


@cache
def known_readers() -> tuple[Reader, ...]:
    """Every module of `culpa.rollouts.readers`, in order of name."""
    names = sorted(module.name for module in pkgutil.iter_modules(readers.__path__))
    return tuple(cast(Reader, importlib.import_module(f"{readers.__name__}.{name}")) for name in names)


def recognise(found: Peek) -> Reader | None:
    """The one reader that knows this file; None for a plain table."""
    able = [reader for reader in known_readers() if reader.sniff(found)]
    if len(able) > 1:
        names = ", ".join(reader.NAME for reader in able)
        raise InputError(f"several formats fit ({names}).", path=found.path, remedy="Name one with --reader.")
    return able[0] if able else None


def open_dump(
    source: Source, naming: Naming, options: Options, spans: Mapping[Path, Span] = MappingProxyType({})
) -> Dump:
    """The native frames of files, read by the reader that knows them. `naming` is not applied yet: it only says
    which columns of a plain table have to be numbers. spans: of tables of which a part is meant.
    """
    paths, name, reader = located(source, options)
    place = paths[0] if len(paths) == 1 else None
    with readable(place):
        dump = tables.read(paths, options, naming, spans) if reader is None else reader.read(paths, options)
    if reader is not None:
        dump.notes.insert(0, f"read as {name}")
    return replace(dump, frames=_told(dump.frames, place))


def _told(frames: Iterable[pl.DataFrame], place: Path | None) -> Iterator[pl.DataFrame]:
    """The same frames; what polars refuses of them is the file's fault, and is told as such."""
    with readable(place):
        yield from frames


def located(source: Source, options: Options) -> tuple[tuple[Path, ...], str, Reader | None]:
    """The files, the name of their format, and the reader that knows them; None for plain tables."""
    forced = _named(options)
    paths = _inside_folders(expand(source), forced)
    name, reader = forced or _recognised(paths)
    return paths, name, reader


def _named(options: Options) -> tuple[str, Reader | None] | None:
    """Name and reader that the user asks for; None where it is to be recognised."""
    if options.reader is None:
        return None
    named: dict[str, Reader | None] = {reader.NAME: reader for reader in known_readers()} | {tables.NAME: None}
    if options.reader not in named:
        known = ", ".join(sorted(named))
        raise InputError(f"no reader is called {shorten(options.reader)!r}.", remedy=f"Known: {known}.")
    return options.reader, named[options.reader]


def _recognised(paths: tuple[Path, ...]) -> tuple[str, Reader | None]:
    formats = {recognise(peek(path)) for path in paths}
    if len(formats) > 1:
        names = ", ".join(sorted(tables.NAME if reader is None else reader.NAME for reader in formats))
        raise InputError(f"the files are of different kinds ({names}).", remedy="Convert each first: culpa convert.")
    reader = formats.pop()
    return (tables.NAME if reader is None else reader.NAME), reader


def _inside_folders(paths: tuple[Path, ...], forced: tuple[str, Reader | None] | None) -> tuple[Path, ...]:
    """Folders that no reader knows as a whole stand for the table files in them; hidden files are none of them."""
    result: list[Path] = []
    for path in paths:
        if not path.is_dir() or _whole(path, forced):
            result.append(path)
            continue
        inside = sorted((p for p in path.rglob("*") if _is_table(p.relative_to(path)) and p.is_file()), key=_natural)
        if not inside:
            raise InputError("the folder holds no rollouts.", path=path, remedy=f"Looked for {', '.join(_TABLES)}.")
        result += inside
    return tuple(result)


def _whole(folder: Path, forced: tuple[str, Reader | None] | None) -> bool:
    reader = recognise(peek(folder)) if forced is None else forced[1]
    return reader is not None and reader.sniff(peek(folder))


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in _TABLES and not any(part.startswith(".") for part in path.parts)


def _natural(path: Path) -> list[tuple[int, int | str]]:
    return remote.natural(str(path))
