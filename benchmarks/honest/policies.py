"""The policies of the honest test and what is asked of them: checkpoints, prompts, samples of the initial policy."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from benchmarks.honest.plan import MEASURED, PREFERRED, Place

from culpa import Rollouts, read, write
from culpa.labs.tinylm.ask import questions, said
from culpa.labs.tinylm.constraints import PAIRS, instructions
from culpa.labs.tinylm.pretrain import checkpoint
from culpa.labs.tinylm.tasks import Task, add, brackets, reverse, sort
from culpa.lm.features import Sketch
from culpa.lm.model import LanguageModel, load
from culpa.lm.prompts import Prompts

TASKS = {"reverse": reverse(), "brackets": brackets(), "sort": sort(), "add": add()} | {
    name: instructions(name) for name in PAIRS
}
HIDDEN = 64  # the first features are the mean of the hidden states; the others are the sketch
_TAUGHT = 300  # steps of pretraining on instructions
_TRAINED_ON, _MEASURED_ON, _JUDGED_ON, _PREFERRED_ON, _PRETRAINED = 0, 1, 2, 3, 0  # seeds


def task_of(place: Place) -> Task:
    return TASKS[place.task]


def policy_of(place: Place, folder: Path) -> LanguageModel:
    """The initial policy, pretrained once and kept."""
    until = {} if place.target is not None else {"steps": _TAUGHT}
    kept = folder / "policies"
    return load(checkpoint(task_of(place), target=place.target, seed=_PRETRAINED, folder=kept, **until), device="cpu")


def prompts_to_train(place: Place, count: int) -> Prompts:
    return _questions(place, count, _TRAINED_ON)


@lru_cache(maxsize=4)
def prompts_to_judge(place: Place, count: int) -> Prompts:
    """Held out: nobody trains on them, and no measure sees them."""
    return _questions(place, count, _JUDGED_ON, held_out=True)


def _questions(place: Place, count: int, seed: int, *, held_out: bool = False) -> Prompts:
    return questions(task_of(place), np.random.default_rng([seed, held_out]), count, held_out=held_out)


def samples_of(place: Place, folder: Path) -> Rollouts:
    """What the measures see: outputs of the initial policy with log-probabilities and features, and their truth."""
    return _samples(place, folder, place.name, _MEASURED_ON, MEASURED, Sketch())


def compared_of(place: Place, folder: Path) -> Rollouts:
    """What labellers of preferences see: other outputs to other prompts."""
    return _samples(place, folder, f"{place.name}-preferences", _PREFERRED_ON, PREFERRED, None)


def _samples(
    place: Place, folder: Path, name: str, seed: int, size: dict[str, int], features: Sketch | None
) -> Rollouts:
    path = folder / "rollouts" / f"{name}.parquet"
    if not path.is_file():
        asked = _questions(place, size["prompts"], seed)
        found = said(policy_of(place, folder), task_of(place), asked, size["samples"], seed, features=features)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(found, path)
    return read(path)
