"""Log-probabilities of given responses under a model, as a scorer."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from culpa.errors import InputError
from culpa.lm.forward import measure
from culpa.lm.model import LanguageModel
from culpa.lm.prompts import encode, prompts_of
from culpa.lm.reward_batches import by_length
from culpa.lm.score import Scores

ENDED = "ended"  # column: whether the output came to its end, or was cut
LOGIT_TOKENS = 4096  # in a batch: the logits of all its tokens are held at once


def likelihoods(lm: LanguageModel, *, chat: bool = False, batch_tokens: int | None = None) -> Callable[..., Scores]:
    """Scores of n outputs: the sum of log pi(y_t | x, y_<t) over the tokens of the response, at temperature 1.

    The text of a response is turned into tokens again, which need not be those that were sampled. Where the column
    `ended` is true the model's end token is counted behind them; without it no output has one.
    chat: the prompt is what a user says, in the model's template.
    """

    def scores(prompts: Sequence[str], responses: Sequence[str], columns: pl.DataFrame) -> Scores:
        before = {prompt: _begun(lm, prompt, chat) for prompt in dict.fromkeys(prompts)}
        end = min(lm.end_ids) if lm.tokenizer.eos_token_id is None else int(lm.tokenizer.eos_token_id)
        ended = columns[ENDED].to_list() if columns.schema.get(ENDED) == pl.Boolean else [False] * len(responses)
        found = lm.tokenizer(list(responses), add_special_tokens=False, verbose=False)["input_ids"]
        after = [list(ids) + [end] * bool(done) for ids, done in zip(found, ended, strict=True)]
        starts = [before[prompt] for prompt in prompts]
        sizes = [len(start) + len(rest) for start, rest in zip(starts, after, strict=True)]
        reasons = [_refused(start, size, lm.context) for start, size in zip(starts, sizes, strict=True)]
        there = [row for row, reason in enumerate(reasons) if reason is None]
        values = np.full(len(sizes), np.nan)
        for rows in by_length(sizes, there, min(batch_tokens or LOGIT_TOKENS, LOGIT_TOKENS)):
            some = measure(lm, [starts[row] for row in rows], [after[row] for row in rows], batch=len(rows))
            values[rows] = [one.logprob for one in some]
        return Scores(values, reasons, sum(sizes[row] for row in there))

    return scores


def _begun(lm: LanguageModel, prompt: str, chat: bool) -> list[int]:
    """The tokens of a prompt; none where it has none."""
    asked = prompts_of([prompt])
    try:
        return encode(lm, asked.as_chats() if chat else asked)[0]
    except InputError:
        return []


def _refused(start: Sequence[int], size: int, context: int) -> str | None:
    if not start:
        return "no tokens: the prompt is empty"
    return None if size <= context else f"too long: {size} tokens, the model takes {context}"
