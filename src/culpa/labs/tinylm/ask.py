"""A task's questions as prompts of a language model, what a model says to them, and rewards as training asks them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from culpa.errors import InputError
from culpa.labs.tinylm.family import Scorer as Function
from culpa.labs.tinylm.outputs import ANSWER, asked
from culpa.labs.tinylm.tasks import Task
from culpa.lm.features import Sketch
from culpa.lm.generate import Sampling
from culpa.lm.model import LanguageModel
from culpa.lm.prompts import Prompts, prompts_of
from culpa.lm.sample import draw, record
from culpa.lm.score import Scorer, Scores
from culpa.rollouts import Rollouts
from culpa.rollouts.columns import RESPONSE

_BARREN = 50  # draws without a new prompt, after which there are hardly more


def questions(task: Task, rng: np.random.Generator, count: int, *, held_out: bool = False) -> Prompts:
    """So many different prompts of a task, with a column `answer`.

    >>> from culpa.labs.tinylm.tasks import sort
    >>> found = questions(sort(4, 3), np.random.default_rng(0), 2)
    >>> found.texts, found.columns["answer"].to_list()
    (('cbba=', 'aaaa='), ['abbc', 'aaaa'])
    """
    found: dict[str, str] = {}
    barren = 0  # draws in a row without a new prompt
    while len(found) < count and barren < _BARREN:
        before = len(found)
        found |= dict(zip(*task.draw(rng, count, held_out=held_out), strict=True))
        barren = 0 if len(found) > before else barren + 1
    if len(found) < count:
        problem = f"the task has {len(found)} different prompts and hardly more, {count} are wanted."
        raise InputError(problem, remedy="Ask for fewer, or for a task of longer prompts.")
    texts = list(found)[:count]
    return prompts_of(texts, pl.DataFrame({ANSWER: [found[text] for text in texts]}))


def sampling(task: Task) -> Sampling:
    """At temperature 1, as long as an answer may be."""
    return Sampling(max_tokens=task.max_tokens)


def said(
    lm: LanguageModel, task: Task, prompts: Prompts, samples: int, seed: int | str, *, features: Sketch | None = None
) -> Rollouts:
    """What a model says, `samples` outputs of each prompt, with log-probabilities, features if asked for, and truth."""
    found = record(draw(lm, prompts, samples, sampling(task), seed=seed, features=features))
    truth = task.truths(found.table[ANSWER].to_list(), found.table[RESPONSE].to_list())
    return found.with_truth(truth.reshape(found.shape))


def scorer(function: Function) -> Scorer:
    """A reward of texts as training and scoring ask for it: the answers come from the column `answer`."""

    def score(prompts: Sequence[str], responses: Sequence[str], columns: pl.DataFrame) -> Scores:
        return Scores(function(prompts, responses, columns[ANSWER].to_list()), [None] * len(responses))

    return score


def graded(task: Task) -> Scorer:
    """The truth, as the task grades it."""
    return scorer(lambda prompts, responses, answers: task.truths(answers, responses))  # noqa: ARG005


def with_proxies(rollouts: Rollouts, functions: Mapping[str, Function]) -> Rollouts:
    """The record of what a model said, with the scores of these rewards as its proxies."""
    texts = asked(rollouts)
    proxies = {name: function(*texts).reshape(rollouts.shape) for name, function in functions.items()}
    return replace(rollouts, proxies=proxies)
