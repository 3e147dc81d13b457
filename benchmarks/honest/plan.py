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

TRUE = "true"  # the truth itself as a reward: what is possible, and in no statistic
TRAINING = {"steps": 100, "prompts": 32, "rate": 4e-4, "reduction": "sum"}
JUDGED = {"prompts": 256, "samples": 4}  # held out, on which the truth is measured at every mark
MEASURED = {"prompts": 300, "samples": 8}  # what the measures see of the initial policy
RECIPE = 1  # raised when the same plan would give other numbers


class Place(NamedTuple):
    """An initial policy."""

    task: str
    target: float

    @property
    def name(self) -> str:
        """As in file names.

        >>> Place("reverse", 0.1).name
        'reverse-10'
        """
        return f"{self.task}-{round(100 * self.target)}"


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


def runs(proxies: Sequence[str], places: Sequence[Place] = PLACES) -> list[Run]:
    """All runs, the first seed of everything before the second: half a plan is already a table."""
    order = product(SEEDS, places, LEARNERS, dict.fromkeys((TRUE, *proxies)))
    return [Run(place, learner, proxy, seed) for seed, place, learner, proxy in order]


def chosen(everything: Iterable[Run], patterns: Sequence[str]) -> list[Run]:
    """The runs whose names match any of the patterns (`reverse-10/*`, `*/grpo/*-0`); all if there are none."""
    return [run for run in everything if not patterns or any(fnmatchcase(run.name, one) for one in patterns)]


def fingerprint(*settings: Any) -> str:
    """What decides the numbers of a file, in a few letters: another setting, and the file is made again."""
    return blake2b(json.dumps([RECIPE, *settings], sort_keys=True).encode(), digest_size=6).hexdigest()
