"""Where reports go: each line once, half lines never, real TensorBoard, trackers by a stand-in."""

import builtins
import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from tests.training.watch_cases import batch, report

from culpa.errors import InputError
from culpa.training.watch.alarm import Alarm
from culpa.training.watch.report import report_of, step_report
from culpa.training.watch.sinks import JsonLines, TensorBoard, Terminal, Tracker, line_of, read_log

ALARM = Alarm(2, "dead", "share of groups without a gradient rises", 0.5, 6.0, 4.0)
FULL = step_report(batch(np.random.default_rng(0), step=2), {"kl": 0.25, "harm/failed": 1.0})


def test_a_report_is_known_again_by_its_figures():
    again = report_of(2, FULL.metrics())
    assert again.metrics() == FULL.metrics()
    assert repr(again) == repr(FULL)
    bare = report(1, reward=0.5)
    assert bare.probe is None
    assert (bare.health.prompts, bare.metrics()) == (0, {"reward": 0.5, "group/prompts": 0.0, "group/outputs": 0.0})


def test_characters_are_not_called_tokens():
    seen = report(0, completions__mean_characters=5.0)
    assert (seen.counted, seen.health.length) == ("characters", 5.0)
    assert seen.metrics()["completions/mean_characters"] == 5.0
    assert "completions/mean_length" not in seen.metrics()


def test_figures_that_are_not_known_are_left_out():
    assert all(np.isfinite(value) for value in FULL.metrics().values())
    assert "group/kl" not in FULL.metrics()


def test_a_line_a_step_and_a_line_an_alarm():
    stream = io.StringIO()
    Terminal(stream).write(FULL, [ALARM])
    first, second = stream.getvalue().splitlines()
    assert first.startswith("step 2  reward ")
    assert "together " in first
    assert second == f"ALARM {ALARM}"


def test_a_terminal_gets_colour():
    class Screen(io.StringIO):
        def isatty(self):
            return True

    stream = Screen()
    Terminal(stream).write(report(3, reward=0.5), [ALARM])
    assert "step 3  reward 0.500" in stream.getvalue()
    assert "ALARM" in stream.getvalue()


def test_a_line_says_what_is_known_and_nothing_else():
    assert line_of(report(4, reward=0.5, harm__correlation=-0.2)) == "step 4  reward 0.500  together -0.20"


def test_one_object_a_step_at_once(tmp_path):
    log = JsonLines(tmp_path / "log.jsonl")
    log.write(FULL, [ALARM])
    row = json.loads((tmp_path / "log.jsonl").read_text())
    assert row["step"] == 2
    assert row["alarms"] == [vars(ALARM)]
    assert row["harm/push"] == FULL.probe.push
    log.close()


def test_a_log_is_continued_after_its_last_step(tmp_path):
    path = tmp_path / "log.jsonl"
    for steps in ((0, 1, 2), (0, 1, 2, 3)):
        log = JsonLines(path)
        for step in steps:
            log.write(report(step, reward=float(step)), [])
        log.close()
    assert [one.step for one in read_log(path)] == [0, 1, 2, 3]


def test_half_a_line_is_cut_off(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 0, "reward": 1.0, "alarms": []}\n{"step": 1, "rew')
    assert [one.step for one in read_log(path)] == [0]
    log = JsonLines(path)
    log.write(report(1, reward=0.5), [])
    log.close()
    assert [(one.step, one.health.reward) for one in read_log(path)] == [(0, 1.0), (1, 0.5)]


def test_no_number_is_not_written_as_one(tmp_path):
    log = JsonLines(tmp_path / "log.jsonl")
    log.write(report(0, reward=0.5), [Alarm(0, "dead", "x", float("nan"), 6.0, 4.0)])
    log.close()
    assert json.loads((tmp_path / "log.jsonl").read_text())["alarms"][0]["value"] is None


@pytest.mark.parametrize("line", ["{}", "[1]", '{"step": "x"}', '{"step": 1, "reward": "high"}', "no"])
def test_another_file_is_refused_by_its_line(tmp_path, line):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 0}\n' + line + "\n")
    with pytest.raises(InputError, match=r"log\.jsonl, row 2: not a line of a watch's log"):
        list(read_log(path))


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="the folder does not exist"):
        JsonLines(tmp_path / "none" / "log.jsonl")


def test_a_folder_is_no_log(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        JsonLines(tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_reads_what_was_written(tmp_path):
    pytest.importorskip("tensorboard")
    pytest.importorskip("torch")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = TensorBoard(tmp_path)
    board.write(report(1, reward=0.25), [])
    board.write(report(2, reward=0.5, group__dead=0.75), [ALARM])
    board.close()
    seen = EventAccumulator(str(tmp_path)).Reload()
    assert [(one.step, one.value) for one in seen.Scalars("reward")] == [(1, 0.25), (2, 0.5)]
    assert [(one.step, one.value) for one in seen.Scalars("group/dead")] == [(2, 0.75)]
    assert "alarm/dead/text_summary" in seen.Tags()["tensors"]


def test_without_tensorboard_it_says_what_to_install(monkeypatch, tmp_path):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name == "torch.utils.tensorboard":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InputError, match=r"TensorBoard is not installed\. pip install tensorboard torch"):
        TensorBoard(tmp_path)


def stand_in(monkeypatch, name, run):
    calls = []
    module = SimpleNamespace(
        run=run,
        init=lambda project: calls.append(("init", project)),
        log=lambda figures: calls.append(("log", figures)),
        finish=lambda: calls.append(("finish",)),
    )
    monkeypatch.setitem(sys.modules, name, module)
    return calls


@pytest.mark.parametrize("name", ["trackio", "wandb"])
def test_a_tracker_of_its_own_is_opened_and_ended(monkeypatch, name):
    calls = stand_in(monkeypatch, name, None)
    tracker = Tracker(name)
    tracker.write(report(7, reward=0.5), [ALARM])
    tracker.close()
    assert calls[0] == ("init", "culpa")
    assert calls[1][1] | {"group/prompts": 0, "group/outputs": 0} == {
        "watch/step": 7, "reward": 0.5, "group/prompts": 0, "group/outputs": 0, "alarm/dead": 6.0
    }  # fmt: skip
    assert calls[2] == ("finish",)


@pytest.mark.parametrize("name", ["trackio", "wandb"])
def test_a_run_that_is_open_is_used_and_left_open(monkeypatch, name):
    calls = stand_in(monkeypatch, name, object())
    tracker = Tracker(name)
    tracker.write(report(0, reward=0.5), [])
    tracker.close()
    assert [call[0] for call in calls] == ["log"]


def test_a_tracker_that_is_not_there_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(InputError, match=r"trackio is not installed\. pip install trackio"):
        Tracker("trackio")
