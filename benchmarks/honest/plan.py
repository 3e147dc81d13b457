"""The plan of the honest test, as data: which policies are trained against which proxies, by which algorithm.

A place is a task and how far the policy was pretrained on it. At every place every proxy is trained for real, by every
learner, from several seeds. A run is told by its name, `place/learner/proxy-seed`, and is one small file.
"""

import json
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from hashlib import blake2b
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parents[1] / "data" / "honest"

TASKS = ("reverse", "brackets")
TARGETS = (0.1, 0.3)  # share of exact answers at which pretraining stops
LEARNERS = ("rloo:8", "grpo:8")
SEEDS = (0, 1)
MARKS = (0.05, 0.1, 0.2, 0.5, 1.0)  # parts of a run after which the truth is measured

PAIRS = ("moderate", "both_rare", "easy_hard", "overlapping", "rivals", "size_without")  # of constraints
CREDITS = ("binary", "partial")  # what an output is given that meets one of two

TRUE = "true"  # the truth itself as a reward: what is possible, and in no statistic
TRAINING = {"steps": 80, "prompts": 24, "rate": 1.5e-4, "reduction": "sum"}
CREDIT_TRAINING = TRAINING | {"steps": 140, "rate": 4e-4}  # success is rare at first
JUDGED = {"prompts": 256, "samples": 4}  # held out, on which the truth is measured at every mark
PREFERRED = {"prompts": 600, "samples": 8}  # what labellers of preferences are shown, for reward models
MEASURED = {"prompts": 300, "samples": 8}  # what the measures see of the initial policy
RECIPE = 1  # raised when the same plan would give other numbers


class Place(NamedTuple):
    """An initial policy."""

    task: str
    target: float | None = None  # None: pretrained for a fixed number of steps

    @property
    def name(self) -> str:
        """As in file names.

        >>> Place("reverse", 0.1).name, Place("rivals").name
        ('reverse-10', 'rivals')
        """
        return self.task if self.target is None else f"{self.task}-{round(100 * self.target)}"


class Run(NamedTuple):
    """One training."""

    place: Place
    learner: str
    proxy: str
    seed: int

    @property
    def name(self) -> str:
        """As in file names.

        >>> Run(Place("reverse", 0.1), "rloo:8", "noise", 0).name
        'reverse-10/rloo/noise-0'
        """
        return f"{self.place.name}/{self.learner.partition(':')[0]}/{self.proxy}-{self.seed}"


PLACES = tuple(Place(task, target) for task, target in product(TASKS, TARGETS))
CREDIT_PLACES = tuple(map(Place, PAIRS))


def training_of(place: Place) -> dict[str, Any]:
    """How far policies go there."""
    return CREDIT_TRAINING if place in CREDIT_PLACES else TRAINING


def runs(proxies: Sequence[str]) -> list[Run]:
    """All runs, the first seed of everything before the second: half a plan is already a table."""
    asked = [*product(PLACES, (TRUE, *proxies)), *product(CREDIT_PLACES, CREDITS)]
    order = product(SEEDS, asked, LEARNERS)
    return [Run(place, learner, proxy, seed) for seed, (place, proxy), learner in order]


def chosen(everything: Iterable[Run], patterns: Sequence[str]) -> list[Run]:
    """The runs whose names match any of the patterns (`reverse-10/*`, `*/grpo/*-0`); all if there are none."""
    return [run for run in everything if not patterns or any(fnmatchcase(run.name, one) for one in patterns)]


def fingerprint(*settings: Any) -> str:
    """What decides the numbers of a file, in a few letters: another setting, and the file is made again."""
    return blake2b(json.dumps([RECIPE, *settings], sort_keys=True).encode(), digest_size=6).hexdigest()
