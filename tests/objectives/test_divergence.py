"""Every estimate against the sum over all outputs: in value, and in the gradient that it has as a loss."""

import math

import numpy as np
import pytest
import torch
from tests.objectives.tiny import MASK, expected, gradient, logits, random_batch, tokens, whole
from torch import tensor

from culpa import InputError
from culpa.objectives import TokenBatch, chi2, chi2_of, denominator, divergence, k1, k2, k3, policy_gradient, reduce
from culpa.objectives import sqrt_chi2 as root

THETA, OLD, REF = logits(1), logits(2), logits(3)


def laws(theta=THETA, ref=REF):
    """Probabilities of the seven outputs under both, the second held."""
    return whole(tokens(theta)).exp(), whole(tokens(ref)).exp().detach()


def kl(p, q):
    return (p * (p / q).log()).sum()


def chi_squared(p, q):
    return (p * p / q).sum() - 1


def close(found, wanted):
    return torch.allclose(found, wanted, rtol=0, atol=1e-13)


def test_k1_and_k3_are_right_in_value_and_k2_is_not():
    p, q = laws()
    away = (p / q).log()
    true = kl(p, q).item()
    assert (p * k1(away)).sum().item() == pytest.approx(true, abs=1e-14)
    assert (p * k3(away)).sum().item() == pytest.approx(true, abs=1e-14)
    assert abs((p * k2(away)).sum().item() - true) > 0.005


def test_summed_over_tokens_they_are_right_too():
    away = torch.where(MASK, tokens(THETA) - tokens(REF), 0.0)
    p, q = laws()
    for estimate in (k1, k3):
        assert (p * estimate(away).sum(dim=1)).sum().item() == pytest.approx(kl(p, q).item(), abs=1e-14)


def test_as_a_loss_k1_pushes_nowhere():
    found = expected(lambda batch, _: k1(batch.from_reference), THETA, ref=REF)
    assert found.abs().max() < 1e-15


@pytest.mark.parametrize("kind", ["kl", "k2"])
def test_kl_and_k2_of_outputs_have_the_gradient_of_the_kl(kind):
    found = expected(divergence(kind, level="output"), THETA, ref=REF)
    assert close(found, gradient(kl(*laws()), THETA))


def test_k3_as_a_loss_has_the_gradient_of_the_kl_the_other_way_round():
    p, q = laws()
    found = expected(divergence("k3", level="output"), THETA, ref=REF)
    assert close(found, gradient(kl(q, p), THETA))
    assert not torch.allclose(found, gradient(kl(p, q), THETA), atol=0.01)


def test_kl_corrects_for_an_older_policy_and_the_others_do_not():
    wanted = gradient(kl(*laws()), THETA)
    assert close(expected(divergence("kl", level="output"), THETA, old=OLD, ref=REF), wanted)
    assert not torch.allclose(expected(divergence("k2", level="output"), THETA, old=OLD, ref=REF), wanted, atol=0.01)


def test_kl_is_the_gradient_of_the_ratio_times_k3_output_by_output():
    for level in ("token", "output"):
        batch, leaf = random_batch(seed=7)

        def summed(values, mask=batch.mask, level=level):
            return values if level == "token" else torch.where(mask, values, 0.0).sum(dim=1, keepdim=True)

        plain = torch.exp(summed(batch.log_ratio)) * k3(summed(batch.from_reference))
        ours = divergence("kl", level=level)(batch, torch.zeros(6))
        here = torch.where(batch.mask, ours, 0.0).sum()
        there = torch.where(batch.mask, plain, 0.0).sum() if level == "token" else plain.sum()
        assert here.item() == pytest.approx(there.item(), rel=1e-12)
        gradients = [torch.autograd.grad(x, leaf, retain_graph=True)[0] for x in (here, there)]
        assert torch.allclose(*gradients, rtol=1e-12, atol=1e-12)


def test_the_kl_of_tokens_is_that_of_next_tokens_at_the_prefixes_that_came():
    """sum over prefixes of P(prefix) KL(pi(.|prefix) || ref(.|prefix)), with P held."""
    logp, ref = torch.log_softmax(THETA, dim=1), torch.log_softmax(REF, dim=1).detach()
    each = (logp.exp() * (logp - ref)).sum(dim=1)
    reach = tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    reach[1:] = logp[0, 1:].exp().detach()
    assert close(expected(divergence("kl"), THETA, ref=REF), gradient((reach * each).sum(), THETA))


def test_the_levels_agree_for_outputs_of_one_token():
    batch, _ = random_batch(6, 1)
    for kind in ("kl", "k2", "k3"):
        values = [divergence(kind, level=level)(batch, torch.zeros(6)) for level in ("token", "sequence", "output")]
        assert torch.equal(values[0], values[1])
        assert torch.equal(values[0], values[2])


def test_levels_by_hand():
    """Log-ratios 0.2 and 0.6: k2 of each, of their mean 0.4, of their sum 0.8 in two halves."""
    batch = TokenBatch(torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool), logp_ref=-tensor([[0.2, 0.6]]))
    values = {level: divergence("k2", level=level)(batch, torch.zeros(1)) for level in ("token", "sequence", "output")}
    assert values["token"][0].tolist() == pytest.approx([0.02, 0.18])
    assert values["sequence"][0].tolist() == pytest.approx([0.08, 0.08])
    assert values["output"][0].tolist() == pytest.approx([0.16, 0.16])


