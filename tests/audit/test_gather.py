"""What an audit keeps of its chunks: a sample of prompts with labels, and one of prompts without, apart from it."""

import numpy as np
import polars as pl
import pytest
from tests.audit import ahead
from tests.audit.world import NAN, cut, drawn, record
from tests.rollouts.records import assert_same

from culpa.audit import MEASURES
from culpa.audit import gather as module
from culpa.audit.gather import UNLABELLED, gather
from culpa.dynamics import best_of_n, reinforce
from culpa.predictors import Subsample

ALL = tuple(MEASURES)


def partly(every=2):
    """Of every second prompt no truth is known, of the last one that of a single output."""
    world = ahead.sharing(prompts=30)
    truth = world.truth.copy()
    truth[::every] = NAN
    truth[-1, 1:] = NAN
    return world.with_truth(truth)


def taken(chunks, learner=None, wanted=ALL):
    return gather(chunks, 5, wanted, learner or reinforce())


def test_labelled_and_unlabelled_prompts_are_kept_apart():
    world = partly()
    found = taken([world])
    known = (~np.isnan(world.truth)).sum(axis=1)
    assert found.sample.prompt_id.tolist() == world.prompt_id[known >= 2].tolist()
    assert found.unlabelled.prompt_id.tolist() == world.prompt_id[known < 2].tolist()
    assert (found.outputs, found.known) == (world.size, known.sum())


@pytest.mark.parametrize("places", [(7,), (3, 11, 12)])
def test_chunks_keep_what_the_whole_keeps(places):
    world = drawn(0, unknown=0.7)
    whole, parts = taken([world]), taken(cut(world, *places))
    for one, other in ((whole.sample, parts.sample), (whole.unlabelled, parts.unlabelled)):
        assert_same(one, other, notes=False)
    assert whole.facts() == parts.facts()


def test_every_truth_known_leaves_nobody_to_ask():
    assert taken([ahead.sharing()]).unlabelled is None


def test_no_truth_at_all_leaves_neither():
    found = taken([ahead.sharing().with_truth(None)])
    assert (found.sample, found.unlabelled, found.unseen) == (None, None, "")


def test_what_nothing_can_be_rehearsed_on_is_not_kept():
    bare = record({"rm": [[0.0, 1.0], [1.0, 0.0]]}, [[0.0, 1.0], [NAN, NAN]])
    assert (taken([bare]).sample, taken([bare]).unlabelled) == (None, None)
    assert taken([bare]).unseen == "the outputs are samples without a text or features that they could share"
    assert taken([bare], best_of_n(4)).sample.shape == (1, 2)


def test_why_there_is_no_sample_is_said_where_single_truths_are_known():
    world = ahead.sharing()
    found = taken([world.with_truth(np.where(np.arange(5) < 1, world.truth, NAN))])
    assert found.sample is None
    assert found.unseen == "no prompt has two of the policy's own outputs with a truth"
    assert found.unlabelled.shape == world.shape


def test_without_an_outlook_nothing_is_kept():
    found = taken([partly()], wanted=tuple(one for one in MEASURES if one.part != "outlook"))
    assert (found.sample, found.unlabelled, found.unseen) == (None, None, "")


def test_the_unlabelled_have_a_bound_of_their_own(monkeypatch):
    assert UNLABELLED == 10_000
    monkeypatch.setattr(module, "UNLABELLED", 12)
    found = taken([partly()])
    assert found.unlabelled.size <= 12 < found.sample.size
    alone = Subsample(12, known=False)
    alone.add(partly())
    assert_same(found.unlabelled, alone.record)


def test_prompts_with_one_output_cannot_be_asked_for():
    present = np.array([[True, True], [True, False]])
    table = pl.DataFrame({"response": ["a", "b", "c"]})
    one = record({"rm": [[0.0, 1.0], [1.0, 0.0]]}, [[NAN, NAN]] * 2, present=present, table=table)
    assert taken([one]).unlabelled.prompt_id.tolist() == ["prompt 0"]
