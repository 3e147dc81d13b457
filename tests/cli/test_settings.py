"""Settings from a file: as if typed, flags win, what does not fit is named, what was resolved can be used again."""

import json
from pathlib import Path

import pytest
import yaml
from tests.cli import case


@pytest.fixture
def rollouts(tmp_path):
    return str(case.saved(case.frame(), tmp_path / "rollouts.parquet"))


def settings(text: str, name: str = "run.yaml") -> str:
    Path(name).write_text(text)
    return name


def test_a_file_says_the_same_as_flags(culpa, rollouts):
    file = settings("truth: gold\nproxy: [rm_good, rm_mid]\nseed: 4\nformat: json\nfail-on: error\n")
    by_file = json.loads(culpa("audit", rollouts, "--config", file).out)
    flags = "--truth gold --proxy rm_good --proxy rm_mid --seed 4 --format json --fail-on error"
    assert by_file == json.loads(culpa("audit", rollouts, *flags.split()).out)


def test_flags_win(culpa, rollouts):
    file = settings("truth: gold\nseed: 4\nproxy: [rm_bad]\nformat: json\n")
    found = json.loads(culpa("audit", rollouts, "--config", file, "--seed", 5, "--proxy", "rm_good").out)
    assert found["seed"] == 5
    assert [row["proxy"] for row in found["ranking"]] == ["rm_good"]


def test_files_may_stand_in_the_settings(culpa, rollouts):
    assert culpa("audit", "--config", settings(f"files: {rollouts}\ntruth: gold\n")).code == 0


@pytest.mark.parametrize("text", ["metric: acc\n", "metric: [acc]\n"])
def test_one_value_stands_for_a_list_of_one(culpa, rollouts, text):
    ran = culpa("audit", rollouts, "--format", "json", "--config", settings(text))
    assert json.loads(ran.out)["args"]["metric"] == ["acc"]


def test_the_algorithm_is_a_setting_by_the_name_of_its_flag(culpa, rollouts):
    file = settings("truth: gold\nlearner: grpo:4\nhorizon: kl=0.2\nformat: json\n")
    found = json.loads(culpa("audit", rollouts, "--config", file).out)
    assert (found["forecast"]["learner"], found["forecast"]["horizon"]) == ("grpo:4", "kl=0.2")


def test_null_is_not_given(culpa, rollouts):
    ran = culpa("audit", rollouts, "--format", "json", "--config", settings("seed: null\nproxy:\n"))
    assert json.loads(ran.out)["seed"] == 0


def test_resolved_settings_reproduce_the_output(culpa, rollouts, tmp_path):
    flags = (
        "--truth gold --proxy rm_* --metric acc_half --seed 7 --format json --output v.json --fail-on error --stream"
    )
    assert culpa("audit", rollouts, *flags.split()).code == 1
    first = Path("v.json").read_bytes()
    kept = yaml.safe_load((tmp_path / "v.config.yaml").read_text())
    assert kept["files"] == [rollouts]
    assert (kept["seed"], kept["proxy"], kept["fail-on"], kept["budget"]) == (7, ["rm_*"], "error", 10)
    Path("v.json").unlink()
    assert culpa("audit", "--config", "v.config.yaml").code == 1
    assert Path("v.json").read_bytes() == first


KNOWN = (
    "Known: address, budget, engine, fail-on, features, files, format, group-size, horizon, join, kl, learner, length, "
    "level, logprob, metric, output, processes, prompt,"
)
BAD = {
    "nope: 1\n": f"run.yaml: no setting is called 'nope'. {KNOWN}",
    "config: a\n": "run.yaml: no setting is called 'config'.",
    '"\\e[31m": 1\n': r"no setting is called '\\x1b[31m'.",
    "seed: abc\n": "run.yaml: seed: 'abc' does not fit (",
    "seed: 1.5\n": "run.yaml: seed: 1.5 does not fit (",
    "seed: [1]\n": "run.yaml: seed: [1] does not fit (",
    "budget: -1\n": "run.yaml: budget: -1 does not fit (",
    "format: pdf\n": "run.yaml: format: 'pdf' does not fit (",
    "stream: perhaps\n": "run.yaml: stream: 'perhaps' does not fit (",
    "output: {a: 1}\n": "run.yaml: output: {'a': 1} does not fit (",
    "- a\n": "run.yaml: holds a list, not settings. Write `flag: value` lines.",
    "": "run.yaml: holds nothing, not settings. Write `flag: value` lines.",
    "seed\n": "run.yaml: holds only 'seed', not settings.",
    "truth: gold\nseed: {\n": "run.yaml, row 3: not YAML (",
    "a: !!python/object/apply:os.system [true]\n": "run.yaml, row 1: not YAML (",
    "d: 2024-99-99\n": "run.yaml: not YAML (month must be in 1..12",
}


@pytest.mark.parametrize(("text", "said"), BAD.items(), ids=map(repr, BAD))
def test_settings_that_do_not_fit(culpa, rollouts, text, said):
    ran = culpa("audit", rollouts, "--config", settings(text))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("culpa: ")
    assert said in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.yaml", "nowhere.yaml: cannot be read (No such file or directory). Name a YAML file."),
        (".", ".: cannot be read (Is a directory)."),
        ("bytes.yaml", "bytes.yaml: cannot be read (it is not UTF-8 text)."),
    ],
)
def test_settings_that_cannot_be_read(culpa, rollouts, name, said):
    Path("bytes.yaml").write_bytes(b"\xff\xfe")
    ran = culpa("audit", rollouts, "--config", name)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
