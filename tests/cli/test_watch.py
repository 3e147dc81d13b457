"""`culpa watch`: steps and alarms of a dump, exit codes, logs, limits from healthy logs."""

import json

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from culpa.cli import watch
from culpa.errors import InputError
from culpa.training.watch.sinks import read_log


@pytest.fixture
def culpa(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("watch", epilog=watch.EXAMPLE)(watch.command)
    app.command("other")(lambda: None)  # with one command alone its name would not be asked for

    def run(*arguments, **how):
        return CliRunner().invoke(app, ["watch", *map(str, arguments)], **how)

    return run


def dump(folder, steps, dead_from=1000):
    """TRL's dump of groups of two; from a step on all scores are equal."""
    folder.mkdir(exist_ok=True)
    for step in range(steps):
        rows = [
            {"step": step, "prompt": prompt, "completion": f"{step} {number}", "advantage": 0.0}
            | {"rm": 0.5 if step >= dead_from else (step + number) % 3 / 2, "oracle": (step + number) % 3 / 2}
            for number, prompt in enumerate("aabbcc")
        ]
        pl.DataFrame(rows).write_parquet(folder / f"completions_{step:05d}.parquet")
    return folder


def test_a_line_for_every_step(culpa, tmp_path):
    ran = culpa(dump(tmp_path / "run", 3), "--truth", "oracle", "--once")
    assert ran.exit_code == 0
    lines = ran.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["step 0", "step 1", "step 2"]
    assert all("together +1.00" in line for line in lines)
    assert "simulated healthy runs of up to 100 steps: 4% of such runs raise an alarm" in ran.stderr
    assert "the policy is taken to be trained on rm" in ran.stderr
    assert ran.stderr.count("group id") == 1
    assert "3 steps, 0 alarms" in ran.stderr
    assert "the limits are for runs" not in ran.stderr
    assert "told before they began by opposed, later by truth, trend, weaker, harmful, push, by no" in ran.stderr
    ran = culpa("run", "--once")
    assert "without --truth no signal is known to tell a fall" in ran.stderr


def test_longer_runs_than_the_limits_are_for_are_named(culpa, tmp_path):
    culpa(dump(tmp_path / "calm", 9), "--once", "--jsonl", "calm.jsonl")
    ran = culpa(dump(tmp_path / "run", 10), "--once", "--healthy", "calm.jsonl")
    assert "the limits are for runs of up to 9 steps" in ran.stderr


def test_an_alarm_decides_the_exit_code(culpa, tmp_path):
    known = ("--once", "--truth", "oracle")
    for number in range(2):
        culpa(dump(tmp_path / "calm", 30), *known, "--jsonl", f"calm{number}.jsonl")
    limits = ("--healthy", "calm0.jsonl", "--healthy", "calm1.jsonl")
    broken = dump(tmp_path / "run", 30, dead_from=15)
    ran = culpa(broken, *known, *limits, "--fail-on", "alarm")
    assert ran.exit_code == 1
    assert "ALARM step 1" in ran.stdout
    assert ": dead: share of groups without a gradient rises (1; score " in ran.stdout
    assert "limits from 2 healthy logs of up to 30 steps" in ran.stderr
    assert "(33% at most by a given signal)" in ran.stderr
    assert culpa(broken, *known, *limits).exit_code == 0
    assert culpa(tmp_path / "calm", *known, *limits, "--fail-on", "alarm").exit_code == 0


def test_a_log_is_continued_by_a_second_look(culpa, tmp_path):
    for steps in (3, 5):
        assert culpa(dump(tmp_path / "run", steps), "--once", "--jsonl", "log.jsonl").exit_code == 0
    assert [one.step for one in read_log(tmp_path / "log.jsonl")] == [0, 1, 2, 3, 4]
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[0])["alarms"] == []


def test_a_log_can_be_watched_itself(culpa, tmp_path):
    culpa(dump(tmp_path / "run", 3), "--once", "--jsonl", "log.jsonl")
    ran = culpa("log.jsonl", "--once")
    assert len(ran.stdout.splitlines()) == 3


def test_an_interrupt_is_an_end(culpa, tmp_path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    ran = culpa(dump(tmp_path / "run", 2))
    assert ran.exit_code == 0
    assert "2 steps, 0 alarms" in ran.stderr


def test_tensorboard_is_written(culpa, tmp_path):
    pytest.importorskip("tensorboard")
    pytest.importorskip("torch")
    assert culpa(dump(tmp_path / "run", 2), "--once", "--tensorboard", "board").exit_code == 0
    assert list((tmp_path / "board").glob("events*"))


REFUSED = {
    "nothing there": (("none", "--once"), "there is no such file or folder"),
    "no steps": (("empty", "--once"), "the folder holds no steps"),
    "no such truth": (("run", "--once", "--truth", "silver"), "silver"),
    "no such reward": (("run", "--once", "--reward", "silver"), "silver"),
    "no such tracker": (("run", "--once", "--tracker", "mlflow"), "no tracker is called 'mlflow'"),
    "no such log": (("run", "--once", "--healthy", "none.jsonl"), "there is no such file"),
    "no such rate": (("run", "--once", "--rate", "0.3"), r"no built-in limits for a false-alarm rate of 0\.3"),
    "no such folder": (("run", "--once", "--jsonl", "none/log.jsonl"), "the folder does not exist"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_input_at_fault_is_one_clear_error(culpa, tmp_path, case):
    arguments, message = REFUSED[case]
    dump(tmp_path / "run", 1)
    (tmp_path / "empty").mkdir()
    ran = culpa(*arguments)
    assert isinstance(ran.exception, InputError)
    with pytest.raises(InputError, match=message):
        raise ran.exception


def test_half_a_file_alone_is_no_step_yet(culpa, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    path = dump(tmp_path / "run", 1) / "completions_00000.parquet"
    path.write_bytes(path.read_bytes()[:50])
    ran = culpa("run", "--once")
    assert "no step is there yet" in str(ran.exception)
