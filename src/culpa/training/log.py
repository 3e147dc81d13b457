"""The diary of a run: each step's rollouts as a file that `culpa audit` reads, and a line of numbers."""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from culpa.errors import InputError
from culpa.lm.sample import ENDED
from culpa.metrics.spread import dead_groups
from culpa.rollouts import Array, Rollouts, replacing, write

METRICS = "metrics.jsonl"
ROLLOUTS = "rollouts"


class Diary:
    """What a run writes into its folder. Every file is whole at every moment."""

    def __init__(self, folder: Path) -> None:
        """A folder, made where it is not there."""
        self.folder = folder
        try:
            (folder / ROLLOUTS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"the run's folder cannot be made ({error.strerror})."
            raise InputError(problem, path=folder, remedy="Choose another.") from error

    def note(self, step: int, batch: Rollouts, metrics: Mapping[str, float]) -> None:
        """One step: its rollouts, then its line."""
        write(batch, self.folder / ROLLOUTS / f"step_{step:06d}.parquet")
        told = {name: None if np.isnan(value) else value for name, value in metrics.items()}
        with (self.folder / METRICS).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"step": step, **told}) + "\n")

    def forget(self, step: int) -> None:
        """Nothing of this step or a later one: they are done again."""
        for path in (self.folder / ROLLOUTS).glob("step_*.parquet"):
            with suppress(ValueError):
                if int(path.stem.removeprefix("step_")) >= step:
                    path.unlink()
        path = self.folder / METRICS
        if path.is_file():
            kept = [line for line in path.read_text(encoding="utf-8").splitlines(True) if _step_of(line) < step]
            with replacing(path) as temporary:
                temporary.write_text("".join(kept), encoding="utf-8")

    def clear(self) -> None:
        """An empty folder: for a run that is started anew."""
        shutil.rmtree(self.folder / ROLLOUTS, ignore_errors=True)
        (self.folder / METRICS).unlink(missing_ok=True)
        (self.folder / ROLLOUTS).mkdir(parents=True, exist_ok=True)


def metrics_of(batch: Rollouts, reward: str) -> dict[str, float]:
    """The numbers of one step, by the names that TRL gives them where it has one."""
    trained = batch.proxies.get(reward, batch.truth)
    assert trained is not None
    assert batch.length is not None
    assert batch.logprob is not None
    found = {"reward": _mean(trained), "reward_std": _std(trained)}
    found |= {f"rewards/{name}/mean": _mean(values) for name, values in batch.proxies.items()}
    if batch.truth is not None:
        found["truth"] = _mean(batch.truth)
    found["group/dead"] = float(dead_groups(trained).mean())
    found["group/no_verdict"] = float(np.isnan(trained).mean())
    found["completions/mean_length"] = _mean(batch.length)
    found["completions/clipped_ratio"] = 1.0 - float(np.nanmean(batch.column(ENDED)))
    found["entropy"] = -float(batch.logprob.sum() / batch.length.sum())
    return found


def _mean(values: Array) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")


def _std(values: Array) -> float:
    return float(np.nanstd(values)) if not np.isnan(values).all() else float("nan")


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return 1 << 62  # half a line that a killed run left
