"""From prompts to rollouts: what a policy says, as the record that everything else takes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from culpa.errors import InputError
from culpa.lm.features import Floats, Sketch, balanced
from culpa.lm.generate import Output, Sampling, generate, text_of, uniforms
from culpa.lm.model import LanguageModel
from culpa.lm.prompts import Prompts, encode
from culpa.rollouts import Rollouts
from culpa.rollouts.columns import PROMPT, RESPONSE

ENDED = "ended"


class Drawn(NamedTuple):
    """Prompts with the outputs of each, row by row: s outputs of the first prompt, then of the second."""

    prompts: Prompts
    tokens: tuple[tuple[int, ...], ...]  # of the p prompts
    outputs: tuple[Output, ...]  # p x s
    texts: tuple[str, ...]  # p x s

    @property
    def samples(self) -> int:
        """Outputs of each prompt."""
        return len(self.outputs) // len(self.tokens)

    def repeated(self) -> tuple[tuple[int, ...], ...]:
        """The prompt's tokens of every output, p x s."""
        return tuple(one for one in self.tokens for _ in range(self.samples))


def draw(
    lm: LanguageModel,
    prompts: Prompts,
    samples: int,
    sampling: Sampling,
    *,
    seed: int | str = 0,
    features: Sketch | None = None,
) -> Drawn:
    """`samples` outputs of every prompt. What a prompt gets depends on seed, id and model, not on the other prompts."""
    if samples < 1:
        raise InputError(f"a prompt gets at least 1 output, got {samples}.", remedy="--samples 8")
    tokens = tuple(map(tuple, encode(lm, prompts)))
    numbers = np.concatenate([uniforms(seed, name, samples, sampling.max_tokens) for name in prompts.ids])
    rows = [one for one in tokens for _ in range(samples)]
    outputs = generate(lm, rows, numbers, sampling, features=features)
    return Drawn(prompts, tokens, tuple(outputs), tuple(text_of(lm, one.tokens) for one in outputs))


def record(drawn: Drawn, *, split: int | None = None) -> Rollouts:
    """The record of what was drawn. split: where hidden means end and sketches begin, to give both the same weight.

    `logprob` is that of the whole output at the sampling temperature, and `length` its tokens, both with the token that
    ended it; `ended` is false where an output was cut.
    """
    shape = (len(drawn.tokens), drawn.samples)
    found = drawn.outputs[0].features
    features: Floats | None = None
    if found is not None:
        features = np.stack([one.features for one in drawn.outputs if one.features is not None]).reshape(*shape, -1)
        features = features if split is None else balanced(features, split)
    return Rollouts(
        prompt_id=np.array(drawn.prompts.ids, dtype=object),
        present=np.ones(shape, dtype=np.bool_),
        weight=np.full(shape, 1.0 / shape[1]),
        logprob=np.array([one.logprob for one in drawn.outputs]).reshape(shape),
        length=np.array([float(len(one.tokens)) for one in drawn.outputs]).reshape(shape),
        features=features,
        table=table_of(drawn),
    )


def table_of(drawn: Drawn) -> pl.DataFrame:
    """Texts and the prompts' own columns, one row an output."""
    texts = {
        PROMPT: repeat(drawn.prompts.texts, drawn.samples),
        RESPONSE: list(drawn.texts),
        ENDED: [one.ended for one in drawn.outputs],
    }
    taken = {*texts, "prompt_id", "weight", "logprob", "length", "features"}
    kept = [name for name in drawn.prompts.columns.columns if name not in taken]
    if not kept:
        return pl.DataFrame(texts)
    rows = np.repeat(np.arange(len(drawn.tokens)), drawn.samples)
    return pl.DataFrame(texts).hstack(drawn.prompts.columns.select(kept)[rows].get_columns())


def repeat(items: Sequence[str], times: int) -> list[str]:
    """Each item so many times in a row.

    >>> repeat(["a", "b"], 2)
    ['a', 'a', 'b', 'b']
    """
    return [one for one in items for _ in range(times)]
