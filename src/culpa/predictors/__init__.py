"""What a policy will learn from a proxy where its outputs share features across prompts."""

from culpa.predictors.cosine import Cosine, gradient_cosine
from culpa.predictors.features import Features, features_of
from culpa.predictors.ground import Ground, forecast, ground, rehearse
from culpa.predictors.ngrams import ngram_counts, ngram_shares
from culpa.predictors.subsample import Subsample, subsample

__all__ = [
    "Cosine",
    "Features",
    "Ground",
    "Subsample",
    "features_of",
    "forecast",
    "gradient_cosine",
    "ground",
    "ngram_counts",
    "ngram_shares",
    "rehearse",
    "subsample",
]
