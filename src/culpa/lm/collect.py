"""Sampling a whole file of prompts: in blocks of prompts of like length, each put on disk as soon as it is there."""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from culpa.engines import Engine
from culpa.errors import InputError
from culpa.lm.features import Sketch, balanced
from culpa.lm.generate import Sampling
from culpa.lm.model import LanguageModel
from culpa.lm.parts import HERE, Keep, Lazy, blocks, finished
from culpa.lm.prompts import Prompts, encode
from culpa.lm.sample import draw, record
from culpa.lm.score import Progress
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


class Policy(NamedTuple):
    """A model that every worker of an engine loads for itself; here no more of it is known than prompts need."""

    tokenizer: Any  # PreTrainedTokenizerBase
    context: int  # tokens of prompt and output together
    opening: Callable[[], AbstractContextManager[LanguageModel]]  # it travels: a `partial` of a module's function
    engine: Engine = HERE


def sample(
    lm: LanguageModel | Policy,
    prompts: Prompts,
    plan: Plan,
    *,
    keep: Keep | None = None,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Rollouts:
    """The rollouts of all prompts, in their order. With `keep`, a second call does only what the first did not.

    A `LanguageModel` is asked in this process, a `Policy` wherever its engine works: the rollouts are the same. Hidden
    means and sketches of the features are brought to the same mean square, over all prompts.
    """
    policy = lm if isinstance(lm, Policy) else Policy(lm.tokenizer, lm.context, lambda: nullcontext(lm))
    lengths = [len(one) for one in encode(policy, prompts)]
    _check(policy.context, lengths, plan)
    order = sorted(range(len(lengths)), key=lambda row: (lengths[row], row))
    size = max(1, BLOCK // plan.samples)
    parts = [order[first : first + size] for first in range(0, len(order), size)]
    tasks = Lazy(lambda number: prompts.take(parts[number]), range(len(parts)))
    made = blocks(partial(_opened, policy.opening, plan), tasks, keep, policy.engine)
    total, done, tokens = len(order) * plan.samples, 0, 0
    if keep is not None:
        tell(Progress(sum(len(parts[one]) for one in finished(keep.folder)) * plan.samples, total))
    found, fresh = [], 0
    for frame, new in made:
        found.append(frame)
        done += frame.height
        if new:
            fresh += frame.height
            tokens += int(frame[LENGTH].sum())
        tell(Progress(done, total, fresh, tokens))
    return _whole(pl.concat(found), order, plan)


def notes_of(plan: Plan, hidden: int) -> tuple[str, ...]:
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
        dims = f"{hidden} of the mean last hidden state"
        sketch = f"{plan.features.rank**2} of the output layer's gradient (sketch seed {plan.features.seed})"
        notes.append(f"Features: {dims}, {sketch}, of the same mean square within prompts.")
    return tuple(notes)


@contextmanager
def _opened(
    opening: Callable[[], AbstractContextManager[LanguageModel]], plan: Plan
) -> Generator[Callable[[Prompts], pl.DataFrame]]:
    """What a worker does with some prompts, once it has a model."""
    with opening() as lm:
        yield lambda some: to_frame(
            record(draw(lm, some, plan.samples, plan.sampling, seed=plan.seed, features=plan.features))
        )


def _whole(frame: pl.DataFrame, order: list[int], plan: Plan) -> Rollouts:
    """The blocks as one record, in the order of the file."""
    found = select(from_frame(frame), np.argsort(np.array(order)))
    features, hidden = found.features, 0
    if features is not None and plan.features is not None:
        hidden = features.shape[-1] - plan.features.rank**2
        features = balanced(features, hidden) if plan.features.rank else features
    return replace(found, features=features, notes=notes_of(plan, hidden))


def _check(context: int, lengths: Sequence[int], plan: Plan) -> None:
    if not lengths:
        raise InputError("there are no prompts.", remedy="Give a file with at least one.")
    if plan.samples < 1:
        raise InputError(f"a prompt gets at least 1 output, got {plan.samples}.", remedy="--samples 8")
    plan.sampling.check()
    longest, more = max(lengths), plan.sampling.max_tokens
    if longest + more > context:
        problem = f"a prompt has {longest} tokens; with {more} more it exceeds the model's {context}."
        raise InputError(problem, remedy="Leave long prompts out, or lower --max-tokens.")
