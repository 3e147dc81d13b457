"""Numbers that no float holds, in logs and replies."""

import json

import pytest

from culpa.errors import InputError
from culpa.lm.open import parse_spec
from culpa.probing.score import read as read_scores
from culpa.probing.style import STYLES
from culpa.probing.target import parse_target
from culpa.rollouts import read
from culpa.training.watch.sinks import read_log
from culpa.verifiers.process import Outcome

HUGE = 10**400


@pytest.mark.parametrize(("value", "reason"), [(HUGE, "infinite"), (-HUGE, "infinite")], ids=["+", "-"])
def test_a_reward_too_large_is_no_verdict(value, reason):
    (found,) = read_scores(STYLES["openrlhf"], Outcome({"rewards": [value]}), 1)
    assert found.reason == reason


@pytest.mark.parametrize(
    "line", ['{"step": 1e400}', '{"step": 1, "reward": 1%s}' % ("0" * 400), "\xff"], ids=["step", "figure", "bytes"]
)
def test_a_log_of_other_numbers_is_refused(tmp_path, line):
    path = tmp_path / "log.jsonl"
    path.write_bytes(line.encode("latin1") + b"\n")
    with pytest.raises(InputError, match=r"log.jsonl, row 1: not a line of a watch's log"):
        list(read_log(path))


def test_log_probabilities_too_large_are_unknown(tmp_path):
    node = {"message": {"role": "assistant", "content": "a"}, "sampled": True, "mask": [True], "logprobs": [HUGE]}
    trace = {"task": {"key": "a"}, "nodes": [node], "rewards": {"r": {"score": 1.0, "weight": 1.0}}}
    path = tmp_path / "traces.jsonl"
    path.write_text(json.dumps(trace) + "\n")
    assert read(path).logprob is None or read(path).size == 1


def test_names_longer_than_a_path_are_names():
    assert parse_spec(f"a={'x' * 5000}").kind == "model"
    with pytest.raises(InputError, match="there is no such file") as caught:
        parse_target(f"{'x' * 5000}.py:f")
    assert len(str(caught.value)) < 1500
