"""Result files: one JSON document each, with the fingerprint of the settings that made it, whole or not there."""

import json
import os
from pathlib import Path
from secrets import token_hex
from typing import Any

Document = dict[str, Any]


def write(path: Path, fingerprint: str, document: Document) -> Path:
    """The document under its fingerprint, written beside and renamed. NaN is null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{token_hex(4)}.part")
    try:
        text = json.dumps({"fingerprint": fingerprint} | document, allow_nan=False)
        part.write_text(text + "\n", encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def read(path: Path, fingerprint: str) -> Document | None:
    """The document, or None where there is none, none that can be read, or one of other settings."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("fingerprint") != fingerprint:
        return None
    return document
