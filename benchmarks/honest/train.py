"""One run of the plan: a policy trained against a proxy, and what became of the truth along the way."""

from pathlib import Path

import torch
from benchmarks.honest.family import FAMILY, functions, scorer_of
from benchmarks.honest.plan import JUDGED, MARKS, Place, Run, fingerprint, runs, training_of
from benchmarks.honest.policies import policy_of, prompts_to_judge, prompts_to_train, task_of
from benchmarks.honest.store import Document

from culpa.labs.tinylm.ask import graded, sampling
from culpa.lm.model import LanguageModel
from culpa.training.loop import Step, frozen
from culpa.training.micro import Examiner, Look
from culpa.training.run import train
from culpa.training.settings import TrainSettings, trainable


def proxies_of() -> tuple[str, ...]:
    """The names of the proxies that are trained against, the truth aside."""
    return FAMILY


def mark_of(run: Run) -> str:
    """The fingerprint of a run: its name, and all settings."""
    return fingerprint(run.name, run.learner, training_of(run.place), JUDGED, MARKS)


def run_marks() -> dict[Run, str]:
    """Of every run of the plan."""
    return {run: mark_of(run) for run in runs(proxies_of())}


def prepare(place: Place, folder: Path) -> None:
    """Makes what all runs of a place share, so that no two of them do."""
    torch.set_num_threads(1)
    policy_of(place, folder)
    functions(place, folder)


def train_one(run: Run, folder: Path) -> Document:
    """Trains, and gives the truth, the divergence and the length at every mark: means over held-out prompts."""
    torch.set_num_threads(1)
    policy = policy_of(run.place, folder)
    settings = settings_of(run)
    examiner = examiner_of(run.place, frozen(policy))
    before = examiner.look(policy)
    steps = {max(1, round(mark * settings.steps)): mark for mark in MARKS}
    seen: dict[float, Look] = {}

    def listen(step: Step) -> None:
        if step.number + 1 in steps:
            seen[steps[step.number + 1]] = examiner.look(policy)

    asked = prompts_to_train(run.place, settings.steps * settings.prompts)
    train(policy, asked, {run.proxy: scorer_of(run.place, run.proxy, folder)}, settings, listeners=[listen])
    looks = [seen[mark] for mark in MARKS]
    return {
        "marks": list(MARKS),
        "start": float(before.truth.mean()),
        "truth": [float(look.truth.mean()) for look in looks],
        "kl": [look.kl for look in looks],
        "length": [look.length for look in looks],
    }


def settings_of(run: Run) -> TrainSettings:
    """As the library trains."""
    return TrainSettings(
        trainable(run.learner),
        **training_of(run.place),
        sampling=sampling(task_of(run.place)),
        micro=256,
        seed=run.seed,
        save_every=0,
    )


def examiner_of(place: Place, start: LanguageModel) -> Examiner:
    """Judges policies by the truth itself, on held-out prompts, drawn with the same numbers at every look."""
    asked, task = prompts_to_judge(place, JUDGED["prompts"]), task_of(place)
    return Examiner(asked, graded(task), start, sampling(task), JUDGED["samples"])
