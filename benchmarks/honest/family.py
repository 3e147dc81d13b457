"""The rewards of the honest test as functions of text: proxies with planted defects, the truth, two kinds of credit."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import polars as pl
from benchmarks.honest.plan import CREDIT_PLACES, CREDITS, TRUE, Place
from benchmarks.honest.policies import ANSWER, samples_of, task_of

from culpa import Rollouts
from culpa.labs.tinylm.family import family, truth
from culpa.labs.tinylm.proxies import PROXIES
from culpa.labs.tinylm.tasks import Task
from culpa.lm.score import Scorer, Scores

Function = Callable[[Sequence[str], Sequence[str], Sequence[str]], np.ndarray]  # prompts, responses, answers to (n,)

FAMILY = tuple(PROXIES)


@lru_cache(maxsize=2)
def functions(place: Place, folder: Path) -> dict[str, Function]:
    """Every reward of a place by name; proxies have unit spread within prompts on its samples."""
    task = task_of(place)
    if place in CREDIT_PLACES:
        return dict(zip(CREDITS, (partial(_binary, task), partial(_share, task)), strict=True))
    samples = samples_of(place, folder)
    return family(task, samples) | {TRUE: truth(task, samples)}


def _graded(task: Task, prompts: Sequence[str], responses: Sequence[str], answers: Sequence[str]) -> np.ndarray:  # noqa: ARG001
    return task.truths(answers, responses)


def _binary(task: Task, prompts: Sequence[str], responses: Sequence[str], answers: Sequence[str]) -> np.ndarray:  # noqa: ARG001
    """1 where all constraints hold."""
    return task.exact(answers, responses)


def _share(task: Task, prompts: Sequence[str], responses: Sequence[str], answers: Sequence[str]) -> np.ndarray:  # noqa: ARG001
    """The share of constraints that hold."""
    marks = [task.parts(a, r) for a, r in zip(answers, responses, strict=True)]
    return np.array(marks, dtype=np.float64).mean(axis=1)


def scorer_of(place: Place, name: str, folder: Path) -> Scorer:
    """As training asks for it."""
    return _scorer(functions(place, folder)[name])


def graded(place: Place) -> Scorer:
    """The truth, from 0 to 1."""
    return _scorer(partial(_graded, task_of(place)))


def _scorer(function: Function) -> Scorer:
    def score(prompts: Sequence[str], responses: Sequence[str], columns: pl.DataFrame) -> Scores:
        return Scores(function(prompts, responses, columns[ANSWER].to_list()), [None] * len(responses))

    return score


def scores_of(place: Place, name: str, rollouts: Rollouts, folder: Path) -> np.ndarray:
    """Of every output of a record, (p, s)."""
    texts = [rollouts.table[column].to_list() for column in ("prompt", "response", ANSWER)]
    return functions(place, folder)[name](*texts).reshape(rollouts.shape)
