"""One chunk of rollouts to sums: every number of the audit that adds up over prompts."""

from collections.abc import Collection, Mapping

import numpy as np

from culpa.audit.blocks import Beside, block_sums
from culpa.audit.measures import PARTS
from culpa.audit.sums import Sums
from culpa.rollouts import Array, Rollouts
from culpa.rollouts.order import keys_of

_BLOCK_CELLS = 1 << 18  # proxies x samples x prompts worked on together: 2 MB an array


def collect(
    rollouts: Rollouts, scores: Mapping[str, Array], rulers: Mapping[str, Array], parts: Collection[str] = PARTS
) -> Sums:
    """Sums of one chunk. scores: name -> (p, s), the proxies and what is judged beside them; rulers: "len", "md"."""
    prompts, samples = rollouts.shape
    step = max(1, _BLOCK_CELLS // (samples * len(scores)))

    def block(start: int) -> dict[str, Array]:
        rows = slice(start, start + step)
        cube = np.stack([_turned(score, rows) for score in scores.values()])
        truth = None if rollouts.truth is None else _turned(rollouts.truth, rows)
        turned = {name: _turned(values, rows) for name, values in rulers.items()}
        return block_sums(cube, Beside(_turned(rollouts.weight, rows), rollouts.present[rows].T, truth, turned), parts)

    sums = block(0)
    table = np.empty((len(sums), len(scores), prompts))
    for start in range(0, prompts, step):
        sums = block(start) if start else sums
        for row, values in zip(table, sums.values(), strict=True):
            row[:, start : start + step] = values
    return Sums(tuple(sums), table, tuple(scores), prompts, keys_of(rollouts.prompt_id))


def _turned(values: Array, rows: slice) -> Array:
    return np.ascontiguousarray(values[rows].T)
