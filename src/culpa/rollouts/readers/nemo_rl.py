"""NeMo-RL's batches: `train_data_step{n}.jsonl` and `val_data_step{n}.jsonl`, one sample per line.

Every field is a list of one entry: `content`, `rewards`, `input_lengths`, `idx`, and for training `filtered_rewards`,
`token_ids`, `token_loss_mask`, `sample_loss_mask`, `advantages`, `generation_logprobs`, `prev_logprobs`.
`content` is the list of the messages' texts (training), or of messages {role, content} (validation). The first message
is the prompt (of messages with roles: all before the first of the assistant); the rest is the response, which with
an environment that answers ends with that answer. Where `content` is one text the prompt cannot be told from the
response: groups are then blocks of `Options.group` neighbours.

`rewards` is the proxy. With dynamic sampling the file holds `filtered_rewards`, which belong to the samples, while
`rewards` are those of the larger batch before filtering and belong to nobody in particular: they are left out.
There is no group id: a group is the equal prompts of one file, one step, one policy: `prompt_id` is "train/step/hash".
`logprob` is the sum of `generation_logprobs` over the tokens that `token_loss_mask` marks, `length` their number.
Lost: parts of the reward; token ids and advantages are left out.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from culpa.errors import InputError
from culpa.rollouts import columns as c
from culpa.rollouts.convert import need, numbered, verdicts
from culpa.rollouts.dump import Dump, Options, Peek
from culpa.rollouts.identity import content_ids
from culpa.rollouts.messages import message_text

NAME = "nemo_rl"

_NEEDED = ("content", "rewards")
_DROP = ("token_ids", "advantages", "prev_logprobs")
_STEP = re.compile(r"(train|val)_data_step(\d+)")
_FILTERED = "filtered_rewards"
_ASSISTANT = "assistant"


def sniff(peek: Peek) -> bool:
    """JSON lines with `content`, `rewards` and `idx`."""
    return peek.kind == "jsonl" and {*_NEEDED, "idx"} <= peek.columns


def read(paths: tuple[Path, ...], options: Options) -> Dump:
    """One row per sample, in order. Length and log-probability count the tokens the policy wrote, not the prompt's."""
    notes = ["no group id in the dump: a group is the equal prompts of one file, each step a policy of its own"]
    return Dump(_frames(paths, options, notes), notes)


def _frames(paths: Sequence[Path], options: Options, notes: list[str]) -> Iterator[pl.DataFrame]:
    filtered = False
    for path in paths:
        found = _STEP.search(path.name)
        step = "/".join(found.groups()) if found else path.stem
        for row, block in numbered(path, drop=_DROP):
            need(block.columns, _NEEDED, path, NAME)
            filtered |= _FILTERED in block.columns
            frame = pl.DataFrame(_texts(block["content"], step, row, options, path))
            frame = frame.with_columns(pl.lit(step).alias("step"), *_scores(block, path, row), *_tokens(block))
            yield frame if options.text else frame.drop(c.PROMPT, c.RESPONSE)
    if filtered:
        notes.append("`rewards` are those before filtering and do not line up with the samples: filtered_rewards count")


def _scores(block: pl.DataFrame, path: Path, row: int) -> list[pl.Series]:
    column = _FILTERED if _FILTERED in block.columns else "rewards"
    return verdicts(block, column, path, first_row=row, name="rewards")


def _texts(content: pl.Series, step: str, row: int, options: Options, path: Path) -> list[pl.Series]:
    """Ids, prompts and responses."""
    parts = [_split(_only(value)) for value in content.to_list()]
    prompts = pl.Series(c.PROMPT, [prompt for prompt, _ in parts], dtype=pl.String)
    responses = pl.Series(c.RESPONSE, [response for _, response in parts], dtype=pl.String)
    names = content_ids(prompts)
    if prompts.null_count():
        if options.group is None:
            at = row + int(prompts.is_null().arg_true()[0])
            remedy = "Give the number of samples per prompt with --group."
            raise InputError("the prompt is not recorded.", path=path, row=at, column="content", remedy=remedy)
        blocks = pl.Series([f"group {(at - 1) // options.group + 1}" for at in range(row, row + len(content))])
        names = names.zip_with(prompts.is_not_null(), blocks)
    return [(f"{step}/" + names).alias(c.PROMPT_ID), prompts, responses]


def _only(value: object) -> object:
    """The entry of a list of one; a plain value stays."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _split(content: object) -> tuple[str | None, str]:
    """Prompt and response; no prompt where there is one text only.

    >>> _split(["2+2?", "4"]), _split("2+2? 4")
    (('2+2?', '4'), (None, '2+2? 4'))
    """
    if not isinstance(content, list) or not content:
        return None, message_text(content)
    roles = [message.get("role") if isinstance(message, dict) else None for message in content]
    cut = roles.index(_ASSISTANT) if _ASSISTANT in roles else 1
    return message_text(content[:cut]), message_text(content[cut:])


def _tokens(block: pl.DataFrame) -> list[pl.Series]:
    """Length and log-probability of what the policy wrote, and whether the sample was trained on."""
    names = ("token_loss_mask", "generation_logprobs")
    lists = {name: _flat(block[name]) for name in names if name in block.columns}
    series = []
    if "token_loss_mask" in lists:
        mask = lists["token_loss_mask"]
        series.append(mask.list.sum().alias(c.LENGTH))
        if "generation_logprobs" in lists:
            series.append(_masked_sum(lists["generation_logprobs"], mask).alias(c.LOGPROB))
    if "sample_loss_mask" in block.columns:
        values = block["sample_loss_mask"]
        series.append(values.list.first() if isinstance(values.dtype, pl.List) else values)
    return series


def _flat(values: pl.Series) -> pl.Series:
    """Lists of one list of numbers as lists of numbers. Ints among floats, and NaN, come as JSON; no list is null."""
    if values.dtype == pl.String:
        return pl.Series(values.name, [_numbers(text) for text in values], dtype=pl.List(pl.Float64), strict=False)
    inner = values.dtype.inner if isinstance(values.dtype, pl.List) else None
    flat = values.list.first() if isinstance(inner, pl.List) else values
    if not isinstance(flat.dtype, pl.List) or flat.dtype.inner.is_nested():
        return pl.Series(values.name, [None] * len(values), dtype=pl.List(pl.Float64))
    return flat.cast(pl.List(pl.Float64), strict=False)


def _numbers(text: str | None) -> object:
    try:
        value = _only(json.loads(text or "null"))
    except ValueError:
        return None
    if not isinstance(value, list):
        return None
    return [float(one) if isinstance(one, int | float) and not abs(one) > sys.float_info.max else None for one in value]


def _masked_sum(each: pl.Series, mask: pl.Series) -> pl.Series:
    """The sum of `each` over the tokens in `mask`; unknown where the lengths differ or one of them is unknown."""
    known = pl.element().fill_nan(None)  # 0 * NaN is NaN, but what is not masked may not matter
    tokens = pl.DataFrame([each.alias("each"), mask.alias("mask")]).with_columns(
        pl.when(pl.col("each").list.len() == pl.col("mask").list.len()).then(pl.col("each"))
    )
    terms = pl.col("each").list.eval(known.fill_null(0.0)) * pl.col("mask")
    gaps = pl.col("each").list.eval(known.is_null().cast(pl.Float64)) * pl.col("mask")
    return tokens.select(pl.when(gaps.list.sum() == 0).then(terms.list.sum())).to_series()
