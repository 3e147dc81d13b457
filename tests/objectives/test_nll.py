"""Imitation: cross-entropy, weights, and that on-policy it is an advantage added."""

import torch
from tests.objectives.tiny import expected, gradient, logits, random_batch, tokens, whole
from torch import tensor

from culpa.objectives import policy_gradient, weighted_nll

WEIGHT = tensor([0.5, 0.0, 2.0, 1.0, 0.0, -0.3, 0.7], dtype=torch.float64)


def test_without_weights_it_is_cross_entropy():
    batch, leaf = random_batch()
    assert torch.equal(weighted_nll()(batch, torch.full((6,), torch.nan)), -batch.logp)
    assert (
        torch.autograd.grad(weighted_nll()(batch, torch.zeros(6)).sum(), leaf)[0].tolist()
        == (-batch.mask.double()).tolist()
    )


def test_on_policy_a_weight_is_an_advantage_added():
    theta, advantage = logits(1), torch.linspace(-1, 1, 7, dtype=torch.float64)
    term = expected(weighted_nll(lambda _batch, _advantage: WEIGHT), theta)
    pushed = expected(policy_gradient(), theta, advantage)
    together = expected(policy_gradient(), theta, advantage + 0.3 * WEIGHT)
    assert torch.allclose(pushed + 0.3 * term, together, atol=1e-15)
    assert torch.allclose(term, -gradient((whole(tokens(theta)).exp() * WEIGHT).sum(), theta), atol=1e-15)


def test_an_older_policy_changes_nothing():
    batch, _ = random_batch()
    alone, _ = random_batch(logp_old=None)
    term = weighted_nll(lambda _batch, advantage: advantage)
    assert torch.equal(term(batch, WEIGHT[:6]), term(alone, WEIGHT[:6]))


def test_weights_of_tokens_and_unknown_ones():
    batch, leaf = random_batch(2, 3)
    weight = tensor([[1.0, torch.nan, 2.0], [3.0, 4.0, 5.0]], dtype=torch.float64)
    weighted_nll(lambda _batch, _advantage: weight)(batch, torch.zeros(2)).sum().backward()
    assert torch.equal(leaf.grad, -torch.nan_to_num(weight) * batch.mask)


def test_the_gradient_does_not_go_through_the_weight():
    batch, leaf = random_batch(2, 2)
    weighted_nll(lambda given, _advantage: given.logp.exp())(batch, torch.zeros(2)).sum().backward()
    assert torch.allclose(leaf.grad, -batch.logp.exp().detach() * batch.mask)
