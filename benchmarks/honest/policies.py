"""The policies of the honest test and what is asked of them: checkpoints, prompts, samples of the initial policy."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
from benchmarks.honest.plan import MEASURED, Place

from culpa import Rollouts, read, write
from culpa.labs.tinylm.constraints import PAIRS, instructions
from culpa.labs.tinylm.pretrain import checkpoint
from culpa.labs.tinylm.tasks import Task, add, brackets, reverse, sort
from culpa.lm.features import Sketch
from culpa.lm.generate import Sampling
from culpa.lm.model import LanguageModel, load
from culpa.lm.prompts import Prompts, prompts_of
from culpa.lm.sample import draw, record

TASKS = {"reverse": reverse(), "brackets": brackets(), "sort": sort(), "add": add()} | {
    name: instructions(name) for name in PAIRS
}
ANSWER = "answer"
HIDDEN = 64  # the first features are the mean of the hidden states; the others are the sketch
_TAUGHT = 300  # steps of pretraining on instructions
_TRAINED_ON, _MEASURED_ON, _JUDGED_ON, _PRETRAINED = 0, 1, 2, 0  # seeds


def task_of(place: Place) -> Task:
    return TASKS[place.task]


def policy_of(place: Place, folder: Path) -> LanguageModel:
    """The initial policy, pretrained once and kept."""
    until = {} if place.target is not None else {"steps": _TAUGHT}
    kept = folder / "policies"
    return load(checkpoint(task_of(place), target=place.target, seed=_PRETRAINED, folder=kept, **until), device="cpu")


def sampling_of(place: Place) -> Sampling:
    return Sampling(max_tokens=task_of(place).max_tokens)


def questions(task: Task, count: int, seed: int, *, held_out: bool = False) -> Prompts:
    """So many different prompts, each with its answer."""
    found: dict[str, str] = {}
    rng = np.random.default_rng([seed, held_out])
    while len(found) < count:
        found |= dict(zip(*task.draw(rng, count, held_out=held_out), strict=True))
    texts = list(found)[:count]
    return prompts_of(texts, pl.DataFrame({ANSWER: [found[text] for text in texts]}))


def prompts_to_train(place: Place, count: int) -> Prompts:
    return questions(task_of(place), count, _TRAINED_ON)


@lru_cache(maxsize=4)
def prompts_to_judge(place: Place, count: int) -> Prompts:
    """Held out: nobody trains on them, and no measure sees them."""
    return questions(task_of(place), count, _JUDGED_ON, held_out=True)


def samples_of(place: Place, folder: Path) -> Rollouts:
    """What the measures see: outputs of the initial policy with log-probabilities and features, and their truth."""
    path = folder / "rollouts" / f"{place.name}.parquet"
    if not path.is_file():
        asked = questions(task_of(place), MEASURED["prompts"], _MEASURED_ON)
        drawn = draw(
            policy_of(place, folder),
            asked,
            MEASURED["samples"],
            sampling_of(place),
            seed=_MEASURED_ON,
            features=Sketch(),
        )
        found = record(drawn)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(found.with_truth(truths(place, found)), path)
    return read(path)


def truths(place: Place, rollouts: Rollouts) -> np.ndarray:
    """The true reward of every output, (p, s)."""
    found = task_of(place).truths(rollouts.table[ANSWER].to_list(), rollouts.table["response"].to_list())
    return found.reshape(rollouts.shape)
