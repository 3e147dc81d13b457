"""The surrogate's gradient against the exact policy gradient; the clip against the simulator's; levels; messages."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.objectives.tiny import MASK, expected, gradient, groups, logits, over_groups, random_batch, tokens, whole
from torch import tensor

from culpa import InputError
from culpa.dynamics.sampled import uncut
from culpa.objectives import Objective, TokenBatch, denominator, policy_gradient, reduce, reduction

LEVELS = ["token", "sequence", "output"]
REWARD = tensor([0.3, -1.0, 2.0, 0.0, 0.5, 1.0, -0.2], dtype=torch.float64)


def exact(theta, reward=REWARD):
    """The gradient of the expected reward."""
    return gradient((whole(tokens(theta)).exp() * reward).sum(), theta)


@pytest.mark.parametrize("level", LEVELS)
def test_reinforce_is_the_exact_gradient(level):
    theta = logits(1)
    assert torch.allclose(expected(policy_gradient(level=level), theta, REWARD), -exact(theta), atol=1e-14)


def test_leave_one_out_over_all_groups_is_the_exact_gradient():
    theta, reward = logits(2), REWARD[groups(3)]
    advantage = reward - (reward.sum(dim=1, keepdim=True) - reward) / 2
    found = over_groups(Objective({"policy": (1.0, policy_gradient())}, reduction("sum")), theta, 3, advantage)
    assert torch.allclose(found, -exact(theta), atol=1e-14)


def test_the_ratio_of_outputs_corrects_for_an_older_policy():
    """E_old[r A grad log pi] is the gradient of the newer policy's reward; the ratio of tokens is an approximation."""
    theta, old = logits(3), logits(4)
    assert torch.allclose(expected(policy_gradient(level="output"), theta, REWARD, old=old), -exact(theta), atol=1e-14)
    for level in ("token", "sequence"):
        found = expected(policy_gradient(level=level), theta, REWARD, old=old)
        assert not torch.allclose(found, -exact(theta), atol=1e-3)


@pytest.mark.parametrize("over", ["token", "sequence", "sum"])
def test_on_policy_all_levels_push_alike(over):
    advantage = torch.linspace(-1, 1, 6, dtype=torch.float64)
    found = []
    for level in LEVELS:
        for old in (False, True):
            batch, leaf = random_batch(logp_old=None)
            if old:
                batch = TokenBatch(leaf, batch.mask, batch.logp.detach())
            value = reduce(
                policy_gradient(0.2, level=level)(batch, advantage), batch.mask, denominator(batch.mask, over)
            )
            found.append(torch.autograd.grad(value, leaf, retain_graph=True)[0])
    by = denominator(batch.mask, over)
    nll = reduce(-advantage[:, None] * batch.logp, batch.mask, by)
    for one in found:
        assert torch.allclose(one, torch.autograd.grad(nll, leaf, retain_graph=True)[0], atol=1e-15)


@pytest.mark.parametrize("level", LEVELS)
def test_an_endless_clip_is_none(level):
    batch, leaf = random_batch()
    advantage = torch.linspace(-1, 1, 6, dtype=torch.float64)
    plain = policy_gradient(level=level)(batch, advantage)
    wide = policy_gradient(math.inf, level=level)(batch, advantage)
    assert torch.equal(plain, wide)
    assert torch.equal(*(torch.autograd.grad(x.sum(), leaf, retain_graph=True)[0] for x in (plain, wide)))


@settings(max_examples=60, deadline=None)
@given(st.floats(-1.5, 1.5), st.floats(-2, 2), st.sampled_from([0.1, 0.2, 0.9, 1.5]), st.sampled_from([0.1, 0.28, 3.0]))
def test_what_is_cut_is_what_the_simulator_cuts(gap, advantage, low, high):
    """The gradient is -r A where it still pushes, else 0; with equal bounds the simulator says where."""
    leaf = tensor([[gap]], dtype=torch.float64, requires_grad=True)
    batch = TokenBatch(leaf, torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, 1, dtype=torch.float64))
    given = tensor([advantage], dtype=torch.float64)
    ratio = math.exp(gap)
    value = policy_gradient(low)(batch, given)
    pushes = uncut(np.array([advantage]), np.array([ratio]), low)[0]
    assert torch.autograd.grad(value.sum(), leaf)[0].item() == pytest.approx(-ratio * pushes, abs=1e-12)
    apart = policy_gradient(low, clip_high=high)(batch, given).item()
    held = min(max(ratio, 1 - low), 1 + high)
    assert apart == pytest.approx(-min(ratio * advantage, held * advantage), abs=1e-12)


