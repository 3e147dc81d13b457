"""Any table with a row per output: our own Parquet, and JSON lines or CSV whose column names are plain.

Read: every column. Ids and gold answers stay text ("007" stays "007"). Names are taken from the user, else from the
convention (`columns.CONVENTIONS`); what is not plain is asked for, with a list of what was found.
Lost: nothing; columns without a native meaning are kept in `Rollouts.table`. Where no text is wanted, columns of words
and lists of a Parquet file are not read.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import polars as pl

from culpa.errors import InputError, shorten
from culpa.rollouts import columns as c
from culpa.rollouts.convert import numbers
from culpa.rollouts.dump import Dump, Options, Span
from culpa.rollouts.files import blocks, kind_of, parquet_metadata, parquet_schema
from culpa.rollouts.identity import content_ids
from culpa.rollouts.messages import message_texts
from culpa.rollouts.naming import Naming, listing

NAME = "table"

_ALWAYS_TEXT = ("id", "uid", "gts", "gold_answer", "ground_truth", "answer", "label", "target", *c.TEXTS)
_FIRST_ROW = {"csv": 2}  # the names are row 1


def read(
    paths: tuple[Path, ...], options: Options, naming: Naming, spans: Mapping[Path, Span] = MappingProxyType({})
) -> Dump:
    """Native frames of one or more tables with the same columns. spans: of Parquet files of which a part is meant."""
    notes: list[str] = []
    return Dump(_frames(paths, options, naming, notes, spans), notes)


def _frames(
    paths: tuple[Path, ...], options: Options, naming: Naming, notes: list[str], spans: Mapping[Path, Span]
) -> Iterator[pl.DataFrame]:
    for path in paths:
        span = spans.get(path)
        if kind_of(path) == "parquet":
            _restore(path, notes)
        table = _Table(path, naming)
        row = _FIRST_ROW.get(kind_of(path), 1) + (span[0] if span else 0)
        unread = [] if options.text else _unread(path, naming)
        for block in blocks(path, strings=_text_columns(naming), drop=unread, span=span):
            yield table.native(block, row).drop([] if options.text else c.TEXTS, strict=False)
            row += block.height
        notes += [note for note in table.notes() if note not in notes]


def _restore(path: Path, notes: list[str]) -> None:
    """Takes up the notes that `write` left in the file; a schema of the future is refused."""
    metadata = parquet_metadata(path)
    schema = metadata.get(c.SCHEMA_KEY, "0")
    if not schema.isdecimal() or int(schema) > c.SCHEMA_VERSION:
        problem = f"it has schema {shorten(schema)}; this culpa knows schemas up to {c.SCHEMA_VERSION}."
        raise InputError(problem, path=path, remedy="Upgrade culpa.")
    try:
        kept = json.loads(metadata.get(c.NOTES_KEY, "[]"))
    except ValueError as error:
        raise InputError("its notes are not JSON.", path=path, remedy="Write it again with `culpa convert`.") from error
    notes += [str(note) for note in kept if note not in notes]


def _unread(path: Path, naming: Naming) -> list[str]:
    """Columns of a Parquet file that need not leave the disk where no text is wanted."""
    if kind_of(path) != "parquet":
        return []
    schema = parquet_schema(path)
    plan = guess(schema, naming.names, path, taken=_taken(naming))
    needed = {source for native, source in plan.items() if native not in c.TEXTS} | _taken(naming)
    needed |= set() if c.PROMPT_ID in plan else {plan[c.PROMPT]}
    scores = set(c.matching(schema, (*c.REWARD_LIKE, *naming.proxies))) - {n for n in schema if n.endswith(c.REASON)}
    words = [name for name, dtype in schema.items() if dtype == pl.String or dtype.is_nested()]
    return [name for name in words if name not in needed | scores]


def guess(
    schema: Mapping[str, pl.DataType], names: Mapping[str, str], path: Path, *, taken: Collection[str] = ()
) -> dict[str, str]:
    """Native name -> column of the file, from what the user says and what the convention makes plain.

    Columns in `taken` have been given a meaning by the user, and none is guessed for them.

    >>> guess({"question": pl.String(), "completion": pl.String(), "rm_a": pl.Float64()}, {}, Path("a.csv"))
    {'prompt': 'question', 'response': 'completion'}
    """
    missing = [f"{native} = {name}" for native, name in names.items() if name not in schema]
    if missing:
        raise InputError(f"no column for {listing(missing)}.", path=path, remedy=f"Found: {listing(list(schema))}.")
    plan = dict(names) | _conventional(schema, names, taken)
    if c.PROMPT_ID not in plan and c.PROMPT not in plan:
        remedy = f"Name a column: --prompt-id COL or --prompt COL. Found: {listing(list(schema))}."
        raise InputError("no column tells the prompts apart.", path=path, remedy=remedy)
    return plan


def _conventional(schema: Mapping[str, pl.DataType], plan: Mapping[str, str], taken: Collection[str]) -> dict[str, str]:
    """What the convention adds to a plan: the first name that is there, free, and of a type that fits."""
    free = {name: dtype for name, dtype in schema.items() if name not in {*plan.values(), *taken}}
    found = {
        native: next((name for name in known if name in free and _fits(native, free[name])), None)
        for native, known in c.CONVENTIONS.items()
        if native not in plan
    }
    return {native: name for native, name in found.items() if name is not None}


@dataclass
class _Table:
    """What the columns of one file mean, settled when they are first seen, so that all blocks agree."""

    path: Path
    naming: Naming
    plan: dict[str, str] = field(default_factory=dict)
    scores: dict[str, bool] = field(default_factory=dict)  # column -> whether it is one
    displaced: set[str] = field(default_factory=set)

    def native(self, block: pl.DataFrame, row: int) -> pl.DataFrame:
        """A block with native names and types; `row` is the number of its first row in the file."""
        block, rows = _without_blank_lines(block, row)
        block = self._settled(block)
        made: dict[str, pl.Series] = {}
        for native, source in self.plan.items():
            made[native] = self._column(block, native, source, rows).alias(native)
        for name in self._chosen():
            made[c.proxy_column(c.bare(name))] = numbers(block, name, self.path, first_row=rows)
        if self.naming.truth in block.columns and self.naming.truth not in self._chosen():
            made[self.naming.truth] = numbers(block, self.naming.truth, self.path, first_row=rows)
        if c.PROMPT_ID not in made:
            made[c.PROMPT_ID] = content_ids(made[c.PROMPT])
        used = {*self.plan.values(), *self._chosen()}
        rest = [name for name in block.columns if name not in used]
        self.displaced |= {name for name in rest if name in made and name != self.naming.truth}
        made |= {name: block[name] for name in rest if name not in made}
        return pl.DataFrame([series.alias(name) for name, series in made.items()])

    def notes(self) -> list[str]:
        """How the columns were read, where it is not plain."""
        lines = [f"column {source!r} is read as {native}" for native, source in self.plan.items() if native != source]
        lines += [f"column {name!r} is left out: another one is read as {name}" for name in sorted(self.displaced)]
        if self.plan and c.PROMPT_ID not in self.plan:
            lines.append("no prompt id in the file: outputs of equal prompt text are one group")
        return lines

    def _settled(self, block: pl.DataFrame) -> pl.DataFrame:
        """The block with all columns settled before, null where it lacks them; new ones are settled."""
        taken = _taken(self.naming)
        if self.plan:
            known = [*self.plan.values(), *self._chosen()]
            block = block.with_columns(pl.lit(None).alias(name) for name in known if name not in block.columns)
            later = _conventional(block.schema, self.plan, {*taken, *self.scores})
            self.plan |= {native: name for native, name in later.items() if native not in (c.PROMPT_ID, c.PROMPT)}
        else:
            _refuse_duplicates(block, self.path)
            self.plan = guess(block.schema, self.naming.names, self.path, taken=taken)
        planned, schema = set(self.plan.values()), dict(block.schema)
        natives = [c.bare(name) for name in schema if c.is_proxy(name)]
        for name in schema:
            if name not in self.scores and name not in planned:
                wanted = _is_score(block[name].to_frame(), self.naming, natives)
                if wanted or block[name].count():
                    self.scores[name] = wanted
        return block

    def _chosen(self) -> list[str]:
        return [name for name, wanted in self.scores.items() if wanted]

    def _column(self, block: pl.DataFrame, native: str, source: str, rows: pl.Series) -> pl.Series:
        if native in c.NUMBERS:
            return numbers(block, source, self.path, first_row=rows)
        if native == c.CHOSEN:
            return numbers(block, source, self.path, first_row=rows).cast(pl.Boolean)
        values = block[source]
        if native == c.PROMPT_ID or (native == c.PROMPT and c.PROMPT_ID not in self.plan):
            _refuse_without_id(values, native, self.path, rows)
        return values if native == c.FEATURES else message_texts(values)


def _without_blank_lines(block: pl.DataFrame, row: int) -> tuple[pl.DataFrame, pl.Series]:
    """The rows that hold anything, and their numbers."""
    rows = pl.Series(range(row, row + block.height), dtype=pl.Int64)
    if not block.width or not block[block.columns[0]].null_count():
        return block, rows
    kept = block.select(~pl.all_horizontal(pl.all().is_null())).to_series()
    return block.filter(kept), rows.filter(kept)


def _refuse_without_id(values: pl.Series, native: str, path: Path, rows: pl.Series) -> None:
    if native == c.PROMPT_ID and values.dtype.is_nested():
        problem = f"the prompt id is a {values.dtype}."
        raise InputError(problem, path=path, column=values.name, remedy="Every row needs a plain id.")
    if values.null_count():
        row, what = int(rows[int(values.is_null().arg_max() or 0)]), native.replace("_", " ")
        remedy = "Every row needs one, to tell the prompts apart."
        raise InputError(f"the {what} is missing.", path=path, row=row, column=values.name, remedy=remedy)


def _is_score(column: pl.DataFrame, naming: Naming, natives: Sequence[str]) -> bool:
    """Whether a column is a proxy: by its native name, by the user's word, or, where he says nothing, by its look.

    natives: the bare names of the native proxies beside it.
    """
    ((name, dtype),) = column.schema.items()
    if name.endswith(c.REASON) or name in natives:
        return False
    if c.is_proxy(name) or name in naming.proxies:
        return True
    if name in c.CONVENTIONS or name == naming.truth or dtype.is_nested():
        return False
    if naming.proxies:
        patterns = [pattern for pattern in naming.proxies if not c.matching(natives, [pattern])]
        return bool(c.matching([name], patterns)) and _holds_numbers(name, column)
    return not natives and bool(c.matching([name], c.REWARD_LIKE))


def _holds_numbers(name: str, frame: pl.DataFrame) -> bool:
    """Whether a column that only a pattern names can be a score; a name that says so is taken at its word."""
    if c.matching([name], c.REWARD_LIKE) or frame.schema[name].is_numeric():
        return True
    try:
        return numbers(frame, name).count() > 0
    except InputError:
        return False


def _fits(native: str, dtype: pl.DataType) -> bool:
    """Whether a guessed column can hold what its native name says."""
    if native == c.FEATURES:
        return isinstance(dtype, pl.Array | pl.List)
    if native in c.TEXTS:
        return dtype == pl.String or isinstance(dtype, pl.List | pl.Struct)
    return not dtype.is_nested()


def _taken(naming: Naming) -> set[str]:
    """Columns whose meaning the user gave; who names a truth wants no other one guessed."""
    truths = set() if naming.truth is None else {naming.truth, *c.CONVENTIONS[c.TRUTH]}
    return truths | set(naming.proxies)


def _text_columns(naming: Naming) -> set[str]:
    named = {naming.names[native] for native in (c.PROMPT_ID, *c.TEXTS) if native in naming.names}
    known = set(c.CONVENTIONS[c.PROMPT_ID]) | set(c.CONVENTIONS[c.PROMPT]) | set(c.CONVENTIONS[c.RESPONSE])
    return (named | known | set(_ALWAYS_TEXT)) - _taken(naming)


def _refuse_duplicates(block: pl.DataFrame, path: Path) -> None:
    twice = [name.removesuffix("_duplicated_0") for name in block.columns if name.endswith("_duplicated_0")]
    if twice:
        raise InputError("two columns have the same name.", path=path, column=twice[0], remedy="Rename one of them.")
