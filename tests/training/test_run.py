"""A run that was stopped goes on to the same bytes; two processes train as one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.training.lab import letters, policy, prompts, settings, short, weights

import culpa
from culpa.dynamics import rloo
from culpa.errors import InputError
from culpa.lm.model import load
from culpa.signals import parse
from culpa.training.checkpoint import latest
from culpa.training.run import Place, train
from culpa.training.world import World

ROOT = Path(__file__).parents[2]
SIGNAL = "normalise_running"  # a chain with a memory


def run(folder, **changes):
    plan = settings(rloo(4).with_signal(parse(SIGNAL), SIGNAL), **changes)
    return train(policy(), prompts(), {"letters": letters, "truth": short}, plan, place=Place(folder, "test"))


def diary(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def everything(folder):
    return {str(one.relative_to(folder)): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


class StopError(Exception):
    pass


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_stopped_and_taken_up_gives_the_same_bytes(tmp_path, at):
    run(tmp_path / "whole")

    def stop(step):
        if step.number == at:
            raise StopError

    plan = settings(rloo(4).with_signal(parse(SIGNAL), SIGNAL))
    scorers, place = {"letters": letters, "truth": short}, Place(tmp_path / "parts", "test")
    with pytest.raises(StopError):
        train(policy(), prompts(), scorers, plan, place=place, listeners=[stop])
    assert (latest(tmp_path / "parts") is not None) == (at >= 2)
    run(tmp_path / "parts")
    assert everything(tmp_path / "parts") == everything(tmp_path / "whole")


def test_the_diary_is_what_audit_reads(tmp_path):
    run(tmp_path)
    rollouts = culpa.read(tmp_path / "rollouts")
    assert rollouts.shape == (16, 4)
    assert list(rollouts.proxies) == ["letters"]
    assert rollouts.truth is not None
    assert rollouts.logprob is not None
    assert sorted(set(rollouts.table["step"])) == [0, 1, 2, 3]
    lines = diary(tmp_path)
    assert [one["step"] for one in lines] == [0, 1, 2, 3]
    assert lines[2]["truth"] == pytest.approx(np.nanmean(rollouts.truth[8:12]))


def test_the_trained_model_is_an_ordinary_folder(tmp_path):
    trained = run(tmp_path)
    found = weights(load(tmp_path / "model"))
    assert all(np.array_equal(found[name], value) for name, value in weights(trained).items())


def test_another_run_in_the_same_folder_is_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(InputError, match="other settings"):
        run(tmp_path, rate=1e-3)
    with pytest.raises(InputError, match="other settings"):
        train(policy(), prompts(), {"letters": letters}, settings(), place=Place(tmp_path, "another policy"))
    anew = settings(rate=1e-3)
    train(policy(), prompts(), {"letters": letters}, anew, place=Place(tmp_path, "test", restart=True))
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 4


def test_a_damaged_checkpoint_is_one_clear_error(tmp_path):
    run(tmp_path)
    (latest(tmp_path).folder / "run.json").write_text("{")
    with pytest.raises(InputError, match="the checkpoint cannot be read"):
        run(tmp_path)
    run_again = tmp_path / "other"
    run(run_again)
    (latest(run_again).folder / "optimizer.pt").write_bytes(b"PK not a file")
    with pytest.raises(InputError, match="does not fit this run"):
        run(run_again)


_SCRIPT = """
import sys, torch
torch.set_num_threads(1)
from pathlib import Path
from culpa.training.run import Place, train
from culpa.training.world import leave
from tests.training.lab import letters, policy, prompts, settings, short
train(policy(), prompts(), {"letters": letters, "truth": short}, settings(), place=Place(Path(sys.argv[1]), "test"))
leave()
"""


def test_two_processes_train_as_one(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    command = [*torchrun, "--standalone", str(script), str(tmp_path / "two")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    alone = train(
        policy(), prompts(), {"letters": letters, "truth": short}, settings(), place=Place(tmp_path / "one", "test")
    )
    found = weights(load(tmp_path / "two" / "model"))
    for name, value in weights(alone).items():
        assert np.allclose(found[name], value, atol=1e-6), name
    one, two = (diary(tmp_path / name) for name in ("one", "two"))
    for first, second in zip(one, two, strict=True):
        assert first.keys() == second.keys()
        assert np.allclose(list(first.values()), list(second.values()), atol=1e-5)


def test_prompts_that_cannot_be_shared_are_refused():
    with pytest.raises(InputError, match="3 prompts a step cannot be shared by 2"):
        World(0, 2).share([1, 2, 3])
