"""Scores for every output of a record: what a scorer is, and how its scores come into the record."""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl

from culpa.engines import Engine
from culpa.errors import InputError, shorten
from culpa.lm.parts import HERE, Keep, Lazy, blocks, finished
from culpa.rollouts import Array, Rollouts
from culpa.rollouts import columns as c
from culpa.rollouts.naming import listing

BLOCK = 512  # outputs that are scored before they are put on disk


class Scores(NamedTuple):
    """Of n outputs: a number each, or NaN with the reason why there is none."""

    values: Array  # (n,)
    reasons: list[str | None]  # None where there is a number; else a kind, and behind a colon what is known of it
    tokens: int = 0  # that a model read for it


class Scorer(Protocol):
    """Whatever scores outputs: a reward model, a function, a server."""

    def __call__(self, prompts: Sequence[str], responses: Sequence[str], columns: pl.DataFrame) -> Scores:
        """A score for every response; `columns` has the other columns of the data, the prompt's id among them."""
        ...


class Progress(NamedTuple):
    """How far a scorer has come."""

    outputs: int  # that have been dealt with
    total: int
    fresh: int = 0  # of them in this run, and not in an earlier one
    tokens: int = 0  # read in this run


class Pool(NamedTuple):
    """A scorer that every worker of an engine opens for itself and keeps: a model each, a function's process each."""

    opening: Callable[[], AbstractContextManager[Scorer]]  # it travels: a function of a module, or a `partial` of one
    engine: Engine = HERE


