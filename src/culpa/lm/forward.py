"""What a model thinks of given outputs: the log-probability of every token, in one pass."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

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
    """One pass over n prompts with the output of each. Prompts end, and outputs begin, in the same column."""
    if len(prompts) != len(responses) or not responses or not all(prompts):
        problem = f"{len(prompts)} prompts and {len(responses)} outputs cannot be read together."
        raise InputError(problem, remedy="Give one output for each prompt, and no prompt without a token.")
    before, seen = left_padded(prompts, lm.pad_id, lm.device)
    width = max(1, *map(len, responses))
    after, mask = right_padded(responses, width, lm)
    found = _run(lm.model, torch.cat([before, after], 1), torch.cat([seen, mask.long()], 1), width, hidden)
    logits = found.logits[:, -width - 1 : -1].float() / temperature
    logp = logits.gather(2, after[..., None])[..., 0] - logits.logsumexp(-1)
    states = found.hidden_states[-1][:, -width - 1 : -1] if hidden else None
    return Forward(logp.masked_fill(~mask, 0.0), mask, logits, states)


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

    Sorted by length before they are cut in batches. An output without a token has log-probability 0.
    """
    order = sorted(range(len(responses)), key=lambda row: (len(prompts[row]) + len(responses[row]), row))
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


def right_padded(responses: Tokens, width: int, lm: LanguageModel) -> tuple[Tensor, Tensor]:
    """Ids and boolean mask (n, width), every output beginning in the first column."""
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


def _run(model: Any, ids: Tensor, seen: Tensor, width: int, hidden: bool) -> Any:
    keep = {"logits_to_keep": width + 1} if "logits_to_keep" in model.forward.__code__.co_varnames else {}
    return model(
        input_ids=ids,
        attention_mask=seen,
        position_ids=positions(seen),
        use_cache=False,
        output_hidden_states=hidden,
        **keep,
    )
