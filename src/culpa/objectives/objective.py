"""A loss: named terms with coefficients, and the reduction that all of them share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import NamedTuple

import torch
from torch import Tensor

from culpa.errors import InputError
from culpa.objectives.reduce import Denominator, Reduction, denominator, reduce
from culpa.objectives.tokens import Term, TokenBatch, counted


class Loss(NamedTuple):
    """What outputs add to the loss: their sum with a gradient, and each term's own share without its coefficient."""

    value: Tensor
    parts: dict[str, Tensor]


@dataclass(frozen=True)
class Objective:
    """sum over terms of coefficient x term, reduced: `terms` maps a name to (coefficient, term).

    Two calls: `denominator` on the outputs of a whole batch, or on parts of it whose denominators are added, then the
    objective on each micro-batch. The losses of the parts add up to that of the batch, and so do their gradients.

    >>> from culpa.objectives.reduce import reduction
    >>> from culpa.objectives.surrogate import policy_gradient
    >>> batch = TokenBatch(torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool))
    >>> advantage = torch.tensor([1.0, float("nan")])
    >>> objective = Objective({"policy": (1.0, policy_gradient())}, reduction("token"))
    >>> by = objective.denominator(batch.mask, advantage)
    >>> by.size, float(objective(batch, advantage, by).value)
    (3.0, -1.0)
    """

    terms: Mapping[str, tuple[float, Term]]
    over: Reduction = field(default=Reduction("token"))

    def __post_init__(self) -> None:
        """Refuse a loss of nothing, and coefficients that are no numbers."""
        if not self.terms:
            raise InputError("an objective needs at least one term.", remedy="policy_gradient() is one.")
        for name, (coefficient, _term) in self.terms.items():
            if not isfinite(coefficient):
                raise InputError(f"the coefficient of {name!r} is {coefficient}.", remedy="Give a finite number.")

    def denominator(self, mask: Tensor, advantage: Tensor, weights: Tensor | None = None) -> Denominator:
        """What these outputs count in the denominator: (n, t) mask, advantages, (n,) weights. No verdict: nothing."""
        return denominator(counted(mask, advantage), self.over, weights)

    def __call__(self, batch: TokenBatch, advantage: Tensor, by: Denominator, weights: Tensor | None = None) -> Loss:
        """What these outputs, a micro-batch, add to the loss; with the denominator of the whole batch."""
        if by.over != self.over:
            problem = f"the denominator is one of {by.over.kind}, the objective's reduction {self.over.kind}."
            raise InputError(problem, remedy="Take objective.denominator(...).")
        known = batch.counting(counted(batch.mask, advantage))
        parts = {
            name: reduce(term(known, advantage), known.mask, by, weights) for name, (_, term) in self.terms.items()
        }
        shares = [coefficient * parts[name] for name, (coefficient, _) in self.terms.items()]
        return Loss(torch.stack(shares).sum(), {name: part.detach() for name, part in parts.items()})
