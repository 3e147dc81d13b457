"""No batch, padding or cache changes a score."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lm.classifiers import DECODERS, ENCODERS, classifier, one_by_one

from culpa.lm.reward_batches import RAGGED, SHORTEST, Text, alone, by_length, grouped, masked, pooled, shared

END = 2  # of the classifiers: the pad token as well


def texts(prompts=5, samples=4, *, seed=0, prefix=(SHORTEST, 20), rest=(1, 15), end=False):
    """Outputs of ragged lengths; `end`: they end in the token that batches of other people are padded with."""
    rng = np.random.default_rng(seed)
    found = []
    for group in range(prompts):
        begin = rng.integers(3, 40, rng.integers(*prefix)).tolist()
        for _ in range(samples):
            tail = rng.integers(3, 40, rng.integers(*rest)).tolist()
            found.append(Text((*begin, *tail, *([END] if end else [])), group=group))
    return found


@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize("family", DECODERS)
@pytest.mark.parametrize("way", [pooled, shared])
@pytest.mark.parametrize("batch_tokens", [1, 60, 10_000])
def test_decoders_are_read_at_the_last_token_whatever_the_batch(family, way, end, batch_tokens):
    model, some = classifier(family), texts(end=end)
    truth = one_by_one(model, [one.ids for one in some])
    assert np.std(truth) > 0.01
    rounding = 1e-6 if family == "gemma2" else 1e-9  # its softmax is in float32
    np.testing.assert_allclose(way(model, some, batch_tokens), truth, rtol=rounding, atol=rounding)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_sharing_is_the_full_pass_up_to_rounding(dtype):
    model, some = classifier().to(dtype), texts()
    rounding = 1e-5 if dtype == torch.float32 else 0.1
    np.testing.assert_allclose(shared(model, some, 200), pooled(model, some, 200), atol=rounding, rtol=rounding)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 400), st.permutations(range(12)))
def test_order_and_batch_change_nothing(seed, batch_tokens, order):
    model, some = classifier(), texts(4, 3, seed=seed, prefix=(1, 16), rest=(1, 9))
    whole = shared(model, some, 10_000)
    again = shared(model, [some[row] for row in order], batch_tokens)
    np.testing.assert_allclose(again, whole[list(order)], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("family", ENCODERS)
@pytest.mark.parametrize("batch_tokens", [1, 60, 10_000])
def test_encoders_see_no_padding(family, batch_tokens):
    model, some = classifier(family), texts()
    truth = alone(model, some, batch_tokens)
    assert np.std(truth) > 0.01
    np.testing.assert_allclose(masked(model, some, batch_tokens), truth, rtol=1e-9, atol=1e-10)


def test_encoders_are_told_which_text_is_which():
    model = classifier("bert")
    ids = tuple(range(5, 15))
    one, other, longer = (
        Text(ids[:size], types) for size, types in ((8, (0,) * 8), (8, (0,) * 4 + (1,) * 4), (10, (0,) * 10))
    )
    apart = np.array([alone(model, [text], 1)[0] for text in (one, other, longer)])
    assert abs(apart[0] - apart[1]) > 1e-3
    np.testing.assert_allclose(masked(model, [one, other, longer], 10_000), apart, rtol=1e-9)


def test_a_prompt_is_read_once():
    model, seen = classifier(), []
    some = texts(3, 4)

    def look(_module, _args, named):
        seen.append(tuple(named["input_ids"].shape))

    handle = model.model.register_forward_pre_hook(look, with_kwargs=True)
    shared(model, some, 10_000)
    handle.remove()
    begun = grouped(some)
    rest = [len(some[row].ids) - len(one.prefix) for one in begun for row in one.rows]
    assert seen == [(3, max(len(one.prefix) for one in begun)), (12, max(rest))]


def test_prompts_with_one_output_are_read_in_one_pass():
    model, seen = classifier(), []
    handle = model.model.register_forward_pre_hook(
        lambda _, __, named: seen.append(tuple(named["input_ids"].shape)), with_kwargs=True
    )
    some = texts(5, 1)
    shared(model, some, 10_000)
    handle.remove()
    assert seen == [(5, max(len(one.ids) for one in some))]


def test_the_cache_of_a_batch_is_no_wider_than_its_longest_prompt():
    model, widths = classifier(), []

    def look(_module, _args, named):
        if named.get("attention_mask") is not None:
            widths.append(named["attention_mask"].shape[1] - named["input_ids"].shape[1])

    some = [*texts(1, 3, prefix=(10, 11), rest=(9, 10)), *(Text((*range(4, 30), row), group=7) for row in (31, 32))]
    handle = model.model.register_forward_pre_hook(look, with_kwargs=True)
    shared(model, some, 100)
    handle.remove()
    assert widths == [26, 10, 10]  # from one cache of 26


def test_outputs_with_little_in_common_go_their_own_way():
    model = classifier()
    some = [*texts(2, 2), *(Text((5, 6, row)) for row in range(7, 9)), Text((9,) * 30, group=9)]
    truth = one_by_one(model, [one.ids for one in some])
    np.testing.assert_allclose(shared(model, some, 100), truth, rtol=1e-9, atol=1e-10)


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 400), st.integers(0, 20))
def test_batches_hold_every_row_once_and_stay_within_the_limit(sizes, most, extra):
    batches = list(by_length(sizes, range(len(sizes)), most, extra))
    assert sorted(row for batch in batches for row in batch) == list(range(len(sizes)))
    lengths = [sizes[row] for batch in batches for row in batch]
    assert lengths == sorted(lengths)
    for batch, after in zip(batches, [*batches[1:], None], strict=False):
        width = max(sizes[row] for row in batch) + extra
        assert len(batch) * width <= most or len(batch) == 1
        if after is not None:
            full = (len(batch) + 1) * (sizes[after[0]] + extra) > most
            ragged = sizes[after[0]] > RAGGED * sizes[batch[0]] and len(batch) * sizes[batch[0]] >= most / 8
            assert full or ragged


def test_a_batch_that_is_full_enough_takes_no_much_longer_row():
    sizes = [10] * 10 + [12, 13, 13]
    assert [len(batch) for batch in by_length(sizes, range(13), 800)] == [11, 2]
    assert [len(batch) for batch in by_length(sizes, range(13), 1000)] == [13]


def test_batches_that_are_full_enough_hold_little_padding():
    sizes = np.random.default_rng(0).integers(1, 500, 1000).tolist()
    padded = sum(len(batch) * sizes[batch[-1]] for batch in by_length(sizes, range(1000), 10_000))
    assert padded < 1.1 * sum(sizes)


@pytest.mark.parametrize(
    ("rows", "prefix"),
    [
        ([(1, 2, 3), (1, 2, 4)], (1, 2)),
        ([(1, 2), (1, 2)], (1,)),
        ([(1, 2), (1, 2, 3, 4)], (1,)),
        ([(1,), (2,)], ()),
        ([(4, 5, 6)], (4, 5)),
        ([(1, 2, 3, 9), (1, 2, 9, 9), (1, 2, 3, 4, 5)], (1, 2)),
    ],
)
def test_what_outputs_have_in_common(rows, prefix):
    assert grouped([Text(one) for one in rows])[0].prefix == prefix
