"""Benchmarks of reward models: a prompt with fixed candidate outputs, and several models' scores of them."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite, isnan
from pathlib import Path

import polars as pl

from culpa.errors import InputError, shorten
from culpa.rollouts import columns as c
from culpa.rollouts.convert import NAN_IN_DUMP, NULL_IN_DUMP
from culpa.rollouts.files import blocks, json_document, kind_of, records
from culpa.rollouts.json_frame import Json

Verdict = float | str  # a score, or the reason why there is none
Scores = Mapping[str, tuple[Verdict, ...]]  # name of the proxy -> one verdict per output

ABSENT = "not in this model's file"
_SHARED_WORDS = 0.5  # texts of one id that share fewer of their words are different texts, not different templates


@dataclass(frozen=True)
class Item:
    """One prompt and its candidate outputs, as one file gives them."""

    prompt_id: str
    responses: tuple[str | None, ...]
    scores: Scores
    chosen: tuple[bool, ...] | None = None  # None: no order is known
    prompt: str | None = None
    kept: Mapping[str, object] = field(default_factory=dict)  # further columns, one value for all outputs
    kept_each: Mapping[str, Sequence[object]] = field(default_factory=dict)  # further columns, one value per output


def table_rows(path: Path) -> Iterator[tuple[int, Json]]:
    """Row number (from 1) and record of Parquet, JSON lines, a JSON list, or JSON with its columns side by side."""
    row = 0
    for row, record in _rows(path):
        yield row, record
    if row == 0:
        raise InputError("the file holds no rows.", path=path, remedy="Check that the run that writes it got so far.")


def number(value: object, path: Path, row: int, column: str) -> Verdict:
    """A score, or the reason why there is none. [[x]] is x; NaN and infinity are no verdicts.

    >>> number([["0.5"]], Path("a"), 1, "s"), number(None, Path("a"), 1, "s")
    (0.5, 'null in the dump')
    """
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        return NULL_IN_DUMP
    try:
        result = float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        result = None
    if result is None:
        remedy = "Give a number, true or false; null where there is no verdict."
        raise InputError(f"{shorten(repr(value))} is not a number.", path=path, row=row, column=column, remedy=remedy)
    if isnan(result):
        return NAN_IN_DUMP
    return result if isfinite(result) else "infinite in the dump"


def several(record: Json, column: str, path: Path, row: int, count: int | None = None) -> list[object]:
    """A list of a record; of `count` entries where that is known."""
    value = present(record, column, path, row)
    if not isinstance(value, list):
        raise InputError(f"expected a list, got {shorten(value)!r}.", path=path, row=row, column=column)
    if count is not None and len(value) != count:
        remedy = "Was the file written by different versions?"
        problem = f"{len(value)} entries for {count} outputs."
        raise InputError(problem, path=path, row=row, column=column, remedy=remedy)
    return value


def present(record: Json, column: str, path: Path, row: int) -> object:
    """The value of a column that every row must have."""
    if column not in record:
        found = ", ".join(shorten(name, 30) for name in list(record)[:20])
        problem = "the row has no such column."
        raise InputError(problem, path=path, row=row, column=column, remedy=f"Found: {found}.")
    return record[column]


def text_of(value: object) -> str | None:
    """An output as text: a string as it is, the last message of a conversation, anything else as it prints.

    >>> text_of([{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}])
    '4'
    """
    if isinstance(value, list) and value and isinstance(value[-1], dict):
        value = value[-1].get("content")
    return value if value is None or isinstance(value, str) else str(value)


def distinct(items: Iterable[Item], notes: list[str]) -> list[Item]:
    """The items, ids that come again marked "#2", "#3" ...: rows of one id are separate questions here."""
    seen: Counter[str] = Counter()
    result = []
    for item in items:
        seen[item.prompt_id] += 1
        count = seen[item.prompt_id]
        result.append(item if count == 1 else replace(item, prompt_id=f"{item.prompt_id}#{count}"))
    if again := sum(seen.values()) - len(seen):
        notes.append(f"{again} rows repeat an id; they are kept apart as id#2, id#3 ...")
    return result


def join(files: Mapping[str, Sequence[Item]], notes: list[str]) -> list[Item]:
    """The items of several models' files as one list, matched by id and text; what does not match is kept and counted.

    Texts of one id match where they are equal, unknown, or share at least half of their words: every model's
    file holds them in that model's chat template.
    """
    merged: dict[str, Item] = {}
    for name, items in files.items():
        first, unmatched, rewritten = not merged, 0, 0
        for item in items:
            base = merged.get(item.prompt_id)
            if base is None or not _same(base, item):
                unmatched += 1
                key = item.prompt_id if base is None else f"{item.prompt_id}@{name}"
                merged[key] = replace(item, prompt_id=key)
                continue
            rewritten += base.responses != item.responses and not _unknown(item) and not _unknown(base)
            merged[item.prompt_id] = _add(base, item)
        if unmatched and not first:
            notes.append(f"{unmatched} of {len(items)} rows of {name} match no row of the files before it")
        if rewritten:
            notes.append(f"{rewritten} texts of {name} differ in their template; the first file's are kept")
    return list(merged.values())


def frame_of(items: Sequence[Item], *, text: bool, weight: float | None = 0.0) -> pl.DataFrame:
    """Native rows of the items, in order: outputs of no policy (weight 0), or of one that sampled them (None)."""
    counts = [len(item.responses) for item in items]
    data: dict[str, pl.Series] = {
        c.PROMPT_ID: _repeat(c.PROMPT_ID, [item.prompt_id for item in items], counts, pl.String()),
        c.PROMPT: _repeat(c.PROMPT, [item.prompt for item in items], counts, pl.String()),
        c.RESPONSE: pl.Series([r for item in items for r in item.responses], dtype=pl.String),
    }
    if weight is not None:
        data[c.WEIGHT] = pl.repeat(weight, sum(counts), dtype=pl.Float64, eager=True)
    if any(item.chosen is not None for item in items):
        sides = [side for item in items for side in item.chosen or (None,) * len(item.responses)]
        data[c.CHOSEN] = pl.Series(sides, dtype=pl.Boolean)
    for name in dict.fromkeys(name for item in items for name in item.scores):
        data |= _scores(name, items)
    for name in dict.fromkeys(name for item in items for name in item.kept):
        data[name] = _repeat(name, [item.kept.get(name) for item in items], counts, None)
    for name in dict.fromkeys(name for item in items for name in item.kept_each):
        values = [v for item in items for v in item.kept_each.get(name, (None,) * len(item.responses))]
        data[name] = pl.Series(values, strict=False)
    empty = [name for name in c.TEXTS if not text or data[name].null_count() == sum(counts)]
    return pl.DataFrame(data).drop(empty)


def of_models(
    paths: Iterable[Path], items_of: Callable[[Path], Iterable[tuple[str, Item]]], notes: list[str]
) -> list[Item]:
    """The joined items of files that hold rows of one model each, or of several; `items_of` says whose each row is."""
    files: dict[str, list[Item]] = {}
    claimed: dict[str, Path] = {}
    for path in paths:
        for name, item in items_of(path):
            if item.scores:
                claim(name, path, claimed)
            files.setdefault(name, []).append(item)
    return join({name: distinct(found, notes) for name, found in files.items()}, notes)


def claim(name: str, path: Path, claimed: dict[str, Path]) -> None:
    """Note that `path` holds the scores of model `name`; two files may not."""
    if claimed.setdefault(name, path) != path:
        remedy = f"Leave one out; the other is {claimed[name].name}."
        raise InputError(f"the scores of {shorten(name)!r} are in two files.", path=path, remedy=remedy)


def _rows(path: Path) -> Iterator[tuple[int, Json]]:
    kind = kind_of(path)
    if kind == "parquet":
        row = 1
        for block in blocks(path):
            yield from enumerate(block.iter_rows(named=True), start=row)
            row += block.height
    elif kind == "json" and isinstance(document := json_document(path), dict):
        yield from _column_rows(document, path)
    else:
        yield from records(path)


def _column_rows(document: Json, path: Path) -> Iterator[tuple[int, Json]]:
    lists = {name: value for name, value in document.items() if isinstance(value, list)}
    alone = {name: value for name, value in document.items() if not isinstance(value, list | dict)}
    sizes = {name: len(value) for name, value in lists.items()}
    if not sizes or len(set(sizes.values())) > 1:
        common = Counter(sizes.values()).most_common(1)[0][0] if sizes else 0
        odd = next((name for name, size in sizes.items() if size != common), None)
        problem = f"{sizes[odd]} entries, but {common} in other columns." if odd else "expected a list per column."
        raise InputError(problem, path=path, column=odd, remedy="Write the file again.")
    for row in range(next(iter(sizes.values()))):
        yield row + 1, alone | {name: value[row] for name, value in lists.items()}


def _same(base: Item, item: Item) -> bool:
    if len(base.responses) != len(item.responses) or (base.chosen or item.chosen) != (item.chosen or base.chosen):
        return False
    return all(_alike(one, other) for one, other in zip(base.responses, item.responses, strict=True))


def _alike(one: str | None, other: str | None) -> bool:
    if one is None or other is None or one == other:
        return True
    words, others = set(re.findall(r"\w+", one)), set(re.findall(r"\w+", other))
    return len(words & others) >= _SHARED_WORDS * min(len(words), len(others)) > 0


def _unknown(item: Item) -> bool:
    return all(response is None for response in item.responses)


def _add(base: Item, item: Item) -> Item:
    known = item if _unknown(base) else base
    return replace(
        base,
        responses=known.responses,
        prompt=base.prompt if base.prompt is not None else item.prompt,
        scores={**base.scores, **item.scores},
        kept={**item.kept, **base.kept},
        kept_each={**item.kept_each, **base.kept_each},
    )


def _scores(name: str, items: Sequence[Item]) -> dict[str, pl.Series]:
    verdicts = [v for item in items for v in item.scores.get(name, (ABSENT,) * len(item.responses))]
    column = c.proxy_column(name)
    data = {column: pl.Series([None if isinstance(v, str) else v for v in verdicts], dtype=pl.Float64)}
    if any(isinstance(v, str) for v in verdicts):
        data[column + c.REASON] = pl.Series([v if isinstance(v, str) else None for v in verdicts], dtype=pl.String)
    return data


def _repeat(name: str, values: list[object] | list[str] | list[str | None], counts: list[int],
            dtype: pl.DataType | None) -> pl.Series:  # fmt: skip
    index = [i for i, count in enumerate(counts) for _ in range(count)]
    return pl.Series(name, values, dtype=dtype, strict=dtype is not None).gather(index)
