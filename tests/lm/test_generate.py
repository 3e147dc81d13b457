"""Sampling: right distribution, right log-probabilities, and nothing that depends on the batch."""

import numpy as np
import pytest
import torch
from tests.lm.models import gpt2, llama

from culpa.errors import InputError
from culpa.lm.features import Sketch
from culpa.lm.forward import measure
from culpa.lm.generate import Sampling, generate, invert, left_padded, positions, text_of, truncated, uniforms

PROMPTS = [[1, 5, 6], [1, 4, 5, 6, 7, 8, 9], [1, 8], [1, 5, 6]]


def drawn(lm, prompts, samples=4, *, seed=0, features=None, **how):
    sampling = Sampling(**({"max_tokens": 12} | how))
    rows = [one for one in prompts for _ in range(samples)]
    numbers = np.concatenate([uniforms(seed, str(i), samples, sampling.max_tokens) for i in range(len(prompts))])
    return generate(lm, rows, numbers, sampling, features=features)


def stepwise(lm, prompt, numbers, temperature=1.0):
    """One output without a cache, without a batch: the oracle."""
    said, logprobs = [], []
    for number in numbers:
        with torch.inference_mode():
            logits = lm.model(input_ids=torch.tensor([[*prompt, *said]])).logits[0, -1].double() / temperature
        mass = logits.softmax(0)
        token = int((mass.cumsum(0) <= number).sum())
        said.append(token)
        logprobs.append(float(mass[token].log()))
        if token in lm.end_ids:
            break
    return tuple(said), logprobs


@pytest.mark.parametrize("make", [llama, gpt2])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_batch_with_cache_equals_one_by_one_without(make, temperature):
    lm = make()
    found = drawn(lm, PROMPTS, temperature=temperature)
    lengths = set()
    for row, one in enumerate(found):
        numbers = uniforms(0, str(row // 4), 4, 12)[row % 4]
        tokens, logprobs = stepwise(lm, PROMPTS[row // 4], numbers, temperature)
        assert one.tokens == tokens
        assert np.allclose(one.logprobs, logprobs, atol=1e-4)
        assert one.ended == (tokens[-1] in lm.end_ids)
        lengths.add(len(tokens))
    assert len(lengths) > 2, "rows leave the batch at different times"


@pytest.mark.parametrize("batch", [1, 3, 5])
def test_batch_size_changes_nothing(batch):
    lm = llama()
    some, all_ = (drawn(lm, PROMPTS, batch=size, features=Sketch(rank=3)) for size in (batch, 256))
    for one, other in zip(some, all_, strict=True):
        assert one.tokens == other.tokens
        assert np.allclose(one.logprobs, other.logprobs, atol=1e-5)
        assert np.allclose(one.features, other.features, atol=1e-3)


def test_the_same_prompt_elsewhere_in_the_file_says_the_same():
    lm = llama()
    numbers = uniforms(0, "x", 2, 12)
    alone = generate(lm, [PROMPTS[0]] * 2, numbers, Sampling(max_tokens=12))
    among = generate(
        lm, [PROMPTS[1], *[PROMPTS[0]] * 2], np.vstack([uniforms(0, "y", 1, 12), numbers]), Sampling(max_tokens=12)
    )
    assert [one.tokens for one in alone] == [one.tokens for one in among[1:]]


def test_frequencies_are_the_models():
    lm = llama(scale=3.0)
    numbers = uniforms(3, "many", 4000, 1)
    found = generate(lm, [PROMPTS[0]] * 4000, numbers, Sampling(max_tokens=1))
    with torch.inference_mode():
        mass = lm.model(input_ids=torch.tensor([PROMPTS[0]])).logits[0, -1].double().softmax(0).numpy()
    counts = np.bincount([one.tokens[0] for one in found], minlength=len(mass))
    expected = 4000 * mass
    assert ((counts - expected) ** 2 / np.maximum(expected, 1e-9))[expected > 5].sum() < 40.0


def test_a_low_temperature_says_the_likeliest():
    lm = llama()
    greedy = drawn(lm, PROMPTS[:1], 1, temperature=1e-4)[0]
    with torch.inference_mode():
        logits = lm.model(input_ids=torch.tensor([PROMPTS[0]])).logits[0, -1]
    assert greedy.tokens[0] == int(logits.argmax())


def test_truncated_draws_keep_untruncated_logprobs():
    lm = llama()
    found = drawn(lm, PROMPTS, top_k=2)
    again = measure(lm, [one for one in PROMPTS for _ in range(4)], [one.tokens for one in found])
    for one, other in zip(found, again, strict=True):
        assert np.allclose(one.logprobs, other.logprobs, atol=1e-4)


def test_top_k_and_top_p_keep_the_likeliest():
    logits = torch.log(torch.tensor([[0.1, 0.5, 0.25, 0.15]]))
    assert torch.isfinite(truncated(logits, Sampling(top_k=2))).tolist() == [[False, True, True, False]]
    assert torch.isfinite(truncated(logits, Sampling(top_p=0.6))).tolist() == [[False, True, True, False]]
    assert torch.isfinite(truncated(logits, Sampling(top_p=0.5))).tolist() == [[False, True, False, False]]
    assert torch.isfinite(truncated(logits, Sampling())).all()


def test_inverse_of_the_distribution():
    logits = torch.log(torch.tensor([[0.2, 0.0, 0.8]])).expand(4, 3)
    assert invert(logits, torch.tensor([0.0, 0.1999, 0.2001, 1.0])).tolist() == [0, 0, 2, 2]


def test_no_token_of_mass_0_is_drawn_at_the_end_of_the_distribution():
    logits = torch.tensor([[0.0, -torch.inf]])
    assert invert(logits, torch.tensor([1.0])).tolist() == [0]


def test_numbers_of_a_row_do_not_depend_on_how_many_there_are():
    many = uniforms(5, "p", 4, 9)
    assert np.array_equal(many[:2, :3], uniforms(5, "p", 2, 3))
    assert len(np.unique(many)) == many.size
    assert not np.array_equal(many, uniforms(6, "p", 4, 9))
    assert not np.array_equal(many, uniforms(5, "q", 4, 9))


def test_padding_stands_on_the_left_and_counts_no_places():
    ids, mask = left_padded([[7, 8, 9], [7]], 0, torch.device("cpu"))
    assert ids.tolist() == [[7, 8, 9], [0, 0, 7]]
    assert positions(mask).tolist() == [[0, 1, 2], [0, 0, 0]]


def test_text_without_end_and_special_tokens():
    lm = llama()
    a = lm.tokenizer("ab")["input_ids"][1:]
    assert text_of(lm, [*a, lm.tokenizer.eos_token_id]) == "ab"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"temperature": 0.0}, "temperature must be positive"),
        ({"max_tokens": 0}, "at least 1 token"),
        ({"batch": 0}, "a batch 1 output"),
        ({"top_p": 0.0}, "top_k is 0 or more and top_p"),
        ({"top_k": -1}, "top_k is 0 or more and top_p"),
        ({"max_tokens": 90}, "exceed the model's 64"),
    ],
)
def test_what_cannot_be_drawn(how, words):
    with pytest.raises(InputError, match=words):
        drawn(llama(), PROMPTS, **how)


def test_draws_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"draws has shape \(1, 3\) for 2 outputs of 12"):
        generate(llama(), PROMPTS[:2], uniforms(0, "a", 1, 3), Sampling(max_tokens=12))


def test_a_prompt_without_tokens_is_refused():
    with pytest.raises(InputError, match="has no tokens"):
        generate(llama(), [[]], uniforms(0, "a", 1, 12), Sampling(max_tokens=12))
