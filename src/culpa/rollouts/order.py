"""Keeping each prompt's rows together while a file streams past."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.errors import InputError
from culpa.rollouts import columns as c
from culpa.rollouts.dense import run_starts
from culpa.rollouts.dump import stacked

_ROWS_OF_ONE_PROMPT = 1_000_000


def prompt_aligned(frames: Iterable[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """Frames of about `rows` rows that never cut a prompt: the incomplete last prompt is carried over.

    Raises where a prompt comes back after others, since its outputs would be two groups.
    """
    pending: list[pl.DataFrame] = []
    passed = Passed()
    for frame in frames:
        pending.append(frame)
        height = sum(part.height for part in pending)
        if height < rows:
            continue
        whole = stacked(pending)
        cut = int(run_starts(whole[c.PROMPT_ID])[-1])
        if height - cut > _ROWS_OF_ONE_PROMPT:
            remedy = "Is the prompt id right? Name it with --prompt-id."
            raise InputError(f"one prompt has more than {_ROWS_OF_ONE_PROMPT:,} outputs.", remedy=remedy)
        if cut:
            yield passed.checked(whole[:cut])
            pending = [whole[cut:]]
    if any(part.height for part in pending):
        yield passed.checked(stacked(pending))
    passed.finish()


class Passed:
    """Hashes of the prompts that are done with: 8 bytes each, merged when they have doubled."""

    def __init__(self) -> None:
        self.merged: npt.NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self.recent: list[npt.NDArray[np.uint64]] = []

    def checked(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The same frame, once its prompts are known to be new."""
        ids = frame[c.PROMPT_ID]
        self.add(keys_of(ids.gather(run_starts(ids))))
        return frame

    def add(self, hashes: npt.NDArray[np.uint64]) -> None:
        """Passes further prompts; refuses one that has been there."""
        self.recent.append(hashes)
        _sorted_new(hashes)
        if sum(map(len, self.recent)) > len(self.merged):
            self._merge()

    def _merge(self) -> None:
        self.merged = _sorted_new(np.concatenate([self.merged, *self.recent]))
        self.recent = []

    def finish(self) -> None:
        """Compare what the last merge has not seen."""
        self._merge()


def keys_of(prompt_id: pl.Series | npt.NDArray[np.object_]) -> npt.NDArray[np.uint64]:
    """A hash per prompt, the same in every process."""
    return pl.Series(prompt_id, dtype=pl.String).hash(seed=0).to_numpy()


def _sorted_new(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    ordered = np.sort(hashes)
    if (ordered[1:] == ordered[:-1]).any():
        raise InputError(
            "the outputs of a prompt do not stand together, so the file cannot be read as a stream.",
            remedy="Sort it once with `culpa convert IN OUT.parquet`, or read it whole.",
        )
    return ordered
