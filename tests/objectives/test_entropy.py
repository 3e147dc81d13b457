"""The bonus and the band against entropies of an enumerated policy; the band by hand; any cut; messages."""

import pytest
import torch
from torch import tensor

from culpa import InputError
from culpa.objectives import TokenBatch, denominator, entropy_band, entropy_bonus, reduce

ROW = tensor([[0.2, 1.0, 3.0], [0.1, 0.3, 9.0]], dtype=torch.float64)
MASK = tensor([[True, True, True], [True, True, False]])
NOTHING = torch.zeros(2)


def batch(entropy=ROW):
    return TokenBatch(torch.zeros_like(ROW), MASK, entropy=entropy)


def slopes(term):
    """The gradient of the sum of a term's values, by each entropy."""
    leaf = ROW.clone().requires_grad_()
    values = term(batch(leaf), NOTHING)
    return torch.autograd.grad(torch.where(MASK, values, 0.0).sum(), leaf)[0].tolist()


def test_a_bonus_is_gradient_ascent_of_the_entropy():
    logits = tensor([[0.3, -1.0, 2.0]], dtype=torch.float64, requires_grad=True)
    entropy = torch.distributions.Categorical(logits=logits).entropy()[:, None]
    one = TokenBatch(torch.zeros(1, 1), torch.ones(1, 1, dtype=torch.bool), entropy=entropy)
    step = -torch.autograd.grad(entropy_bonus()(one, torch.zeros(1)).sum(), logits, retain_graph=True)[0]
    assert torch.allclose(step, torch.autograd.grad(entropy.sum(), logits)[0])


def test_the_band_of_each_level_by_hand():
    """Means 1.4 and 0.2, sums 4.2 and 0.4, against a band from 0.5 to 1."""
    tokens = entropy_band(0.5, 1.0, level="token")(batch(), NOTHING)
    assert tokens[MASK].tolist() == pytest.approx([0.3, 0.0, 2.0, 0.4, 0.2])
    means = entropy_band(0.5, 1.0)(batch(), NOTHING)
    assert means[MASK].tolist() == pytest.approx([0.4, 0.4, 0.4, 0.3, 0.3])
    sums = entropy_band(0.5, 1.0, level="output")(batch(), NOTHING)
    assert sums[MASK].tolist() == pytest.approx([3.2 / 3] * 3 + [0.05] * 2)


def test_the_band_pushes_towards_itself_and_steadily():
    assert slopes(entropy_band(0.5, 1.1, level="token")) == [[-1.0, 0.0, 1.0], [-1.0, -1.0, 0.0]]
    assert slopes(entropy_band(0.5, 1.0)) == [pytest.approx([1.0] * 3), [-1.0, -1.0, 0.0]]
    assert slopes(entropy_band(0.1, 1.5)) == [[0.0] * 3, [0.0] * 3]


def test_an_open_band_has_one_side():
    assert slopes(entropy_band(0.5)) == [[0.0] * 3, [-1.0, -1.0, 0.0]]


@pytest.mark.parametrize("over", ["token", "sequence"])
@pytest.mark.parametrize(("lo", "hi"), [(2.0, 3.0), (0.0, 0.5), (0.0, 5.0)])
def test_the_band_of_the_whole_batch(over, lo, hi):
    """Value and gradient are those of the band at the batch's mean entropy, in one pass or in two."""
    leaf = ROW.clone().requires_grad_()
    by = denominator(MASK, over)
    mean = reduce(leaf, MASK, by)
    wanted = torch.relu(lo - mean) + torch.relu(mean - hi)
    term = entropy_band(lo, hi, mean=mean.item())
    whole = batch(leaf)
    found = sum(reduce(term(whole.rows([i]), NOTHING[:1]), MASK[[i]], by) for i in (0, 1))
    assert found.item() == pytest.approx(wanted.item(), abs=1e-12)
    gradients = [torch.autograd.grad(x, leaf, retain_graph=True)[0] for x in (found, wanted)]
    assert torch.allclose(*gradients, atol=1e-15)


def test_messages():
    with pytest.raises(InputError, match=r"band from 2.0 to 1.0 holds nothing\. Give lo <= hi"):
        entropy_band(2.0, 1.0)
    with pytest.raises(InputError, match="a level is one of"):
        entropy_band(0.0, level="word")
    for term in (entropy_bonus(), entropy_band(0.0)):
        with pytest.raises(InputError, match="needs the batch's entropy, which is not there"):
            term(batch(None), NOTHING)
