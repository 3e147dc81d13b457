"""From values of tokens to one number: one reducer, with the denominator of the whole batch as an argument.

    loss = sum over micro-batches and processes of   sum_i w_i n_i / D,   D counted once over all of them

| kind         | n_i                       | D                | known as                                       |
|--------------|---------------------------|------------------|------------------------------------------------|
| token        | sum_t v_it                | sum_i w_i t_i    | TRL dapo (and bnpo, where D is a micro-batch's) |
| sequence     | sum_t v_it / t_i          | sum_i w_i        | GRPO, GSPO                                     |
| constant:L   | sum_t v_it                | L sum_i w_i      | Dr. GRPO                                       |
| sum          | sum_t v_it                | sum_i w_i        | REINFORCE, RLOO: an output is one action       |

Sums are over counted tokens and over outputs that have any; t_i counts them; w_i is 1 unless weights are given. A mean
of micro-batch means is another number: it depends on how the batch was cut.
"""

from dataclasses import dataclass, replace
from math import inf
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from culpa.errors import InputError, shorten


class Reduction(NamedTuple):
    """Over what a loss is a mean. `length` is the L of "constant"."""

    kind: Literal["token", "sequence", "constant", "sum"]
    length: float = 1.0


def reduction(text: str) -> Reduction:
    """A reduction by its name: "token", "sequence", "sum", "constant:512".

    >>> reduction("constant:512")
    Reduction(kind='constant', length=512.0)
    """
    name, colon, number = text.strip().lower().partition(":")
    if name == "token" and not colon:
        return Reduction("token")
    if name == "sequence" and not colon:
        return Reduction("sequence")
    if name == "sum" and not colon:
        return Reduction("sum")
    if name == "constant" and number.isdecimal() and int(number) > 0:
        return Reduction("constant", float(number))
    problem = f"no reduction is called {shorten(text)!r}."
    raise InputError(problem, remedy="Known: token, sequence, sum, constant:LENGTH.")


@dataclass(frozen=True)
class Denominator:
    """What the sums of a whole batch are divided by. Those of its parts add up: chunks here, processes elsewhere.

    >>> mask = torch.ones(2, 3, dtype=torch.bool)
    >>> (denominator(mask, "token") + denominator(mask, "token")).size
    12.0
    """

    over: Reduction
    size: float

    def __post_init__(self) -> None:
        """Refuse a number that nothing can be divided by."""
        if not 0.0 <= self.size < inf:
            raise InputError(f"a denominator must be a number from 0, got {self.size}.", remedy="Weights from 0.")

    def __add__(self, other: "Denominator") -> "Denominator":
        """The denominator of both parts together."""
        if self.over != other.over:
            problem = f"denominators of {self.over.kind} and {other.over.kind} do not add up."
            raise InputError(problem, remedy="One reduction, of one length, for all parts of a batch.")
        return replace(self, size=self.size + other.size)

    def averaged(self, processes: int) -> "Denominator":
        """For trainers that take the mean of the processes' gradients, not their sum: the size of one part of them.

        `self` is that of the whole batch, over all processes.
        """
        return replace(self, size=self.size / processes)


def denominator(mask: Tensor, over: Reduction | str, weights: Tensor | None = None) -> Denominator:
    """The denominator of these outputs, from the tokens that count (n, t) and the outputs' weights (n,).

    Outputs without a verdict leave it by the mask: `counted(mask, advantage)`. So do outputs without a token.

    >>> mask = torch.tensor([[True, True], [True, False], [False, False]])
    >>> [denominator(mask, kind).size for kind in ("token", "sequence", "sum", "constant:8")]
    [3.0, 2.0, 2.0, 16.0]
    """
    over = reduction(over) if isinstance(over, str) else over
    tokens = mask.sum(dim=1).cpu().double()
    share = _weights(weights, mask).cpu().double()
    if over.kind == "token":
        return Denominator(over, float((share * tokens).sum()))
    return Denominator(over, float((share * (tokens > 0)).sum()) * over.length)


def reduce(values: Tensor, mask: Tensor, by: Denominator, weights: Tensor | None = None) -> Tensor:
    """What these outputs, a micro-batch, add to the loss: a scalar with a gradient. The parts of a batch add up to it.

    values: (n, t); mask: the tokens that count, as for the denominator. Where nothing counts, here or in the whole
    batch, this is 0 without a push.

    >>> values = torch.tensor([[1.0, 3.0], [5.0, 0.0]])
    >>> mask = torch.tensor([[True, True], [True, False]])
    >>> [float(reduce(values, mask, denominator(mask, kind))) for kind in ("token", "sequence", "sum")]
    [3.0, 3.5, 4.5]
    """
    if values.shape != mask.shape:
        problem = f"values have shape {tuple(values.shape)}, the mask {tuple(mask.shape)}."
        raise InputError(problem, remedy="A term gives one value for each token.")
    rows = torch.where(mask, values, torch.zeros_like(values)).sum(dim=1)
    if by.over.kind == "sequence":
        rows = rows / mask.sum(dim=1).clamp(min=1)
    return (rows * _weights(weights, mask).to(rows.dtype)).sum() / (by.size or 1.0)


def _weights(weights: Tensor | None, mask: Tensor) -> Tensor:
    if weights is None:
        return torch.ones(mask.shape[0], device=mask.device)
    if weights.shape != mask.shape[:1]:
        problem = f"weights must be {tuple(mask.shape[:1])}, got {tuple(weights.shape)}."
        raise InputError(problem, remedy="One weight for each output.")
    if not bool((torch.isfinite(weights) & (weights >= 0)).all()):
        raise InputError("a weight is negative or no number.", remedy="0 leaves an output out.")
    return weights.detach()