def test_ratios_of_each_level():
    """Log-ratios .1 and .3: each its own, their mean .2, their sum .4; A = 2."""
    both = torch.ones(1, 3, dtype=torch.bool)
    both[0, 2] = False
    old = torch.full((1, 3), -1.0, dtype=torch.float64)
    batch = TokenBatch(old + tensor([[0.1, 0.3, 9.0]]).double(), both, old)
    advantage = tensor([2.0], dtype=torch.float64)
    found = {level: policy_gradient(level=level)(batch, advantage)[0, :2].tolist() for level in LEVELS}
    assert found["token"] == pytest.approx([-2 * math.exp(0.1), -2 * math.exp(0.3)])
    assert found["sequence"] == pytest.approx([-2 * math.exp(0.2)] * 2)
    assert found["output"] == pytest.approx([-math.exp(0.4)] * 2)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("clip", [None, 0.2])
def test_finite_differences(level, clip):
    batch, leaf = random_batch(3, 4, seed=5)
    advantage = tensor([1.0, -0.7, 0.4], dtype=torch.float64)
    by = denominator(batch.mask, "sequence")

    def loss(logp):
        again = TokenBatch(logp, batch.mask, batch.logp_old)
        return reduce(policy_gradient(clip, level=level)(again, advantage), batch.mask, by)

    assert torch.autograd.gradcheck(loss, (leaf,), eps=1e-6, atol=1e-7)


def test_trainers_losses_by_hand():
    """GSPO as TRL documents it (sequence ratios, loss type grpo) and RLOO (whole ratios, mean over outputs)."""
    mask = tensor([[True, True], [True, False]])
    old = torch.zeros(2, 2, dtype=torch.float64)
    batch = TokenBatch(tensor([[0.5, 0.1], [-0.5, 0.0]], dtype=torch.float64), mask, old)
    advantage = tensor([1.0, -2.0], dtype=torch.float64)

    def found(level, over):
        return reduce(policy_gradient(0.2, level=level)(batch, advantage), mask, denominator(mask, over)).item()

    gspo = (-min(math.exp(0.3), 1.2) * 1 + max(2 * math.exp(-0.5), 2 * 0.8)) / 2
    assert found("sequence", "sequence") == pytest.approx(gspo)
    rloo = (-min(math.exp(0.6), 1.2) * 1 + max(2 * math.exp(-0.5), 2 * 0.8)) / 2
    assert found("output", "sum") == pytest.approx(rloo)
    grpo = ((-1.2 - math.exp(0.1)) / 2 + max(2 * math.exp(-0.5), 2 * 0.8)) / 2
    assert found("token", "sequence") == pytest.approx(grpo)
    dapo = (-1.2 - math.exp(0.1) + max(2 * math.exp(-0.5), 2 * 0.8)) / 3
    assert found("token", "token") == pytest.approx(dapo)


def test_tokens_may_have_advantages_of_their_own():
    batch, leaf = random_batch(2, 3, logp_old=None)
    advantage = tensor([[1.0, -2.0, 3.0], [0.0, torch.nan, 1.0]], dtype=torch.float64)
    policy_gradient()(batch, advantage).sum().backward()
    assert torch.allclose(leaf.grad, -torch.nan_to_num(advantage) * batch.mask)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("gap", [800.0, -800.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_ratio_is_too_large(level, gap, dtype):
    for clip in (None, 0.2):
        leaf = torch.full((2, 2), gap, dtype=dtype, requires_grad=True)
        batch = TokenBatch(leaf, torch.ones(2, 2, dtype=torch.bool), torch.zeros(2, 2, dtype=dtype))
        value = policy_gradient(clip, level=level)(batch, tensor([1.0, -1.0], dtype=dtype)).sum()
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(leaf.grad).all()


def test_a_ratio_is_exact_as_far_as_it_can_be():
    yes = torch.ones(1, 1, dtype=torch.bool)
    batch = TokenBatch(tensor([[39.0]]), yes, torch.zeros(1, 1))
    assert policy_gradient()(batch, torch.ones(1)).item() == pytest.approx(-math.exp(39.0), rel=1e-5)


@pytest.mark.parametrize("level", LEVELS)
def test_no_verdict_gives_nothing(level):
    batch, leaf = random_batch(2)
    values = policy_gradient(level=level)(batch, tensor([torch.nan, 1.0], dtype=torch.float64))
    assert not values[0].any()
    values.sum().backward()
    assert not leaf.grad[0].any()
    assert leaf.grad[1].any()


def test_messages():
    batch, _ = random_batch(2, 3)
    with pytest.raises(InputError, match=r"a level is one of token, sequence, output, got 'word'"):
        policy_gradient(level="word")
    with pytest.raises(InputError, match=r"clip_high 0\.3 without a clip\. Give both"):
        policy_gradient(clip_high=0.3)
    for wrong in (0.0, -0.2, math.nan):
        with pytest.raises(InputError, match="clip must be positive"):
            policy_gradient(wrong)
        with pytest.raises(InputError, match="clip_high must be positive"):
            policy_gradient(0.2, clip_high=wrong)
    with pytest.raises(InputError, match="'output' takes one advantage an output, got one for each token"):
        policy_gradient(level="output")(batch, torch.ones(2, 3))


def test_the_tiny_policy_is_one():
    assert whole(tokens(logits())).exp().sum().item() == pytest.approx(1.0, abs=1e-15)
    assert MASK.sum().item() == 13
