"""What the audit reports of a proxy, as data: a name, what it says, and the function of sums that it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from culpa.rollouts import Array

Of = Callable[[Mapping[str, Array]], Array]  # sums by name, each (..., k) -> (..., k)
CALIBRATION_BINS = 10


@dataclass(frozen=True)
class Measure:
    """One column of the audit."""

    name: str
    title: str
    about: str
    value: Of
    count: str  # the sum that counts its observations
    part: str  # of `blocks.block_sums` that it needs
    chance: Of | float | None = None
    mass: str = ""  # the sum by which prompts weigh; the count's if not given

    def chance_level(self, sums: Mapping[str, Array]) -> Array:
        """What a proxy with these values but no knowledge would get, (..., k); NaN where that is not defined."""
        if callable(self.chance):
            return self.chance(sums)
        return np.full_like(sums[self.count], np.nan if self.chance is None else self.chance)


def ratio(top: Array, bottom: Array) -> Array:
    """The quotient top / bottom, NaN where bottom is 0: no observation, no number."""
    quotient: Array = np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=np.asarray(bottom) > 0)
    return quotient


def _over(bottom: str, **tops: float) -> Of:
    """A weighted sum of named sums over another."""
    return lambda sums: ratio(np.asarray(sum(factor * sums[name] for name, factor in tops.items())), sums[bottom])


def _correlation(cov: str, first: str, second: str) -> Of:
    return lambda sums: np.clip(ratio(sums[cov], np.sqrt(sums[first] * sums[second])), -1.0, 1.0)


def _calibration(sums: Mapping[str, Array]) -> Array:
    """Sum over bins of |predicted - observed|, over the number of pairs: see `culpa.metrics.calibration_error`."""
    excess = sum(np.abs(sums[f"excess{number}"]) for number in range(CALIBRATION_BINS))
    return ratio(np.asarray(excess), sums["calibration_n"])


MEASURES: tuple[Measure, ...] = (
    Measure(
        "rehearsal",
        "Truth after",
        "expected truth once the policy has been trained on the proxy up to the horizon",
        _over("rehearsed", outcome=1),
        "rehearsed",
        "outlook",
        _over("rehearsed", start=1),
    ),
    Measure(
        "hacc",
        "HAcc",
        "pairs of the policy's outputs ranked rightly, or whose worse output scores below the policy's mean",
        _over("ordered", concordant=1, excused=1),
        "ordered_pairs",
        "pairs",
        _over("ordered", shuffled_harm=1),
    ),
    Measure(
        "hacc_half",
        "HAcc, tie ½",
        "the same; a tie that is not below the mean counts a half",
        _over("ordered", concordant=1, excused=1, tied=0.5, excused_tied=-0.5),
        "ordered_pairs",
        "pairs",
    ),
    Measure(
        "acc",
        "Acc",
        "pairs of the policy's outputs that the proxy ranks as the truth does; a tie is wrong",
        _over("ordered", concordant=1),
        "ordered_pairs",
        "pairs",
        _over("ordered", shuffled_plain=1),
    ),
    Measure(
        "acc_half",
        "Acc, tie ½",
        "the same; a tie counts a half",
        _over("ordered", concordant=1, tied=0.5),
        "ordered_pairs",
        "pairs",
        0.5,
    ),
    Measure(
        "acc_halved",
        "Acc, truth tie ½",
        "the same over all pairs; those that are tied in truth, which the others leave out, count a half",
        _over("paired", concordant=1, paired=0.5, ordered=-0.5),
        "pairs",
        "pairs",
        _over("paired", shuffled_plain=1, paired=0.5, ordered=-0.5),
    ),
    Measure(
        "hacc_halved",
        "HAcc, truth tie ½",
        "harm-aware over all pairs; those that are tied in truth count a half",
        _over("paired", concordant=1, excused=1, paired=0.5, ordered=-0.5),
        "pairs",
        "pairs",
        _over("paired", shuffled_harm=1, paired=0.5, ordered=-0.5),
    ),
    Measure(
        "truth_ties",
        "Truth ties",
        "pairs of the policy's outputs that are equally good in truth",
        _over("paired", paired=1, ordered=-1),
        "pairs",
        "pairs",
    ),
    Measure(
        "best_acc",
        "Best of group",
        "groups whose best output gets a higher score than every worse one",
        _over("groups_ordered", best=1),
        "groups_ordered",
        "best",
        _over("groups_ordered", shuffled_best=1),
    ),
    Measure(
        "best_hacc",
        "Best, harm-aware",
        "the same, or every worse output scores below the policy's mean",
        _over("groups_ordered", best_harm=1),
        "groups_ordered",
        "best",
    ),
    Measure(
        "correlation",
        "Pearson",
        "correlation with the truth within prompts, pooled",
        _correlation("cov", "var_proxy", "var_truth"),
        "judged",
        "association",
        0.0,
    ),
    Measure(
        "covariance",
        "Covariance",
        "covariance with the truth within prompts, mean over prompts, in the proxy's units",
        _over("groups_judged", cov=1),
        "judged",
        "association",
        0.0,
    ),
    Measure(
        "kendall",
        "Kendall",
        "Kendall's tau-b with the truth, mean over prompts",
        _over("kendall_n", kendall=1),
        "kendall_n",
        "pairs",
        0.0,
    ),
    Measure(
        "calibration",
        "Pair ECE",
        "calibration error of sigmoid(score difference) as the chance that one output is better than another",
        _calibration,
        "calibration_n",
        "calibration",
    ),
    Measure("mean", "Mean", "expected score, mean over prompts", _over("groups_scored", mean=1), "verdicts", "scores"),
    Measure(
        "variance",
        "Variance",
        "variance within a prompt, mean over prompts",
        _over("groups_scored", variance=1),
        "verdicts",
        "scores",
    ),
    Measure(
        "spread",
        "Spread",
        "highest minus lowest score of a prompt, mean over prompts",
        _over("groups_many", spread=1),
        "groups_many",
        "scores",
    ),
    Measure(
        "dead",
        "Dead groups",
        "prompts whose outputs all have the same score: no signal",
        _over("groups_many", dead=1),
        "groups_many",
        "scores",
    ),
    Measure(
        "ties",
        "Ties",
        "pairs of outputs of one prompt with exactly the same score",
        _over("score_pairs", score_ties=1),
        "score_pairs",
        "ties",
    ),
    Measure("missing", "Missing", "outputs without a verdict", _over("cells", missing=1), "cells", "scores"),
    Measure(
        "length_correlation",
        "~ length",
        "correlation with the output's length within prompts",
        _correlation("len_cov", "len_proxy", "len_var"),
        "len_n",
        "rulers",
        0.0,
    ),
    Measure(
        "markdown_correlation",
        "~ markdown",
        "correlation with the number of markdown marks within prompts",
        _correlation("md_cov", "md_proxy", "md_var"),
        "md_n",
        "rulers",
        0.0,
    ),
)
GAIN = Measure(
    "gain",
    "Gain",
    "expected truth after training on the proxy, minus that before",
    _over("rehearsed", outcome=1, start=-1),
    "rehearsed",
    "outlook",
    0.0,
)  # for the findings: it is no column
BY_NAME: Mapping[str, Measure] = {measure.name: measure for measure in MEASURES}
PARTS = frozenset(measure.part for measure in MEASURES)
