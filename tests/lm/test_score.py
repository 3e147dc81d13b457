"""Scores come to the outputs they belong to; what has none is NaN with a reason."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lm.scored import LENGTHS, Lengths, record

from culpa.errors import InputError
from culpa.lm.parts import finished
from culpa.lm.score import (
    Keep,
    Progress,
    Scores,
    counted,
    reasons_told,
    score,
    starts_of,
    with_logprob,
)
from culpa.rollouts import read, write
from culpa.rollouts.dense import from_frame


def values(found, name):
    return found.proxies[name][found.present]


@pytest.mark.parametrize("block", [1, 2, 3, 4, 100])
def test_every_output_gets_its_score(block):
    before = record()
    found = score(before, Lengths(), "length", block=block)
    assert values(found, "length").tolist() == LENGTHS
    assert np.isnan(found.proxies["length"][~found.present]).all()
    assert found.table["proxy.length.reason"].to_list() == [None] * 6
    assert found.table.drop("proxy.length.reason").equals(before.table)
    np.testing.assert_array_equal(found.truth, before.truth)
    np.testing.assert_array_equal(found.weight, before.weight)
    assert found.notes == before.notes


def test_blocks_are_whole_prompts_in_order():
    lengths = Lengths()
    score(record(), lengths, "length", block=2)
    assert [responses for _, responses, _ in lengths.seen] == [["a", "bb", "ccc"], ["d", "ee"], ["f"]]
    assert [prompts for prompts, *_ in lengths.seen] == [["P"] * 3, ["Q"] * 2, ["R"]]
    assert lengths.seen[1][2] == [{"answer": "4", "prompt_id": "q"}, {"answer": None, "prompt_id": "q"}]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 20))
def test_blocks_cover_the_record(sizes, block):
    ids = np.repeat([str(row) for row in range(len(sizes))], sizes)
    made = from_frame(pl.DataFrame({"prompt_id": ids}))
    starts = starts_of(made, block)
    parts = np.diff([*starts, made.size])
    assert starts[0] == 0
    assert (parts > 0).all()
    assert set(starts) <= set(np.cumsum([0, *sizes]).tolist())
    assert (parts[:-1] >= block).all()
    assert (parts < block + 9).all()


def test_no_verdict_is_nan_with_its_reason_and_never_0():
    found = score(record(), Lengths({"bb": "time-out: no answer", "f": "none"}), "rm")
    assert np.isnan(values(found, "rm")).tolist() == [False, True, False, False, False, True]
    reasons = found.table["proxy.rm.reason"].to_list()
    assert reasons == [None, "time-out: no answer", None, None, None, "none"]
    assert reasons_told(found, "rm") == (
        "2 of 6 outputs have no score (none 1, time-out 1); the first: time-out: no answer"
    )


def test_what_is_not_finite_or_has_a_reason_is_no_score():
    given_ = np.array([1.0, np.nan, np.inf, 2.0, -np.inf, 3.0])
    reasons = [None, None, None, "odd", None, None]
    found = score(record(), lambda *_: Scores(given_, reasons), "rm")
    assert np.isnan(values(found, "rm")).tolist() == [False, True, True, True, True, False]
    assert found.table["proxy.rm.reason"].to_list() == [None, "nan", "infinite", "odd", "infinite", None]
    assert reasons_told(score(record(), Lengths(), "rm"), "rm") == ""


def test_outputs_without_text_are_not_shown():
    lengths = Lengths()
    made = record(response=["a", None, "ccc", "d", None, None], prompt=["P", "P", None, "Q", "Q", "R"])
    found = score(made, lengths, "rm", block=1)
    assert [responses for _, responses, _ in lengths.seen] == [["a"], ["d"]]
    assert found.table["proxy.rm.reason"].to_list() == [
        None, "no response", "no prompt", None, "no response", "no response",
    ]  # fmt: skip
    np.testing.assert_array_equal(values(found, "rm"), [1.0, np.nan, np.nan, 1.0, np.nan, np.nan])


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv"])
def test_scores_and_reasons_survive_the_file(tmp_path, suffix):
    found = score(record(), Lengths({"bb": "none"}), "rm")
    again = read(write(found, tmp_path / f"a.{suffix}"))
    np.testing.assert_array_equal(again.proxies["rm"], found.proxies["rm"])
    assert again.table["proxy.rm.reason"].to_list() == found.table["proxy.rm.reason"].to_list()


def test_a_second_run_goes_on_and_gives_the_same(tmp_path):
    keep = Keep(tmp_path / "out.parts", {"run": 1})
    whole = score(record(), Lengths({"d": "none"}), "rm", block=2)

    class Stopped(Lengths):
        def __call__(self, prompts, responses, columns):
            if "f" in responses:
                raise KeyboardInterrupt
            return super().__call__(prompts, responses, columns)

    with pytest.raises(KeyboardInterrupt):
        score(record(), Stopped({"d": "none"}), "rm", keep=keep, block=2)
    assert finished(keep.folder) == {0, 1}
    lengths, told = Lengths({"d": "none"}), []
    again = score(record(), lengths, "rm", keep=keep, block=2, tell=told.append)
    np.testing.assert_array_equal(again.proxies["rm"], whole.proxies["rm"])
    assert again.table.equals(whole.table)
    assert [responses for _, responses, _ in lengths.seen] == [["f"]]
    assert told == [Progress(5, 6), Progress(3, 6), Progress(5, 6), Progress(6, 6, 1, 10)]


def test_progress_counts_outputs_and_tokens():
    told = []
    score(record(), Lengths(), "rm", block=2, tell=told.append)
    assert told == [Progress(3, 6, 3, 30), Progress(5, 6, 5, 50), Progress(6, 6, 6, 60)]


def test_log_probabilities_take_their_own_place():
    found = with_logprob(record(), lambda *_: Scores(np.array([-1.0, -2, np.nan, -4, -5, -6]), [None] * 6), "org/lm")
    assert found.logprob is not None
    np.testing.assert_array_equal(found.logprob[found.present], [-1.0, -2, np.nan, -4, -5, -6])
    assert found.table["logprob.reason"].to_list() == [None, None, "nan", None, None, None]
    assert not found.proxies
    assert found.notes == ("a note", "log-probabilities are those of the texts under org/lm")
    assert reasons_told(found, None).startswith("1 of 6 outputs have no score (nan 1)")


def test_log_probabilities_of_the_file_are_replaced_with_a_note():
    made = record(logprob=[-9.0] * 6)
    found = with_logprob(made, lambda *_: Scores(np.full(6, -1.0), [None] * 6), "lm")
    assert found.logprob is not None
    assert set(found.logprob[found.present]) == {-1.0}
    assert found.notes[-1] == "log-probabilities are those of the texts under lm, in place of the file's"


def test_a_name_that_is_taken_is_refused():
    made = record(**{"proxy.rm": [1.0] * 6})
    with pytest.raises(InputError, match=r"a score called 'rm' already\. Choose another name\. Taken: rm\."):
        score(made, Lengths(), "rm")


def test_rollouts_without_text_are_refused():
    made = record()
    bare = type(made)(made.prompt_id, made.present, made.weight, table=made.table.drop("response"))
    with pytest.raises(InputError, match=r"the rollouts have no response\. Name its column; found: prompt, answer\."):
        score(bare, Lengths(), "rm")


@pytest.mark.parametrize(("count", "reasons"), [(5, 6), (6, 5)])
def test_a_scorer_that_miscounts_is_refused(count, reasons):
    scores = Scores(np.zeros(count), [None] * reasons)
    with pytest.raises(InputError) as error:
        score(record(), lambda *_: scores, "rm")
    assert str(error.value) == (
        f"the scorer gave {count} scores and {reasons} reasons for 6 outputs. "
        "Give one of each for every output; NaN and a reason where there is no score."
    )


def test_reasons_are_counted_by_kind():
    reasons = pl.Series(["b: x", "a", None, "b: y", "c"])
    assert counted(reasons) == [("b", 2), ("a", 1), ("c", 1)]
    assert counted(pl.Series([None, None], dtype=pl.String)) == []
