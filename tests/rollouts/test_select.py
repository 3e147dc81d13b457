"""Cutting a record by prompts and putting records together: what `to_frame` says of it, row by row."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rollouts.records import assert_same, refused, rollouts

from culpa.rollouts import Rollouts
from culpa.rollouts.dense import from_frame, to_frame
from culpa.rollouts.select import concat, select


@settings(max_examples=50, deadline=None)
@given(rollouts(), st.data())
def test_selecting_takes_the_prompts_rows(record, data):
    rows = data.draw(st.lists(st.sampled_from(range(len(record.prompt_id))), min_size=1, unique=True))
    table = to_frame(record)
    parts = [table.filter(pl.col("prompt_id") == record.prompt_id[row]) for row in rows]
    assert_same(select(record, rows), from_frame(pl.concat(parts), record.notes))


@settings(max_examples=50, deadline=None)
@given(rollouts())
def test_selecting_all_changes_nothing(record):
    assert_same(select(record, np.ones(len(record.prompt_id), dtype=bool)), record)


def test_a_mask_is_as_good_as_indices():
    record = frame("aabbbc")
    assert select(record, np.array([True, False, True])).prompt_id.tolist() == ["a", "c"]
    assert_same(select(record, np.array([True, False, True])), select(record, [0, 2]))
    assert select(record, [0, -1]).shape == (2, 2)


def test_an_output_behind_a_gap_keeps_its_row_of_the_table():
    record = Rollouts(
        prompt_id=np.array(["a", "b"], dtype=object),
        present=np.array([[False, True, False], [True, False, True]]),
        weight=np.array([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]]),
        table=pl.DataFrame({"response": ["x", "y", "z"]}),
    )
    assert select(record, [1, 0]).table["response"].to_list() == ["y", "z", "x"]
    assert select(record, [0]).present.tolist() == [[False, True]]


@settings(max_examples=50, deadline=None)
@given(rollouts(), st.data())
def test_halves_put_together_are_the_whole(record, data):
    prompts = len(record.prompt_id)
    cuts = sorted(data.draw(st.sets(st.sampled_from(range(prompts)))) | {0})
    parts = [select(record, list(range(a, b))) for a, b in zip(cuts, [*cuts[1:], prompts], strict=True)]
    assert_same(concat(parts), record)


def frame(ids, **columns):
    rows = range(len(ids))
    return from_frame(pl.DataFrame({"prompt_id": list(ids), "proxy.rm": [float(row) for row in rows]} | columns))


def test_short_prompts_are_padded():
    both = concat([frame("aab"), frame("cddd", truth=[1.0] * 4).with_truth(None)])
    np.testing.assert_array_equal(
        both.proxies["rm"],
        [[0, 1, np.nan], [2, np.nan, np.nan], [0, np.nan, np.nan], [1, 2, 3]],
    )
    assert both.present.sum(axis=1).tolist() == [2, 1, 1, 3]
    np.testing.assert_allclose(both.weight[1:3, 1:], 0.0)


def test_tables_that_differ():
    both = concat([frame("aa", response=["x", "y"]), frame("b", other=[3]), frame("c")])
    assert both.table.rows() == [("x", None), ("y", None), (None, 3), (None, None)]
    assert concat([frame("a"), frame("b")]).table.width == 0


def test_equal_notes_are_said_once():
    one, two = (replace(frame(name), notes=(f"note {name}", "both")) for name in "ab")
    assert concat([one, two]).notes == ("note a", "both", "note b")


def test_the_order_of_proxies_says_nothing():
    one = from_frame(pl.DataFrame({"prompt_id": ["a"], "proxy.x": [1.0], "proxy.y": [2.0]}))
    two = from_frame(pl.DataFrame({"prompt_id": ["b"], "proxy.y": [4.0], "proxy.x": [3.0]}))
    both = concat([one, two])
    assert (both.proxies["x"].tolist(), both.proxies["y"].tolist()) == ([[1.0], [3.0]], [[2.0], [4.0]])


def test_refusals():
    one = frame("a")
    assert refused(select, one, []) == "no prompt is selected. Select at least one."
    assert refused(select, one, np.array([False])) == "no prompt is selected. Select at least one."
    assert refused(concat, []) == "there are no rollouts. Give at least one record."
    remedy = "Give it to all of them, or to none."
    labelled = frame("b", truth=[1.0])
    assert refused(concat, [one, labelled]) == f"only some of the records have truth. {remedy}"
    assert refused(concat, [labelled, one]) == f"only some of the records have truth. {remedy}"
    other = from_frame(pl.DataFrame({"prompt_id": ["b"], "proxy.other": [1.0]}))
    assert refused(concat, [one, other]) == f"only some of the records have other, rm. {remedy}"
    assert refused(concat, [one, one]).startswith("a prompt_id occurs twice.")


@pytest.mark.parametrize("widths", [(2, 3)])
def test_features_of_different_policies(widths):
    one, two = (
        frame(name, features=pl.Series([[1.0] * width], dtype=pl.Array(pl.Float32, width)))
        for name, width in zip("ab", widths, strict=True)
    )
    assert refused(concat, [one, two]) == (
        "the features have 2 dimensions in one record and 3 in another. "
        "Take the features of all outputs from the same policy."
    )
