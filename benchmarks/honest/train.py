"""One run of the plan: a policy trained against a proxy, and what became of the truth along the way."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from benchmarks.honest.family import FAMILY, functions, scorer_of
from benchmarks.honest.plan import JUDGED, MARKS, Place, Run, fingerprint, runs, training_of
from benchmarks.honest.policies import (
    ANSWER,
    policy_of,
    prompts_to_judge,
    prompts_to_train,
    sampling_of,
    task_of,
)
from benchmarks.honest.store import Document

from culpa.lm.forward import measure
from culpa.lm.model import LanguageModel
from culpa.lm.sample import draw
from culpa.training.loop import Step, frozen
from culpa.training.run import train
from culpa.training.settings import TrainSettings, trainable

_JUDGING = 7  # seed of the outputs that are judged, the same numbers for all runs


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
    judge = Judge(run.place, frozen(policy))
    before = judge.look(policy)
    steps = {max(1, round(mark * settings.steps)): mark for mark in MARKS}
    seen: dict[float, Mapping[str, float]] = {}

    def listen(step: Step) -> None:
        if step.number + 1 in steps:
            seen[steps[step.number + 1]] = judge.look(policy)

    asked = prompts_to_train(run.place, settings.steps * settings.prompts)
    train(policy, asked, {run.proxy: scorer_of(run.place, run.proxy, folder)}, settings, listeners=[listen])
    found = {name: [seen[mark][name] for mark in MARKS] for name in before}
    return found | {"start": before["truth"], "marks": list(MARKS)}


def settings_of(run: Run) -> TrainSettings:
    """As the library trains."""
    return TrainSettings(
        trainable(run.learner),
        **training_of(run.place),
        sampling=sampling_of(run.place),
        micro=256,
        seed=run.seed,
        save_every=0,
    )


class Judge:
    """Looks at a policy: what it says to held-out prompts, drawn with the same numbers at every look."""

    def __init__(self, place: Place, start: LanguageModel) -> None:
        self.place, self.start = place, start
        self.prompts = prompts_to_judge(place, JUDGED["prompts"])

    def look(self, policy: LanguageModel) -> dict[str, float]:
        """Mean truth, divergence from the start in nats, and tokens."""
        drawn = draw(policy, self.prompts, JUDGED["samples"], sampling_of(self.place), seed=_JUDGING)
        answers = [answer for answer in self.prompts.columns[ANSWER] for _ in range(drawn.samples)]
        tokens = [one.tokens for one in drawn.outputs]
        was = measure(self.start, drawn.repeated(), tokens, batch=256)
        gaps = [now.logprob - then.logprob for now, then in zip(drawn.outputs, was, strict=True)]
        return {
            "truth": float(task_of(self.place).truths(answers, drawn.texts).mean()),
            "kl": float(np.mean(gaps)),
            "length": float(np.mean([len(one) for one in tokens])),
        }
