"""`culpa train`: a run's folder, a second run that goes on, and micro-runs."""

import json

import pytest
from tests.cli import stage

SHORT = ("--max-tokens", 4, "--steps", 3, "--step-prompts", 4, "--rate", 1e-2, "--answer", "answer")
ONE = ("--reward", "score=rewards.py:score")


@pytest.fixture
def ready(culpa, tmp_path):
    stage.model(tmp_path / "my-model")
    stage.prompts(tmp_path / "prompts.jsonl")
    stage.rewards(tmp_path / "rewards.py")
    return culpa


def train(ready, *arguments):
    return ready("train", "my-model", "prompts.jsonl", *arguments, *SHORT)


def test_a_run_and_what_it_leaves(ready, tmp_path):
    ran = train(ready, *ONE, "--truth", "rewards.py:short", "--learner", "rloo:4", "--output", "run")
    assert ran.code == 0, ran.err
    assert "Steps 1 to 3" in ran.out
    assert "truth" in ran.out
    names = sorted(one.name for one in (tmp_path / "run").iterdir())
    assert names == ["checkpoint-000003", "metrics.jsonl", "model", "rollouts", "run.config.yaml"]
    assert ready("audit", "run/rollouts", "--format", "json").code == 0
    assert ready("watch", "run/rollouts", "--once").code == 0
    assert ready("sample", "run/model", "prompts.jsonl", "--output", "r.parquet", "--max-tokens", 4).code == 0


def test_a_second_call_has_nothing_left_to_do_and_another_is_refused(ready):
    asked = (*ONE, "--output", "run")
    assert train(ready, *asked).code == 0
    again = train(ready, *asked)
    assert again.code == 0
    assert "Steps" not in again.out
    other = train(ready, *asked, "--seed", 1)
    assert other.code == 2
    assert "other settings" in other.err
    assert train(ready, *asked, "--seed", 1, "--restart").code == 0


@pytest.mark.parametrize(
    "learner", [("grpo:4",), ("rloo:4", "--kl", 0.1), ("ppo:2", "--group", 4), ("reinforce", "--group", 4)]
)
def test_every_learner_trains(ready, learner):
    ran = train(ready, *ONE, "--output", "run", "--learner", *learner)
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("signal", ["par:0", "clip:2", "unlikeliness", "gaussian_rank", "center | clip:1"])
def test_signals(ready, signal):
    ran = train(ready, *ONE, "--output", "run", "--learner", "rloo:4", "--signal", signal)
    assert ran.code == 0, ran.err


def test_micro_runs_rank_rewards_by_the_truth(ready, tmp_path):
    rewards = (*ONE, "--reward", "short=rewards.py:short")
    ran = train(ready, *rewards, "--truth", "rewards.py:score", "--micro", 0.7, "--output", "micro")
    assert ran.code == 0, ran.err
    assert "Micro-runs of 2 steps" in ran.out
    found = json.loads((tmp_path / "micro" / "micro.json").read_text())
    assert {one["reward"] for one in found["ranking"]} == {"score", "short"}
    assert found["ranking"][0]["gain"] >= found["ranking"][1]["gain"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*ONE, "--learner", "tilt:1"), "no way to train"),
        ((*ONE, "--learner", "reinforce"), "a baseline needs 2"),
        ((*ONE, "--reduction", "mean"), "no reduction is called 'mean'"),
        ((*ONE, "--signal", "cente"), "no step is called 'cente'"),
        ((*ONE, *ONE), "two rewards are called 'score'"),
        ((*ONE, "--micro", 0.5), "ranked by the truth"),
        ((*ONE, "--truth", "rewards.py:score", "--micro", 2), "a part of a run lies in (0, 1]"),
        (("--reward", "rewards.py:score"), "does not say what the score is called"),
        (("--reward", "a=rewards.py:missing"), "missing"),
    ],
)
def test_one_clear_error(ready, arguments, words):
    ran = train(ready, *arguments, "--output", "run")
    assert ran.code == 2
    assert words in " ".join(ran.err.split())
    assert "Traceback" not in ran.err


def test_a_reward_that_breaks_is_no_verdict_and_moves_nothing(ready, tmp_path):
    ran = train(ready, "--reward", "broken=rewards.py:broken", "--output", "run")
    assert ran.code == 0, ran.err
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all(line["reward"] is None and line["group/no_verdict"] == 1.0 for line in lines)
    assert all(line["grad_norm"] == 0.0 for line in lines)
