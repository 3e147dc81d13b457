"""Log-probabilities and features of given outputs."""

import numpy as np
import pytest
import torch
from tests.lm.models import gpt2, llama
from tests.lm.test_generate import PROMPTS, drawn

from culpa.errors import InputError
from culpa.lm.features import Sketch, balanced
from culpa.lm.forward import forward, measure

SAID = [(5, 6, 2), (7,), (4, 4, 4, 4, 4, 2), (8, 2)]


def alone(lm, prompt, said, temperature=1.0):
    """Logits and hidden states that the tokens came from, without padding."""
    found = lm.model(input_ids=torch.tensor([[*prompt, *said]]), output_hidden_states=True)
    places = slice(len(prompt) - 1, len(prompt) + len(said) - 1)
    return found.logits[0, places] / temperature, found.hidden_states[-1][0, places]


@pytest.mark.parametrize("make", [llama, gpt2])
def test_padded_equals_alone(make):
    lm = make()
    seen = forward(lm, PROMPTS, SAID, 0.8)
    for row, (prompt, said) in enumerate(zip(PROMPTS, SAID, strict=True)):
        logits, _ = alone(lm, prompt, said, 0.8)
        expected = logits.log_softmax(-1)
        wanted = expected[range(len(said)), list(said)]
        assert torch.allclose(seen.logp[row, : len(said)], wanted, atol=1e-4)
        assert torch.allclose(seen.entropy()[row, : len(said)], -(expected.exp() * expected).sum(-1), atol=1e-4)
        assert (seen.logp[row, len(said) :] == 0).all()
        assert (seen.entropy()[row, len(said) :] == 0).all()
        assert seen.mask[row].sum() == len(said)


def test_gradient_is_that_of_the_output_alone():
    lm = llama()
    weight = lm.model.model.embed_tokens.weight
    (padded,) = torch.autograd.grad(forward(lm, PROMPTS, SAID).logp[2].sum(), weight)
    logits, _ = alone(lm, PROMPTS[2], SAID[2])
    (single,) = torch.autograd.grad(logits.log_softmax(-1)[range(6), list(SAID[2])].sum(), weight)
    assert torch.allclose(padded, single, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_any_batch_size_measures_the_same(batch):
    lm = llama()
    found = measure(lm, PROMPTS, SAID, features=Sketch(rank=2), batch=batch)
    whole = measure(lm, PROMPTS, SAID, features=Sketch(rank=2))
    for one, other, said in zip(found, whole, SAID, strict=True):
        assert one.tokens == said
        assert np.allclose(one.logprobs, other.logprobs, atol=1e-5)
        assert np.allclose(one.features, other.features, atol=1e-4)
    assert [one.ended for one in found] == [True, False, True, True]


def test_measured_as_drawn():
    lm = llama()
    said = drawn(lm, PROMPTS, features=Sketch(rank=4), temperature=0.9)
    rows = [one for one in PROMPTS for _ in range(4)]
    for one, other in zip(said, measure(lm, rows, [o.tokens for o in said], 0.9, features=Sketch(rank=4)), strict=True):
        assert np.allclose(one.logprobs, other.logprobs, atol=1e-4)
        assert np.allclose(one.features, other.features, atol=1e-3)
        assert one.ended == other.ended


def test_features_are_hidden_mean_and_sketch():
    lm, sketch = llama(), Sketch(rank=3, seed=7)
    tally = sketch.start(1, width=32, vocabulary=lm.vocabulary, device=torch.device("cpu"))
    by_token, by_hidden, none = tally.matrices
    assert none is None
    for prompt, said, one in zip(PROMPTS, SAID, measure(lm, PROMPTS, SAID, features=sketch), strict=True):
        logits, hidden = alone(lm, prompt, said)
        onehot = torch.nn.functional.one_hot(torch.tensor(said), lm.vocabulary).float()
        outer = ((onehot - logits.softmax(-1)) @ by_token).T @ (hidden @ by_hidden)
        assert np.allclose(one.features[:32], hidden.mean(0).detach(), atol=1e-4)
        assert np.allclose(one.features[32:], outer.flatten().detach(), atol=1e-3)


def test_inner_products_of_sketches_estimate_those_of_gradients():
    rng = torch.Generator().manual_seed(0)
    pairs = [(torch.randn(2, 9, generator=rng), torch.randn(2, 5, generator=rng)) for _ in range(1)]
    (surprise, hidden), found = pairs[0], []
    exact = float((surprise[0] @ surprise[1]) * (hidden[0] @ hidden[1]))
    for seed in range(600):
        tokens, states, _ = (
            Sketch(rank=8, seed=seed).start(1, width=5, vocabulary=9, device=torch.device("cpu")).matrices
        )
        one, other = (torch.outer(surprise[i] @ tokens, hidden[i] @ states).flatten() for i in (0, 1))
        found.append(float(one @ other))
    assert abs(np.mean(found) - exact) < 3 * np.std(found) / np.sqrt(len(found))
    assert np.std(found) / np.sqrt(len(found)) < abs(exact)


def test_wide_models_have_their_hidden_means_projected():
    tally = Sketch(rank=0).start(2, width=1000, vocabulary=9, device=torch.device("cpu"))
    states = torch.randn(2, 1000, generator=torch.Generator().manual_seed(1))
    tally.add(torch.tensor([0, 1]), torch.tensor([3, 4]), torch.zeros(2, 9), states)
    values = tally.values()
    assert values.shape == (2, 256)
    assert np.isclose((values**2).sum(), float((states**2).sum()), rtol=0.3)


def test_balanced_blocks_weigh_the_same():
    values = np.random.default_rng(0).normal(size=(5, 4, 6)).astype(np.float32) * np.array([1, 1, 50, 50, 50, 50])
    found = balanced(values.astype(np.float32), 2)
    squares = [float((block**2).sum(-1).mean()) for block in (found[..., :2], found[..., 2:])]
    assert np.allclose(squares, 0.5, atol=1e-5)
    assert np.allclose(found.mean(axis=1), 0.0, atol=1e-5)
    flat = balanced(np.concatenate([values[..., :2], np.ones((5, 4, 1), np.float32)], -1), 2)
    assert (flat[..., 2] == 0).all(), "what is the same for all outputs says nothing"


def test_prompts_and_outputs_go_in_pairs():
    with pytest.raises(InputError, match="1 prompts and 2 outputs"):
        forward(llama(), PROMPTS[:1], SAID[:2])
    with pytest.raises(InputError, match="no prompt without a token"):
        forward(llama(), [[]], SAID[:1])


def test_an_output_without_a_token_has_probability_1():
    assert measure(llama(), PROMPTS[:2], [(), (5,)])[0].logprob == 0.0
