"""Divergences from a reference policy, estimated on sampled outputs; as functions, and as loss terms.

With d = log pi / pi_ref of what was sampled from pi:

    k1 = d      k2 = d^2 / 2      k3 = e^-d - 1 + d        E[k1] = E[k3] = KL(pi || pi_ref)

An estimate that is right in value need not be right as a loss: its gradient through the log-probabilities alone forgets
that pi also draws the sample.

| loss          | the gradient that it has on pi's own outputs                             |
|---------------|--------------------------------------------------------------------------|
| k1            | 0 in expectation: a penalty that does nothing; refused                   |
| k2            | that of KL(pi || pi_ref)                                                 |
| k3            | that of KL(pi_ref || pi): what GRPO's trainers do                        |
| kl            | that of KL(pi || pi_ref), also on outputs of an older policy             |
| chi2          | that of chi2 = E[pi / pi_ref] - 1, also on outputs of an older policy    |

References: Schulman, joschu.net/blog/kl-approx.html; chi2: Laidlaw et al., arXiv 2403.03185.
"""

from math import sqrt
from typing import Literal, get_args

import torch
from torch import Tensor

from culpa.errors import InputError, shorten
from culpa.objectives.level import MOST, Level, check_level, gathered, ratio_of, spread
from culpa.objectives.tokens import Term, TokenBatch

Kind = Literal["kl", "k2", "k3"]


def k1(log_ratio: Tensor) -> Tensor:
    """d: unbiased, of either sign. As a penalty it belongs into the reward, `culpa.signals.kl_penalty`.

    >>> k1(torch.tensor([0.5])).tolist()
    [0.5]
    """
    return log_ratio


def k2(log_ratio: Tensor) -> Tensor:
    """d^2 / 2: biased in value, never negative; its gradient is d grad log pi.

    >>> k2(torch.tensor([-2.0])).tolist()
    [2.0]
    """
    return log_ratio.square() / 2


def k3(log_ratio: Tensor) -> Tensor:
    """e^-d - 1 + d: unbiased, never negative, 0 only at d = 0; near it few digits are lost.

    >>> round(k3(torch.tensor(-0.693147)).item(), 4)
    0.3069
    """
    return torch.expm1((-log_ratio).clamp(max=MOST)) + log_ratio


def divergence(kind: Kind = "kl", *, level: Level = "token") -> Term:
    """The divergence from the reference policy as a loss term, (n, t).

    kl: r k3 in value, r d grad log pi in gradient, r = pi / pi_old held: the gradient of E_old[r k3] without its
    cancelling halves (TRL: use_bias_correction_kl). k2, k3: without r. level "token" sums the divergences of next
    tokens, whose gradient leaves out what a token does to later ones; "output" is that of whole outputs, exact with
    the reduction "sum", of more variance; "sequence" takes the mean of d over tokens, as GSPO does.

    >>> batch = TokenBatch(torch.zeros(1, 1), torch.ones(1, 1, dtype=torch.bool), logp_ref=torch.ones(1, 1))
    >>> divergence("k2")(batch, torch.zeros(1)).tolist()
    [[0.5]]
    """
    check_level(level)
    if kind not in get_args(Kind):
        known = f"Known: {', '.join(get_args(Kind))}, chi2(), sqrt_chi2()."
        remedies = {"k1": "Its gradient is 0 in expectation. Take 'kl', or kl_penalty in the signal."}
        problem = f"no loss for the divergence {shorten(kind)!r}."
        raise InputError(problem, remedy=remedies.get(kind, known))

    def term(batch: TokenBatch, _advantage: Tensor) -> Tensor:
        away = gathered(batch.from_reference, batch, level)
        if kind == "kl":
            ratio = ratio_of(gathered(batch.log_ratio, batch, level)).detach()
            pull = k2(away)
            return spread(ratio * (k3(away).detach() + pull - pull.detach()), batch, level)
        return spread(k2(away) if kind == "k2" else k3(away), batch, level)

    return term


def chi2(*, most: float = MOST) -> Term:
    """The chi2 divergence E[rho] - 1 as a loss term, rho = pi / pi_ref of the whole output; its reduction is "sum".

    r (rho - 1) with the gradient through both, r = pi / pi_old of the output: 2 rho grad log pi on pi's own outputs.
    Through rho alone it would be half of that. rho is held at e^most: an output beyond it is still pulled, by r.

    >>> batch = TokenBatch(torch.zeros(1, 1), torch.ones(1, 1, dtype=torch.bool), logp_ref=torch.full((1, 1), -1.0))
    >>> round(chi2()(batch, torch.zeros(1)).item(), 4)
    1.7183
    """

    def term(batch: TokenBatch, _advantage: Tensor) -> Tensor:
        ratio = ratio_of(gathered(batch.log_ratio, batch, "output"))
        away = gathered(batch.from_reference, batch, "output").clamp(max=most)
        return spread(ratio * torch.expm1(away), batch, "output")

    return term


def sqrt_chi2(found: float, *, most: float = MOST) -> Term:
    """The root of chi2 as a loss term: (chi2 + found) / (2 sqrt(found)), its tangent at what the whole batch has.

    A root of a mean is no mean, so `found` comes from all outputs before any micro-batch: `chi2_of`. There the value is
    sqrt(found) and the gradient that of the root. Where found is not above 0 there is nothing to pull: 0.

    >>> batch = TokenBatch(torch.zeros(1, 1), torch.ones(1, 1, dtype=torch.bool), logp_ref=torch.full((1, 1), -1.0))
    >>> round(sqrt_chi2(1.71828)(batch, torch.zeros(1)).item(), 4)
    1.3108
    """
    plain = chi2(most=most)

    def term(batch: TokenBatch, advantage: Tensor) -> Tensor:
        if not found > 0.0:
            return torch.zeros_like(batch.logp)
        return (plain(batch, advantage) + found / batch.lengths) / (2.0 * sqrt(found))

    return term


def chi2_of(log_ratio: Tensor, *, trim: float = 0.01) -> float:
    """chi2(pi || pi_ref) from log pi / pi_ref of whole outputs (n,) drawn from pi: the trimmed mean of e^d - 1.

    The share `trim` of the outputs is left out at either end; what is not finite leaves the mean, and with nothing left
    it is NaN. Trimmed it is too low rather than too high.

    >>> round(chi2_of(torch.log(torch.tensor([2.0, 1.0, 0.5, 0.5]))), 4)
    0.0
    """
    if not 0.0 <= trim < 0.5:
        raise InputError(f"trim must be from 0 to below 0.5, got {trim}.", remedy="0.01 leaves out 1% at either end.")
    values = torch.expm1(log_ratio.detach().cpu().double().flatten())
    values = values[torch.isfinite(values)].sort().values
    cut = int(trim * len(values))
    return float(values[cut : len(values) - cut].mean())
