"""What can be said without a truth: where the proxies disagree, and which outputs to have judged first."""

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.errors import shorten
from culpa.metrics import pair_counts
from culpa.rollouts import Array, Rollouts
from culpa.rollouts.columns import PROMPT, RESPONSE

Index = npt.NDArray[np.signedinteger]
Masses = dict[tuple[str, str], tuple[float, float]]  # of pairs in opposite order, and of pairs that both order
SAMPLED_PROMPTS = 2000  # proxies are compared with each other on the first so many prompts
_TEXT = 200

LABEL_FIRST = {
    "prompt_id": pl.String,
    "prompt": pl.String,
    "response": pl.String,
    "disagreement": pl.Float64,
    "highest": pl.String,
    "lowest": pl.String,
    "proxy": pl.String,
    "score": pl.Float64,
    "expected": pl.Float64,
    "spread": pl.Float64,
    "gain": pl.Float64,
}
_BY_GAIN = ("proxy", "score", "expected", "spread", "gain")  # of `relabel`; null here


def disagreement(rollouts: Rollouts, prompts: int = SAMPLED_PROMPTS) -> Masses:
    """For every two proxies: mass of the pairs they order in opposite ways, and of the pairs both order.

    Of the first `prompts` prompts. The masses of chunks add up.
    """
    rows = slice(0, max(prompts, 0))
    names = list(rollouts.proxies)
    cube = np.stack([rollouts.proxies[name][rows] for name in names]) if names else np.empty((0, 0, 0))
    result: Masses = {}
    if prompts < 1:
        return result
    for place, first in enumerate(names[:-1], start=1):
        others = cube[place:]
        # Below an endless mean is every output, so what is excused is all that is not concordant: counted, not
        # got by subtraction, it is exactly 0 where no pair stands in opposite ways.
        counts = pair_counts(others, cube[place - 1], rollouts.weight[rows], np.full(others.shape[:2], np.inf))
        apart = (counts.excused - counts.excused_tied).sum(axis=1)
        both = apart + counts.concordant.sum(axis=1)
        result |= {(first, name): (float(a), float(b)) for name, a, b in zip(names[place:], apart, both, strict=True)}
    return result


def added(first: Masses, second: Masses) -> Masses:
    """Masses of two parts as one."""
    zero = (0.0, 0.0)
    return {
        pair: (
            first.get(pair, zero)[0] + second.get(pair, zero)[0],
            first.get(pair, zero)[1] + second.get(pair, zero)[1],
        )
        for pair in {**first, **second}
    }


def label_first(rollouts: Rollouts, budget: int) -> pl.DataFrame:
    """The outputs of unknown truth on which the proxies disagree most, times how likely the policy writes them.

    disagreement = weight x standard deviation over proxies of the output's rank in its prompt (0 worst, 1 best)

    A proxy without a verdict on an output, or with no second one in the prompt, has no say on it.
    """
    unknown = rollouts.present & (np.isnan(rollouts.truth) if rollouts.truth is not None else True)
    if len(rollouts.proxies) < 2 or not unknown.any() or budget < 1:
        return pl.DataFrame(schema=LABEL_FIRST)
    ranks = np.stack([_rank(score) for score in rollouts.proxies.values()])
    value = np.where(unknown, rollouts.weight * _deviation(ranks), 0.0)
    order = np.argsort(-value, axis=None, kind="stable")[:budget]
    rows, cells = np.unravel_index(order[value.ravel()[order] > 0], value.shape)
    names, there = list(rollouts.proxies), ranks[:, rows, cells]
    column = {
        "prompt_id": rollouts.prompt_id[rows].tolist(),
        "prompt": texts_at(rollouts, PROMPT, rows, cells),
        "response": texts_at(rollouts, RESPONSE, rows, cells),
        "disagreement": value[rows, cells],
        "highest": [names[int(best)] for best in np.nanargmax(there, axis=0)],
        "lowest": [names[int(worst)] for worst in np.nanargmin(there, axis=0)],
    }
    return pl.DataFrame(column | {name: [None] * len(rows) for name in _BY_GAIN}, schema=LABEL_FIRST)


def _rank(score: Array) -> Array:
    """Rank within the prompt scaled to [0, 1], ties sharing their mean rank; NaN without two verdicts to rank."""
    known = ~np.isnan(score)
    lower = (score[:, :, None] > score[:, None, :]).sum(axis=2)
    equal = (score[:, :, None] == score[:, None, :]).sum(axis=2) - 1
    number = known.sum(axis=1, keepdims=True)
    rank: Array = np.where(known & (number > 1), (lower + 0.5 * equal) / np.maximum(number - 1, 1), np.nan)
    return rank


def _deviation(ranks: Array) -> Array:
    """Standard deviation over the proxies that rank an output, (k, p, s) to (p, s); 0 where fewer than two do."""
    known = ~np.isnan(ranks)
    number = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, ranks, 0.0).sum(axis=0) / number
    deviation: Array = np.sqrt(np.square(np.where(known, ranks - centre, 0.0)).sum(axis=0) / number)
    return deviation


def texts_at(rollouts: Rollouts, name: str, rows: Index, cells: Index) -> list[str | None]:
    """Texts of some cells, cut to be shown; None where there are none."""
    if name not in rollouts.table.columns:
        return [None] * len(rows)
    place = np.full(rollouts.shape, -1)
    place[rollouts.present] = np.arange(rollouts.size)
    found = rollouts.table[name].gather(place[rows, cells])
    return [None if text is None else shorten(text, _TEXT) for text in found]


def shares(masses: Masses) -> pl.DataFrame:
    """Share of pairs that two proxies order in opposite ways, most different first."""
    rows = [(a, b, apart / both if both else None) for (a, b), (apart, both) in masses.items()]
    schema = {"proxy": pl.String, "other": pl.String, "disagreement": pl.Float64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.sort("disagreement", descending=True, nulls_last=True, maintain_order=True)
