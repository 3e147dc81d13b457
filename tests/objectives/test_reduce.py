"""One reducer: against loops, whatever the cut into micro-batches and processes, and against three trainers' words."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.objectives.tiny import random_batch, size
from torch import tensor

from culpa import InputError
from culpa.objectives import (
    Denominator,
    Objective,
    Reduction,
    counted,
    denominator,
    divergence,
    policy_gradient,
    reduce,
    reduction,
)

KINDS = ["token", "sequence", "sum", "constant:7"]
OBJECTIVE = {"policy": (1.0, policy_gradient(0.2)), "kl": (0.1, divergence("k3"))}


def slow(values, mask, kind, weights):
    """Outputs one by one: (what the loss is, what it is divided by)."""
    top = bottom = 0.0
    for row, here, weight in zip(values.tolist(), mask.tolist(), weights.tolist(), strict=True):
        own = [value for value, yes in zip(row, here, strict=True) if yes]
        if own:
            top += weight * (sum(own) / len(own) if kind == "sequence" else sum(own))
            bottom += weight * {"token": len(own), "constant:7": 7}.get(kind, 1)
    return top / bottom, bottom


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_against_a_loop(kind, weighted):
    rng = torch.Generator().manual_seed(1)
    values = torch.randn(5, 4, generator=rng, dtype=torch.float64)
    mask = torch.rand(5, 4, generator=rng) < 0.5
    mask[2] = False  # an output without a token
    weights = torch.rand(5, generator=rng, dtype=torch.float64) if weighted else torch.ones(5)
    loss, bottom = slow(values, mask, kind, weights)
    by = denominator(mask, kind, weights if weighted else None)
    assert by.size == pytest.approx(bottom, rel=1e-14)
    assert reduce(values, mask, by, weights if weighted else None).item() == pytest.approx(loss, rel=1e-13)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.lists(st.integers(0, 3), min_size=8, max_size=8),
    st.lists(st.integers(0, 2), min_size=8, max_size=8),
    st.booleans(),
    st.integers(0, 100),
)
def test_any_cut_gives_the_same_gradient(kind, parts, processes, weighted, seed):
    """Each output has a process and a micro-batch in it; some have no verdict; every process knows only its own."""
    batch, leaf = random_batch(8, 5, seed)
    advantage = tensor([1.0, -2.0, torch.nan, 0.3, 0.0, 4.0, torch.nan, -1.0], dtype=torch.float64)
    weights = torch.linspace(0.0, 2.0, 8, dtype=torch.float64) if weighted else None
    objective = Objective(OBJECTIVE, reduction(kind))

    def own(rows):
        return None if weights is None else weights[rows]

    whole = objective(batch, advantage, objective.denominator(batch.mask, advantage, weights), weights)
    once = torch.autograd.grad(whole.value, leaf, retain_graph=True)[0]

    where = [[i for i in range(8) if processes[i] == process] for process in range(3)]
    by = Denominator(reduction(kind), 0.0)
    for rows in where:
        by = by + objective.denominator(batch.mask[rows], advantage[rows], own(rows))
    means = torch.zeros_like(leaf)
    total = 0.0
    for rows in where:
        summed = torch.zeros_like(leaf)
        for part in range(4):
            some = [i for i in rows if parts[i] == part]
            loss = objective(batch.rows(some), advantage[some], by.averaged(3), own(some)).value
            summed += torch.autograd.grad(loss, leaf, retain_graph=True)[0]
            total += loss.item() / 3
        means += summed / 3  # what a trainer that averages over processes does
    assert torch.allclose(means, once, rtol=0, atol=1e-12)
    assert total == pytest.approx(whole.value.item(), abs=1e-12)
    assert once.abs().max() > 0


def test_a_mean_of_micro_batch_means_is_another_number():
    """Lengths 1 and 9 with advantages 1 and -1: -0.8 in one pass, 0 in two. Ours is the first however it is cut."""
    mask = torch.arange(9)[None, :] < tensor([[1], [9]])
    values = -tensor([[1.0], [-1.0]]).expand(2, 9)
    by = denominator(mask, "token")
    assert -reduce(values, mask, by).item() == pytest.approx(-0.8)
    assert -sum(reduce(values[i : i + 1], mask[i : i + 1], by).item() for i in (0, 1)) == pytest.approx(-0.8)
    own = [reduce(values[i : i + 1], mask[i : i + 1], denominator(mask[i : i + 1], "token")).item() for i in (0, 1)]
    assert sum(own) == pytest.approx(0.0)


@pytest.mark.parametrize("kind", KINDS)
def test_an_output_without_a_verdict_is_as_if_it_had_not_been_drawn(kind):
    batch, leaf = random_batch(5)
    objective = Objective(OBJECTIVE, reduction(kind))
    advantage = tensor([1.0, torch.nan, -1.0, 0.5, torch.nan], dtype=torch.float64)
    kept = [0, 2, 3]
    all_of_them = objective(batch, advantage, objective.denominator(batch.mask, advantage)).value
    few = batch.rows(kept)
    fewer = objective(few, advantage[kept], objective.denominator(few.mask, advantage[kept])).value
    gradients = [torch.autograd.grad(value, leaf, retain_graph=True)[0] for value in (all_of_them, fewer)]
    assert torch.allclose(*gradients, rtol=0, atol=1e-15)
    assert not gradients[0][[1, 4]].any()
    assert all_of_them.item() == pytest.approx(fewer.item(), abs=1e-15)


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_of_two_is_an_output_drawn_twice(kind):
    batch, _ = random_batch(3)
    weights = tensor([2.0, 1.0, 0.0], dtype=torch.float64)
    twice = batch.rows([0, 0, 1])
    assert reduce(batch.logp, batch.mask, denominator(batch.mask, kind, weights), weights).item() == pytest.approx(
        reduce(twice.logp, twice.mask, denominator(twice.mask, kind)).item(), rel=1e-14
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_times_the_weights_changes_nothing(kind):
    batch, _ = random_batch()
    weights = torch.linspace(1.0, 2.0, 6)
    values = [reduce(batch.logp, batch.mask, denominator(batch.mask, kind, w), w) for w in (weights, 3.0 * weights)]
    assert values[0].item() == pytest.approx(values[1].item(), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_counts_nothing_is_pushed(kind):
    batch, leaf = random_batch()
    advantage = torch.full((6,), torch.nan)
    objective = Objective(OBJECTIVE, reduction(kind))
    by = objective.denominator(batch.mask, advantage)
    assert by.size == 0.0
    loss = objective(batch, advantage, by).value
    loss.backward()
    assert loss.item() == 0.0
    assert not leaf.grad.any()


def test_trainers_formulas():
    """TRL's documented loss types on per-token losses l: grpo, bnpo, dapo, dr_grpo, as written there."""
    values = tensor([[1.0, 2.0, 3.0], [10.0, 0.0, 0.0]], dtype=torch.float64)
    mask = tensor([[True, True, True], [True, False, False]])
    longest = 5

    def found(kind, by=None):
        return reduce(values, mask, by or denominator(mask, kind)).item()

    assert found("sequence") == pytest.approx(((1 + 2 + 3) / 3 + 10 / 1) / 2)  # grpo: 1/G sum_i 1/|o_i| sum_t l
    assert found("token") == pytest.approx((1 + 2 + 3 + 10) / (3 + 1))  # bnpo: over the local batch's tokens
    assert found("token", size(40.0)) == pytest.approx(16 / 40)  # dapo: over the tokens of the global batch
    assert found(f"constant:{longest}") == pytest.approx(16 / (5 * 2))  # dr_grpo: 1/(L G) sum_i sum_t l
    assert found("sum") == pytest.approx((6 + 10) / 2)  # rloo: the mean over outputs of their sums


