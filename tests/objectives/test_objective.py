"""The sum of terms: linear in its coefficients, its parts named; messages."""

import pytest
import torch
from tests.objectives.tiny import random_batch, size
from torch import tensor

from culpa import InputError
from culpa.objectives import Objective, TokenBatch, divergence, entropy_bonus, policy_gradient, reduction

TERMS = {"policy": (1.0, policy_gradient(0.2)), "kl": (0.3, divergence("k3")), "entropy": (-0.1, entropy_bonus())}
ADVANTAGE = tensor([1.0, -2.0, 0.3, torch.nan, 0.0, 4.0], dtype=torch.float64)


def test_the_loss_is_the_sum_of_coefficients_times_parts():
    batch, leaf = random_batch()
    objective = Objective(TERMS, reduction("sequence"))
    by = objective.denominator(batch.mask, ADVANTAGE)
    loss = objective(batch, ADVANTAGE, by)
    assert loss.value.item() == pytest.approx(sum(c * loss.parts[name].item() for name, (c, _) in TERMS.items()))
    alone = {name: Objective({name: (1.0, term)}, reduction("sequence")) for name, (_, term) in TERMS.items()}
    values = {name: one(batch, ADVANTAGE, by).value for name, one in alone.items()}
    assert {name: part.item() for name, part in loss.parts.items()} == {n: v.item() for n, v in values.items()}
    summed = sum(TERMS[name][0] * torch.autograd.grad(v, leaf, retain_graph=True)[0] for name, v in values.items())
    assert torch.allclose(torch.autograd.grad(loss.value, leaf)[0], summed, atol=1e-15)
    assert not any(part.requires_grad for part in loss.parts.values())


def test_an_output_without_a_verdict_leaves_every_term():
    batch, leaf = random_batch()
    objective = Objective(TERMS)
    objective(batch, ADVANTAGE, objective.denominator(batch.mask, ADVANTAGE)).value.backward()
    assert not leaf.grad[3].any()
    assert leaf.grad[4].any()  # an advantage of 0 is a verdict: it is held to the reference
    assert objective.denominator(batch.mask, ADVANTAGE).size == batch.mask[[0, 1, 2, 4, 5]].sum()


@pytest.mark.parametrize(("over", "size"), [("token", 3.0), ("sequence", 2.0), ("sum", 2.0)])
def test_a_token_without_a_verdict_leaves_its_output(over, size):
    """Advantages 1, ?, 3 of one output, 5 of another, on its own policy: the mean is over what is known."""
    batch = TokenBatch(torch.zeros(2, 3), tensor([[True, True, True], [True, False, False]]))
    advantage = tensor([[1.0, torch.nan, 3.0], [5.0, 0.0, 0.0]])
    objective = Objective({"policy": (1.0, policy_gradient())}, reduction(over))
    by = objective.denominator(batch.mask, advantage)
    first = (1 + 3) / 2 if over == "sequence" else 1 + 3
    assert by.size == size
    assert objective(batch, advantage, by).value.item() == pytest.approx(-(first + 5) / size)


def test_messages():
    batch, _ = random_batch()
    with pytest.raises(InputError, match="at least one term"):
        Objective({})
    with pytest.raises(InputError, match="the coefficient of 'kl' is nan"):
        Objective({"kl": (float("nan"), divergence("k3"))})
    with pytest.raises(InputError, match="the denominator is one of sum, the objective's reduction token"):
        Objective(TERMS)(batch, ADVANTAGE, size(3.0, "sum"))