def test_k3_as_trainers_write_it():
    """TRL: exp(ref - logp) - (ref - logp) - 1 at every token."""
    batch, _ = random_batch()
    away = batch.logp_ref - batch.logp
    assert torch.allclose(divergence("k3")(batch, torch.zeros(6)), torch.exp(away) - away - 1, atol=1e-15)


def test_k3_keeps_digits_near_nothing():
    assert k3(tensor(1e-6, dtype=torch.float64)).item() == pytest.approx(5e-13, rel=1e-5)
    assert (k3(torch.linspace(-1, 1, 101, dtype=torch.float64)) >= 0).all()


def test_chi2_has_its_gradient_on_its_own_outputs_and_on_older_ones():
    wanted = gradient(chi_squared(*laws()), THETA)
    assert close(expected(chi2(), THETA, ref=REF), wanted)
    assert close(expected(chi2(), THETA, old=OLD, ref=REF), wanted)


def test_through_the_ratio_to_the_reference_alone_chi2_is_half():
    def half(batch, _):
        return torch.expm1(batch.from_reference.sum(dim=1, keepdim=True)) / batch.lengths * batch.mask

    assert close(2 * expected(half, THETA, ref=REF), gradient(chi_squared(*laws()), THETA))


def test_the_root_of_chi2_has_the_gradient_of_the_root():
    true = chi_squared(*laws())
    assert close(expected(root(true.item()), THETA, ref=REF), gradient(true.sqrt(), THETA))


def test_the_root_of_chi2_as_a_reward():
    """The reward form: -rho / sqrt(chi2) for every output, a coefficient of one."""
    p, q = laws()
    true = chi_squared(p, q).item()
    penalty = -(p / q).detach() / math.sqrt(true)
    as_reward = expected(policy_gradient(), THETA, penalty)
    assert close(as_reward, expected(root(true), THETA, ref=REF))


def test_the_root_of_chi2_in_value():
    batch, _ = random_batch(logp_old=None)
    ratio = torch.exp((batch.logp - batch.logp_ref).sum(dim=1))
    found = (ratio - 1).mean().item()
    found = abs(found)
    value = reduce(root(found)(batch, torch.zeros(6)), batch.mask, denominator(batch.mask, "sum")).item()
    assert value == pytest.approx(((ratio - 1).mean().item() + found) / (2 * math.sqrt(found)), rel=1e-12)


@pytest.mark.parametrize("found", [0.0, -0.1, math.nan])
def test_where_there_is_no_divergence_the_root_does_not_pull(found):
    batch, _ = random_batch()
    assert not root(found)(batch, torch.zeros(6)).any()


def test_a_ratio_beyond_the_bound_is_held_and_still_pulled():
    leaf = tensor([[3.0]], dtype=torch.float64, requires_grad=True)
    nothing = torch.zeros(1, 1, dtype=torch.float64)
    batch = TokenBatch(leaf, nothing == 0, logp_ref=nothing)
    value = chi2(most=2.0)(batch, torch.zeros(1))
    assert value.item() == pytest.approx(math.expm1(2.0))
    assert torch.autograd.grad(value.sum(), leaf)[0].item() == pytest.approx(math.expm1(2.0))


@pytest.mark.parametrize("gap", [300.0, -300.0])
@pytest.mark.parametrize(
    "term", [divergence("kl"), divergence("k3"), chi2(), root(1.0)], ids=["kl", "k3", "chi2", "root"]
)
def test_no_ratio_is_too_large(term, gap):
    leaf = torch.full((1, 2), gap, requires_grad=True)
    batch = TokenBatch(leaf, torch.ones(1, 2, dtype=torch.bool), torch.zeros(1, 2), torch.zeros(1, 2))
    value = term(batch, torch.zeros(1)).sum()
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(leaf.grad).all()


def test_chi2_of_is_a_trimmed_mean():
    away = torch.randn(250, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    inner = np.sort(np.exp(away.numpy()))[2:-2] - 1
    assert chi2_of(away) == pytest.approx(inner.mean(), rel=1e-12)
    assert chi2_of(away, trim=0.0) == pytest.approx(np.expm1(away.numpy()).mean(), rel=1e-12)
    assert chi2_of(torch.cat([away, tensor([math.nan, math.inf])]), trim=0.0) == pytest.approx(
        chi2_of(away, trim=0.0), rel=1e-12
    )
    assert math.isnan(chi2_of(torch.full((3,), math.nan)))
    assert chi2_of(torch.full((3,), 100.0)) == pytest.approx(math.expm1(100.0))  # too large for float32


def test_messages():
    with pytest.raises(InputError, match=r"divergence 'k1'\. Its gradient is 0 in expectation\. Take 'kl', or kl_pen"):
        divergence("k1")
    with pytest.raises(InputError, match=r"divergence 'tv'\. Known: kl, k2, k3, chi2\(\), sqrt_chi2\(\)"):
        divergence("tv")
    with pytest.raises(InputError, match="a level is one of"):
        divergence("kl", level="word")
    with pytest.raises(InputError, match=r"trim must be from 0 to below 0\.5, got 0\.5"):
        chi2_of(torch.zeros(3), trim=0.5)
    with pytest.raises(InputError, match="trim must be"):
        chi2_of(torch.zeros(3), trim=-0.1)
