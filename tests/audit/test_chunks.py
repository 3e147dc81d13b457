"""However a record is cut into chunks, streamed or binned, the audit says the same."""

import json
import threading

import numpy as np
import pytest
from polars.testing import assert_frame_equal
from tests.audit.world import cut, drawn, pairs_only

import culpa
from culpa.audit import Settings, gather, unlabelled
from culpa.audit import sums as sums_module
from culpa.errors import InputError

FEW = {"settings": Settings(replicates=100)}


@pytest.mark.parametrize("places", [(1,), (20,), (3, 4, 39)])
def test_chunks_and_the_whole_give_the_same(places):
    whole = drawn(0, unknown=0.3)
    one, several = culpa.audit(whole, **FEW), culpa.audit(cut(whole, *places), **FEW)
    assert several.facts == one.facts
    assert several.tied == one.tied
    for name in ("ranking", "metrics", "comparisons", "disagreement", "relabel"):
        assert_frame_equal(getattr(several, name), getattr(one, name), rel_tol=1e-9, abs_tol=1e-12)
    assert several.warnings == one.warnings


def test_chunks_of_pairs_and_the_whole_give_the_same():
    one, several = culpa.audit(pairs_only(), **FEW), culpa.audit(cut(pairs_only(), 13), **FEW)
    assert_frame_equal(several.metrics, one.metrics)
    assert_frame_equal(several.comparisons, one.comparisons)


def test_disagreement_is_of_the_first_prompts_however_they_come(monkeypatch):
    monkeypatch.setattr(gather, "SAMPLED_PROMPTS", 10)
    whole = drawn(0)
    expected = unlabelled.shares(unlabelled.disagreement(whole, 10))
    for places in ((4,), (10,), (25,)):
        got = culpa.audit(cut(whole, *places), **FEW).disagreement
        assert_frame_equal(got, expected)


def test_notes_are_the_last_chunk_s():
    first, last = cut(drawn(0), 20)
    last = culpa.Rollouts(**{name: getattr(last, name) for name in last.__dataclass_fields__} | {"notes": ("done",)})
    assert culpa.audit([first, last], **FEW).notes == ("done",)


def test_binned_audit_is_close_and_says_so(monkeypatch):
    whole = drawn(0, prompts=200)
    exact = culpa.audit(whole, **FEW)
    monkeypatch.setattr(sums_module, "KEPT_VALUES", 0)
    binned = culpa.audit(whole, **FEW)
    assert (exact.facts["binned"], binned.facts["binned"]) == (False, True)
    np.testing.assert_allclose(binned.ranking["score"], exact.ranking["score"], rtol=1e-12)
    np.testing.assert_allclose(binned.ranking["low"], exact.ranking["low"], atol=0.03)
    json.loads(binned.to_json())


def test_an_audit_that_fails_half_way_leaves_no_thread(monkeypatch):
    """A reading thread left to the garbage collector is joined at any moment in any thread: that can wait for ever."""

    def failing(parts):
        next(iter(parts))
        raise InputError("half-way.")

    monkeypatch.setattr(gather, "merge", failing)
    before = threading.active_count()
    kept = None
    try:
        culpa.audit(iter(cut(drawn(0), 4, 20)))
    except InputError as error:
        kept = error  # its traceback keeps the frames alive
    assert "half-way" in str(kept)
    assert threading.active_count() == before
