"""Loss terms on token log-probabilities (torch).

Axes: n outputs, t tokens, v tokens of the vocabulary. A term gives a value for each token, one reducer makes a number.
"""

from culpa.objectives.divergence import chi2, chi2_of, divergence, k1, k2, k3, sqrt_chi2
from culpa.objectives.entropy import entropy_band, entropy_bonus
from culpa.objectives.nll import weighted_nll
from culpa.objectives.objective import Loss, Objective
from culpa.objectives.pairs import pair_loss
from culpa.objectives.presets import objective_of
from culpa.objectives.reduce import Denominator, Reduction, denominator, reduce, reduction
from culpa.objectives.surrogate import policy_gradient
from culpa.objectives.tokens import Term, TokenBatch, counted
from culpa.objectives.vocabulary import shaped_xent

__all__ = [
    "Denominator",
    "Loss",
    "Objective",
    "Reduction",
    "Term",
    "TokenBatch",
    "chi2",
    "chi2_of",
    "counted",
    "denominator",
    "divergence",
    "entropy_band",
    "entropy_bonus",
    "k1",
    "k2",
    "k3",
    "objective_of",
    "pair_loss",
    "policy_gradient",
    "reduce",
    "reduction",
    "shaped_xent",
    "sqrt_chi2",
    "weighted_nll",
]
