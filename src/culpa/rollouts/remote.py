"""Files elsewhere: whatever fsspec has a name for (s3://, gs://, http://, hf://, ...) is copied here once, then read.

A copy is named after the file, its address and what its store says of its version, so that a changed file is another
copy and workers of a cluster find the same name. Copies stay in the user's cache until somebody clears it.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from culpa.errors import InputError, shorten
from culpa.rollouts.write import replacing, write_text

_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+(::|://)")
_ORIGIN = ".origin"  # beside a copy: where it came from
_BLOCK = 8 << 20


def is_remote(text: str) -> bool:
    """Whether this is an address and not a path.

    >>> is_remote("s3://bucket/dumps/*.parquet"), is_remote("dumps/*.parquet"), is_remote("C:/dumps")
    (True, False, False)
    """
    return _ADDRESS.match(text) is not None


def cache() -> Path:
    """Where copies are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "culpa"


def fetched(address: str) -> list[Path]:
    """Copies of the files meant by an address: one file, a folder's, or those of a glob."""
    system, place = _system(address)
    try:
        if re.search(r"[*\[]", place):
            names = system.glob(place)
        else:
            names = system.find(place) if system.isdir(place) else [place]
        if not names:
            raise InputError("there is no such file.", path=address, remedy="Check the address; quote globs.")
        return [_copied(system, name) for name in sorted(names, key=natural) if not system.isdir(name)]
    except InputError:
        raise
    except Exception as error:  # every store has errors of its own
        raise _unreadable(address, error) from error


def natural(name: str) -> list[tuple[int, int | str]]:
    """A key by which "step_2" sorts before "step_10"."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def origin(path: Path) -> str | None:
    """The address that a copy came from; None for a file that is no copy."""
    beside = path.parent / _ORIGIN
    if cache() not in path.parents or not beside.is_file():
        return None
    return beside.read_text(encoding="utf-8")


def _system(address: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs  # noqa: PLC0415 - an extra
    except ImportError as error:
        problem = f"reading {shorten(address)} needs fsspec, which is not installed."
        raise InputError(problem, remedy="pip install fsspec and what it needs for this store.") from error
    try:
        system, place = url_to_fs(address)
    except Exception as error:
        raise _unreadable(address, error) from error
    return system, str(place)


def _copied(system: Any, name: str) -> Path:
    address = str(system.unstrip_protocol(name))
    if address.startswith("file://"):
        return Path(name)
    key = hashlib.sha256(f"{address}\n{system.ukey(name)}".encode()).hexdigest()[:24]
    target = cache() / key / (PurePosixPath(name.partition("?")[0]).name or "file")
    if target.is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        with temporary.open("wb") as copy:
            copy.writelines(_blocks(system, name, address))
        write_text(address, target.parent / _ORIGIN)
    return target


def _blocks(system: Any, name: str, address: str) -> Iterator[bytes]:
    """The file piece by piece; what is wrong with its store is told apart from what is wrong with this disk."""
    try:
        with system.open(name, "rb") as source:
            while block := source.read(_BLOCK):
                yield block
    except Exception as error:
        raise _unreadable(address, error) from error


def _unreadable(address: str, error: Exception) -> InputError:
    what = shorten(error, 120) or type(error).__name__
    return InputError(f"cannot be fetched ({what}).", path=address, remedy="Check the address and your rights.")
