"""Long work in blocks: every finished block is a file beside the output, so that a second run does only the rest."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar, overload

import polars as pl

from culpa.engines import Engine, Local, Opening
from culpa.errors import InputError
from culpa.rollouts import replacing, write_text
from culpa.rollouts.files import readable

T = TypeVar("T")
HERE = Local()
_RUN = "run.json"  # what the parts were made from


class Keep(NamedTuple):
    """Where finished blocks are kept, and what they were made from."""

    folder: Path
    fingerprint: Mapping[str, object]  # all that decides the frames, as JSON: settings, hashes of the inputs
    restart: bool = False


class Block(NamedTuple):
    """A finished block, and whether it was made in this run."""

    frame: pl.DataFrame
    fresh: bool


class Lazy(Sequence[T], Generic[T]):
    """Tasks that are made when it is their turn, and not kept.

    >>> tasks = Lazy(str, [3, 5, 8])
    >>> list(tasks), list(tasks[1:])
    (['3', '5', '8'], ['5', '8'])
    """

    def __init__(self, make: Callable[[int], T], numbers: Sequence[int]) -> None:
        self.make, self.numbers = make, numbers

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> "Lazy[T]": ...
    def __getitem__(self, place: int | slice) -> "T | Lazy[T]":
        """A task, or some of them, not made yet."""
        if isinstance(place, slice):
            return Lazy(self.make, self.numbers[place])
        return self.make(self.numbers[place])

    def __len__(self) -> int:
        """How many there are."""
        return len(self.numbers)


def parts_folder(output: Path) -> Path:
    """Where the parts of an output stand until it is whole.

    >>> parts_folder(Path("runs/scored.parquet")).name
    'scored.parquet.parts'
    """
    return output.with_name(f"{output.name}.parts")


def blocks(
    opening: Opening[T, pl.DataFrame], tasks: Sequence[T], keep: Keep | None = None, engine: Engine = HERE
) -> Iterator[Block]:
    """The frames of all tasks in order, worked on by an engine; those that `keep.folder` holds are read from there.

    Parts of another fingerprint are refused; with `restart` they are removed. They are written here and not where the
    work is done: beside and then renamed, so that whenever the process ends, a part is there whole or not at all. One
    that cannot be read is made again. Nothing is removed at the end: `clear` does that once the output is written.
    """
    if keep is None:
        return (Block(frame, True) for frame in engine.map(opening, tasks))
    asked = {**keep.fingerprint, "blocks": len(tasks)}
    if keep.restart:
        clear(keep.folder)
    _open(keep.folder, json.loads(json.dumps(asked, default=str)))
    return _kept(opening, tasks, keep.folder, engine)


def finished(folder: Path) -> frozenset[int]:
    """The numbers of the blocks that need not be done again.

    >>> sorted(finished(Path("nowhere")))
    []
    """
    return frozenset(int(path.stem) for path in _parts(folder))


def clear(folder: Path) -> None:
    """Remove the parts, what a killed run left half-written, and the folder if nothing of anybody else's is in it."""
    for path in (*_parts(folder), *folder.glob(".*.part"), folder / _RUN):
        path.unlink(missing_ok=True)
    for place in (folder, folder.parent):
        if place.suffix == ".parts" or place == folder:
            with suppress(OSError):
                place.rmdir()


def _open(folder: Path, fingerprint: dict[str, object]) -> None:
    """Take up the parts of an earlier run with the same fingerprint, or begin."""
    if folder.exists() and not folder.is_dir():
        raise InputError("is a file where finished parts would be kept.", path=folder, remedy="Move it away.")
    if folder.is_dir() and finished(folder):
        before = _read(folder / _RUN)
        differing = sorted(key for key in {*before, *fingerprint} if before.get(key) != fingerprint.get(key))
        if differing:
            what = ", ".join(differing) if before else "what they were made from is not known"
            problem = f"there are {len(finished(folder))} parts of another run ({what})."
            remedy = "Give the same settings and inputs to go on with it, or --restart to begin again."
            raise InputError(problem, path=folder, remedy=remedy)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot be made ({error.strerror}).", path=folder, remedy="Choose another output.") from error
    write_text(json.dumps(fingerprint, indent=1, ensure_ascii=False) + "\n", folder / _RUN)


def _kept(opening: Opening[T, pl.DataFrame], tasks: Sequence[T], folder: Path, engine: Engine) -> Iterator[Block]:
    """Blocks of the folder and of the engine in their order; if there is none at the end, the folder goes as well."""
    found = {number: _found(_path(folder, number)) for number in finished(folder) if number < len(tasks)}
    there = {number: frame for number, frame in found.items() if frame is not None}
    missing = [number for number in range(len(tasks)) if number not in there]
    made = engine.map(opening, Lazy(tasks.__getitem__, missing))
    with ExitStack() as stack:
        stack.callback(lambda: None if finished(folder) else clear(folder))
        stack.callback(getattr(made, "close", lambda: None))
        for number in range(len(tasks)):
            if number in there:
                yield Block(there.pop(number), False)
                continue
            frame = next(made)
            with replacing(_path(folder, number)) as temporary:
                frame.write_parquet(temporary, compression="zstd")
            yield Block(frame, True)


def _found(path: Path) -> pl.DataFrame | None:
    """A part; nothing where it is damaged or may not be read."""
    with suppress(InputError), readable(path):
        return pl.read_parquet(path, glob=False, memory_map=False)
    return None


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.parquet"


def _parts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.parquet") if path.stem.isdecimal())


def _read(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
