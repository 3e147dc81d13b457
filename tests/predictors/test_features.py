"""Features of outputs: centred, of one scale, zero where there is no output, and open about where they come from."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rollouts.records import refused

from culpa.predictors import features
from culpa.predictors.features import features_of, needed
from culpa.predictors.ngrams import ngram_shares
from culpa.rollouts import Rollouts

WORDS = ("alpha", "beta", "gamma", "delta", "so", "it", "goes")
NO_DIRECTION = " (the same for all outputs of a prompt: no direction)"


def world(seed, *, prompts=6, samples=5, dims=3, texts=True, offset=0.0, scale=1.0):
    """Ragged prompts with unequal weights, of which some are 0; the last prompt has no output of the policy's."""
    rng = np.random.default_rng(seed)
    present = np.arange(samples) < rng.integers(2, samples + 1, (prompts, 1))
    weight = np.where(present, rng.integers(0, 4, (prompts, samples)), 0.0)
    weight[:, 0] = 1
    weight[-1] = 0
    total = weight.sum(axis=1, keepdims=True)
    values = (offset + scale * rng.standard_normal((prompts, samples, dims))).astype(np.float32)
    values[~present] = np.nan
    table = pl.DataFrame({"response": [" ".join(rng.choice(WORDS, 4)) for _ in range(present.sum())]})
    return Rollouts(
        prompt_id=np.array([f"p{row}" for row in range(prompts)], dtype=object),
        present=present,
        weight=weight / np.where(total, total, 1.0),
        features=values if dims else None,
        table=table if texts else pl.DataFrame(),
    )


def slow(rollouts, values):
    """Prompt by prompt, as the formula says."""
    centred = np.zeros(values.shape)
    square, prompts = 0.0, 0
    for row, (there, weight) in enumerate(zip(rollouts.present, rollouts.weight, strict=True)):
        own = weight if weight.any() else there / there.sum()
        mean = sum(w * x for w, x in zip(own, values[row].astype(np.float64), strict=True) if w)
        centred[row, there] = values[row, there] - mean
        square += sum(w * (x**2).sum() for w, x in zip(weight, centred[row], strict=True))
        prompts += weight.any()
    return centred / np.sqrt(square / prompts)


def texts_of(rollouts, dims=512):
    values = np.zeros((*rollouts.shape, dims), dtype=np.float32)
    values[rollouts.present] = ngram_shares(rollouts.table["response"], dims)
    return values


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 1e3]), st.sampled_from([1e-30, 1.0, 1e30]))
def test_policy_features_are_the_slow_ones(seed, offset, scale):
    rollouts = world(seed, offset=offset * scale, scale=scale)
    np.testing.assert_allclose(
        features_of(rollouts, "policy").values, slow(rollouts, rollouts.features), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("seed", range(3))
def test_text_features_are_the_slow_ones(seed):
    rollouts = world(seed)
    np.testing.assert_allclose(
        features_of(rollouts, "text").values, slow(rollouts, texts_of(rollouts)), rtol=1e-5, atol=1e-6
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["policy", "text", "joined"]))
def test_mean_zero_and_mean_square_one_under_the_policys_weights(seed, kind):
    rollouts = world(seed)
    values = features_of(rollouts, kind).values.astype(np.float64)
    own = rollouts.weight.any(axis=1)
    np.testing.assert_allclose(np.einsum("ps,psd->pd", rollouts.weight, values)[own], 0.0, atol=1e-6)
    np.testing.assert_allclose((rollouts.weight * (values**2).sum(axis=-1)).sum() / own.sum(), 1.0, rtol=1e-5)
    assert not values[~rollouts.present].any()


