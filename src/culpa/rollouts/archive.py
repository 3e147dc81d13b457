"""JSON inside zip archives from strangers: every member is checked before it is unpacked."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from culpa.errors import InputError, shorten
from culpa.rollouts.json_text import parsed
from culpa.rollouts.limits import refuse_heavy

MEMBER_BYTES = 64 << 20
TOTAL_BYTES = 2 << 30
RATIO = 500  # deflate reaches 1032 on zeros; logs of language models stay below 50

_RATIO_FROM = 1 << 20  # a small member may repeat itself as it likes
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_READABLE = _METHODS | ({93} if hasattr(zipfile, "ZIP_ZSTANDARD") else set())
_ENCRYPTED = 0x1
_BROKEN_ZIP = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OverflowError, KeyError,
               struct.error, zlib.error, lzma.LZMAError)  # fmt: skip


@contextmanager
def zip_members(path: Path) -> Iterator[zipfile.ZipFile]:
    """An open zip archive; a broken one is one clear error."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except InputError:
        raise
    except (*_BROKEN_ZIP, OSError) as error:
        raise InputError(
            f"not a readable zip archive ({shorten(error)}).", path=path, remedy="Was it cut off?"
        ) from error


def refuse_bombs(archive: zipfile.ZipFile, names: Iterable[str], path: Path, remedy: str) -> None:
    """Complain of members that unpack to more than the limits, that are encrypted, or that Python cannot unpack."""
    total = 0
    for info in map(archive.getinfo, names):
        size, packed, name = info.file_size, max(info.compress_size, 1), shorten(info.filename)
        total += size
        if info.compress_type not in _READABLE:
            problem = f"{name} is compressed with method {info.compress_type}, which this Python cannot read."
            raise InputError(problem, path=path, remedy=remedy)
        if info.flag_bits & _ENCRYPTED:
            raise InputError(f"{name} is encrypted.", path=path, remedy="Decrypt the archive.")
        if size > MEMBER_BYTES or (size > _RATIO_FROM and size / packed > RATIO):
            problem = f"{name} unpacks from {packed} to {size} bytes."
            limits = f"The limits are {MEMBER_BYTES >> 20} MB and a ratio of {RATIO}."
            raise InputError(problem, path=path, remedy=f"{limits} If you trust the file: {remedy}")
    if total > TOTAL_BYTES:
        problem = f"the archive unpacks to {total >> 20} MB."
        raise InputError(problem, path=path, remedy=f"Split it; the limit is {TOTAL_BYTES >> 20} MB.")


def json_member(archive: zipfile.ZipFile, name: str, path: Path) -> object:
    """One member, parsed. It is read no further than the limit, whatever the archive says of its size."""
    try:
        with archive.open(name) as file:
            text = file.read(MEMBER_BYTES + 1)
        refuse_heavy(text, path)
        return parsed(text)
    except (ValueError, RecursionError, zlib.error) as error:
        problem = f"{shorten(name)}: not valid JSON ({shorten(error)})."
        raise InputError(problem, path=path, remedy="Was it cut off?") from error
