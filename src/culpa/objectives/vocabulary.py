"""Next-token cross-entropy with a reward in it: how peaked a policy is before it is trained further."""

import torch
from torch import Tensor

from culpa.errors import InputError


def shaped_xent(
    logits: Tensor,
    target: Tensor,
    *,
    beta: float = 0.0,
    lam_head: float = 0.0,
    lam_tail: float = 0.0,
    k: int = 100,
) -> Tensor:
    """Per token, (...): -sum_a w_a log pi(a) with w held,   w_target = (1 - pi)^beta,   w_a = pi(a) lambda(a) else.

    logits: (..., v); target: (...) token ids. lambda is `lam_head` for the wrong tokens among the k likeliest of the
    policy, `lam_tail` for the others. It is the exact policy gradient, over all tokens, of the reward
    (1 - pi)^beta / pi for the target and lambda for a wrong one: the logits move along w - pi sum w. All 0 is
    cross-entropy. beta < 0 sharpens, beta > 0 spreads (the paper: -0.25, 0.5); lam_tail = -0.1 takes from the tail.
    The value is a carrier: read the cross-entropy for the fit.

    Departures from the paper: none known; ties at the k-th place are torch's. Reference: arXiv 2512.22955.

    >>> logits, target = torch.tensor([[0.0, 0.0]]), torch.tensor([1])
    >>> round(shaped_xent(logits, target).item(), 4)
    0.6931
    """
    if logits.shape[:-1] != target.shape:
        problem = f"targets have shape {tuple(target.shape)}, logits {tuple(logits.shape)}."
        raise InputError(problem, remedy="One target for each row of logits.")
    if k < 1:
        raise InputError(f"the head needs at least 1 token, got k = {k}.", remedy="The paper takes 100.")
    logp = torch.log_softmax(logits, dim=-1)
    spot = target[..., None]
    right = logp.gather(-1, spot)
    rest = (-torch.expm1(right.detach())).clamp(min=torch.finfo(logits.dtype).eps)
    loss = -(rest.pow(beta) * right)
    if lam_head or lam_tail:
        held = logp.detach()
        head = held.topk(min(k, held.shape[-1]), dim=-1).indices
        reward = torch.full_like(held, lam_tail).scatter(-1, head, lam_head).scatter(-1, spot, 0.0)
        weight = reward * held.exp()
        loss = loss - (weight * logp.masked_fill(weight == 0.0, 0.0)).sum(dim=-1, keepdim=True)
    return loss.squeeze(-1)
