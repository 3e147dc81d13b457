"""A sample of prompts by the hash of their ids: chunks or whole, in any order, it is the same sample."""

from hashlib import blake2b

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rollouts.records import assert_same, refused

from culpa.predictors.subsample import CELLS, Subsample, subsample
from culpa.rollouts import Rollouts
from culpa.rollouts.select import concat, select


def record(sizes, names=None):
    sizes = np.array(sizes)
    present = np.arange(sizes.max()) < sizes[:, None]
    scores = np.where(present, np.arange(present.size).reshape(present.shape), np.nan)
    return Rollouts(
        prompt_id=np.array(names or [f"q{row}" for row in range(len(sizes))], dtype=object),
        present=present,
        weight=present / sizes[:, None],
        proxies={"rm": scores},
        table=pl.DataFrame({"response": [f"text {number}" for number in scores[present]]}),
    )


def key(name):
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")


def slow(rollouts, cells):
    """Ids, in the order of the record."""
    chosen, used = set(), 0
    sizes = dict(zip(rollouts.prompt_id, rollouts.present.sum(axis=1), strict=True))
    for name in sorted(rollouts.prompt_id, key=key):
        used += sizes[name]
        if used > cells and chosen:
            break
        chosen.add(name)
    return [name for name in rollouts.prompt_id if name in chosen]


SIZES = st.lists(st.integers(2, 9), min_size=1, max_size=25)


@settings(max_examples=50, deadline=None)
@given(SIZES, st.integers(1, 80))
def test_the_smallest_hashes_that_have_room(sizes, cells):
    rollouts = record(sizes)
    sample = subsample(rollouts, cells)
    names = slow(rollouts, cells)
    assert sample.prompt_id.tolist() == names
    assert_same(sample, select(rollouts, np.isin(rollouts.prompt_id, names)))


@settings(max_examples=50, deadline=None)
@given(SIZES, st.integers(1, 80), st.data())
def test_a_stream_gives_what_the_whole_gives(sizes, cells, data):
    rollouts = record(sizes)
    order = data.draw(st.permutations(range(len(sizes))))
    cuts = sorted(data.draw(st.sets(st.sampled_from(order))) | {0})
    sample = Subsample(cells)
    for start, stop in zip(cuts, [*cuts[1:], len(sizes)], strict=True):
        sample.add(select(rollouts, order[start:stop]))
        assert sample.record.size <= max(cells, 9)
    whole = subsample(select(rollouts, order), cells)
    assert_same(sample.record, whole)
    assert sample.seen == len(sizes)
    assert set(whole.prompt_id) == set(subsample(rollouts, cells).prompt_id)


def test_a_prompt_without_room_shuts_out_all_later_ones():
    """The prompt that a stream has dropped is not there any more when a smaller one with a larger hash comes."""
    names = sorted((f"q{row}" for row in range(3)), key=key)
    parts = [record([size], [name]) for size, name in zip((3, 5, 2), names, strict=True)]
    sample = Subsample(6)
    for part in parts:
        sample.add(part)
    assert sample.record.prompt_id.tolist() == [names[0]]
    assert subsample(concat(parts), 6).prompt_id.tolist() == [names[0]]


@settings(max_examples=50, deadline=None)
@given(SIZES, SIZES, st.integers(1, 80))
def test_more_prompts_can_only_push_out(sizes, more, cells):
    before = record(sizes)
    after = concat([before, record(more, [f"r{row}" for row in range(len(more))])])
    kept = set(subsample(after, cells).prompt_id) & set(before.prompt_id)
    assert kept <= set(subsample(before, cells).prompt_id)


def test_the_sample_says_nothing_of_the_names():
    """Of 2,000 prompts of 4 outputs the sample of 2,000 outputs has a quarter, from the early as from the late ones."""
    sample = subsample(record([4] * 2000), 2000)
    places = np.array([int(name[1:]) for name in sample.prompt_id])
    assert len(places) == 500
    assert abs(places.mean() - 1000) < 4 * 577 / np.sqrt(500)


def test_the_same_prompts_on_every_machine():
    assert subsample(record([2] * 12), 8).prompt_id.tolist() == ["q0", "q3", "q5", "q10"]


def test_few_prompts_are_all_there():
    rollouts = record([3, 2])
    assert_same(subsample(rollouts), rollouts)
    assert CELLS == 20_000


def test_a_prompt_that_fills_more_than_the_sample_is_one():
    assert subsample(record([7, 9]), 3).shape[0] == 1


def test_prompts_of_no_use_are_left_out():
    rollouts = record([2, 3, 3, 1, 2])
    weight = rollouts.weight.copy()
    weight[0] = 0.0
    truth = np.where(rollouts.present, 1.0, np.nan)
    truth[1, 0] = truth[2, :2] = np.nan
    usable = Rollouts(rollouts.prompt_id, rollouts.present, weight, rollouts.proxies, truth)
    assert subsample(usable).prompt_id.tolist() == ["q1", "q4"]
    assert subsample(usable.with_truth(None)).prompt_id.tolist() == ["q1", "q2", "q4"]
    sample = Subsample()
    sample.add(usable)
    assert sample.seen == 2


def test_chunks_of_no_use_leave_the_sample_as_it_is():
    sample = Subsample()
    sample.add(record([1]))
    assert sample.record is None
    sample.add(record([2], ["a"]))
    sample.add(record([1], ["b"]))
    assert sample.record.prompt_id.tolist() == ["a"]


@pytest.mark.parametrize("cells", [0, -1])
def test_refusals(cells):
    assert refused(Subsample, cells) == f"got a sample of {cells} outputs. Use at least one."
    assert refused(subsample, record([1])) == (
        "no prompt has two outputs of the policy's own whose truth is known. "
        "Give some prompts two or more, with weights above 0."
    )


def half_known(sizes, seed=0):
    """Truths known at random: some prompts have two and more, others one or none."""
    rollouts = record(sizes)
    known = rollouts.present & (np.random.default_rng(seed).random(rollouts.present.shape) < 0.3)
    return rollouts.with_truth(np.where(known, 1.0, np.nan)), known.sum(axis=1)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=25), st.integers(0, 9))
def test_the_two_samples_part_the_prompts_of_two_outputs(sizes, seed):
    rollouts, known = half_known(sizes, seed)
    with_labels, without = Subsample(), Subsample(known=False)
    for sample in (with_labels, without):
        sample.add(rollouts)
    names = [[] if one.record is None else one.record.prompt_id.tolist() for one in (with_labels, without)]
    assert names[0] == rollouts.prompt_id[known >= 2].tolist()
    assert names[1] == rollouts.prompt_id[(known < 2) & (np.array(sizes) >= 2)].tolist()
    assert [with_labels.seen, without.seen] == [len(one) for one in names]


def test_prompts_without_labels_are_chosen_by_their_hash_too():
    rollouts, known = half_known([4] * 30)
    sample = Subsample(20, known=False)
    for start in range(0, 30, 7):
        sample.add(select(rollouts, np.arange(start, min(start + 7, 30))))
    assert sample.record.prompt_id.tolist() == slow(select(rollouts, known < 2), 20)


def test_outputs_that_are_not_the_policys_do_not_count_among_the_unlabelled():
    rollouts = record([2, 2]).with_truth(np.full((2, 2), np.nan))
    weight = np.array([[1.0, 0.0], [0.5, 0.5]])
    mixed = Rollouts(rollouts.prompt_id, rollouts.present, weight, rollouts.proxies, rollouts.truth)
    sample = Subsample(known=False)
    sample.add(mixed)
    assert sample.record.prompt_id.tolist() == ["q1"]
