"""Which files were read, and a fingerprint of each, so that a result can be traced to its data."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from culpa.rollouts.detect import Source, files_of
from culpa.rollouts.dump import Options
from culpa.rollouts.remote import origin

WHOLE = 1 << 28  # bytes; of a larger file only the two ends are hashed
END = 1 << 24


class Input(NamedTuple):
    """A file by name, size and SHA-256; null where it could not be read a second time, a pipe for example."""

    path: str  # as given
    bytes: int | None
    sha256: str | None
    sha256_of: str | None  # "whole", or "ends": its first and last 16 MB, one behind the other


def inputs_of(source: Source, options: Options | None = None) -> tuple[Input, ...]:
    """The files that `read` reads for this source, those that are joined behind the others.

    SHA-256 of all bytes up to 256 MB; of a larger file, of its first and last 16 MB: its size stands beside it.
    """
    asked = options or Options()
    paths = files_of(source, asked) + (files_of(asked.join, asked) if asked.join else ())
    return tuple(_identified(path) for path in dict.fromkeys(paths))


def _identified(path: Path) -> Input:
    name = (origin(path) or str(path)).encode("utf-8", "backslashreplace").decode()
    try:
        if path.is_file():
            size = path.stat().st_size
            return Input(name, size, _sha256(path, size), "whole" if size <= WHOLE else "ends")
    except OSError:  # gone, or no longer to be read: the result still stands
        pass
    return Input(name, None, None, None)


def _sha256(path: Path, size: int) -> str:
    with path.open("rb") as file:
        if size <= WHOLE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(file.read(END))
        file.seek(size - END)
        digest.update(file.read(END))
    return digest.hexdigest()
