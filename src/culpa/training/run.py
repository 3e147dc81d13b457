"""A whole run: from step to step, with a diary and checkpoints; what was stopped goes on to the same bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from culpa.errors import InputError
from culpa.lm.model import LanguageModel, save
from culpa.lm.prompts import Prompts
from culpa.training.batch import Scorers
from culpa.training.checkpoint import Checkpoint, latest, restore, write
from culpa.training.log import Diary
from culpa.training.loop import Listener, Step, Trainer
from culpa.training.settings import TrainSettings
from culpa.training.world import join


class Place(NamedTuple):
    """Where a run keeps what it makes."""

    folder: Path
    fingerprint: str = ""  # of policy, prompts and rewards, on top of that of the settings
    restart: bool = False  # forget an earlier run


def train(
    policy: LanguageModel,
    prompts: Prompts,
    scorers: Scorers,
    settings: TrainSettings,
    *,
    place: Place | None = None,
    listeners: Sequence[Listener] = (),
) -> LanguageModel:
    """The policy after `settings.steps` steps on the first scorer; it is trained in place.

    With a place, its folder holds each step's rollouts (`rollouts/`, which `culpa audit` reads), `metrics.jsonl`, the
    last checkpoint, and at the end `model/`. The same call again goes on after the last checkpoint. Under torchrun all
    processes train this one policy together.
    """
    trainer = Trainer(policy, prompts, scorers, settings, join())
    diary = None if place is None or not trainer.world.leads else Diary(place.folder)
    first = 0 if place is None else _take_up(trainer, place, diary)
    for number in range(first, settings.steps):
        step = trainer.step(number)
        if diary is not None:
            diary.note(number, step.batch, step.metrics)
        for listener in listeners:
            listener(step)
        if place is not None and _due(number + 1, settings):
            _keep(trainer, place, number + 1)
    if diary is not None:
        save(policy, diary.folder / "model")
    return policy


def _take_up(trainer: Trainer, place: Place, diary: Diary | None) -> int:
    """The first step that is still to be done."""
    mark = f"{place.fingerprint}/{trainer.settings.fingerprint()}"
    if place.restart and diary is not None:
        diary.clear()
    trainer.world.wait()
    found = None if place.restart else latest(place.folder)
    if found is not None and found.fingerprint != mark:
        problem = "the folder holds a run with other settings, prompts, rewards or another policy."
        raise InputError(
            problem, path=place.folder, remedy="Give the same ones to go on, --restart, or another folder."
        )
    if found is not None:
        restore(found, trainer.policy, trainer.optimizer)
        trainer.memory = found.memory
    first = 0 if found is None else found.step
    if diary is not None:
        diary.forget(first)
    return first


def _due(done: int, settings: TrainSettings) -> bool:
    return done == settings.steps or bool(settings.save_every and done % settings.save_every == 0)


def _keep(trainer: Trainer, place: Place, done: int) -> None:
    mark = f"{place.fingerprint}/{trainer.settings.fingerprint()}"
    if trainer.world.leads:
        write(place.folder, Checkpoint(done, place.folder, trainer.memory, mark), trainer.policy, trainer.optimizer)
    trainer.world.wait()


__all__ = ["Place", "Step", "train"]
