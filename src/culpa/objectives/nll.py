"""Likelihood terms: outputs that are imitated, each as much as it counts."""

from collections.abc import Callable

from torch import Tensor

from culpa.objectives.tokens import Term, TokenBatch, advantages

Weigh = Callable[[TokenBatch, Tensor], Tensor]


def weighted_nll(weigh: Weigh | None = None) -> Term:
    """-w log pi of every token, (n, t). `weigh(batch, advantage)` gives w, (n,) or (n, t); without it, 1: imitation.

    No ratio and no clip: for outputs that are not the policy's own (a reference answer), or that must not be clipped
    with the rest. On the policy's own outputs the gradient is that of `policy_gradient` with w as the advantage. The
    gradient does not go through w; a NaN in w counts 0.

    >>> import torch
    >>> batch = TokenBatch(torch.full((2, 1), -1.0), torch.ones(2, 1, dtype=torch.bool))
    >>> weighted_nll(lambda batch, advantage: advantage.clamp(min=0.0))(batch, torch.tensor([2.0, -3.0])).tolist()
    [[2.0], [0.0]]
    """

    def term(batch: TokenBatch, advantage: Tensor) -> Tensor:
        if weigh is None:
            return -batch.logp
        return -advantages(batch, weigh(batch, advantage)) * batch.logp

    return term
