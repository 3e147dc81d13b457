"""Folders that are made once and found again, named by what they were made from."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from secrets import token_hex


def kept(folder: Path, stem: str, settings: Sequence[object], make: Callable[[Path], None]) -> Path:
    """The folder that `make` fills: made now, or found where an earlier call with the same settings made it.

    Its name is the stem and a hash of the settings. It is filled beside its place and renamed, so it is complete or not
    there; of two processes that make it at the same time, both find the one that was first.
    """
    place = folder / f"{stem}-{blake2b(json.dumps(settings).encode(), digest_size=6).hexdigest()}"
    if place.is_dir():
        return place
    beside = folder / f".{place.name}.{token_hex(4)}.part"
    beside.mkdir(parents=True)
    try:
        make(beside)
        os.replace(beside, place)
    except OSError:
        if not place.is_dir():
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return place
