"""At which level a log-ratio is read: token by token, the output's mean, or the whole output."""

from typing import Literal, get_args

import torch
from torch import Tensor

from culpa.errors import InputError, shorten
from culpa.objectives.tokens import TokenBatch

Level = Literal["token", "sequence", "output"]

MOST = 40.0  # the log of a ratio; in float32 the product of two exponentials is still a number


def check_level(level: str) -> None:
    """Refuse any other word."""
    if level not in get_args(Level):
        problem = f"a level is one of {', '.join(get_args(Level))}, got {shorten(level)!r}."
        raise InputError(problem, remedy="token is PPO's, sequence GSPO's, output that of the whole probability.")


def gathered(values: Tensor, batch: TokenBatch, level: Level) -> Tensor:
    """Log-ratios at a level: (n, t) themselves, or (n, 1) their mean ("sequence") or sum ("output") over tokens.

    They are 0 where no token is, as all that a batch gives.

    >>> both = TokenBatch(torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool))
    >>> gathered(torch.tensor([[1.0, 2.0]]), both, "sequence").tolist()
    [[1.5]]
    """
    if level == "token":
        return values
    whole = values.sum(dim=1, keepdim=True)
    return whole / batch.lengths if level == "sequence" else whole


def spread(values: Tensor, batch: TokenBatch, level: Level) -> Tensor:
    """Back to tokens, (n, t): an output's number is repeated ("sequence"), or split evenly ("output").

    So on the policy's own outputs a function of the ratio has the same gradient at every level, under every reduction:
    d/dtheta of sum_t of it is f'(1) sum_t d log pi_t / d theta.

    >>> both = TokenBatch(torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool))
    >>> spread(torch.tensor([[3.0]]), both, "output").tolist()
    [[1.5, 1.5]]
    """
    if level == "output":
        values = values / batch.lengths
    return values.expand(batch.logp.shape)


def ratio_of(log_ratio: Tensor, most: float = MOST) -> Tensor:
    """The exponential of a log-ratio; above `most` it stays there, without a gradient."""
    return torch.exp(log_ratio.clamp(max=most))
