"""`culpa check`: exit codes, formats, and a page for every key of its JSON."""

import json
import re
from pathlib import Path

import polars as pl
import pytest

from culpa.cli import check
from culpa.cli.app import app

REWARD = Path(__file__).parents[1] / "probing" / "rewards.py"
PAGE = Path(__file__).parents[2] / "docs" / "check.md"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rewards.py").write_text(REWARD.read_text())
    rows = []
    for number in range(4):
        answer = str(20 + number)
        for text, truth, count in ((f"\\boxed{{{answer}}}", 1.0, 1), (f"not {answer}", 0.0, 2), ("no idea", 0.0, 5)):
            row = {"prompt_id": f"q{number}", "prompt": f"Which? ({number})", "response": text, "key": answer}
            rows += [row | {"gold": truth}] * count
    pl.DataFrame(rows).write_parquet("rollouts.parquet")
    return tmp_path


def test_it_is_a_verb():
    assert "check" in [command.name for command in app.registered_commands]


def test_a_good_reward_is_fine(culpa):
    ran = culpa("check", "rewards.py:plain", "--fail-on", "note", "--memory", "1024", "--timeout", "5")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("rewards.py:plain (plain): no findings.")


def test_findings_decide_the_exit_code(culpa):
    line = ("check", "rewards.py:contains", "rollouts.parquet", "--truth", "gold", "--answer", "key")
    ran = culpa(*line, "--fail-on", "error", "--format", "md")
    assert ran.code == 1
    assert ran.out.startswith("# culpa check")
    assert "**error** consequence: 4 outputs score too high" in ran.out
    assert culpa("check", "rewards.py:plain", *line[2:], "--fail-on", "warning").code == 0


def test_files_without_any_score_will_do(culpa):
    pl.read_parquet("rollouts.parquet").drop("gold").write_parquet("texts.parquet")
    ran = culpa("check", "rewards.py:contains", "texts.parquet", "--answer", "key")
    assert ran.code == 0
    assert "consequence (the rollouts have no truth)" in ran.out


def documented() -> dict[str, set[str]]:
    """Keys by section of the page; the top level is ""."""
    keys: dict[str, set[str]] = {"": set()}
    section = ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("### "):
            section = line.removeprefix("### ")
            keys[section] = set()
        if found := re.match(r"\| `(\w+)` \| \S.* \|$", line):
            keys[section].add(found[1])
    return keys


def test_every_key_of_the_json_is_on_the_page_and_no_other(culpa):
    line = (
        "check",
        "rewards.py:contains",
        "rollouts.parquet",
        "--truth",
        "gold",
        "--answer",
        "key",
        "--format",
        "json",
    )
    found = json.loads(culpa(*line).out, parse_constant=pytest.fail)
    page = documented()
    assert set(found) == page[""]
    for name in ("facts", "rehearsal"):
        assert set(found[name]) == page[name]
    for name in ("probes", "findings", "nulls", "errors"):
        assert found[name]
        assert all(set(row) == page[name] for row in found[name])
    assert found["schema"] == "culpa.check/1"
    assert found["args"]["reward"] == "rewards.py:contains"


def test_every_probe_and_code_is_on_the_page(culpa):
    text = PAGE.read_text()
    found = json.loads(culpa("check", "rewards.py:contains", "--format", "json").out)
    for row in found["probes"]:
        assert f"| {row['probe']} |" in text
    source = Path(check.__file__).parents[1] / "probing"
    written = "".join(path.read_text() for path in source.glob("*.py"))
    for code in re.findall(r'Finding\(\s*(?:"\w+"|level|grave), "([a-z-]+)"', written):
        assert f"`{code}`" in text


def test_output_and_settings(culpa, folder):
    ran = culpa("check", "rewards.py:plain", "--format", "json", "--output", "out.json")
    assert ran.code == 0
    assert ran.err.startswith("culpa: written: out.json, out.config.yaml")
    again = culpa("check", "--config", "out.config.yaml", "--output", "again.json")
    assert again.code == 0, again.err
    first, second = (json.loads((folder / name).read_text()) for name in ("out.json", "again.json"))
    assert first | {"args": 0} == second | {"args": 0}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("rewards.py:nope", "the reward cannot be loaded: AttributeError: module 'rewards' has no attribute 'nope'."),
        ("rewards.py", "the reward is 'rewards.py'. Write module:function or file.py:function."),
        ("rewards.py:unclear", "the reward's parameters (first, second) fit no known style."),
        ("rewards.py:plain --style x", "no style is called 'x'."),
        ("rewards.py:plain --timeout 0", "the time-out is 0.0 seconds. 10 is usual."),
        ("rewards.py:plain --memory 3", "the memory limit is 3 MiB. Take 64 or more, or 0 for none."),
        ("rewards.py:plain --learner x", "x"),
        ("rewards.py:plain --output no/a.txt", "no: the folder does not exist."),
        ("rewards.py:plain nowhere.parquet", "nowhere.parquet: there is no such file."),
        ("rewards.py:plain rollouts.parquet --answer no", "column 'no': there is no such column of answers."),
    ],
)
def test_wrong_usage_is_one_line(culpa, line, text):
    ran = culpa("check", *line.split())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("culpa: ")
    assert ran.err.count("\n") == 1
    assert text in ran.err
    assert "fault of culpa" not in ran.err


def test_an_empty_file_is_refused(culpa):
    texts = dict.fromkeys(("prompt_id", "prompt", "response"), pl.String)
    pl.DataFrame(schema=texts).write_parquet("empty.parquet")
    ran = culpa("check", "rewards.py:plain", "empty.parquet")
    assert ran.code == 2
    assert "there are no rows. Check that the run that wrote them got so far." in ran.err
