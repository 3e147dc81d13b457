"""The pair loss: against logs of sigmoids, finite differences, shifts and extremes; messages."""

import math

import pytest
import torch
from torch import tensor

from culpa import InputError
from culpa.objectives import pair_loss

CHOSEN, REJECTED = tensor([1.0, -2.0, 0.3]).double(), tensor([0.5, 1.0, 0.3]).double()
SETTINGS = [
    {},
    {"margin": 0.7},
    {"margin": tensor([0.0, -1.0, 2.0]).double()},
    {"smoothing": 0.1},
    {"smoothing": tensor([0.0, 0.5, 1.0]).double(), "margin": 0.3},
    {"center": 0.01},
]


def slow(chosen, rejected, margin=0.0, smoothing=0.0, center=0.0):
    right = 1 / (1 + math.exp(-(chosen - rejected - margin)))
    return -(1 - smoothing) * math.log(right) - smoothing * math.log(1 - right) + center * (chosen + rejected) ** 2


def at(settings, i):
    return {name: value[i].item() if torch.is_tensor(value) else value for name, value in settings.items()}


@pytest.mark.parametrize("settings", SETTINGS, ids=["plain", "margin", "margins", "soft", "both", "centred"])
def test_against_logs_of_sigmoids_and_finite_differences(settings):
    found = pair_loss(CHOSEN, REJECTED, **settings).tolist()
    assert found == pytest.approx([slow(CHOSEN[i].item(), REJECTED[i].item(), **at(settings, i)) for i in range(3)])
    leaves = [x.clone().requires_grad_() for x in (CHOSEN, REJECTED)]
    assert torch.autograd.gradcheck(lambda a, b: pair_loss(a, b, **settings), leaves)


def test_a_constant_changes_nothing_unless_centred():
    assert torch.allclose(pair_loss(CHOSEN + 5, REJECTED + 5), pair_loss(CHOSEN, REJECTED))
    assert (pair_loss(CHOSEN + 5, REJECTED + 5, center=0.1) > pair_loss(CHOSEN, REJECTED, center=0.1)).all()


def test_a_pair_the_wrong_way_round_is_the_other_pair():
    assert torch.allclose(pair_loss(CHOSEN, REJECTED, smoothing=1.0), pair_loss(REJECTED, CHOSEN))


def test_a_flat_label_is_fitted_at_no_lead():
    lead = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    pair_loss(lead, torch.zeros(1, dtype=torch.float64), smoothing=0.5).sum().backward()
    assert lead.grad.item() == 0.0


@pytest.mark.parametrize("lead", [1e4, -1e4])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_no_lead_is_too_large(lead, smoothing):
    leaf = tensor([lead], requires_grad=True)
    value = pair_loss(leaf, torch.zeros(1), smoothing=smoothing)
    value.sum().backward()
    wrong = max(-lead, 0.0) * (1 - smoothing) + max(lead, 0.0) * smoothing
    assert value.item() == pytest.approx(wrong, rel=1e-5)
    assert torch.isfinite(leaf.grad).all()


def test_messages():
    with pytest.raises(InputError, match=r"chosen outputs have shape \(3,\), of rejected \(2,\)"):
        pair_loss(CHOSEN, REJECTED[:2])
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(InputError, match=r"one is outside 0 to 1\. 0 trusts every pair"):
            pair_loss(CHOSEN, REJECTED, smoothing=wrong)
