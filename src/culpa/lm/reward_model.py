"""Reward models: sequence classifiers of transformers, scored so that no batch changes a score."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import polars as pl
import torch
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging

from culpa.errors import InputError, shorten
from culpa.lm.model import from_folder, load_tokenizer, pick_device, pick_dtype
from culpa.lm.reward_batches import Text, alone, masked, pooled, shared
from culpa.lm.score import Scores
from culpa.rollouts import Array

CPU_TOKENS, GPU_TOKENS = 2048, 16_384  # of a batch, padding counted
_ROUNDING = {torch.float64: 1e-9, torch.float32: 1e-4}  # of the largest score; of half precision it is _COARSE
_COARSE = 0.15
_FAILURES = (RuntimeError, ValueError, TypeError, IndexError, AttributeError, KeyError)
Way = Callable[[Any, Sequence[Text], int], Array]


@dataclass(frozen=True, eq=False)
class RewardModel:
    """A sequence classifier with its tokenizer, and the way in which it can be asked for many scores at once."""

    model: Any  # PreTrainedModel
    tokenizer: Any  # PreTrainedTokenizerBase
    way: Way  # `shared`, `pooled`, `masked` or `alone` of `reward_batches`

    @property
    def causal(self) -> bool:
        """Whether a score is read from the last token of a decoder."""
        return self.way in (shared, pooled)

    @property
    def context(self) -> int:
        """Tokens that it takes; very many where it does not say."""
        config = self.model.config.get_text_config()
        own = int(getattr(config, "max_position_embeddings", None) or 0)
        told = 0 if self.causal else int(min(getattr(self.tokenizer, "model_max_length", 0) or 0, 1 << 30))
        return min((size for size in (own, told) if size > 0), default=1 << 30)


def load_reward_model(name: str | Path, *, device: str = "auto", dtype: str = "auto") -> RewardModel:
    """A reward model by its folder or its hub name: a sequence classifier, of which the first number is the score.

    A folder without a trained head (that of a policy, say) is refused. No code from the folder is ever run.
    """
    place = pick_device(device)
    with _quiet():
        settings = {"dtype": pick_dtype(dtype, place), "output_loading_info": True}
        model, told = from_folder(AutoModelForSequenceClassification, name, **settings)
    missing = sorted(told["missing_keys"])
    if missing:
        problem = f"{shorten(name)} has no trained weights for {missing[0]}: it is no reward model."
        raise InputError(problem, remedy="Give a model that was saved as a sequence classifier.")
    model = model.to(place).eval()
    return RewardModel(model, load_tokenizer(name), way_of(model))


def reward_scores(
    rm: RewardModel,
    prompts: Sequence[str],
    responses: Sequence[str],
    *,
    batch_tokens: int | None = None,
    chat: bool = True,
) -> Scores:
    """Of n outputs, the first number of the model's head.

    A prompt and its response are what the user and the assistant say in the model's own chat template; without one (or
    with `chat=False`) they stand one behind the other, for an encoder as a pair. An output too long for the model has
    no score: nothing is cut off. Equal texts are read once.

    Scores do not depend on `batch_tokens` (None: 2048 on a CPU, 16,384 elsewhere) nor on what else is scored, up to
    rounding.
    """
    most = batch_tokens or (CPU_TOKENS if rm.model.device.type == "cpu" else GPU_TOKENS)
    texts = encode(rm, prompts, responses, chat=chat)
    values = np.full(len(texts), np.nan)
    reasons = [_refused(text, rm.context) for text in texts]
    there = [row for row, reason in enumerate(reasons) if reason is None]
    once = {(texts[row].ids, texts[row].types): row for row in reversed(there)}
    rows = sorted(once.values())
    if rows:
        scored = rm.way(rm.model, [texts[row] for row in rows], most)
        by_row = dict(zip(rows, scored.tolist(), strict=True))
        values[there] = [by_row[once[texts[row].ids, texts[row].types]] for row in there]
    for row in there:
        reasons[row] = None if np.isfinite(values[row]) else "not finite"
    return Scores(values, reasons, sum(len(texts[row].ids) for row in there))


def scorer(rm: RewardModel, *, batch_tokens: int | None = None, chat: bool = True) -> Callable[..., Scores]:
    """The model as a `Scorer`."""
    if batch_tokens is not None and batch_tokens < 1:
        raise InputError(f"a batch has at least 1 token, got {batch_tokens}.", remedy=f"{CPU_TOKENS} is usual.")

    def scores(prompts: Sequence[str], responses: Sequence[str], columns: pl.DataFrame) -> Scores:  # noqa: ARG001
        return reward_scores(rm, prompts, responses, batch_tokens=batch_tokens, chat=chat)

    return scores


def encode(rm: RewardModel, prompts: Sequence[str], responses: Sequence[str], *, chat: bool = True) -> list[Text]:
    """The tokens of every output as the model reads them; outputs of equal prompts are one group."""
    pairs = list(zip(prompts, responses, strict=True))
    groups = {prompt: number for number, prompt in enumerate(dict.fromkeys(prompts))}
    if chat and getattr(rm.tokenizer, "chat_template", None):
        found = rm.tokenizer(_talks(rm.tokenizer, pairs), add_special_tokens=False, verbose=False)
    elif rm.causal:
        found = rm.tokenizer([prompt + response for prompt, response in pairs], verbose=False)
    else:
        found = rm.tokenizer(list(prompts), list(responses), verbose=False)
    kinds = found.get("token_type_ids") or [()] * len(pairs)
    return [
        Text(tuple(ids), tuple(types), groups[prompt])
        for ids, types, prompt in zip(found["input_ids"], kinds, prompts, strict=True)
    ]


def way_of(model: Any) -> Way:
    """The fastest way to score that gives what the model says of each text by itself, found by trying.

    Two short prompts with two outputs each are scored by every way: with the prompts' cache shared, by the last token
    of a full pass, by the model's own forward with padding, and one at a time, which is right by definition. There the
    pad token is taken from a decoder's settings, so that it reads the last token, whatever that is.
    """
    config = model.config
    if not config.is_encoder_decoder and hasattr(model, "score"):
        config.pad_token_id = None
        config.get_text_config().pad_token_id = None
    texts = _probes(int(config.get_text_config().vocab_size))
    truth = _tried(alone, model, texts)
    if truth is None:
        return alone
    for way in (shared, pooled, masked):
        found = _tried(way, model, texts)
        if (
            found is not None
            and np.abs(found - truth).max() <= _ROUNDING.get(model.dtype, _COARSE) * np.abs(truth).max()
        ):
            return way
    return alone


def _probes(vocabulary: int) -> list[Text]:
    """Two prompts of different lengths with two outputs each, of different lengths and without rhyme or reason."""
    rows = []
    for group, (prompt, responses) in enumerate(((13, (2, 5)), (9, (4, 1)))):
        for number, response in enumerate(responses):
            places = [*range(prompt), *range(50 * (number + 1), 50 * (number + 1) + response)]
            ids = tuple((place * (place + 31 * group + 7) + 5) % vocabulary for place in places)
            rows.append(Text(ids, group=group))
    return rows


def _tried(way: Way, model: Any, texts: Sequence[Text]) -> Array | None:
    try:
        found = way(model, texts, CPU_TOKENS)
    except _FAILURES:
        return None
    return found if np.isfinite(found).all() else None


def _refused(text: Text, context: int) -> str | None:
    """Why a text is not given to the model, where it is not."""
    if not text.ids:
        return "no tokens"
    return None if len(text.ids) <= context else f"too long: {len(text.ids)} tokens, the model takes {context}"


def _talks(tokenizer: Any, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Every output as a chat of two messages in the model's template."""
    talks = [
        [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}] for prompt, response in pairs
    ]
    try:
        found: list[str] = [tokenizer.apply_chat_template(talk, tokenize=False) for talk in talks]
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        problem = f"the reward model's chat template cannot be used ({shorten(error, 160)})."
        raise InputError(problem, remedy="Mend it, or do without it (--no-chat).") from error
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' bars and tables: what is wrong with the weights is said here."""
    level = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