def test_reductions_by_name():
    assert [reduction(text) for text in ("token", " Sequence", "sum", "constant:3")] == [
        Reduction("token"),
        Reduction("sequence"),
        Reduction("sum"),
        Reduction("constant", 3.0),
    ]


@pytest.mark.parametrize(
    "text", ["tokens", "constant", "constant:0", "constant:x", "sum:2", "token:3", "sequence:1", ""]
)
def test_unknown_reductions(text):
    with pytest.raises(InputError, match=r"no reduction is called .* Known: token, sequence, sum, constant:LENGTH"):
        reduction(text)


def test_messages():
    mask = torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(InputError, match="denominators of token and sum do not add up"):
        denominator(mask, "token") + denominator(mask, "sum")
    with pytest.raises(InputError, match="of constant and constant do not"):
        denominator(mask, "constant:3") + denominator(mask, "constant:4")
    with pytest.raises(InputError, match=r"values have shape \(2, 1\), the mask \(2, 3\)"):
        reduce(torch.zeros(2, 1), mask, denominator(mask, "sum"))
    with pytest.raises(InputError, match=r"weights must be \(2,\), got \(3,\)"):
        denominator(mask, "sum", torch.ones(3))
    for wrong in (-1.0, torch.nan, torch.inf):
        with pytest.raises(InputError, match=r"a weight is negative or no number\. 0 leaves an output out"):
            denominator(mask, "sum", tensor([1.0, wrong]))
    with pytest.raises(InputError, match="must be a number from 0, got nan"):
        Denominator(Reduction("sum"), float("nan"))
    with pytest.raises(InputError, match="must be a number from 0, got -1"):
        Denominator(Reduction("sum"), -1.0)


def test_no_gradient_goes_into_the_weights():
    batch, _ = random_batch()
    weights = torch.ones(6, dtype=torch.float64, requires_grad=True)
    reduce(batch.logp, batch.mask, denominator(batch.mask, "token", weights), weights).backward()
    assert weights.grad is None


def test_counted_masks_reach_the_denominator():
    mask = torch.ones(3, 2, dtype=torch.bool)
    known = counted(mask, tensor([1.0, torch.nan, 2.0]))
    assert [denominator(known, kind).size for kind in KINDS] == [4.0, 2.0, 2.0, 14.0]
