"""Loss terms on token log-probabilities (torch)."""
