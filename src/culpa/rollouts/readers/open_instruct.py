"""open-instruct's traces: a folder of `{run}_metadata.jsonl` and `{run}_rollouts_{shard:06d}.jsonl`, or the shards.

Fields of a shard: `step`, `sample_idx`, `prompt_idx`, `prompt_tokens`, `response_tokens`, `reward`, `advantage`,
`finish_reason`, `dataset` (the verifier's name), `ground_truth`, `logprobs`. Of the metadata the model's name and the
commit go into a note. `reward` is the one proxy: its parts are not in the dump.

A group is one `prompt_idx` of one step: each step has its own policy, so `prompt_id` is "step/prompt_idx".
`logprob` is the sum of `logprobs` under the policy of that step; where one of them is null it is unknown.
Only token ids are recorded. With `Options.tokenizer` they are decoded (special tokens left out), else there is no text.
Lost: what tools did (`request_info`), token ids.
"""

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

import polars as pl

from culpa.errors import InputError, shorten
from culpa.rollouts import columns as c
from culpa.rollouts.convert import filled, need, numbered, numbers, verdicts
from culpa.rollouts.dump import Dump, Options, Peek
from culpa.rollouts.files import records

NAME = "open_instruct"

_NEEDED = ("step", "prompt_idx", "prompt_tokens", "response_tokens", "reward")
_META = frozenset({"run_name", "git_commit", "model_name"})
_STRINGS = ("step", "prompt_idx", "sample_idx", "ground_truth", "dataset", "finish_reason")
_SHARD = re.compile(r".*_rollouts_\d+\.jsonl")
_METADATA = "*_metadata.jsonl"


class Tokenizer(Protocol):
    """What is needed of a tokenizer."""

    def batch_decode(self, sequences: Sequence[Sequence[int]], *, skip_special_tokens: bool) -> list[str]:
        """One text per sequence of token ids."""
        ...


def sniff(peek: Peek) -> bool:
    """A shard, a metadata file, or a folder with a shard."""
    if peek.kind == "folder":
        return any(_SHARD.fullmatch(name) for name in peek.columns)
    return peek.kind == "jsonl" and (set(_NEEDED) <= peek.columns or peek.columns >= _META)


def read(paths: tuple[Path, ...], options: Options) -> Dump:
    """One row per output, in the order of the shards. Lengths are in tokens."""
    notes = ["a group is one prompt_idx of one step; each step is a policy of its own"]
    notes.append("one reward in the dump; its parts are lost")
    return Dump(_frames(paths, options, notes), notes)


def _frames(paths: Sequence[Path], options: Options, notes: list[str]) -> Iterator[pl.DataFrame]:
    shards, metadata = _files(paths)
    for path in metadata:
        _, meta = next(records(path), (0, {}))
        notes.append(f"model {shorten(meta.get('model_name'))}, commit {shorten(meta.get('git_commit'))}")
    tokenizer = _tokenizer(options.tokenizer) if options.tokenizer and options.text else None
    if options.text and tokenizer is None:
        notes.append("token ids only: no text without a tokenizer (--tokenizer)")
    for path in shards:
        for row, block in numbered(path, strings=_STRINGS, drop=("request_info",)):
            need(block.columns, _NEEDED, path, NAME)
            filled(block, ("step", "prompt_idx"), path, row)
            yield _native(block, path, row, tokenizer)


def _files(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Shards and metadata files; a folder stands for those in it."""
    inside = [
        file for path in paths for file in (sorted(path.glob("*.jsonl")) if path.is_dir() else [path])
        if not path.is_dir() or _SHARD.fullmatch(file.name) or file.match(_METADATA)
    ]  # fmt: skip
    metadata = [path for path in inside if path.match(_METADATA)]
    shards = [path for path in inside if path not in metadata]
    if not shards:
        remedy = "Looked for *_rollouts_000000.jsonl and so on."
        raise InputError("there are no shards of rollouts.", path=paths[0], remedy=remedy)
    return shards, metadata


def _native(block: pl.DataFrame, path: Path, row: int, tokenizer: Tokenizer | None) -> pl.DataFrame:
    tokens = {name: _token_lists(block, name, path) for name in ("prompt_tokens", "response_tokens")}
    series = [(block["step"].cast(pl.String) + "/" + block["prompt_idx"].cast(pl.String)).alias(c.PROMPT_ID)]
    if tokenizer is not None:
        series += [_decoded(tokens["prompt_tokens"], c.PROMPT, tokenizer)]
        series += [_decoded(tokens["response_tokens"], c.RESPONSE, tokenizer)]
    series += [tokens["response_tokens"].list.len().cast(pl.Float64).alias(c.LENGTH)]
    series += verdicts(block, "reward", path, first_row=row)
    if "logprobs" in block.columns and isinstance(block.schema["logprobs"], pl.List):
        series.append(_summed(block["logprobs"]))
    if "advantage" in block.columns:
        series.append(numbers(block, "advantage", path, first_row=row).fill_nan(None))
    rest = [name for name in block.columns if name not in (*tokens, "logprobs", "reward", "advantage")]
    return pl.DataFrame(series).hstack(block.select(rest))


def _token_lists(block: pl.DataFrame, column: str, path: Path) -> pl.Series:
    values = block[column]
    if not isinstance(values.dtype, pl.List) or not (values.dtype.inner.is_integer() or values.list.len().max() == 0):
        problem = f"expected lists of token ids, got {shorten(values.dtype)}."
        raise InputError(problem, path=path, column=column, remedy="Is the file open-instruct's?")
    return values


def _summed(logprobs: pl.Series) -> pl.Series:
    """The sum over tokens; unknown where one is unknown or the list is missing."""
    each = pl.element().cast(pl.Float64, strict=False)
    values = logprobs.to_frame("logprob").select(pl.col("logprob").list.eval(each)).to_series()
    known = values.list.eval(pl.element().is_null()).list.any().not_()
    return pl.select(pl.when(known).then(values.list.sum())).to_series().fill_nan(None).alias(c.LOGPROB)


def _decoded(tokens: pl.Series, name: str, tokenizer: Tokenizer) -> pl.Series:
    lists = [[] if ids is None else ids for ids in tokens.to_list()]
    return pl.Series(name, tokenizer.batch_decode(lists, skip_special_tokens=True), dtype=pl.String)


def _tokenizer(name: str) -> Tokenizer:
    try:
        transformers = import_module("transformers")  # an extra, and slow to import
    except ImportError as error:
        remedy = 'Install it with: pip install "culpa[hf]", or leave --tokenizer out.'
        raise InputError("decoding tokens needs transformers.", remedy=remedy) from error
    try:
        tokenizer: Tokenizer = transformers.AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        problem = f"the tokenizer {shorten(name)!r} cannot be loaded ({shorten(error, 120)})."
        raise InputError(problem, remedy="Give the folder of the model that wrote the rollouts.") from error
    return tokenizer
