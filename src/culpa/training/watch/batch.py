"""What one step of a run drew, in groups: the record that a watch looks at."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd

import numpy as np
import numpy.typing as npt

from culpa.errors import InputError
from culpa.rollouts import Rollouts

Array = npt.NDArray[np.float64]
TOKENS, CHARACTERS = "tokens", "characters"
_ENDED = "ended"  # column of our own rollouts: whether an output came to its end


@dataclass(frozen=True, eq=False)
class Batch:
    """Outputs of one step, (p, s); NaN = no verdict, not known, or padding. A group is the outputs of one prompt.

    >>> Batch(3, np.array([[1.0, 0.0]]), np.ones((1, 2), dtype=bool)).step
    3
    """

    step: int
    reward: Array  # what the policy is trained on
    present: npt.NDArray[np.bool_]  # False = padding
    truth: Array | None = None
    length: Array | None = None
    counted: str = TOKENS  # what `length` counts
    clipped: Array | None = None  # 1 = cut off before its end, 0 = not
    log_ratio: Array | None = None  # log pi(y) - log pi_ref(y), summed over tokens, on outputs drawn from pi

    def __post_init__(self) -> None:
        """Refuse arrays that are not of one shape."""
        shape = self.present.shape
        if len(shape) != 2 or not self.present.any():
            raise InputError(f"a step needs outputs of shape (p, s), got {shape}.", remedy="Give one row a prompt.")
        for name in ("reward", "truth", "length", "clipped", "log_ratio"):
            cells = getattr(self, name)
            if cells is not None and cells.shape != shape:
                raise InputError(f"{name!r} has shape {cells.shape}, not {shape}.", remedy="Give one for each output.")


def of_rollouts(rollouts: Rollouts, step: int, reward: str) -> Batch:
    """A step's record as a batch; without lengths in tokens the characters of the responses are counted.

    >>> rollouts = Rollouts(
    ...     np.array(["a"], dtype=object), np.ones((1, 1), dtype=bool), np.ones((1, 1)), {"rm": np.array([[2.0]])}
    ... )
    >>> of_rollouts(rollouts, 7, "rm").reward.tolist()
    [[2.0]]
    """
    length, counted = rollouts.length, TOKENS
    if length is None and "response" in rollouts.table.columns:
        length, counted = np.full(rollouts.shape, np.nan), CHARACTERS
        length[rollouts.present] = rollouts.table["response"].str.len_chars().fill_null(0).to_numpy()
    clipped = 1.0 - rollouts.column(_ENDED) if _ENDED in rollouts.table.columns else None
    scores = rollouts.proxies[reward]
    return Batch(step, scores, rollouts.present, rollouts.truth, length, counted, clipped)


def group_starts(prompts: Sequence[object], size: int | None = None) -> list[int]:
    """Where groups of neighbours with equal prompts start, and the end.

    size: outputs of a group; not given, the largest number that divides every run of equal prompts, and where that is
    1 each run is a group: no id says where a group ends and the same prompt begins anew.

    >>> group_starts(["a", "a", "b", "b", "b", "b"]), group_starts(["a", "a", "b"])
    ([0, 2, 4, 6], [0, 2, 3])
    """
    changes = [place for place in range(1, len(prompts)) if prompts[place] != prompts[place - 1]]
    edges = [0, *changes, len(prompts)]
    common = size or gcd(*(end - start for start, end in pairwise(edges)))
    if common == 1 and size is None:
        return edges
    starts = list(range(0, len(prompts), common))
    if len(prompts) % common or any(edge % common for edge in edges):
        problem = f"the outputs are not neighbours in groups of {common} with one prompt each."
        raise InputError(problem, remedy="Is the group size that of the trainer?")
    return [*starts, len(prompts)]


def grouped(values: Sequence[float | None], starts: Sequence[int]) -> Array:
    """One number for each output as (p, s), padded with NaN; `None` is NaN.

    >>> grouped([1.0, None, 2.0], [0, 2, 3]).tolist()
    [[1.0, nan], [2.0, nan]]
    """
    flat = np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
    sizes = np.diff(np.asarray(starts))
    cells = np.full((len(sizes), int(sizes.max())), np.nan)
    cells[np.arange(cells.shape[1]) < sizes[:, None]] = flat
    return cells
