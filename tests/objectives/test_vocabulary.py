"""Reward-shaped cross-entropy: its gradient, cross-entropy as a special case, and where it comes to rest."""

import pytest
import torch
from torch import tensor
from torch.nn.functional import cross_entropy

from culpa import InputError
from culpa.objectives import shaped_xent

RNG = torch.Generator().manual_seed(0)
LOGITS = torch.randn(3, 4, 7, generator=RNG, dtype=torch.float64)
TARGET = torch.randint(0, 7, (3, 4), generator=RNG)
SETTINGS = [
    {"beta": -0.25},
    {"beta": 0.5},
    {"lam_tail": -0.1},
    {"lam_head": 0.1},
    {"beta": 0.5, "lam_head": 0.2, "lam_tail": -0.3},
]


def slopes(logits=LOGITS, target=TARGET, **settings):
    leaf = logits.clone().requires_grad_()
    shaped_xent(leaf, target, **settings).sum().backward()
    return leaf.grad


def slow(pi, target, beta=0.0, lam_head=0.0, lam_tail=0.0, k=100):
    """The expected gradient E[r grad log pi(a)] of one token, action by action."""
    head = sorted(range(len(pi)), key=lambda a: -pi[a])[:k]
    step = torch.zeros(len(pi), dtype=torch.float64)
    for action, chance in enumerate(pi):
        reward = lam_head if action in head else lam_tail
        if action == target:
            reward = (1 - chance) ** beta / chance
        step += chance * reward * (torch.eye(len(pi), dtype=torch.float64)[action] - tensor(pi))
    return step


def test_plain_it_is_cross_entropy():
    leaf = LOGITS.clone().requires_grad_()
    value = cross_entropy(leaf.flatten(0, 1), TARGET.flatten(), reduction="none")
    assert torch.allclose(shaped_xent(LOGITS, TARGET), value.view(3, 4), atol=1e-14)
    assert torch.allclose(slopes(), torch.autograd.grad(value.sum(), leaf)[0], atol=1e-14)


@pytest.mark.parametrize("settings", SETTINGS, ids=["sharp", "spread", "tail", "head", "all"])
@pytest.mark.parametrize("k", [1, 3, 7])
def test_the_gradient_is_the_exact_policy_gradient_of_its_reward(settings, k):
    found = slopes(**settings, k=k).flatten(0, 1)
    for i, (row, target) in enumerate(zip(LOGITS.softmax(-1).flatten(0, 1), TARGET.flatten().tolist(), strict=True)):
        assert torch.allclose(-found[i], slow(row.tolist(), target, **settings, k=k).double(), atol=1e-14)


def rest(**settings):
    """Where descent on a Zipf law of 200 tokens ends: (entropy, mass beyond the tenth token, KL to the law)."""
    law = torch.arange(1, 201, dtype=torch.float64) ** -1.1
    law /= law.sum()
    logits = law.log().requires_grad_()
    for _ in range(60):
        loss = (law * shaped_xent(logits.expand(200, 200), torch.arange(200), k=10, **settings)).sum()
        with torch.no_grad():
            logits -= 0.5 * torch.autograd.grad(loss, logits)[0] / logits.softmax(0)
    pi = logits.detach().softmax(0)
    return (-(pi * pi.log()).sum()).item(), pi[10:].sum().item(), (law * (law / pi).log()).sum().item()


def test_where_it_comes_to_rest():
    """A negative beta sharpens, a positive one spreads; both lambdas take from the tail; all stay near the data."""
    data, tail, nothing = rest()
    assert (data, tail, nothing) == (pytest.approx(3.8588, abs=1e-4), pytest.approx(0.4296, abs=1e-4), pytest.approx(0))
    found = {name: rest(**{name.split()[0]: float(name.split()[1])}) for name in (
        "beta -0.25", "beta -1", "beta 0.5", "lam_tail -0.1", "lam_head 0.1")}  # fmt: skip
    entropies = [found["beta -1"][0], found["beta -0.25"][0], data, found["beta 0.5"][0]]
    assert entropies == pytest.approx([3.672, 3.822, 3.859, 3.921], abs=6e-4)
    assert found["lam_tail -0.1"][1] == pytest.approx(0.406, abs=6e-4)
    assert found["lam_head 0.1"][1] == pytest.approx(0.408, abs=6e-4)
    assert max(kl for name, (_, _, kl) in found.items() if name != "beta -1") < 0.0013


def test_a_token_that_is_certain_or_impossible():
    sure = tensor([[1e4, 0.0, 0.0], [0.0, -torch.inf, 0.0]])
    for settings in ({"beta": -1.0}, {"beta": 0.5}, {"lam_tail": -0.1, "k": 1}):
        assert torch.isfinite(shaped_xent(sure, tensor([0, 2]), **settings)).all()
        assert torch.isfinite(slopes(sure, tensor([0, 2]), **settings)).all()


def test_the_head_may_be_larger_than_the_vocabulary():
    assert torch.equal(slopes(lam_head=0.1, k=100), slopes(lam_head=0.1, k=7))


def test_messages():
    with pytest.raises(InputError, match=r"targets have shape \(3,\), logits \(3, 4, 7\)"):
        shaped_xent(LOGITS, TARGET[:, 0])
    with pytest.raises(InputError, match=r"at least 1 token, got k = 0"):
        shaped_xent(LOGITS, TARGET, k=0)
