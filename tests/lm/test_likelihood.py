"""Log-probabilities of given responses: those of the model, token by token."""

import numpy as np
import polars as pl
import pytest
import torch
from tests.lm.models import llama

from culpa.lm.generate import Sampling
from culpa.lm.likelihood import likelihoods
from culpa.lm.prompts import prompts_of
from culpa.lm.sample import draw, record

PROMPTS = ["abc=", "abc=", "h=", "a"]
RESPONSES = ["cba", "a", "hgfedcba", ""]


def by_hand(lm, prompt, tokens):
    ids = [*lm.tokenizer(prompt)["input_ids"], *tokens]
    with torch.inference_mode():
        logp = lm.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    start = len(ids) - len(tokens)
    return sum(float(logp[place - 1, ids[place]]) for place in range(start, len(ids)))


def tokens(lm, text):
    return lm.tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("batch_tokens", [1, 20, 4096])
def test_sums_over_the_tokens_of_the_response(batch_tokens):
    lm = llama()
    found = likelihoods(lm, batch_tokens=batch_tokens)(PROMPTS, RESPONSES, pl.DataFrame())
    truth = [by_hand(lm, prompt, tokens(lm, text)) for prompt, text in zip(PROMPTS, RESPONSES, strict=True)]
    np.testing.assert_allclose(found.values, truth, atol=1e-4)
    assert found.values[3] == 0.0
    assert found.reasons == [None] * 4
    assert found.tokens == 5 + 5 + 3 + 2 + 3 + 1 + 8


def test_the_end_token_counts_where_an_output_came_to_its_end():
    lm = llama()
    columns = pl.DataFrame({"ended": [True, False, None, True]})
    found = likelihoods(lm)(PROMPTS, RESPONSES, columns)
    ends = [[lm.tokenizer.eos_token_id], [], [], [lm.tokenizer.eos_token_id]]
    truth = [by_hand(lm, p, tokens(lm, t) + e) for p, t, e in zip(PROMPTS, RESPONSES, ends, strict=True)]
    np.testing.assert_allclose(found.values, truth, atol=1e-4)


def test_what_was_sampled_is_measured_alike():
    lm = llama()
    asked = prompts_of(["abc=", "h="], pl.DataFrame({"answer": ["cba", "h"]}))
    made = record(draw(lm, asked, 32, Sampling(max_tokens=3), seed=0))
    table = made.table
    found = likelihoods(lm)(table["prompt"].to_list(), table["response"].to_list(), table)
    same = [len(tokens(lm, text)) + end for text, end in zip(table["response"], table["ended"], strict=True)]
    told = np.asarray(same) == made.length[made.present]  # special tokens that were drawn are not in the text
    assert told.sum() > 5
    np.testing.assert_allclose(found.values[told], made.logprob[made.present][told], atol=1e-4)


def test_prompts_in_the_template():
    lm = llama()
    lm.tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}={% endfor %}"
    found = likelihoods(lm, chat=True)(["ab"], ["c"], pl.DataFrame())
    np.testing.assert_allclose(found.values, [_bare(lm, "ab=", "c")], atol=1e-4)


def _bare(lm, prompt, text):
    """Of a prompt without a first token, which templates write themselves."""
    ids = tokens(lm, prompt) + tokens(lm, text)
    with torch.inference_mode():
        logp = lm.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return float(logp[len(ids) - 2, ids[-1]])


def test_outputs_without_a_log_probability():
    lm = llama(context=16)
    lm.tokenizer.chat_template = "{{ messages[0]['content'] }}"
    found = likelihoods(lm, chat=True)(["", "a", "a"], ["b", "b" * 15, "b" * 16], pl.DataFrame())
    assert found.reasons == ["no tokens: the prompt is empty", None, "too long: 17 tokens, the model takes 16"]
    assert np.isnan(found.values).tolist() == [True, False, True]
