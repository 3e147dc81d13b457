"""Reward functions score in a process of their own: what one output does costs no other its score."""

import numpy as np
import polars as pl
import pytest

from culpa.errors import InputError
from culpa.lm import functions
from culpa.lm.functions import FunctionScorer
from culpa.probing import parse_target
from culpa.verifiers.process import Limits

SOURCE = """
import os, time

def plain(prompt, response): return float(len(prompt) + len(response))
def exact(response, answer): return float(response == answer)
def trl(prompts, completions, level, **columns):
    assert len(prompts) == len(completions) == len(level)
    return [None if text == "skip" else float(len(text) + one) for text, one in zip(completions, level)]
def chat(completions, **_): return [float(len(one[0]["content"])) for one in completions]
def openrlhf(queries, prompts, labels): return {"rewards": [float(len(one)) for one in queries]}
def odd(response):
    if response == "raise": raise ValueError("a fault: of mine")
    if response == "die": os._exit(3)
    if response == "sleep": time.sleep(60)
    return {"nan": float("nan"), "text": "high", "inf": float("inf")}.get(response, 1.0)
def batch(completions, **_):
    if "raise" in completions: raise ValueError("all of it")
    return [float(len(one)) for one in completions]
def short(completions, **_): return [1.0]
def sizes(completions, **_): return [float(len(completions))] * len(completions)
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("rewards") / "rewards.py"
    path.write_text(SOURCE)
    return path


def scored(file, name, responses, *, seconds=5.0, columns=None, **how):
    frame = pl.DataFrame({"prompt_id": [str(row) for row in range(len(responses))]} | (columns or {}))
    with FunctionScorer(parse_target(f"{file}:{name}"), Limits(seconds, 1024), **how) as scorer:
        return scorer(["ask"] * len(responses), responses, frame)


@pytest.mark.parametrize(
    ("name", "wanted"), [("plain", [4, 5]), ("trl", [11, 22]), ("chat", [1, 2]), ("openrlhf", [4, 5])]
)
def test_signatures_of_trainers(file, name, wanted):
    found = scored(file, name, ["a", "bb"], columns={"level": [10, 20]})
    assert found.values.tolist() == wanted
    assert found.reasons == [None, None]


def test_the_answer_is_handed_over(file):
    columns = {"answer": ["a", "x"], "gold": ["y", "b"]}
    assert scored(file, "exact", ["a", "b"], columns=columns).values.tolist() == [1.0, 0.0]
    assert scored(file, "exact", ["a", "b"], columns=columns, answer="gold").values.tolist() == [0.0, 1.0]


def test_a_column_of_answers_that_is_not_there(file):
    with pytest.raises(InputError, match=r"column 'gold': there is no such column of answers\. Found: prompt_id\."):
        scored(file, "exact", ["a"], answer="gold")


def test_what_goes_wrong_costs_its_own_score(file):
    found = scored(file, "odd", ["a", "raise", "b", "die", "nan", "text", "inf", "c"])
    assert found.values[[0, 2, 7]].tolist() == [1.0, 1.0, 1.0]
    assert np.isnan(found.values[[1, 3, 4, 5, 6]]).all()
    kinds = [None if one is None else one.split(":")[0] for one in found.reasons]
    assert kinds == [None, "raised", None, "ended", "nan", "type", "infinite", None]
    assert found.reasons[1] == "raised: ValueError: a fault: of mine (rewards.py, line 12)"
    assert found.reasons[3] == "ended: the process ended with exit code 3"


def test_no_number_of_deaths_hides_an_output_that_has_a_score(file):
    found = scored(file, "odd", ["die"] * 9 + ["a", "die", "b"], batch=64)
    assert found.values[[9, 11]].tolist() == [1.0, 1.0]
    assert {one for one in found.reasons if one} == {"ended: the process ended with exit code 3"}


def test_a_reward_that_always_dies_is_given_up(file, monkeypatch):
    monkeypatch.setattr(functions, "MOST_HUNG", 2)
    scored(file, "odd", ["die", "a", "die"], batch=2)
    with pytest.raises(InputError) as error:
        scored(file, "odd", ["a", "die", "die"], batch=2)
    assert str(error.value) == (
        "the reward failed on 2 outputs in a row (ended: the process ended with exit code 3). "
        "See what it does with `culpa check`, or give it more time or memory (--timeout, --memory)."
    )


def test_a_hanging_output_times_out(file):
    found = scored(file, "odd", ["a", "sleep", "b"], seconds=0.3)
    assert found.values[[0, 2]].tolist() == [1.0, 1.0]
    assert found.reasons[1] == "time-out: no answer within 0.3 s"


def test_where_a_batch_fails_its_outputs_are_asked_one_by_one(file):
    found = scored(file, "batch", ["a", "raise", "bb"])
    assert found.values[[0, 2]].tolist() == [1.0, 2.0]
    assert found.reasons[1].startswith("raised: ValueError: all of it")


def test_none_is_no_verdict(file):
    found = scored(file, "trl", ["skip", "a"], columns={"level": [1, 2]})
    assert np.isnan(found.values[0])
    assert found.reasons == ["none", None]


def test_too_few_scores_are_no_scores(file):
    found = scored(file, "short", ["a", "b"])
    assert found.reasons == ["length: 1 scores for 2 outputs"] * 2


def test_outputs_come_in_batches(file):
    assert scored(file, "sizes", ["a"] * 5, batch=2).values.tolist() == [2, 2, 2, 2, 1]
    assert scored(file, "sizes", ["a"] * 3, style="trl").values.tolist() == [3, 3, 3]


def test_a_function_that_is_not_there(file):
    with pytest.raises(InputError, match="the reward cannot be loaded: AttributeError"):
        scored(file, "nothing", ["a"])


def test_the_process_ends_with_the_block(file):
    scorer = FunctionScorer(parse_target(f"{file}:plain"), Limits(5.0, 1024))
    with scorer:
        scorer(["p"], ["r"], pl.DataFrame({"prompt_id": ["0"]}))
        child = scorer._bench.worker._child
    assert child.poll() is not None
