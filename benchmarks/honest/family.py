"""The rewards of the honest test as functions of text: proxies with planted defects, reward models, truth, credit."""

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from benchmarks.honest.plan import CREDIT_PLACES, CREDITS, TRUE, Place
from benchmarks.honest.policies import compared_of, policy_of, samples_of, task_of

from culpa import Rollouts
from culpa.labs.tinylm.ask import scorer, with_proxies
from culpa.labs.tinylm.family import Scorer as Function
from culpa.labs.tinylm.family import family, truth
from culpa.labs.tinylm.preferences import RECIPES
from culpa.labs.tinylm.proxies import PROXIES
from culpa.labs.tinylm.tasks import Task
from culpa.lm.score import Scorer

FAMILY = (*PROXIES, *RECIPES)


@lru_cache(maxsize=2)
def functions(place: Place, folder: Path) -> dict[str, Function]:
    """Every reward of a place by name; proxies have unit spread within prompts on its samples."""
    task = task_of(place)
    if place in CREDIT_PLACES:
        return dict(zip(CREDITS, (partial(_binary, task), partial(_share, task)), strict=True))
    samples = samples_of(place, folder)
    return family(task, samples, _reward_models(place, folder)) | {TRUE: truth(task, samples)}


def _reward_models(place: Place, folder: Path) -> dict[str, Path]:
    """Trained once and kept; their libraries take seconds to import."""
    from culpa.labs.tinylm.reward_models import reward_models

    return reward_models(task_of(place), policy_of(place, folder), compared_of(place, folder), folder / "reward_models")


def _binary(task: Task, prompts: Sequence[str], responses: Sequence[str], answers: Sequence[str]) -> np.ndarray:  # noqa: ARG001
    """1 where all constraints hold."""
    return task.exact(answers, responses)


def _share(task: Task, prompts: Sequence[str], responses: Sequence[str], answers: Sequence[str]) -> np.ndarray:  # noqa: ARG001
    """The share of constraints that hold."""
    marks = [task.parts(a, r) for a, r in zip(answers, responses, strict=True)]
    return np.array(marks, dtype=np.float64).mean(axis=1)


def scorer_of(place: Place, name: str, folder: Path) -> Scorer:
    """As training asks for it."""
    return scorer(functions(place, folder)[name])


def scored(place: Place, folder: Path) -> Rollouts:
    """The samples of a place with the scores of every proxy."""
    every = functions(place, folder)
    return with_proxies(samples_of(place, folder), {name: every[name] for name in FAMILY})
