"""The watch beside TRL's own GRPO trainer: the same training, a report for every step."""

import json

import pytest

pytest.importorskip("trl")

from tests.training.tiny_trainer import made, vowels
from trl import GRPOConfig, GRPOTrainer

from culpa.training.watch.alarm import Thresholds
from culpa.training.watch.callback import callback
from culpa.training.watch.rewards import watched
from culpa.training.watch.run import Collector, Run
from culpa.training.watch.sinks import JsonLines, read_log

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")]


def length(completions, **_):
    return [float(len(text)) for text in completions]


def trained(folder, rewards, callbacks=(), **settings):
    settings = {"beta": 0.1, "reward_weights": [1.0, 0.5]} | settings
    trainer = made(GRPOTrainer, GRPOConfig, rewards, folder, settings=settings, callbacks=list(callbacks))
    trainer.train()
    return trainer


def test_a_watched_training_is_the_same_training_with_a_report_a_step(tmp_path):
    plain = trained(tmp_path / "plain", [vowels, length])
    log = tmp_path / "log.jsonl"
    collector = Collector(Run([JsonLines(log)]))
    rewards = [watched(vowels, collector, truth=length), watched(length, collector, weight=0.5)]
    seen = trained(tmp_path / "seen", rewards, [callback(collector)], eval_strategy="no")
    names = ("reward", "kl", "completions/clipped_ratio")
    rows = [row for row in plain.state.log_history if "reward" in row]
    again = [row for row in seen.state.log_history if "reward" in row]
    assert [[row[name] for name in names] for row in again] == [[row[name] for name in names] for row in rows]
    reports = list(read_log(log))
    assert [report.step for report in reports] == [0, 1]
    assert collector.group == 4
    for report, row in zip(reports, rows, strict=True):
        assert report.health.reward == pytest.approx(row["reward"], abs=1e-6)
        assert (report.health.prompts, report.health.outputs) == (4, 16)
        assert report.health.clipped == pytest.approx(row["completions/clipped_ratio"])
        assert report.more["kl"] == row["kl"]
        assert report.health.dead == pytest.approx(row["frac_reward_zero_std"])
        assert report.health.length == pytest.approx(row["completions/mean_length"])
        assert report.probe.outputs == 16
    assert [json.loads(line)["alarms"] for line in log.read_text().splitlines()] == [[], []]


def test_what_is_generated_for_evaluation_is_left_out_and_an_alarm_can_stop_the_training(tmp_path):
    log = tmp_path / "log.jsonl"
    collector = Collector(Run([JsonLines(log)], Thresholds({"missing": -1.0}, 1, 1, 0.5, 0.5)))
    for name in collector.run._watcher._states:  # as if eight steps had been seen
        state = collector.run._watcher._states[name]
        if name == "missing":
            state._first, state._middle, state._size = [0.0] * 8, 0.0, 1.0
    calls = []

    def counted(completions, **_):
        calls.append(len(completions))
        return vowels(completions)

    from datasets import Dataset

    settings = {"eval_strategy": "steps", "eval_steps": 1, "eval_on_start": True, "max_steps": 4}
    settings |= {"per_device_eval_batch_size": 4, "reward_weights": [1.0]}
    trainer = made(
        GRPOTrainer,
        GRPOConfig,
        [watched(counted, collector)],
        tmp_path,
        settings={"beta": 0.0} | settings,
        eval_dataset=Dataset.from_list([{"prompt": "ab", "kind": 0}]),
        callbacks=[callback(collector, stop_on=("missing",))],
    )
    trainer.train()
    reports = list(read_log(log))
    assert len(calls) > len(reports)  # evaluation asked as well
    assert [report.step for report in reports] == [0, 1]
    assert trainer.state.global_step == 2  # of four: the alarm of the first step was known at the second
    assert [alarm.step for alarm in collector.run.alarms] == [0]
