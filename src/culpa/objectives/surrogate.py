"""The policy gradient's surrogate: minus the advantage times the ratio to the policy that sampled, clipped or not."""

from math import inf

import torch
from torch import Tensor

from culpa.errors import InputError
from culpa.objectives.level import Level, check_level, gathered, ratio_of, spread
from culpa.objectives.tokens import Term, TokenBatch, advantages


def policy_gradient(clip: float | None = None, *, clip_high: float | None = None, level: Level = "token") -> Term:
    """-min(r A, clip(r, 1 - clip, 1 + clip_high) A), (n, t); without a clip -r A. clip_high: as clip, if not given.

    level     r                                  value at each token
    token     pi / pi_old of the token           as above: PPO, GRPO
    sequence  exp(mean_t log pi / pi_old)        that of the output: GSPO; its reduction is "sequence"
    output    pi / pi_old of the whole output    that of the output over its tokens; its reduction is "sum": RLOO

    On the policy's own outputs (`logp_old` missing or equal to `logp`) r is 1, nothing is clipped, and every level has
    the gradient of -A sum_t log pi_t: REINFORCE. Scaling A scales it; A = 0 and no verdict give 0. Advantages of their
    own for tokens (n, t) need level "token". Where r has gone further than the clip in the direction of A, an output
    pushes no more. References: Schulman et al., arXiv 1707.06347; GSPO: arXiv 2507.18071.

    >>> mask = torch.ones(2, 1, dtype=torch.bool)
    >>> batch = TokenBatch(torch.log(torch.tensor([[0.6], [0.6]])), mask, torch.log(torch.tensor([[0.4], [0.4]])))
    >>> [round(value, 4) for value in policy_gradient(0.2)(batch, torch.tensor([1.0, -1.0]))[:, 0].tolist()]
    [-1.2, 1.5]
    """
    check_level(level)
    low, high = _bounds(clip, clip_high)

    def term(batch: TokenBatch, advantage: Tensor) -> Tensor:
        pull = advantages(batch, advantage)
        if level != "token" and pull.shape[1] != 1:
            problem = f"level {level!r} takes one advantage an output, got one for each token."
            raise InputError(problem, remedy="Take level='token', or one number an output.")
        ratio = ratio_of(gathered(batch.log_ratio, batch, level))
        return spread(-torch.minimum(ratio * pull, ratio.clamp(low, high) * pull), batch, level)

    return term


def _bounds(clip: float | None, clip_high: float | None) -> tuple[float, float]:
    """Between what the ratio is held."""
    if clip is None and clip_high is not None:
        raise InputError(f"clip_high {clip_high} without a clip.", remedy="Give both: clip=0.2, clip_high=0.28.")
    below = inf if clip is None else clip
    above = below if clip_high is None else clip_high
    for name, value in (("clip", below), ("clip_high", above)):
        if not value > 0.0:
            raise InputError(f"{name} must be positive, got {value}.", remedy="0.2 is usual; None leaves it out.")
    return 1.0 - below, 1.0 + above
