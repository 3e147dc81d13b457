"""Prompts: a file of them, with whatever columns come beside (answers, say), and their tokens."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import polars as pl

from culpa.errors import InputError, shorten
from culpa.rollouts import columns as c
from culpa.rollouts.files import blocks, kind_of, readable, records
from culpa.rollouts.identity import content_id
from culpa.rollouts.json_frame import json_frame
from culpa.rollouts.messages import message_text
from culpa.rollouts.naming import listing

Chat = Sequence[Mapping[str, Any]]  # messages of role and content
_PROMPTS = (*c.CONVENTIONS[c.PROMPT], "messages", "text")
_IDS = (*c.CONVENTIONS[c.PROMPT_ID], "id", "uid")


class Prompts(NamedTuple):
    """What a policy is asked."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]  # of a chat: its messages one below the other
    chats: tuple[Chat | None, ...]  # where a prompt is one: the model's own template makes tokens of it
    columns: pl.DataFrame  # every other column, one row a prompt

    def take(self, rows: Sequence[int]) -> "Prompts":
        """Some of them, in that order.

        >>> prompts_of(["a", "b"]).take([1]).texts
        ('b',)
        """
        chosen = self.columns[list(rows)] if self.columns.width else self.columns
        ids, texts = (tuple(field[row] for row in rows) for field in (self.ids, self.texts))
        return Prompts(ids, texts, tuple(self.chats[row] for row in rows), chosen)

    def as_chats(self) -> "Prompts":
        """Every text as what a user says, for the model's own template.

        >>> prompts_of(["hi"]).as_chats().chats
        (({'role': 'user', 'content': 'hi'},),)
        """
        spoken = ({"role": "user", "content": text} for text in self.texts)
        return self._replace(chats=tuple(talk or (new,) for talk, new in zip(self.chats, spoken, strict=True)))


def prompts_of(texts: Sequence[str | Chat], columns: pl.DataFrame | None = None) -> Prompts:
    """Prompts from memory. The id of a prompt is that of its content.

    >>> prompts_of(["2 + 2 ="]).ids
    ('856b85162d64cb98',)
    """
    plain = [one if isinstance(one, str) else message_text(list(one)) for one in texts]
    chats = tuple(None if isinstance(one, str) else one for one in texts)
    return Prompts(tuple(map(content_id, plain)), tuple(plain), chats, pl.DataFrame() if columns is None else columns)


def read_prompts(path: str | Path, *, column: str | None = None, id_column: str | None = None) -> Prompts:
    """The prompts of a file: JSON lines, JSON, Parquet, CSV, or a line of text each.

    The prompt is a text or a list of messages, in `column` or where prompts usually are; ids are taken from
    `id_column`, a column called like one, or the content. A prompt that comes again is left out.
    """
    source = Path(path)
    rows = _rows(source)
    if not rows:
        raise InputError("there are no prompts in it.", path=source, remedy="Give a prompt a line.")
    names = list(dict.fromkeys(name for row in rows for name in row))
    wanted = _pick(names, column, _PROMPTS, source)
    found = prompts_of([_prompt(row.get(wanted), source, place + 1) for place, row in enumerate(rows)])
    marked = id_column or next((name for name in _IDS if name in names), None)
    if id_column is not None and id_column not in names:
        raise InputError("there is no such column.", path=source, column=id_column, remedy=f"Found: {listing(names)}.")
    ids = found.ids if marked is None else tuple(str(row.get(marked)) for row in rows)
    first = {one: place for place, one in reversed(list(enumerate(ids)))}
    _refuse_shared_ids(ids, found.texts, first, source)
    rest = json_frame([{name: row.get(name) for name in names if name not in {wanted, marked}} for row in rows])
    return Prompts(ids, found.texts, found.chats, rest).take(sorted(first.values()))


class Tokenizing(Protocol):
    """What has a tokenizer: a language model, or what is known of one that is elsewhere."""

    @property
    def tokenizer(self) -> Any:
        """That of transformers."""
        ...


def encode(lm: Tokenizing, prompts: Prompts) -> list[list[int]]:
    """The tokens of every prompt, ready to be continued: no end token, the model's own template around chats."""
    return [_tokens(lm, text, talk) for text, talk in zip(prompts.texts, prompts.chats, strict=True)]


def _tokens(lm: Tokenizing, text: str, talk: Chat | None) -> list[int]:
    if talk is not None:
        if not getattr(lm.tokenizer, "chat_template", None):
            problem = "the prompts are chats, and the tokenizer has no chat template."
            raise InputError(problem, remedy="Give prompts as texts, or a tokenizer with a template.")
        ids = lm.tokenizer.apply_chat_template(list(talk), add_generation_prompt=True, tokenize=True, return_dict=False)
        return [int(one) for one in ids]
    ids = [int(one) for one in lm.tokenizer(text)["input_ids"]]
    while ids and ids[-1] == lm.tokenizer.eos_token_id and lm.tokenizer.eos_token_id != lm.tokenizer.bos_token_id:
        ids.pop()
    if not ids:
        problem = f"the prompt {shorten(repr(text))} has no tokens."
        raise InputError(problem, remedy="Leave empty prompts out.")
    return ids


def _rows(path: Path) -> list[dict[str, object]]:
    if not path.is_file():
        raise InputError("there is no such file.", path=path, remedy="Name a file of prompts.")
    if path.suffix.lower() in (".txt", ".text"):
        with readable(path):
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        return [{"prompt": line} for line in lines if line.strip()]
    if kind_of(path) in ("json", "jsonl"):
        return [row for _, row in records(path)]
    return [row for block in blocks(path) for row in block.to_dicts()]


def _pick(names: Sequence[str], column: str | None, usual: Sequence[str], path: Path) -> str:
    if column is not None and column in names:
        return column
    found = None if column is not None else next((name for name in usual if name in names), None)
    if found is None:
        what = "no column is called as prompts usually are." if column is None else "there is no such column."
        raise InputError(what, path=path, column=column, remedy=f"Say which with --prompt. Found: {listing(names)}.")
    return found


def _prompt(value: object, path: Path, row: int) -> str | Chat:
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, list) and value and all(isinstance(one, dict) and "content" in one for one in value):
        return value
    problem = f"its prompt is {shorten(repr(value))}."
    raise InputError(
        problem, path=path, row=row, remedy="A prompt is a text, or a list of messages with role, content."
    )


def _refuse_shared_ids(ids: Sequence[str], texts: Sequence[str], first: Mapping[str, int], path: Path) -> None:
    """The same prompt twice is one prompt; two prompts of one id are an error."""
    for row, (name, text) in enumerate(zip(ids, texts, strict=True)):
        if texts[first[name]] != text:
            problem = f"two prompts have the id {shorten(name)!r}."
            raise InputError(problem, path=path, row=row + 1, remedy="Give every prompt an id of its own.")
