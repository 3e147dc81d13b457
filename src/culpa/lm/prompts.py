"""Prompts: a file of them, with whatever columns come beside (answers, say), and their tokens."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from culpa.errors import InputError, shorten
from culpa.lm.model import LanguageModel

_NAMES = ("prompt", "question", "query", "instruction", "problem", "input", "messages")
_IDS = ("prompt_id", "id", "uid", "index")


class Prompts(NamedTuple):
    """What a policy is asked."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]  # a chat is one JSON text, turned into tokens by the model's own template
    columns: pl.DataFrame  # every other column, one row a prompt

    def take(self, rows: Sequence[int]) -> "Prompts":
        """Some of them, in that order."""
        chosen = self.columns[list(rows)] if self.columns.width else self.columns
        return Prompts(tuple(self.ids[row] for row in rows), tuple(self.texts[row] for row in rows), chosen)