def test_outputs_that_are_not_the_policys_do_not_enter_mean_and_scale():
    rollouts = world(0)
    other = rollouts.features.copy()
    foreign = rollouts.present & (rollouts.weight == 0)
    foreign[-1] = False
    assert foreign.any()
    other[foreign] += 7
    before, after = (features_of(one, "policy").values for one in (rollouts, replace(rollouts, features=other)))
    np.testing.assert_array_equal(before[~foreign], after[~foreign])
    assert (before[foreign] != after[foreign]).all()


def test_both_blocks_have_half_of_the_mean_square():
    rollouts = world(1, scale=100.0)
    joined = features_of(rollouts, "joined")
    assert joined.values.shape == (*rollouts.shape, 515)
    assert joined.values.dtype == np.float32
    assert joined.source == "the policy's 3-d features joined with 512 hashed n-grams of the text"
    for part, kind in ((joined.values[..., :3], "policy"), (joined.values[..., 3:], "text")):
        np.testing.assert_allclose(part * np.sqrt(2), features_of(rollouts, kind).values, rtol=1e-6)


@pytest.mark.parametrize(
    ("dims", "texts", "source"),
    [
        (3, True, "the policy's 3-d features joined with 512 hashed n-grams of the text"),
        (3, False, "the policy's 3-d features"),
        (0, True, "512 hashed n-grams of the text"),
    ],
)
def test_all_that_there_is(dims, texts, source):
    rollouts = world(0, dims=dims, texts=texts)
    assert features_of(rollouts).source == needed(rollouts).source == source


def test_fewer_slots_on_request():
    found = features_of(world(0), "text", dims=16)
    assert (found.values.shape[-1], found.source) == (16, "16 hashed n-grams of the text")


def nothing():
    rollouts = world(0, dims=0, texts=False)
    yield rollouts
    yield replace(rollouts, table=pl.DataFrame({"response": pl.Series([None] * rollouts.size, dtype=pl.String)}))
    yield replace(rollouts, features=np.full((*rollouts.shape, 0), np.nan, dtype=np.float32))


@pytest.mark.parametrize("rollouts", list(nothing()))
def test_where_there_is_nothing(rollouts):
    assert features_of(rollouts) is None
    assert refused(needed, rollouts) == (
        "the rollouts have neither features of the policy's nor texts. "
        "Give a column 'features' or 'response': without them nothing is shared between prompts."
    )
    for kind in ("policy", "joined"):
        assert refused(features_of, rollouts, kind) == (
            "the rollouts have no features of the policy's. "
            "Give the column 'features', or use the features of the \"text\"."
        )
    assert refused(features_of, rollouts, "text") == (
        "the rollouts have no texts. Name the column of responses 'response', or use the features of the \"policy\"."
    )


def test_joining_needs_the_texts_too():
    assert refused(features_of, world(0, texts=False), "joined").startswith("the rollouts have no texts.")


def test_an_unknown_kind():
    assert refused(features_of, world(0), "hidden") == (
        "no features are of the kind 'hidden'. Known: auto, policy, text, joined."
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["auto", "policy", "joined"])
def test_features_that_are_no_numbers_name_the_prompt(value, kind):
    rollouts = world(0)
    values = rollouts.features.copy()
    values[2, 1, 0] = values[4, 0, 2] = value
    assert refused(features_of, replace(rollouts, features=values), kind) == (
        "the features of prompt 'p2' are missing, NaN or infinite (2 such prompts). "
        'Give every output its own, leave them all out, or use the kind "text".'
    )
    assert features_of(replace(rollouts, features=values), "text").values.any()


def test_a_missing_text_is_an_empty_one():
    rollouts = world(0)
    texts = rollouts.table["response"].to_list()
    one, other = (
        features_of(replace(rollouts, table=pl.DataFrame({"response": [first, *texts[1:]]})), "text").values
        for first in (None, "")
    )
    np.testing.assert_array_equal(one, other)


def alike(rollouts, prompts):
    """The features of the policy's outputs are equal within these prompts, and no round numbers."""
    values = rollouts.features.copy()
    values[prompts] = np.where(rollouts.present[prompts, :, None], values[prompts][:, :1] * np.float32(0.1), np.nan)
    return replace(rollouts, features=values)


