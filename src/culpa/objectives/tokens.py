"""What every loss term reads: log-probabilities of sampled tokens, and which of them count.

Axes: n outputs, t tokens, padded on the right or anywhere: the mask says where a token is.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from culpa.errors import InputError

Term = Callable[["TokenBatch", Tensor], Tensor]
"""(batch, advantage) -> (n, t) values, not yet reduced: `culpa.objectives.reduce` makes one number of them.

The advantage is (n,), or (n, t) where each token has its own. NaN = no verdict.
"""


@dataclass(frozen=True, eq=False)
class TokenBatch:
    """Sampled outputs under the policy that trains, token by token; all fields are (n, t).

    What stands where the mask is false is never read, and no gradient goes there: it may be NaN. Log-probabilities are
    at the sampling temperature. What this cannot check: that the outputs were drawn from `logp_old`.

    >>> batch = TokenBatch(torch.tensor([[-1.0, float("nan")]]), torch.tensor([[True, False]]))
    >>> batch.logp.tolist(), batch.lengths.tolist()
    ([[-1.0, 0.0]], [[1.0]])
    """

    logp: Tensor  # with a gradient
    mask: Tensor  # bool; False = padding
    logp_old: Tensor | None = None  # under the policy that sampled; None: it is the one that trains
    logp_ref: Tensor | None = None  # under the policy that it is held to
    entropy: Tensor | None = None  # of the next-token distribution, with a gradient, nats

    def __post_init__(self) -> None:
        """Refuse arrays that do not lie over one another; put 0 where no token is."""
        if self.logp.ndim != 2:
            problem = f"log-probabilities must be (n, t), got {tuple(self.logp.shape)}."
            raise InputError(problem, remedy="Give a row an output.")
        if self.mask.dtype != torch.bool:
            raise InputError(f"the mask must be of booleans, got {self.mask.dtype}.", remedy="mask.bool().")
        for name in ("mask", "logp_old", "logp_ref", "entropy"):
            given = getattr(self, name)
            if given is not None and given.shape != self.logp.shape:
                problem = f"{name} has shape {tuple(given.shape)}, logp {tuple(self.logp.shape)}."
                raise InputError(problem, remedy="One number for each token of the same outputs.")
        for name in ("logp", "logp_old", "logp_ref", "entropy"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, torch.where(self.mask, given, torch.zeros_like(given)))

    @property
    def lengths(self) -> Tensor:
        """Counted tokens of each output, (n, 1), and 1 for an output without any: divisors."""
        return self.mask.sum(dim=1, keepdim=True).clamp(min=1).to(self.logp.dtype)

    @property
    def log_ratio(self) -> Tensor:
        """The log-ratio log pi / pi_old, (n, t): 0 with the gradient of `logp` where nothing is older."""
        return self.logp - (self.logp.detach() if self.logp_old is None else self.logp_old.detach())

    @property
    def from_reference(self) -> Tensor:
        """The log-ratio log pi / pi_ref, (n, t)."""
        if self.logp_ref is None:
            problem = "a divergence from the reference needs logp_ref, which is not there."
            raise InputError(
                problem, remedy="Score the same outputs under the reference policy, or leave the term out."
            )
        return self.logp - self.logp_ref.detach()

    def rows(self, index: Tensor | slice) -> "TokenBatch":
        """Some of the outputs: a micro-batch."""
        old, ref, entropy = (None if x is None else x[index] for x in (self.logp_old, self.logp_ref, self.entropy))
        return TokenBatch(self.logp[index], self.mask[index], old, ref, entropy)

    def counting(self, mask: Tensor) -> "TokenBatch":
        """The same outputs where only the tokens of this mask count."""
        return replace(self, mask=mask)


def counted(mask: Tensor, advantage: Tensor) -> Tensor:
    """The tokens that count, (n, t): those of the mask whose advantage is known.

    An output without a verdict leaves the loss *and* its denominator. (TRL sets its advantage to 0 and counts it: the
    others then push less.)

    >>> counted(torch.ones(2, 2, dtype=torch.bool), torch.tensor([1.0, float("nan")])).tolist()
    [[True, True], [False, False]]
    """
    return mask & _known(_over_tokens(advantage, mask.shape))


def advantages(batch: TokenBatch, advantage: Tensor) -> Tensor:
    """The advantage of every token, (n, t) or (n, 1), without a gradient; 0 where it is not known."""
    wide = _over_tokens(advantage, batch.logp.shape).detach().to(batch.logp.dtype)
    return torch.where(_known(wide), wide, torch.zeros_like(wide))


def _known(wide: Tensor) -> Tensor:
    if bool(torch.isinf(wide).any()):
        raise InputError("an advantage is infinite.", remedy="Where there is no verdict, give NaN.")
    return ~torch.isnan(wide)


def _over_tokens(advantage: Tensor, shape: torch.Size) -> Tensor:
    if advantage.shape == shape[:1]:
        return advantage[:, None]
    if advantage.shape == shape:
        return advantage
    problem = f"advantages must be {tuple(shape[:1])} or {tuple(shape)}, got {tuple(advantage.shape)}."
    raise InputError(problem, remedy="One number an output, or one for each of its tokens.")
