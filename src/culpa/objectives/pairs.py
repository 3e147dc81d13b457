"""The pair loss of Bradley and Terry, by which reward models are fitted."""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from culpa.errors import InputError


def pair_loss(
    chosen: Tensor,
    rejected: Tensor,
    *,
    margin: Tensor | float = 0.0,
    smoothing: Tensor | float = 0.0,
    center: float = 0.0,
) -> Tensor:
    """Per pair, (n,): -(1 - a) log sigmoid(d - m) - a log sigmoid(m - d) + c (r_chosen + r_rejected)^2.

    d = r_chosen - r_rejected; m: the margin by which the chosen one should lead; a: the chance that the pair is the
    wrong way round, of one number or one a pair; c: holds the scores near 0, which d alone leaves free. Adding a
    constant to both scores changes nothing where c is 0. Weights and means are the caller's. No overflow for any d.
    References: Bradley and Terry 1952; margin: Llama 2, arXiv 2307.09288; centring: Eisenstein et al., arXiv
    2312.09244.

    >>> round(pair_loss(torch.tensor([1.0]), torch.tensor([1.0])).item(), 4)
    0.6931
    """
    if chosen.shape != rejected.shape:
        problem = f"scores of chosen outputs have shape {tuple(chosen.shape)}, of rejected {tuple(rejected.shape)}."
        raise InputError(problem, remedy="Give each pair one score of either.")
    flipped = torch.as_tensor(smoothing, dtype=chosen.dtype, device=chosen.device)
    if not bool(((flipped >= 0.0) & (flipped <= 1.0)).all()):
        raise InputError("smoothing is a chance, and one is outside 0 to 1.", remedy="0 trusts every pair.")
    lead = chosen - rejected - margin
    loss = softplus(-lead) + flipped * lead
    return loss + center * (chosen + rejected).square() if center else loss
