"""From token lists to scores: batches of like length, each output's own last token, and each prompt read once.

Where a score is read is known from our own lengths. A pad token is never looked for, so one that is the end token as
well does no harm, and neither does what a batch is padded with.
Decoders get no mask for padding on the right: no token sees what comes after it. A mask would leave padding under a
sliding window with nothing to look at, which some models answer with NaN, and 0 x NaN spreads.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from culpa.rollouts import Array

Ids = tuple[int, ...]
RAGGED = 1.25
SHORTEST = 8  # tokens that the outputs of a prompt must begin with in common before they are read once


class Text(NamedTuple):
    """A prompt and a response as the reward model reads them."""

    ids: Ids
    types: Ids = ()  # the kind of each token, for encoders that tell first and second text apart
    group: int = 0  # outputs of one group begin alike


class Group(NamedTuple):
    """Texts with their common beginning."""

    prefix: Ids
    rows: list[int]


def by_length(sizes: Sequence[int], rows: Sequence[int], most: int, extra: int = 0) -> Iterator[list[int]]:
    """Rows in batches of at most `most` tokens, padding and `extra` tokens for each row counted, shortest first.

    A row longer than `most` is a batch by itself. A batch that is an eighth full takes no row that is `RAGGED` times as
    long as its first.

    >>> list(by_length([5, 1, 2, 9], [0, 1, 2, 3], 16))
    [[1, 2], [0], [3]]
    """
    batch: list[int] = []
    for row in sorted(rows, key=lambda row: (sizes[row], row)):
        full = (len(batch) + 1) * (sizes[row] + extra) > most
        if batch and (full or _ragged(len(batch), sizes[batch[0]], sizes[row], most)):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _ragged(count: int, first: int, size: int, most: int) -> bool:
    return size > RAGGED * first and 8 * count * first >= most


def grouped(texts: Sequence[Text]) -> list[Group]:
    """The texts of each group with what they begin with in common; at least one token is left to every text.

    >>> grouped([Text((1, 2, 3)), Text((1, 2)), Text((7,), group=1)])
    [Group(prefix=(1,), rows=[0, 1]), Group(prefix=(), rows=[2])]
    """
    members: dict[int, list[int]] = {}
    for row, text in enumerate(texts):
        members.setdefault(text.group, []).append(row)
    return [Group(_common([texts[row].ids for row in rows]), rows) for rows in members.values()]


@torch.inference_mode()
def pooled(model: Any, texts: Sequence[Text], batch_tokens: int) -> Array:
    """Scores by a causal model with a head on its last hidden state, (n,): a full pass over every text."""
    found = np.empty(len(texts))
    sizes = [len(text.ids) for text in texts]
    for rows in by_length(sizes, range(len(texts)), batch_tokens):
        ids, mask = right_padded([texts[row].ids for row in rows], device_of(model))
        hidden = backbone(model)(input_ids=ids, use_cache=False).last_hidden_state
        found[rows] = _head(model, hidden, mask)
    return found


@torch.inference_mode()
def shared(model: Any, texts: Sequence[Text], batch_tokens: int) -> Array:
    """The same scores, (n,), with what the texts of a group have in common read once and kept in a cache.

    Prompts are taken together as long as their tokens fit into a batch; the rest of their texts goes in batches by
    length, across prompts. Texts with little in common go their own way.
    """
    groups = grouped(texts)
    alike = [one for one in groups if len(one.rows) > 1 and len(one.prefix) >= SHORTEST]
    found = np.empty(len(texts))
    alone = sorted(row for one in groups if len(one.rows) < 2 or len(one.prefix) < SHORTEST for row in one.rows)
    found[alone] = pooled(model, [texts[row] for row in alone], batch_tokens)
    for places in by_length([len(one.prefix) for one in alike], range(len(alike)), batch_tokens):
        _together(model, texts, [alike[place] for place in places], batch_tokens, found)
    return found


@torch.inference_mode()
def masked(model: Any, texts: Sequence[Text], batch_tokens: int) -> Array:
    """Scores by a model's own forward with an attention mask, (n,): encoders."""
    return _whole(model, texts, by_length([len(text.ids) for text in texts], range(len(texts)), batch_tokens))


