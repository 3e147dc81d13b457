"""Sampling a whole file of prompts: in blocks of prompts of like length, each put on disk as soon as it is there."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl

from culpa.errors import InputError
from culpa.lm.features import Sketch, balanced, hidden_dims
from culpa.lm.generate import Sampling
from culpa.lm.model import LanguageModel
from culpa.lm.parts import blocks, finished
from culpa.lm.prompts import Prompts, encode
from culpa.lm.sample import draw, record
from culpa.lm.score import Keep, Progress
from culpa.rollouts import Rollouts
from culpa.rollouts.columns import LENGTH
from culpa.rollouts.dense import from_frame, to_frame
from culpa.rollouts.select import select

BLOCK = 1024  # outputs that are drawn before they are put on disk


class Plan(NamedTuple):
    """What is drawn."""

    samples: int = 8  # outputs of a prompt
    sampling: Sampling = Sampling()
    seed: int = 0
    features: Sketch | None = Sketch()


def sample(
    lm: LanguageModel,
    prompts: Prompts,
    plan: Plan,
    *,
    keep: Keep | None = None,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Rollouts:
    """The rollouts of all prompts, in their order. With `keep`, a second call does only what the first did not.

    Hidden means and sketches of the features are brought to the same mean square, over all prompts.
    """
    _check(lm, prompts, plan)
    lengths = [len(one) for one in encode(lm, prompts)]
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
    size = max(1, BLOCK // plan.samples)
    parts = [order[first : first + size] for first in range(0, len(order), size)]
    made: list[int] = []

    def work(number: int) -> pl.DataFrame:
        made.append(number)
        some = prompts.take(parts[number])
        drawn = draw(lm, some, plan.samples, plan.sampling, seed=plan.seed, features=plan.features)
        return to_frame(record(drawn))

    total, done, tokens = len(order) * plan.samples, 0, 0
    if keep is None:
        frames: Iterator[pl.DataFrame] = map(work, range(len(parts)))
    else:
        frames = blocks(work, len(parts), keep.folder, keep.fingerprint, restart=keep.restart)
        tell(Progress(sum(len(parts[one]) for one in finished(keep.folder)) * plan.samples, total))
    found, fresh = [], 0
    for number, frame in enumerate(frames):
        found.append(frame)
        done += frame.height
        if made and made[-1] == number:
            fresh += frame.height
            tokens += int(frame[LENGTH].sum())
        tell(Progress(done, total, fresh, tokens))
    return _whole(pl.concat(found), order, plan, lm)


def notes_of(plan: Plan, width: int) -> tuple[str, ...]:
    """What a reader of the rollouts should know of how they were drawn.

    >>> notes_of(Plan(features=None), 64)[0]
    'Drawn at temperature 1, seed 0; log-probabilities and lengths include the token that ended the output.'
    """
    how = plan.sampling
    said = (
        f"Drawn at temperature {how.temperature:g}, seed {plan.seed}; log-probabilities and lengths include the token"
    )
    notes = [f"{said} that ended the output."]
    if how.top_k or how.top_p < 1.0:
        cut = f"top_k {how.top_k}, top_p {how.top_p:g}"
        notes.append(f"Drawn with {cut}: not the policy itself. Log-probabilities are those of the policy.")
    if plan.features is not None:
        dims = f"{hidden_dims(width)} of the mean last hidden state"
        sketch = f"{plan.features.rank**2} of the output layer's gradient (sketch seed {plan.features.seed})"
        notes.append(f"Features: {dims}, {sketch}, of the same mean square within prompts.")
    return tuple(notes)


def _whole(frame: pl.DataFrame, order: list[int], plan: Plan, lm: LanguageModel) -> Rollouts:
    """The blocks as one record, in the order of the file."""
    back = np.argsort(np.array(order))
    found = select(from_frame(frame), back)
    width = int(lm.model.get_output_embeddings().weight.shape[1])
    features = found.features
    if features is not None and plan.features is not None and plan.features.rank:
        features = balanced(features, hidden_dims(width))
    return replace(found, features=features, notes=notes_of(plan, width))


def _check(lm: LanguageModel, prompts: Prompts, plan: Plan) -> None:
    if not prompts.ids:
        raise InputError("there are no prompts.", remedy="Give a file with at least one.")
    if plan.samples < 1:
        raise InputError(f"a prompt gets at least 1 output, got {plan.samples}.", remedy="--samples 8")
    plan.sampling.check()
    longest = max(map(len, encode(lm, prompts)))
    if longest + plan.sampling.max_tokens > lm.context:
        problem = (
            f"a prompt has {longest} tokens; with {plan.sampling.max_tokens} more it exceeds the model's {lm.context}."
        )
        raise InputError(problem, remedy="Leave long prompts out, or lower --max-tokens.")
