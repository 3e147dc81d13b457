"""What the files say, a column for each place and learner: proxies, what they ended with, what was known before."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from benchmarks.honest import store
from benchmarks.honest.plan import LEARNERS, MARKS, PLACES, SEEDS, TRUE, Place, Run

Array = npt.NDArray[np.float64]
Marks = dict[Run, str]


class Column(NamedTuple):
    """k proxies of one place, trained by one learner. NaN where a run is missing."""

    place: Place
    learner: str
    proxies: tuple[str, ...]
    truth: Array  # (seeds, marks, k) after each part of the run
    kl: Array  # (seeds, marks, k)
    seconds: Array  # (seeds, k)
    start: float  # the truth of the initial policy
    ideal: float  # of the policy that was trained on the truth itself; NaN where there is no such run
    values: dict[str, Array]  # measure -> (k,)
    shuffled: dict[str, Array]  # measure -> (b, k)

    @property
    def name(self) -> str:
        """At the top of a column."""
        return f"{self.place.name} {self.learner.partition(':')[0].upper()}"

    @property
    def outcome(self) -> Array:
        """The truth at the end, mean over the seeds that were run, (k,)."""
        return _mean(self.truth[:, -1])


def _mean(rows: Array) -> Array:
    """Over the rows that are known; NaN where none is."""
    known = ~np.isnan(rows)
    return np.where(
        known.any(axis=0), np.where(known, rows, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.nan
    )


def column(folder: Path, place: Place, learner: str, measured: store.Document, marks: Marks) -> Column | None:
    """The column of a place and a learner; None where nothing was trained."""
    proxies = tuple(measured["proxies"])
    documents = {
        (seed, name): store.read(folder / "runs" / f"{run.name}.json", marks[run])
        for seed in SEEDS
        for name in (TRUE, *proxies)
        if (run := Run(place, learner, name, seed)) in marks
    }
    if not any(documents.get((seed, name)) for seed in SEEDS for name in proxies):
        return None

    def of(seed: int, name: str, what: str) -> list[float]:
        found = documents.get((seed, name))
        return [np.nan] * len(MARKS) if found is None else found[what]

    truth, kl = (np.array([[of(seed, name, what) for name in proxies] for seed in SEEDS]) for what in ("truth", "kl"))
    seconds = [[(documents.get((seed, name)) or {}).get("seconds", np.nan) for name in proxies] for seed in SEEDS]
    ideal = _mean(np.array([[of(seed, TRUE, "truth")[-1]] for seed in SEEDS]))[0]
    starts = [found["start"] for found in documents.values() if found]
    return Column(
        place, learner, proxies, truth.transpose(0, 2, 1), kl.transpose(0, 2, 1), np.array(seconds),
        float(np.mean(starts)), float(ideal), _arrays(measured["values"]), _arrays(measured["shuffled"]),
    )  # fmt: skip


def _arrays(values: dict[str, list[float | None]]) -> dict[str, Array]:
    return {name: np.array(one, dtype=np.float64) for name, one in values.items()}


def columns(folder: Path, measured: dict[tuple[Place, str], store.Document], marks: Marks) -> list[Column]:
    """All that there are, in the order of the plan."""
    asked: Sequence[tuple[Place, str]] = [(place, learner) for place in PLACES for learner in LEARNERS]
    found = [column(folder, *key, measured[key], marks) for key in asked if key in measured]
    return [one for one in found if one is not None]
