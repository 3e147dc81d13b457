"""How a step's groups are: which of them teach nothing, how far rewards are spread, how long outputs are."""

from typing import NamedTuple

import numpy as np

from culpa.metrics import dead_groups, lone_groups, tied_pairs, variance
from culpa.metrics.arrays import Mask
from culpa.training.watch.batch import Array, Batch


class Health(NamedTuple):
    """Figures of one step; NaN where nothing can be said."""

    prompts: int
    outputs: int
    reward: float  # mean over the outputs with a verdict
    spread: float  # root of the mean variance within groups (population): what an advantage is made of
    missing: float  # share of outputs without a verdict
    dead: float  # share of groups of two or more verdicts with max - min = 0: no gradient
    all_wrong: float  # share of groups whose verdicts are all the lowest there can be
    all_right: float  # the same of the highest
    ties: float  # share of pairs within groups with equal scores
    length: float  # mean over outputs
    clipped: float  # share of outputs that were cut off
    kl: float  # mean over outputs of log pi - log pi_ref: per output, not per token


def health(batch: Batch, bounds: tuple[float, float] | None = None) -> Health:
    """The figures of one step.

    dead = (1 / n) sum over groups of two or more verdicts 1[max = min]      never by a standard deviation of 0
    kl = mean over outputs of log pi(y) - log pi_ref(y), y drawn from pi: an unbiased estimate of KL(pi || pi_ref)

    bounds: the lowest and highest score there can be, for the shares of groups that are all wrong or all right. Not
    given, 0 and 1 if no score is outside them, else those shares are NaN. Groups of one verdict count in no share.

    >>> import numpy as np
    >>> scores = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, np.nan]])
    >>> seen = health(Batch(0, scores, np.ones((3, 2), dtype=bool)))
    >>> seen.dead, seen.all_wrong, seen.all_right, round(seen.missing, 3)
    (0.5, 0.5, 0.0, 0.167)
    """
    scores = np.where(batch.present, batch.reward, np.nan)
    several, dead = ~lone_groups(scores), dead_groups(scores)
    wrong, right = _ends(scores, several & dead, bounds)
    tied, pairs = tied_pairs(scores)
    within = variance(scores)[several]
    count = max(int(several.sum()), 1) if several.any() else np.nan
    return Health(
        prompts=len(scores),
        outputs=int(batch.present.sum()),
        reward=_mean(scores),
        spread=float(np.sqrt(within.mean())) if within.size else np.nan,
        missing=float(np.isnan(batch.reward[batch.present]).mean()),
        dead=float(dead.sum() / count),
        all_wrong=float(wrong / count),
        all_right=float(right / count),
        ties=float(tied.sum() / pairs.sum()) if pairs.sum() else np.nan,
        length=_mean(batch.length),
        clipped=_mean(batch.clipped),
        kl=_mean(batch.log_ratio),
    )


def _ends(scores: Array, dead: Mask, bounds: tuple[float, float] | None) -> tuple[float, float]:
    """How many of the dead groups stand at the lowest and at the highest score."""
    known = scores[~np.isnan(scores)]
    if bounds is None:
        if not known.size or known.min() < 0.0 or known.max() > 1.0:
            return np.nan, np.nan
        bounds = (0.0, 1.0)
    level = np.where(np.isnan(scores), -np.inf, scores).max(axis=1)[dead]
    return float((level == bounds[0]).sum()), float((level == bounds[1]).sum())


def _mean(cells: Array | None) -> float:
    known = cells[~np.isnan(cells)] if cells is not None else np.empty(0)
    return float(known.mean()) if known.size else np.nan
