"""Long work in blocks: every finished block is a file beside the output, so that a second run does only the rest."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import polars as pl

from culpa.errors import InputError
from culpa.rollouts import replacing, write_text

_RUN = "run.json"  # what the parts were made from


def parts_folder(output: Path) -> Path:
    """Where the parts of an output stand until it is whole.

    >>> parts_folder(Path("runs/scored.parquet")).name
    'scored.parquet.parts'
    """
    return output.with_name(f"{output.name}.parts")


def blocks(
    work: Callable[[int], pl.DataFrame],
    count: int,
    folder: Path,
    fingerprint: Mapping[str, object],
    *,
    restart: bool = False,
) -> Iterator[pl.DataFrame]:
    """The frames of `work(0), ..., work(count - 1)` in order; those that `folder` holds already are read from there.

    fingerprint  all that decides the frames, as JSON: settings, hashes of the inputs. Parts of another fingerprint
                 are refused; with `restart` they are removed.

    A part is written beside and renamed: whenever the process ends, it is there whole or not at all. One that cannot
    be read is made again. Nothing is removed at the end: `clear` does that once the output is written.
    """
    asked = {**fingerprint, "blocks": count}
    if restart:
        clear(folder)
    _open(folder, json.loads(json.dumps(asked, default=str)))
    return (_block(work, number, folder) for number in range(count))


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


def _block(work: Callable[[int], pl.DataFrame], number: int, folder: Path) -> pl.DataFrame:
    path = folder / f"{number:06d}.parquet"
    if path.is_file():
        with suppress(pl.exceptions.PolarsError, OSError):
            return pl.read_parquet(path, glob=False, memory_map=False)
    frame = work(number)
    with replacing(path) as temporary:
        frame.write_parquet(temporary, compression="zstd")
    return frame


def _parts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.parquet") if path.stem.isdecimal())


def _read(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
