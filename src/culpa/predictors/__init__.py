"""What a policy will learn from a proxy where its outputs share features across prompts."""

from culpa.predictors.cosine import Cosine, gradient_cosine
from culpa.predictors.features import Features, Kind, features_of
from culpa.predictors.ngrams import ngram_counts, ngram_shares
from culpa.predictors.rehearsal import feature_rehearsal
from culpa.predictors.subsample import Subsample, subsample

__all__ = [
    "Cosine",
    "Features",
    "Kind",
    "Subsample",
    "feature_rehearsal",
    "features_of",
    "gradient_cosine",
    "ngram_counts",
    "ngram_shares",
    "subsample",
]
