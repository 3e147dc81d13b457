"""A dump that grows: each new step as soon as it is whole."""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from culpa.errors import InputError, shorten
from culpa.rollouts import Options, Rollouts, read
from culpa.rollouts.components import mixed
from culpa.training.watch.batch import of_rollouts
from culpa.training.watch.report import StepReport, step_report
from culpa.training.watch.sinks import read_log

_STEP = re.compile(r"(?P<kind>.*?)(?P<step>\d+)\.(?P<ending>parquet|jsonl)", re.DOTALL)
_SUM = "the sum of all scores"


class Reading(NamedTuple):
    """How the files are to be understood."""

    truth: str | None = None
    reward: str | None = None  # a score, or a weighted sum of scores
    options: Options = Options()
    settle: float = 2.0  # seconds for which a file of lines must not have changed


class Tail:
    """The steps of a folder, or of a log that `JsonLines` writes, each once.

    A folder holds one file for each step, with the step at the end of its name: TRL's `completions_00012.parquet`,
    verl's `12.jsonl`, our own `rollouts_12.parquet`. It may be inside the folder of the run. A Parquet file is whole
    when its end is there, a file of lines when it ends with a line and has not changed for `settle` seconds or a later
    step is there. What is not yet whole is left for the next look. A batch that a trainer wrote again under a later
    step is left out and counted.
    """

    def __init__(self, source: str | Path, reading: Reading = Reading()) -> None:  # noqa: B008 - it cannot change
        self.source, self.reading = Path(source), reading
        self.repeats, self.waiting = 0, 0  # batches left out, files not yet whole at the last look
        self.notes: list[str] = []
        self._last, self._digest = -1, b""
        if not self.source.exists():
            raise InputError("there is no such file or folder.", path=self.source, remedy="Name the run's folder.")

    def look(self) -> list[StepReport]:
        """The steps that have become whole since the last look, in order."""
        if self.source.is_file():
            reports = [report for report in read_log(self.source) if report.step > self._last]
            self._last = max((report.step for report in reports), default=self._last)
            return reports
        found = [(step, path) for step, path in step_files(self.source) if step > self._last]
        self.waiting, reports = 0, []
        for place, (step, path) in enumerate(found):
            if not self._whole(path, place + 1 < len(found)):
                self.waiting = len(found) - place
                break
            reports += self._read(step, path)
            self._last = step
        return reports

    def _whole(self, path: Path, later: bool) -> bool:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - 4, 0))
            end = file.read()
        if later:
            return True
        if path.suffix == ".parquet":
            return size > 8 and end == b"PAR1"
        return end.endswith(b"\n") and time.time() - path.stat().st_mtime >= self.reading.settle

    def _read(self, step: int, path: Path) -> list[StepReport]:
        rollouts = read(path, truth=self.reading.truth, options=self.reading.options)
        rollouts, reward = trained_on(rollouts, self.reading.reward)
        digest = _digest(rollouts)
        if digest == self._digest:
            self.repeats += 1
            return []
        self._digest = digest
        notes = [*rollouts.notes, f"the policy is taken to be trained on {shorten(reward)}"]
        self.notes += [note for note in notes if note not in self.notes]
        return [step_report(of_rollouts(rollouts, step, reward))]


def follow(tail: Tail, *, once: bool = False, poll: float = 2.0) -> Iterator[StepReport]:
    """Report after report, for ever; with `once` what is there, with a second look at what had just been written."""
    yield from tail.look()
    while not once:
        time.sleep(poll)
        yield from tail.look()
    if tail.waiting:
        time.sleep(tail.reading.settle)
        yield from tail.look()


def step_files(folder: Path) -> list[tuple[int, Path]]:
    """The files of a folder, or of the one folder in it that has such, whose names end with a step, in order.

    >>> step_files(Path("/nowhere"))
    []
    """
    here = _numbered(folder)
    if not here and folder.is_dir():
        inside = [numbered for child in sorted(folder.iterdir()) if child.is_dir() and (numbered := _numbered(child))]
        if len(inside) > 1:
            names = ", ".join(shorten(numbered[0][2].parent.name) for numbered in inside)
            raise InputError(f"several folders hold steps ({names}).", path=folder, remedy="Name one of them.")
        here = inside[0] if inside else []
    kinds = sorted({kind for kind, _, _ in here})
    if len(kinds) > 1:
        names = ", ".join(shorten(kind) for kind in kinds)
        raise InputError(f"there are several kinds of files ({names}).", path=folder, remedy="Move one kind elsewhere.")
    return sorted((step, path) for _, step, path in here)


def trained_on(rollouts: Rollouts, named: str | None) -> tuple[Rollouts, str]:
    """The record with the score that the policy learns from, and its name.

    Named: a score, or a sum such as "0.7*rm + 0.3*format". Not named: the only one, or verl's `score`, or else the sum
    of all scores, of those that are there for an output, as TRL adds them up.
    """
    names = list(rollouts.proxies)
    if named is not None:
        return (rollouts, named) if named in names else (mixed(rollouts, [named]), " ".join(named.split()))
    if not names:
        raise InputError("there is no score but the truth.", remedy="Name what the policy is trained on: --reward.")
    if len(names) == 1 or "score" in names:
        return rollouts, names[0] if len(names) == 1 else "score"
    scores = np.stack([rollouts.proxies[name] for name in names])
    total = np.where(np.isnan(scores).all(axis=0), np.nan, np.nansum(scores, axis=0))
    name = f"{_SUM} ({' + '.join(names)})"
    return replace(rollouts, proxies={**rollouts.proxies, name: total}), name


def _numbered(folder: Path) -> list[tuple[str, int, Path]]:
    if not folder.is_dir():
        return []
    found = [(path, _STEP.fullmatch(path.name)) for path in folder.iterdir() if not path.name.startswith(".")]
    return [(f"{m['kind']}*.{m['ending']}", int(m["step"]), path) for path, m in found if m and path.is_file()]


def _digest(rollouts: Rollouts) -> bytes:
    texts = [name for name in ("prompt", "response") if name in rollouts.table.columns]
    scores = np.stack([*rollouts.proxies.values()]).tobytes()
    rows = rollouts.table.select(texts).hash_rows(seed=0).to_numpy().tobytes() if texts else b""
    return blake2b(rows + scores, digest_size=16).digest()
