"""Rollouts of a model: what is in the record, and that a stopped run goes on to the same."""

import numpy as np
import polars as pl
import pytest
from tests.lm.models import llama

from culpa.errors import InputError
from culpa.lm.collect import Plan, sample
from culpa.lm.features import Sketch
from culpa.lm.generate import Sampling
from culpa.lm.prompts import prompts_of
from culpa.lm.sample import draw, record
from culpa.lm.score import Keep

TEXTS = ["abc=", "a=", "defgh=", "b=", "cc="]
PROMPTS = prompts_of(TEXTS, pl.DataFrame({"answer": ["1", "2", "3", "4", "5"], "weight": [1, 1, 1, 1, 1]}))
PLAN = Plan(samples=3, sampling=Sampling(max_tokens=8), features=Sketch(rank=2))


def test_a_record_of_what_was_drawn():
    lm = llama()
    drawn = draw(lm, PROMPTS, 3, Sampling(max_tokens=8), features=Sketch(rank=2))
    found = record(drawn)
    assert found.shape == (5, 3)
    assert (found.weight == 1 / 3).all()
    assert found.prompt_id.tolist() == list(PROMPTS.ids)
    for row, one in enumerate(drawn.outputs):
        assert found.logprob.flat[row] == one.logprobs.sum()
        assert found.length.flat[row] == len(one.tokens)
        assert found.table["ended"][row] == one.ended
        assert found.table["answer"][row] == str(row // 3 + 1)
        assert found.table["prompt"][row] == TEXTS[row // 3]
    assert "weight" not in found.table.columns, "the file's own column of that name is not the policy's mass"
    assert found.features.shape == (5, 3, 32 + 4)


def test_prompts_without_other_columns():
    assert record(draw(llama(), prompts_of(["a="]), 2, Sampling(max_tokens=3))).size == 2


def test_blocks_by_length_come_back_in_the_order_of_the_file(monkeypatch):
    lm = llama()
    whole = sample(lm, PROMPTS, PLAN)
    monkeypatch.setattr("culpa.lm.collect.BLOCK", 6)
    parts = sample(lm, PROMPTS, PLAN)
    assert parts.prompt_id.tolist() == list(PROMPTS.ids)
    assert parts.table.equals(whole.table)
    assert np.allclose(parts.features, whole.features, atol=1e-4)
    assert np.allclose(parts.logprob, whole.logprob, atol=1e-4)


def test_features_are_of_the_same_mean_square():
    found = sample(llama(), PROMPTS, PLAN).features
    centred = found - found.mean(axis=1, keepdims=True)
    assert np.isclose((centred[..., :32] ** 2).sum(-1).mean(), 0.5, atol=1e-4)
    assert np.isclose((centred[..., 32:] ** 2).sum(-1).mean(), 0.5, atol=1e-4)
    assert sample(llama(), PROMPTS, PLAN._replace(features=None)).features is None
    assert sample(llama(), PROMPTS, PLAN._replace(features=Sketch(rank=0))).features.shape[-1] == 32


def test_a_stopped_run_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("culpa.lm.collect.BLOCK", 6)
    lm, keep = llama(), Keep(tmp_path / "out.parts", {"a": 1})
    seen = []

    def stop(progress):
        seen.append(progress)
        if progress.outputs == 6 and progress.fresh:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(lm, PROMPTS, PLAN, keep=keep, tell=stop)
    after = []
    parts = sample(lm, PROMPTS, PLAN, keep=keep, tell=after.append)
    assert after[0].outputs == 6
    assert after[-1].outputs == 15
    assert after[-1].fresh == 9
    monkeypatch.undo()
    whole = sample(lm, PROMPTS, PLAN, keep=Keep(tmp_path / "whole.parts", {"a": 1}))
    assert parts.table.equals(whole.table)
    assert np.allclose(parts.logprob, whole.logprob, atol=1e-4)


def test_seeds_and_temperatures_matter_and_are_told():
    lm = llama()
    one, other = (sample(lm, PROMPTS, PLAN._replace(seed=seed)).table["response"].to_list() for seed in (0, 1))
    assert one != other
    cut = PLAN._replace(sampling=Sampling(0.5, 8, top_k=2))
    notes = sample(lm, PROMPTS, cut).notes
    assert "temperature 0.5" in notes[0]
    assert "top_k 2, top_p 1: not the policy itself" in notes[1]
    assert "32 of the mean last hidden state, 4 of the output layer's gradient" in notes[2]


def test_what_cannot_be_sampled():
    lm = llama()
    with pytest.raises(InputError, match="no prompts"):
        sample(lm, PROMPTS.take([]), PLAN)
    with pytest.raises(InputError, match="at least 1 output"):
        sample(lm, PROMPTS, PLAN._replace(samples=0))
    with pytest.raises(InputError, match="exceeds the model's 64"):
        sample(lm, PROMPTS, PLAN._replace(sampling=Sampling(max_tokens=60)))
