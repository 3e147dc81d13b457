"""Language models: sampling, log-probabilities, features, scores by reward models."""
