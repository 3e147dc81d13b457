"""Measures: pure functions of arrays. Axes: p prompts, s samples, n pairs, k proxies, b bootstrap replicates."""

from culpa.metrics.accuracy import below, one_v_many_accuracy, pairwise_accuracy
from culpa.metrics.association import comoments, correlation, correlation_of, covariance, kendall, spearman
from culpa.metrics.calibration import calibration_error, calibration_error_of, preference_probability, reliability
from culpa.metrics.chance import noise_harm_aware_accuracy, shuffled_accuracy
from culpa.metrics.compare import holm, mcnemar, minimum_detectable_difference, paired_p_values, tied_sets
from culpa.metrics.groups import PairCounts, pair_counts, tied_pairs
from culpa.metrics.means import Mean, mean_interval
from culpa.metrics.resample import bca_interval, bootstrap, jackknife, percentile_interval
from culpa.metrics.rulers import characters, markdown, words
from culpa.metrics.spread import dead_groups, lone_groups, mean, spread, variance
from culpa.metrics.weights import effective_sample_size, largest_weight, pair_weights

__all__ = [
    "Mean",
    "PairCounts",
    "bca_interval",
    "below",
    "bootstrap",
    "calibration_error",
    "calibration_error_of",
    "characters",
    "comoments",
    "correlation",
    "correlation_of",
    "covariance",
    "dead_groups",
    "effective_sample_size",
    "holm",
    "jackknife",
    "kendall",
    "largest_weight",
    "lone_groups",
    "markdown",
    "mcnemar",
    "mean",
    "mean_interval",
    "minimum_detectable_difference",
    "noise_harm_aware_accuracy",
    "one_v_many_accuracy",
    "pair_counts",
    "pair_weights",
    "paired_p_values",
    "pairwise_accuracy",
    "percentile_interval",
    "preference_probability",
    "reliability",
    "shuffled_accuracy",
    "spearman",
    "spread",
    "tied_pairs",
    "tied_sets",
    "variance",
    "words",
]
