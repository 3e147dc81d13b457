"""What a model thinks of given outputs: the log-probability of every token.

A prompt is read once for all its outputs, with its gradient: the outputs follow from copies of its keys and values. So
a group of s outputs costs 1 prompt and s outputs, not s of both, for training as for measuring.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache

from culpa.errors import InputError
from culpa.lm.features import Sketch
from culpa.lm.generate import Output, left_padded, positions
from culpa.lm.model import LanguageModel

Tokens = Sequence[Sequence[int]]


class Forward(NamedTuple):
    """Of n outputs, the longest of t tokens. Differentiable by the model's weights."""

    logp: Tensor  # (n, t) log pi(y_t | x, y_<t), end tokens included; 0 where the mask is False
    mask: Tensor  # (n, t) bool
    logits: Tensor  # (n, t, v) at the temperature: what each token was drawn from
    hidden: Tensor | None  # (n, t, h) the last hidden states that they come from, where they were asked for

    def entropy(self) -> Tensor:
        """Of the distribution that each token was drawn from, (n, t); 0 where the mask is False."""
        values: Tensor = torch.special.entr(self.logits.softmax(-1)).sum(-1)
        return values.masked_fill(~self.mask, 0.0)


def forward(
    lm: LanguageModel, prompts: Tokens, responses: Tokens, temperature: float = 1.0, *, hidden: bool = False
) -> Forward:
    """The log-probabilities of n outputs, each after its prompt. Prompts that are alike are read once."""
    if len(prompts) != len(responses) or not responses or not all(prompts):
        problem = f"{len(prompts)} prompts and {len(responses)} outputs cannot be read together."
        raise InputError(problem, remedy="Give one output for each prompt, and no prompt without a token.")
    tokens, mask = right_padded(responses, lm)
    seen = _after(lm, [tuple(one) for one in prompts], tokens, mask, hidden)
    logits = seen.logits.float() / temperature
    logp = logits.gather(2, tokens[..., None])[..., 0] - logits.logsumexp(-1)
    return Forward(logp.masked_fill(~mask, 0.0), mask, logits, seen.hidden)


@torch.inference_mode()
def measure(
    lm: LanguageModel,
    prompts: Tokens,
    responses: Tokens,
    temperature: float = 1.0,
    *,
    features: Sketch | None = None,
    batch: int = 64,
) -> list[Output]:
    """Given outputs as if the model had drawn them: log-probabilities and features, in the order they came in.

    Sorted by prompt and length before they are cut in batches. An output without a token has log-probability 0.
    """
    order = by_prompt(prompts, responses)
    found: dict[int, Output] = {}
    for first in range(0, len(order), batch):
        rows = order[first : first + batch]
        said = [responses[row] for row in rows]
        seen = forward(lm, [prompts[row] for row in rows], said, temperature, hidden=features is not None)
        values = None if features is None else _features(seen, said, features)
        for place, row in enumerate(rows):
            logprobs = seen.logp[place, : len(said[place])].double().cpu().numpy()
            ended = bool(said[place]) and said[place][-1] in lm.end_ids
            found[row] = Output(tuple(said[place]), logprobs, ended, None if values is None else values[place])
    return [found[row] for row in range(len(responses))]


def by_prompt(prompts: Tokens, responses: Tokens) -> list[int]:
    """Rows by the length of the prompt, then the prompt, then the length of the output: little padding, few prompts.

    >>> by_prompt([[1, 2], [3], [1, 2], [4]], [[0, 0], [0], [0], [0]])
    [1, 3, 2, 0]
    """
    return sorted(
        range(len(responses)), key=lambda row: (len(prompts[row]), tuple(prompts[row]), len(responses[row]), row)
    )


def right_padded(responses: Tokens, lm: LanguageModel) -> tuple[Tensor, Tensor]:
    """Ids and boolean mask (n, t), every output beginning in the first column; t is 1 at least."""
    width = max(1, *map(len, responses))
    rows = [list(one) + [lm.pad_id] * (width - len(one)) for one in responses]
    sizes = torch.tensor([len(one) for one in responses], device=lm.device)
    mask = torch.arange(width, device=lm.device)[None] < sizes[:, None]
    return torch.tensor(rows, device=lm.device, dtype=torch.long), mask


def _features(seen: Forward, responses: Tokens, sketch: Sketch) -> Any:
    assert seen.hidden is not None
    rows, _ = seen.mask.nonzero(as_tuple=True)
    sizes = {"width": seen.hidden.shape[-1], "vocabulary": seen.logits.shape[-1]}
    tally = sketch.start(len(responses), device=seen.logits.device, **sizes)
    tokens = torch.tensor([token for one in responses for token in one], dtype=torch.long, device=seen.logits.device)
    tally.add(rows, tokens, seen.logits[seen.mask], seen.hidden[seen.mask])
    return tally.values()


class _Seen(NamedTuple):
    logits: Tensor  # (n, t, v)
    hidden: Tensor | None  # (n, t, h)


def _after(lm: LanguageModel, prompts: list[tuple[int, ...]], tokens: Tensor, mask: Tensor, hidden: bool) -> _Seen:
    """Logits of every token of the outputs: the first from the end of the prompt, the others from the one before."""
    texts = list(dict.fromkeys(prompts))
    ids, seen = left_padded(texts, lm.pad_id, lm.device)
    cache = DynamicCache()
    first = read(lm.model, ids, seen, cache, hidden=hidden, keep=1)
    place = {text: row for row, text in enumerate(texts)}
    rows = torch.tensor([place[one] for one in prompts], device=lm.device)
    logits = [first.logits[:, -1:][rows]]
    states = [first.hidden_states[-1][:, -1:][rows]] if hidden else []
    if tokens.shape[1] > 1:
        cache.batch_select_indices(rows)
        known = torch.cat([seen[rows], mask[:, :-1].long()], 1)
        rest = read(lm.model, tokens[:, :-1], known, cache, hidden=hidden)
        logits.append(rest.logits)
        states += [rest.hidden_states[-1]] if hidden else []
    return _Seen(torch.cat(logits, 1), torch.cat(states, 1) if hidden else None)


def read(model: Any, ids: Tensor, seen: Tensor, cache: DynamicCache, *, hidden: bool, keep: int = 0) -> Any:
    """The model on tokens (n, t) after those of the cache; seen: mask of all of them. keep: logits of the last only."""
    spared = {"logits_to_keep": keep} if keep and "logits_to_keep" in model.forward.__code__.co_varnames else {}
    return model(
        input_ids=ids,
        attention_mask=seen,
        position_ids=positions(seen)[:, -ids.shape[1] :],
        past_key_values=cache,
        use_cache=True,
        output_hidden_states=hidden,
        **spared,
    )
