"""Terms on the policy's entropy: more of it, or within a band."""

from math import inf

from torch import Tensor

from culpa.errors import InputError
from culpa.objectives.level import Level, check_level, gathered, spread
from culpa.objectives.tokens import Term, TokenBatch


def entropy_bonus() -> Term:
    """-H of the next token, (n, t): a positive coefficient asks for more entropy.

    The gradient is that of H at the prefixes that were sampled; what the policy does to which prefixes come is left
    out.

    >>> import torch
    >>> batch = TokenBatch(torch.zeros(1, 1), torch.ones(1, 1, dtype=torch.bool), entropy=torch.full((1, 1), 2.0))
    >>> entropy_bonus()(batch, torch.zeros(1)).tolist()
    [[-2.0]]
    """
    return lambda batch, _advantage: -_entropy(batch)


def entropy_band(lo: float, hi: float = inf, *, level: Level = "sequence", mean: float | None = None) -> Term:
    """max(lo - H, 0) + max(H - hi, 0), (n, t): no push inside the band, a steady one outside.

    H is the mean over an output's tokens ("sequence", repeated at each), their sum ("output", its value split over
    them) or that of each token ("token"). With `mean`, the entropy of the whole batch, found before any micro-batch
    under the reduction in use: then all tokens are pushed if it lies outside, none if inside, and the value is that of
    the batch.
    Departure from the paper: whose mean H is, it does not say. Reference: G2RPO, arXiv 2604.08539.

    >>> import torch
    >>> batch = TokenBatch(torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool), entropy=torch.tensor([[0.0, 4.0]]))
    >>> entropy_band(0.5, 1.5)(batch, torch.zeros(1)).tolist()
    [[0.5, 0.5]]
    >>> entropy_band(0.5, 1.5, level="token")(batch, torch.zeros(1)).tolist()
    [[0.5, 2.5]]
    """
    check_level(level)
    if not lo <= hi:
        raise InputError(f"an entropy band from {lo} to {hi} holds nothing.", remedy="Give lo <= hi, in nats.")

    def term(batch: TokenBatch, _advantage: Tensor) -> Tensor:
        entropy = _entropy(batch)
        if mean is not None:
            slope = float(mean > hi) - float(mean < lo)
            return slope * (entropy - mean) + max(lo - mean, 0.0) + max(mean - hi, 0.0)
        held = gathered(entropy, batch, level)
        return spread((lo - held).clamp(min=0.0) + (held - hi).clamp(min=0.0), batch, level)

    return term


def _entropy(batch: TokenBatch) -> Tensor:
    if batch.entropy is None:
        problem = "a term on the entropy needs the batch's entropy, which is not there."
        raise InputError(problem, remedy="Take it of every next-token distribution, with the log-probabilities.")
    return batch.entropy
