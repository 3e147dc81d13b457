"""What a batch holds: padding is never read, outputs without a verdict leave, messages."""

import pytest
import torch
from tests.objectives.tiny import random_batch
from torch import tensor

from culpa import InputError
from culpa.objectives import (
    TokenBatch,
    chi2,
    counted,
    denominator,
    divergence,
    entropy_band,
    entropy_bonus,
    policy_gradient,
    reduce,
    sqrt_chi2,
    weighted_nll,
)

NAN, INF = torch.nan, torch.inf
TERMS = {
    "policy": policy_gradient(0.2),
    "policy of sequences": policy_gradient(0.2, level="sequence"),
    "policy of outputs": policy_gradient(0.2, level="output"),
    "kl": divergence("kl"),
    "kl of outputs": divergence("kl", level="output"),
    "k2": divergence("k2"),
    "k3": divergence("k3", level="sequence"),
    "chi2": chi2(),
    "root of chi2": sqrt_chi2(0.7),
    "entropy": entropy_bonus(),
    "band": entropy_band(0.3, 0.4),
    "band of tokens": entropy_band(0.3, 0.4, level="token"),
    "band of the batch": entropy_band(0.3, 0.4, mean=0.1),
    "likelihood": weighted_nll(),
}


def padded(batch, what):
    """The same batch with other things where no token is."""
    fields = [torch.where(batch.mask, x, torch.full_like(x, what)) for x in (batch.logp_old, batch.logp_ref)]
    leaf = torch.where(batch.mask, batch.logp, torch.full_like(batch.logp, what)).detach().requires_grad_()
    entropy = torch.where(batch.mask, leaf.detach().square(), torch.full_like(leaf, what)) + 0.01 * leaf
    return TokenBatch(leaf, batch.mask, *fields, entropy), leaf


@pytest.mark.parametrize("what", [NAN, -INF, 7.0])
@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("over", ["token", "sequence", "sum"])
def test_padding_is_never_read(name, over, what):
    batch, _ = random_batch(seed=3)
    advantage = tensor([1.0, -2.0, 0.5, 0.0, 3.0, -1.0])
    found = []
    for filled, leaf in (padded(batch, 0.0), padded(batch, what)):
        loss = reduce(TERMS[name](filled, advantage), filled.mask, denominator(filled.mask, over))
        loss.backward()
        found.append((loss.item(), leaf.grad))
    assert found[0][0] == found[1][0] != 0.0
    assert torch.equal(found[0][1], found[1][1])
    assert not found[1][1][~batch.mask].any()


@pytest.mark.parametrize("name", TERMS)
def test_no_term_sends_a_gradient_into_the_older_policies_or_the_advantage(name):
    held = [torch.full((6, 5), -0.4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    batch, _ = random_batch(logp_old=held[0], logp_ref=held[1])
    advantage = torch.ones(6, dtype=torch.float64, requires_grad=True)
    TERMS[name](batch, advantage).sum().backward()
    assert held[0].grad is held[1].grad is advantage.grad is None


def test_an_unknown_advantage_takes_the_output_out_of_the_mask():
    mask = tensor([[True, False], [True, True]])
    assert counted(mask, tensor([1.0, NAN])).tolist() == [[True, False], [False, False]]
    assert counted(mask, tensor([[1.0, 1.0], [NAN, 0.0]])).tolist() == [[True, False], [False, True]]


def test_rows_are_those_of_every_field():
    batch, _ = random_batch()
    some = batch.rows(tensor([4, 1]))
    for name in ("logp", "mask", "logp_old", "logp_ref", "entropy"):
        assert torch.equal(getattr(some, name), getattr(batch, name)[[4, 1]])


def test_a_batch_without_an_older_policy_is_its_own():
    batch, leaf = random_batch(logp_old=None)
    assert not batch.log_ratio.any()
    assert torch.equal(torch.autograd.grad(batch.log_ratio.sum(), leaf)[0], batch.mask.double())


def test_lengths_count_tokens():
    mask = tensor([[True, False, True], [False, False, False]])
    assert TokenBatch(torch.zeros(2, 3), mask).lengths.tolist() == [[2.0], [1.0]]


def test_messages():
    some = torch.zeros(2, 3)
    yes = torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(InputError, match=r"must be \(n, t\), got \(3,\)\. Give a row an output"):
        TokenBatch(some[0], yes[0])
    with pytest.raises(InputError, match=r"booleans, got torch\.float32\. mask\.bool\(\)"):
        TokenBatch(some, some)
    with pytest.raises(InputError, match=r"mask has shape \(2, 2\), logp \(2, 3\)"):
        TokenBatch(some, yes[:, :2])
    with pytest.raises(InputError, match=r"logp_ref has shape \(1, 3\), logp \(2, 3\)"):
        TokenBatch(some, yes, logp_ref=some[:1])
    with pytest.raises(InputError, match=r"entropy has shape \(2, 1\), logp \(2, 3\)"):
        TokenBatch(some, yes, entropy=some[:, :1])
    with pytest.raises(InputError, match=r"needs logp_ref, which is not there\. Score the same outputs"):
        divergence("kl")(TokenBatch(some, yes), torch.zeros(2))
    with pytest.raises(InputError, match=r"must be \(2,\) or \(2, 3\), got \(3,\)"):
        counted(yes, torch.zeros(3))
    with pytest.raises(InputError, match=r"an advantage is infinite\. Where there is no verdict, give NaN"):
        policy_gradient()(TokenBatch(some, yes), tensor([0.0, -INF]))