def test_features_that_tell_no_outputs_apart_say_so():
    rollouts = alike(world(3), slice(None))
    found = features_of(rollouts, "policy")
    assert found.alike
    assert found.source == "the policy's 3-d features" + NO_DIRECTION
    assert found.values.shape == rollouts.features.shape
    assert not found.values.any()


def test_a_block_without_direction_is_left_out_of_the_join():
    rollouts = alike(world(3), slice(None))
    joined = features_of(rollouts)
    assert joined.source == f"the policy's 3-d features{NO_DIRECTION} joined with 512 hashed n-grams of the text"
    assert not joined.alike
    np.testing.assert_array_equal(joined.values, features_of(rollouts, "text").values)
    same = pl.DataFrame({"response": ["same"] * rollouts.size})
    turned = features_of(replace(world(3), table=same))
    np.testing.assert_array_equal(turned.values, features_of(world(3), "policy").values)
    assert turned.source.endswith(f"512 hashed n-grams of the text{NO_DIRECTION}")
    assert not turned.alike
    neither = features_of(replace(rollouts, table=same))
    assert neither.alike
    assert not neither.values.any()


def test_a_prompt_of_equal_outputs_has_exact_zeros():
    rollouts = alike(world(5), slice(1, 2))
    values = features_of(rollouts, "policy").values
    assert not values[1].any()
    assert values[0].any()


@pytest.mark.parametrize("block", [1, 40, 10**9])
def test_exact_zeros_in_every_block_whichever_output_counts_first(block, monkeypatch):
    rollouts = world(10, dims=20)
    assert rollouts.present.sum(axis=1).tolist() == [5, 5, 3, 2, 5, 5]
    weight = np.where(rollouts.present, 1.0, 0.0)  # a third of a number, three times, is not always the number
    weight[0, :4] = 0  # its first output that counts is one that the third prompt does not have
    rollouts = alike(replace(rollouts, weight=weight / weight.sum(axis=1, keepdims=True)), slice(2, 3))
    monkeypatch.setattr(features, "_BLOCK", block)
    assert not features_of(rollouts, "policy").values[2].any()


@pytest.mark.parametrize("block", [1, 20, 10**9])
def test_where_blocks_are_cut_says_next_to_nothing(block, monkeypatch):
    rollouts = world(2, prompts=9)
    whole = features_of(rollouts).values
    monkeypatch.setattr(features, "_BLOCK", block)
    np.testing.assert_allclose(features_of(rollouts).values, whole, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-38, 8e37])
def test_numbers_of_any_size(scale):
    """Squares of the largest float32 and of the smallest normal ones are out of its range."""
    rollouts = world(0)
    plain = np.clip(rollouts.features * 4, -4, 4)  # opposite ones are out of range of each other
    one, other = (
        features_of(replace(rollouts, features=plain * np.float32(factor)), "policy").values for factor in (1, scale)
    )
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_a_small_difference_beside_a_large_constant():
    rollouts = world(0, dims=2)
    values = rollouts.features * np.float32([0, 1e-30]) + np.float32([1e30, 0])
    found = features_of(replace(rollouts, features=values), "policy").values
    alone = features_of(replace(rollouts, features=rollouts.features[..., 1:]), "policy").values
    assert not found[..., 0].any()
    np.testing.assert_allclose(found[..., 1:], alone, rtol=1e-5, atol=1e-6)


def test_an_output_that_is_not_the_policys_may_be_anywhere():
    rollouts = world(0)
    values = rollouts.features * np.float32(1e-30)
    values[rollouts.present & (rollouts.weight == 0)] = 3e38
    found = features_of(replace(rollouts, features=values), "policy").values
    assert np.isfinite(found).all()
    assert np.abs(found).max() == np.float32(1e15)