@torch.inference_mode()
def alone(model: Any, texts: Sequence[Text], batch_tokens: int) -> Array:  # noqa: ARG001 - called like the others
    """Scores by a model's own forward, one text at a time, (n,): for models that padding would change."""
    return _whole(model, texts, ([row] for row in range(len(texts))))


def right_padded(rows: Sequence[Ids], device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and mask (n, t), every row beginning in the first column, filled up with zeros that nobody looks at."""
    width = max(map(len, rows))
    ids = torch.tensor([list(one) + [0] * (width - len(one)) for one in rows], device=device)
    sizes = torch.tensor([len(one) for one in rows], device=device)
    return ids, (torch.arange(width, device=device)[None] < sizes[:, None]).long()


def backbone(model: Any) -> Callable[..., Any]:
    """The model under the head."""
    found: Callable[..., Any] = getattr(model, model.base_model_prefix)
    return found


def device_of(model: Any) -> torch.device:
    """Where its weights are."""
    found: torch.device = next(model.parameters()).device
    return found


def _together(model: Any, texts: Sequence[Text], groups: Sequence[Group], batch_tokens: int, found: Array) -> None:
    """Scores of the texts of some groups: prefixes in one pass, then the rest from their cache."""
    before, seen = right_padded([one.prefix for one in groups], device_of(model))
    cache = DynamicCache()
    backbone(model)(input_ids=before, past_key_values=cache, use_cache=True)
    rows = [row for one in groups for row in one.rows]
    prompt = [number for number, one in enumerate(groups) for _ in one.rows]
    rest = [texts[row].ids[len(groups[number].prefix) :] for row, number in zip(rows, prompt, strict=True)]
    for some in by_length([len(one) for one in rest], range(len(rest)), batch_tokens, extra=before.shape[1]):
        ids, mask = right_padded([rest[place] for place in some], before.device)
        of = torch.tensor([prompt[place] for place in some], device=before.device)
        size = seen.sum(1)[of]
        width = int(size.max())
        columns = torch.arange(width + ids.shape[1], device=ids.device)[None]
        hidden = backbone(model)(
            input_ids=ids,
            attention_mask=(columns >= width - size[:, None]).long(),
            position_ids=columns[:, width:] - width + size[:, None],
            past_key_values=_taken(cache, of, size),
            use_cache=True,
        ).last_hidden_state
        found[[rows[place] for place in some]] = _head(model, hidden, mask)


def _taken(cache: DynamicCache, rows: Tensor, sizes: Tensor) -> DynamicCache:
    """The cache of some rows, each as often as it is named, with the gap before the prefixes in place of behind them.

    So a prefix and what follows stand side by side, as a sliding window counts them.
    """
    found = DynamicCache()
    width = int(sizes.max())
    columns = (torch.arange(width, device=rows.device)[None] - width + sizes[:, None]).clamp(min=0)
    for number, layer in enumerate(cache.layers):
        keys, values = (one[rows[:, None], :, columns].transpose(1, 2) for one in (layer.keys, layer.values))
        found.update(keys, values, number)
    return found


def _head(model: Any, hidden: Tensor, mask: Tensor) -> Array:
    """The first number of the head on each row's last token, in float64."""
    last = mask.sum(1) - 1
    value: Array = (
        model.score(hidden[torch.arange(len(hidden), device=hidden.device), last])[:, 0].double().cpu().numpy()
    )
    return value


def _whole(model: Any, texts: Sequence[Text], batches: Iterator[list[int]]) -> Array:
    found = np.empty(len(texts))
    for rows in batches:
        ids, mask = right_padded([texts[row].ids for row in rows], device_of(model))
        named = {"input_ids": ids, "attention_mask": mask}
        if texts[rows[0]].types:
            named["token_type_ids"] = right_padded([texts[row].types for row in rows], device_of(model))[0]
        found[rows] = model(**named).logits[:, 0].double().cpu().numpy()
    return found


def _common(rows: Sequence[Ids]) -> Ids:
    """The longest beginning that all have, shorter than the shortest."""
    low, high = min(rows), max(rows)
    most = min(map(len, rows)) - 1
    size = next((place for place, pair in enumerate(zip(low, high, strict=False)) if pair[0] != pair[1]), len(low))
    return rows[0][: max(0, min(size, most))]
