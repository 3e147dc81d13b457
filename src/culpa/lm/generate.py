"""Sampling: many outputs of many prompts, with the log-probability of every token as it was drawn.

Each output has its own row of uniform numbers in [0, 1), and token t is the inverse of the cumulative distribution at
the t-th of them. So an output depends on its prompt and its row, not on the batch that it happens to be in or on how
many processes share the work (up to rounding of the logits).
A prompt is read once, however many outputs it gets; rows that have ended leave the batch.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import DynamicCache

from culpa.errors import InputError
from culpa.lm.features import Floats, Sketch, Tally
from culpa.lm.model import LanguageModel

Array = npt.NDArray[np.float64]
_DENSE = 0.75  # share of a batch that is still going, below which the rest is dropped from it


class Sampling(NamedTuple):
    """How tokens are drawn. The default is the policy itself: nothing is cut off."""

    temperature: float = 1.0
    max_tokens: int = 256
    top_k: int = 0  # 0: all
    top_p: float = 1.0
    batch: int = 256  # outputs that are drawn together: memory, not mathematics

    def check(self) -> "Sampling":
        """Itself, where tokens can be drawn like that."""
        if not 0.0 < self.temperature < float("inf"):
            problem = f"the temperature must be positive, got {self.temperature}."
            raise InputError(problem, remedy="1 draws from the policy itself.")
        if self.max_tokens < 1 or self.batch < 1:
            problem = f"an output has at least 1 token and a batch 1 output, got {self.max_tokens} and {self.batch}."
            raise InputError(problem, remedy="--max-tokens 256 --batch 64")
        if self.top_k < 0 or not 0.0 < self.top_p <= 1.0:
            problem = f"top_k is 0 or more and top_p in (0, 1], got {self.top_k} and {self.top_p}."
            raise InputError(problem, remedy="0 and 1 cut nothing off.")
        return self


class Output(NamedTuple):
    """One output of a policy."""

    tokens: tuple[int, ...]  # with the token that ended it, where one did
    logprobs: Array  # (t,) of the untruncated distribution at the temperature
    ended: bool  # False: cut at max_tokens
    features: Floats | None = None  # (d,)

    @property
    def logprob(self) -> float:
        """Of the whole output, the end token included."""
        return float(self.logprobs.sum())


def uniforms(seed: int | str, key: str, samples: int, steps: int) -> Array:
    """The numbers that the outputs of one prompt are drawn with, (samples, steps), from the seed and the prompt's key.

    More samples or more steps leave the others as they are.

    >>> bool((uniforms(0, "a", 3, 5)[:2, :4] == uniforms(0, "a", 2, 4)).all())
    True
    """
    rows = []
    for sample in range(samples):
        digest = blake2b(f"{seed}/{sample}/{key}".encode(), digest_size=16).digest()
        rows.append(np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little"))).random(steps))
    return np.array(rows).reshape(samples, steps)


def generate(
    lm: LanguageModel,
    prompts: Sequence[Sequence[int]],
    draws: Array,
    sampling: Sampling,
    *,
    features: Sketch | None = None,
) -> list[Output]:
    """One output for each prompt (n token lists), drawn with its row of `draws` (n, max_tokens), in that order.

    Rows are sorted by the length of their prompts before they are cut in batches, so that little is padded.
    """
    sampling.check()
    _check(lm, prompts, draws, sampling)
    order = sorted(range(len(prompts)), key=lambda row: (len(prompts[row]), tuple(prompts[row])))
    found: list[Output | None] = [None] * len(prompts)
    for first in range(0, len(order), sampling.batch):
        rows = order[first : first + sampling.batch]
        some = _Batch(lm, [prompts[row] for row in rows], draws[rows], sampling, features)
        for row, output in zip(rows, some.run(), strict=True):
            found[row] = output
    return [output for output in found if output is not None]


def text_of(lm: LanguageModel, tokens: Sequence[int]) -> str:
    """The output as text: without the token that ended it, without special tokens."""
    text: str = lm.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text


def left_padded(prompts: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids and mask (n, t), every prompt ending in the last column.

    >>> left_padded([[1, 2], [3]], 0, torch.device("cpu"))[0].tolist()
    [[1, 2], [0, 3]]
    """
    width = max(map(len, prompts))
    ids = [[pad] * (width - len(one)) + list(one) for one in prompts]
    mask = [[0] * (width - len(one)) + [1] * len(one) for one in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def positions(mask: Tensor) -> Tensor:
    """Places of the tokens in their text, from the mask (n, t): padding does not count."""
    return (mask.cumsum(-1) - 1).clamp(min=0)


def last_logits_only(model: Any) -> dict[str, int]:
    """The argument that spares the logits of the prompt, where the model has one."""
    return {"logits_to_keep": 1} if "logits_to_keep" in model.forward.__code__.co_varnames else {}


class _Batch:
    """Rows that are generated together."""

    def __init__(
        self,
        lm: LanguageModel,
        prompts: Sequence[Sequence[int]],
        draws: Array,
        sampling: Sampling,
        features: Sketch | None,
    ) -> None:
        count = len(prompts)
        self.lm, self.sampling, self.prompts, self.features = lm, sampling, prompts, features
        self.draws = torch.from_numpy(np.ascontiguousarray(draws)).to(lm.device)
        self.tokens = torch.zeros(count, sampling.max_tokens, dtype=torch.long, device=lm.device)
        self.logprobs = torch.zeros(count, sampling.max_tokens, dtype=torch.float64, device=lm.device)
        self.length = torch.zeros(count, dtype=torch.long, device=lm.device)
        self.ended = torch.zeros(count, dtype=torch.bool, device=lm.device)
        self.ends = torch.tensor(sorted(lm.end_ids), device=lm.device)
        self.tally: Tally | None = None

    @torch.inference_mode()
    def run(self) -> list[Output]:
        rows = torch.arange(len(self.prompts), device=self.lm.device)
        logits, hidden, cache, mask = self._read()
        going = torch.ones(len(rows), dtype=torch.bool, device=self.lm.device)
        for step in range(self.sampling.max_tokens):
            token = self._draw(step, rows, going, logits, hidden)
            going = going & ~torch.isin(token, self.ends)
            alive = int(going.sum())
            if not alive or step + 1 == self.sampling.max_tokens:
                break
            if alive < _DENSE * len(rows):
                keep = going.nonzero()[:, 0]
                cache.batch_select_indices(keep)
                rows, mask, token, going = rows[keep], mask[keep], token[keep], going[keep]
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            logits, hidden = self._step(token[:, None], mask, cache, positions(mask)[:, -1:])
        return self._outputs()

    def _read(self) -> tuple[Tensor, Tensor | None, DynamicCache, Tensor]:
        """The prompts, each once; then one row for each output."""
        texts = list(dict.fromkeys(map(tuple, self.prompts)))
        ids, mask = left_padded(texts, self.lm.pad_id, self.lm.device)
        cache = DynamicCache()
        logits, hidden = self._step(ids, mask, cache, positions(mask))
        place = {text: row for row, text in enumerate(texts)}
        rows = torch.tensor([place[tuple(one)] for one in self.prompts], device=self.lm.device)
        if len(texts) < len(self.prompts):
            cache.batch_select_indices(rows)
            logits, mask = logits[rows], mask[rows]
            hidden = None if hidden is None else hidden[rows]
        return logits, hidden, cache, mask

    def _step(self, ids: Tensor, mask: Tensor, cache: DynamicCache, at: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits and, where features are taken, last hidden states of the last column."""
        model: Callable[..., Any] = self.lm.model
        found = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=at,
            past_key_values=cache,
            use_cache=True,
            output_hidden_states=self.features is not None,
            **last_logits_only(self.lm.model),
        )
        hidden = None if self.features is None else found.hidden_states[-1][:, -1]
        return found.logits[:, -1].float() / self.sampling.temperature, hidden

    def _draw(self, step: int, rows: Tensor, going: Tensor, logits: Tensor, hidden: Tensor | None) -> Tensor:
        """The next token of each row; rows that have ended draw too, and nothing of it is kept."""
        token = invert(truncated(logits, self.sampling), self.draws[rows, step])
        logprob = logits.gather(1, token[:, None])[:, 0] - logits.logsumexp(1)
        kept = rows[going]
        self.tokens[kept, step] = token[going]
        self.logprobs[kept, step] = logprob[going].double()
        self.length[kept] += 1
        self.ended[kept] = torch.isin(token[going], self.ends)
        if self.features is not None and hidden is not None:
            if self.tally is None:
                sizes = {"width": hidden.shape[1], "vocabulary": logits.shape[1]}
                self.tally = self.features.start(len(self.prompts), device=logits.device, **sizes)
            self.tally.add(kept, token[going], logits[going], hidden[going])
        return token

    def _outputs(self) -> list[Output]:
        tokens, logprobs = self.tokens.tolist(), self.logprobs.cpu().numpy()
        features = None if self.tally is None else self.tally.values()
        return [
            Output(
                tuple(tokens[row][:size]), logprobs[row, :size].copy(), end, None if features is None else features[row]
            )
            for row, (size, end) in enumerate(zip(self.length.tolist(), self.ended.tolist(), strict=True))
        ]


def truncated(logits: Tensor, sampling: Sampling) -> Tensor:
    """The logits (n, v) with -inf outside the k likeliest tokens, and outside the likeliest of joint mass p."""
    if sampling.top_k and sampling.top_k < logits.shape[1]:
        least = logits.topk(sampling.top_k, dim=1).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if sampling.top_p < 1.0:
        falling, order = logits.sort(dim=1, descending=True)
        mass = falling.softmax(1)
        beyond = mass.cumsum(1) - mass >= sampling.top_p
        logits = logits.masked_fill(torch.zeros_like(beyond).scatter(1, order, beyond), -torch.inf)
    return logits


def invert(logits: Tensor, draws: Tensor) -> Tensor:
    """The token whose part of the cumulative distribution holds the number drawn, (n, v) and (n,) to (n,).

    >>> invert(torch.log(torch.tensor([[0.5, 0.0, 0.5]])), torch.tensor([0.7])).tolist()
    [2]
    """
    mass = logits.double().softmax(1)
    cumulative = mass.cumsum(1)
    wanted = draws[:, None] * cumulative[:, -1:]
    found = torch.searchsorted(cumulative, wanted, right=True)[:, 0]
    last = mass.shape[1] - 1 - (mass > 0).flip(1).long().argmax(1)  # rounding never leads to a token of mass 0
    return torch.minimum(found, last)


def _check(lm: LanguageModel, prompts: Sequence[Sequence[int]], draws: Array, sampling: Sampling) -> None:
    if not prompts or min(map(len, prompts)) < 1:
        raise InputError(
            "a prompt has no tokens.", remedy="Leave empty prompts out, or give the tokenizer a first token."
        )
    if draws.shape[0] != len(prompts) or draws.shape[1] < sampling.max_tokens:
        problem = f"draws has shape {draws.shape} for {len(prompts)} outputs of {sampling.max_tokens} tokens."
        raise InputError(problem, remedy="Give a row of uniform numbers for each output: uniforms(seed, key, ...).")
    longest = max(map(len, prompts))
    if longest + sampling.max_tokens > lm.context:
        problem = f"a prompt of {longest} tokens and {sampling.max_tokens} more exceed the model's {lm.context}."
        raise InputError(problem, remedy="Leave long prompts out, or lower --max-tokens.")
