"""What a policy will learn from a proxy where its outputs share features across prompts."""

from culpa.predictors.features import Features, Kind, features_of
from culpa.predictors.ngrams import ngram_counts, ngram_shares
from culpa.predictors.subsample import Subsample, subsample

__all__ = [
    "Features",
    "Kind",
    "Subsample",
    "features_of",
    "ngram_counts",
    "ngram_shares",
    "subsample",
]