def score(
    rollouts: Rollouts,
    scorer: Scorer | Pool,
    name: str,
    *,
    keep: Keep | None = None,
    block: int = BLOCK,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Rollouts:
    """The record with one proxy more: `proxies[name]`, and the column `proxy.<name>.reason` of its missing scores.

    Outputs are handed over in blocks of whole prompts, about `block` outputs each, in the order of the record. With
    `keep` every finished block is put on disk, and a later call with the same fingerprint goes on from there.
    An output without a text is not scored. A `Scorer` is asked in this process, a `Pool` wherever its engine works:
    the scores are the same.

    >>> rollouts = Rollouts(
    ...     np.array(["a"], dtype=object), np.ones((1, 2), dtype=bool), np.full((1, 2), 0.5),
    ...     table=pl.DataFrame({"prompt": ["2+2?", "2+2?"], "response": ["4", "four"]}),
    ... )
    >>> lengths = lambda prompts, responses, columns: Scores(np.array([*map(len, responses)], float), [None] * 2)
    >>> score(rollouts, lengths, "length").proxies["length"]
    array([[1., 4.]])
    """
    column = c.proxy_column(name)
    if name in rollouts.proxies or f"{column}{c.REASON}" in rollouts.table.columns:
        problem = f"there is a score called {shorten(name)!r} already."
        raise InputError(problem, remedy=f"Choose another name. Taken: {listing(list(rollouts.proxies))}.")
    found = judged(rollouts, scorer, keep=keep, block=block, tell=tell)
    values = np.full(rollouts.shape, np.nan)
    values[rollouts.present] = found["value"].to_numpy()
    reasons = found["reason"].alias(f"{column}{c.REASON}")
    table = rollouts.table.with_columns(reasons)
    return replace(rollouts, proxies={**rollouts.proxies, name: values}, table=table)


def with_logprob(
    rollouts: Rollouts,
    scorer: Scorer | Pool,
    model: str,
    *,
    keep: Keep | None = None,
    block: int = BLOCK,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Rollouts:
    """The record with its log-probabilities under a model, and the column `logprob.reason` of missing ones.

    Those that it had are replaced, and a note says so.
    """
    found = judged(rollouts, scorer, keep=keep, block=block, tell=tell)
    values = np.full(rollouts.shape, np.nan)
    values[rollouts.present] = found["value"].to_numpy()
    told = f"log-probabilities are those of the texts under {shorten(model)}"
    notes = [f"{told}, in place of the file's" if rollouts.logprob is not None else told]
    table = rollouts.table.with_columns(found["reason"].alias(f"{c.LOGPROB}{c.REASON}"))
    return replace(rollouts, logprob=values, table=table, notes=(*rollouts.notes, *notes))


def reasons_told(rollouts: Rollouts, name: str | None) -> str:
    """How many outputs have no score and why, in a sentence; nothing where all have one. None: log-probabilities."""
    column = f"{c.LOGPROB if name is None else c.proxy_column(name)}{c.REASON}"
    kinds = counted(rollouts.table[column])
    if not kinds:
        return ""
    missing = sum(count for _, count in kinds)
    named = ", ".join(f"{shorten(kind, 40)} {count:,}" for kind, count in kinds[:6])
    first = rollouts.table[column].drop_nulls()[0]
    return f"{missing:,} of {rollouts.size:,} outputs have no score ({named}); the first: {shorten(first, 160)}"


def judged(
    rollouts: Rollouts,
    scorer: Scorer | Pool,
    *,
    keep: Keep | None = None,
    block: int = BLOCK,
    tell: Callable[[Progress], None] = lambda _: None,
) -> pl.DataFrame:
    """The scores of all outputs in the order of the table: `value` (NaN: none), `reason` (null: a score), `tokens`."""
    _refuse_without_text(rollouts)
    starts = starts_of(rollouts, block)
    ends = [*starts[1:], rollouts.size]
    ids = np.repeat(rollouts.prompt_id, rollouts.present.sum(axis=1))
    table = rollouts.table.with_columns(pl.Series(c.PROMPT_ID, ids, dtype=pl.String))
    opened, engine = scorer if isinstance(scorer, Pool) else Pool(lambda: nullcontext(scorer))
    tasks = Lazy(lambda number: table[starts[number] : ends[number]], range(len(starts)))
    found = blocks(partial(_opened, opened), tasks, keep, engine)
    if keep is not None:
        tell(Progress(sum(ends[one] - starts[one] for one in finished(keep.folder)), rollouts.size))
    done: list[pl.DataFrame] = []
    fresh = tokens = 0
    for number, (frame, new) in enumerate(found):
        done.append(frame)
        if new:
            fresh += frame.height
            tokens += int(frame["tokens"].sum())
        tell(Progress(ends[number], rollouts.size, fresh, tokens))
    return pl.concat(done)


@contextmanager
def _opened(
    opening: Callable[[], AbstractContextManager[Scorer]],
) -> Generator[Callable[[pl.DataFrame], pl.DataFrame]]:
    """What a worker does with a block, once it has a scorer."""
    with opening() as scorer:
        yield lambda table: _scored(table, scorer)


def starts_of(rollouts: Rollouts, block: int) -> list[int]:
    """The first row of every block: whole prompts, a new block as soon as one has `block` outputs."""
    starts, size = [0], 0
    for count in rollouts.present.sum(axis=1).tolist():
        if size >= block:
            starts.append(starts[-1] + size)
            size = 0
        size += count
    return starts


def _scored(table: pl.DataFrame, scorer: Scorer) -> pl.DataFrame:
    """One row per output of a block."""
    missing = table.select(
        pl.when(pl.col(c.RESPONSE).is_null()).then(pl.lit("no response"))
        .when(pl.col(c.PROMPT).is_null()).then(pl.lit("no prompt"))
    ).to_series()  # fmt: skip
    there = table.filter(missing.is_null())
    values = np.full(table.height, np.nan)
    reasons: list[str | None] = missing.to_list()
    rows = np.flatnonzero(missing.is_null().to_numpy())
    found = Scores(np.empty(0), [])
    if there.height:
        found = scorer(there[c.PROMPT].to_list(), there[c.RESPONSE].to_list(), there.drop(c.TEXTS))
    _check(found, there.height)
    values[rows] = found.values
    for row, value, reason in zip(rows.tolist(), found.values.tolist(), found.reasons, strict=True):
        reasons[row] = reason if reason or np.isfinite(value) else "nan" if np.isnan(value) else "infinite"
    values[[reason is not None for reason in reasons]] = np.nan
    tokens = np.zeros(table.height, dtype=np.int64)
    tokens[:1] = found.tokens
    return pl.DataFrame(
        {"value": values, "reason": pl.Series(reasons, dtype=pl.String), "tokens": tokens}, nan_to_null=False
    )


def counted(reasons: pl.Series) -> list[tuple[str, int]]:
    """Reasons by their kind, the most frequent first.

    >>> counted(pl.Series(["time-out: no answer within 9 s", None, "none", "time-out: no answer within 8 s"]))
    [('time-out', 2), ('none', 1)]
    """
    kinds = reasons.drop_nulls().str.split(":").list.first()
    rows = kinds.alias("kind").to_frame().group_by("kind").len().sort(["len", "kind"], descending=[True, False])
    return [(str(kind), int(count)) for kind, count in rows.rows()]


def _check(found: Scores, count: int) -> None:
    if len(found.values) != count or len(found.reasons) != count:
        raise InputError(
            f"the scorer gave {len(found.values)} scores and {len(found.reasons)} reasons for {count} outputs.",
            remedy="Give one of each for every output; NaN and a reason where there is no score.",
        )


def _refuse_without_text(rollouts: Rollouts) -> None:
    missing = [name for name in c.TEXTS if name not in rollouts.table.columns]
    if missing:
        problem = f"the rollouts have no {missing[0]}."
        raise InputError(problem, remedy=f"Name its column; found: {listing(rollouts.table.columns)}.")
