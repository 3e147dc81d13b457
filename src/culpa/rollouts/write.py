"""From the record to a file: written beside, then renamed, so that nobody ever sees half of one."""

import errno
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

import polars as pl

from culpa._version import __version__
from culpa.errors import InputError, shorten
from culpa.rollouts import columns as c
from culpa.rollouts.dense import to_frame
from culpa.rollouts.record import Rollouts

if sys.platform != "win32":  # there, what a killed run leaves is for its user to remove
    import fcntl

ROW_GROUP = 131_072
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ROOM = 1 << 16  # bytes; with less a disk is full
_SUFFIXES = (".parquet", ".jsonl", ".csv")


def write(rollouts: Rollouts, path: str | PathLike[str]) -> Path:
    """Write the native columns as Parquet, JSON lines or CSV, by the suffix. Parquet keeps notes and schema version.

    `read(write(r, path))` is `r` (CSV cannot hold features, and is refused where there are any).
    """
    target = Path(path)
    if target.suffix.lower() not in _SUFFIXES:
        raise InputError("cannot write this kind of file.", path=target, remedy=f"Use {', '.join(_SUFFIXES)}.")
    frame = to_frame(rollouts)
    with replacing(target) as temporary:
        if target.suffix.lower() == ".parquet":
            frame.write_parquet(temporary, compression="zstd", row_group_size=ROW_GROUP, metadata=_metadata(rollouts))
        elif target.suffix.lower() == ".jsonl":
            _with_infinity(frame).write_ndjson(temporary)
        else:
            nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
            if nested:
                raise InputError("CSV cannot hold lists.", path=target, column=nested[0], remedy="Write Parquet.")
            frame.write_csv(temporary)
    return target


def write_text(text: str, path: str | PathLike[str]) -> Path:
    """Write a text file whole or not at all."""
    target = Path(path)
    with replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return target


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path beside `target` to write to; it takes the target's place only when all went well.

    What a killed run left there of the same target goes: files with a lock on them are still being written.
    """
    if not target.parent.is_dir():
        raise InputError("the folder does not exist.", path=target.parent, remedy="Make it, or choose another.")
    _sweep(target)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with _held(temporary):
            yield temporary
            os.replace(temporary, target)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _refused(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _refused(target: Path, error: Exception) -> InputError:
    """Why a file cannot be written; where there is no room, the libraries have many words for it."""
    named = re.search(r"os error (\d+)", str(error))
    number = error.errno if isinstance(error, OSError) and error.errno else int(named[1]) if named else 0
    with suppress(OSError):
        if not number and shutil.disk_usage(target.parent).free < _ROOM:
            number = errno.ENOSPC
    why = os.strerror(number) if number else shorten(error, 200)
    remedy = "Make room, and run the same command again." if number in _FULL else ""
    return InputError(f"cannot be written ({why}).", path=target, remedy=remedy)


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """A new empty file with a lock on it, which goes with the process at the latest."""
    if sys.platform == "win32":
        yield
        return
    with path.open("xb") as file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _sweep(target: Path) -> None:
    """Remove half-written files of this target that nobody holds."""
    if sys.platform == "win32":
        return
    begin = f".{target.name}."
    with suppress(OSError):
        left = [path for path in target.parent.iterdir() if path.name.startswith(begin) and path.suffix == ".part"]
        for path in left:
            if len(path.name) == len(begin) + len("01234567.part"):
                with suppress(OSError), path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()


def _with_infinity(frame: pl.DataFrame) -> pl.DataFrame:
    """JSON has no infinity and polars writes null for it, which is another thing: such a column goes as text."""
    infinite = [s.name for s in frame if s.dtype.is_float() and s.is_infinite().any()]
    return frame.with_columns(pl.col(infinite).cast(pl.String))


def _metadata(rollouts: Rollouts) -> dict[str, str]:
    return {
        c.SCHEMA_KEY: str(c.SCHEMA_VERSION),
        "culpa.version": __version__,
        c.NOTES_KEY: json.dumps(list(rollouts.notes)),
    }
