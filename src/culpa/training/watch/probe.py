"""A step's proxy against the truth, on the outputs that were judged: does the one still follow the other?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from culpa.errors import InputError
from culpa.metrics import below, comoments, correlation_of, lone_groups, mean, pair_counts, spearman, variance
from culpa.training.watch.batch import Array, Batch

LEAST = 4  # probes that a trend needs


class Probe(NamedTuple):
    """Proxy and truth on the judged outputs of one step; NaN where nothing can be said."""

    prompts: int  # with two or more judged outputs
    outputs: int  # judged, in those prompts
    reward: float  # mean over judged outputs
    truth: float
    truth_error: float  # standard error of that mean, over prompts
    reward_spread: float  # root of the mean variance within prompts
    truth_spread: float
    accuracy: float  # share of pairs within prompts ordered as the truth does; a tie of the proxy counts a half
    spearman: float  # mean over prompts
    correlation: float  # within prompts, pooled: the sign of the first-order change of the truth
    harmful: float  # share of outputs above the prompt's mean by the proxy and below it by the truth
    push: float  # share of all upward push that goes to those


def probe(batch: Batch) -> Probe | None:
    """Proxy against truth on the outputs of a step that have both; None where no prompt has two.

    harmful = (1 / n) sum 1[R > mean R and G < mean G]               outputs of which training makes more, to no good
    push = sum over harmful A / sum over all A > 0, A = R - mean R   means of the prompt's judged outputs

    Both are 0 for a proxy that puts no output on the wrong side of the mean, whatever its order elsewhere: an output
    ranked wrongly below the mean is repelled (condition N1), one wrongly above it attracts (H1).
    The correlation has the sign of d truth / d step under REINFORCE, to first order, where outputs share nothing.

    >>> reward, truth = np.array([[3.0, 2.0, 0.0, 0.0]]), np.array([[0.0, 1.0, 0.2, 0.1]])
    >>> seen = probe(Batch(0, reward, np.ones((1, 4), dtype=bool), truth))
    >>> seen.harmful, round(seen.push, 3)
    (0.25, 0.7)
    """
    if batch.truth is None:
        return None
    known = batch.present & ~np.isnan(batch.reward) & ~np.isnan(batch.truth)
    rows = ~lone_groups(np.where(known, batch.reward, np.nan))
    if not rows.any():
        return None
    reward = np.where(known, batch.reward, np.nan)[rows]
    truth = np.where(known, batch.truth, np.nan)[rows]
    middle, centre = mean(reward), mean(truth)
    above = below(-reward, -middle[:, None])
    harmful = above & below(truth, centre[:, None])
    upward = np.where(above, reward - middle[:, None], 0.0)
    ranks = spearman(reward, truth)
    return Probe(
        prompts=len(reward),
        outputs=int(known[rows].sum()),
        reward=float(np.nanmean(reward)),
        truth=float(np.nanmean(truth)),
        truth_error=float(centre.std(ddof=1) / np.sqrt(len(centre))) if len(centre) > 1 else np.nan,
        reward_spread=float(np.sqrt(variance(reward).mean())),
        truth_spread=float(np.sqrt(variance(truth).mean())),
        accuracy=_accuracy(reward, truth, middle),
        spearman=float(ranks[~np.isnan(ranks)].mean()) if (~np.isnan(ranks)).any() else np.nan,
        correlation=float(correlation_of(comoments(reward, truth).sum(axis=0))),
        harmful=float(harmful.sum() / known[rows].sum()),
        push=float(upward[harmful].sum() / upward.sum()) if upward.sum() > 0 else np.nan,
    )


def _accuracy(reward: Array, truth: Array, middle: Array) -> float:
    """Over all pairs of all prompts with two different truths."""
    counts = pair_counts(reward[None], truth, np.where(np.isnan(reward), 0.0, 1.0), middle[None])
    ordered = counts.ordered.sum()
    right = counts.concordant.sum() + 0.5 * counts.tied.sum()
    return float(right / ordered) if ordered > 0 else np.nan


class Trend(NamedTuple):
    """Slopes per step over the last probes, each with an interval; the gap is reward minus truth, in spreads."""

    probes: int
    reward: float
    reward_low: float
    reward_high: float
    truth: float
    truth_low: float
    truth_high: float
    gap: float
    gap_low: float
    gap_high: float

    @property
    def over_optimised(self) -> bool:
        """Whether the proxy rises while the truth falls, each interval on its side of 0.

        >>> Trend(8, 0.1, 0.05, 0.15, -0.1, -0.2, -0.01, 0.2, 0.1, 0.3).over_optimised
        True
        """
        return self.reward_low > 0 and self.truth_high < 0


def trend(steps: Sequence[int], probes: Sequence[Probe], *, level: float = 0.95) -> Trend:
    """Least-squares slopes of reward, truth and their gap over the given probes.

    slope = sum (t - mean t)(x - mean x) / sum (t - mean t)^2
    interval = slope -+ q sqrt(sum residual^2 / (n - 2) / sum (t - mean t)^2), q of Student's t with n - 2 degrees

    The gap is R / sd_R - G / sd_G, spreads within prompts, means over the probes. Where a trend bends the residuals
    are larger, and so is the interval. NaN for fewer than 4 probes.

    >>> flat = Probe(4, 16, 0.0, 1.0, 0.1, 1.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0)
    >>> rising = [flat._replace(reward=0.5 * step, truth=1.0 - 0.25 * step) for step in range(6)]
    >>> seen = trend(range(6), rising)
    >>> round(seen.reward, 6), round(seen.truth, 6), seen.over_optimised
    (0.5, -0.25, True)
    """
    if len(steps) != len(probes):
        raise InputError(f"{len(steps)} steps for {len(probes)} probes.", remedy="Give one step for each probe.")
    reward = np.array([one.reward for one in probes], dtype=np.float64)
    truth = np.array([one.truth for one in probes], dtype=np.float64)
    sizes = [_mean_or_nan([getattr(one, name) for one in probes]) for name in ("reward_spread", "truth_spread")]
    gap = reward / sizes[0] - truth / sizes[1] if all(size > 0 for size in sizes) else np.full(len(reward), np.nan)
    at = np.asarray(steps, dtype=np.float64)
    ends = [slope_interval(at, values, level) for values in (reward, truth, gap)]
    return Trend(len(probes), *ends[0], *ends[1], *ends[2])


def slope_interval(at: Array, values: Array, level: float) -> tuple[float, float, float]:
    """The least-squares slope of values over places, (n,) each, and the ends of its interval."""
    slope, error, freedom = slope_of(at, values)
    if not freedom:
        return np.nan, np.nan, np.nan
    from scipy.special import stdtrit  # noqa: PLC0415 - only where there is a trend

    reach = float(stdtrit(freedom, (1.0 + level) / 2.0)) * error
    return slope, slope - reach, slope + reach


def slope_of(at: Array, values: Array) -> tuple[float, float, int]:
    """Slope, its standard error and the degrees of freedom; 0 degrees where there are too few places.

    >>> slope_of(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0, 3.0]))
    (1.0, 0.0, 2)
    """
    apart = at - at.mean() if len(at) else at
    total = float((apart**2).sum())
    if len(at) < LEAST or total == 0.0 or not np.isfinite(values).all():
        return np.nan, np.nan, 0
    risen = values - values.mean()
    slope = float((apart * risen).sum() / total)
    rest = float(((risen - slope * apart) ** 2).sum())
    return slope, float(np.sqrt(rest / (len(at) - 2) / total)), len(at) - 2


def _mean_or_nan(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else np.nan
