"""`culpa demo`: the whole job, offline, and nothing written that was not asked for."""

import hashlib
import json
import subprocess
import sys

import pytest
from tests.audit import world
from tests.cli import case

from culpa.cli.demo import EXAMPLE

pytestmark = pytest.mark.usefixtures("audited_demo")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Really run, in a process and a folder of its own."""
    folder = tmp_path_factory.mktemp("demo")
    line = [sys.executable, *case.COMMAND, "demo", "--output", "deep/report"]
    return folder, subprocess.run(line, capture_output=True, text=True, encoding="utf-8", cwd=folder, check=False)


def test_it_answers(ran):
    ran = ran[1]
    assert ran.returncode == 0
    answer = (
        "260 prompts, 3,177 outputs. Best of 16 to train on with reinforce: rare_hack, the truth goes from 0.650 to"
    )
    assert answer in ran.stdout
    for title in ("Ranking", "Look at", "Errors", "Errors that hurt most", "Under other algorithms"):
        assert f"\n{title}\n" in ran.stdout


def test_a_folder_with_three_files_where_asked(ran):
    place, ran = ran
    folder = place / "deep" / "report"
    assert {path.name for path in folder.iterdir()} == {"verdict.json", "verdict.md", "verdict.html"}
    assert ran.stderr == "culpa: written: deep/report/verdict.json, deep/report/verdict.md, deep/report/verdict.html\n"
    assert json.loads((folder / "verdict.json").read_text())["ranking"][0]["proxy"] == "rare_hack"
    assert (folder / "verdict.md").read_text().startswith("# culpa audit\n")
    assert (folder / "verdict.html").read_text().startswith("<!DOCTYPE html>")
    assert [path.name for path in place.iterdir()] == ["deep"]


def test_twice_the_same_bytes(culpa, ran):
    """In a process of its own and in this one."""
    assert culpa("demo", "--format", "json").out == (ran[0] / "deep" / "report" / "verdict.json").read_text()


def test_nothing_is_written_unasked(culpa, tmp_path):
    ran = culpa("demo")
    assert (ran.code, ran.err) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_planted_defects_are_found(culpa):
    ran = culpa("demo")
    assert ran.code == 0
    for finding in (
        "longest_wins: training on it may not raise the truth",
        "longest_wins: follows length",
        "rm_swayed: follows length",
        "markdown_lover: follows the amount of markdown",
        "judge_with_timeouts: no verdict on 171 of",
        "verifier_strict: 32% of prompts get one score for all outputs",
        "verifier_strict: its policy gradient agrees with the truth's no more than with a shuffled truth's",
    ):
        assert finding in ran.out


def test_json_alone_is_nothing_but_json(culpa):
    ran = culpa("demo", "--format", "json")
    assert json.loads(ran.out)["schema"] == "culpa.audit/1"
    assert ran.err == ""


def test_the_bundled_file_is_named_without_its_folder(culpa):
    found = json.loads(culpa("demo", "--format", "json").out)["provenance"]["inputs"]
    whole = world.DEMO.read_bytes()
    digest = hashlib.sha256(whole).hexdigest()
    assert found == [{"path": "demo.parquet", "bytes": len(whole), "sha256": digest, "sha256_of": "whole"}]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("file", "file: is a file. Name a folder."),
        ("file/deep", "file/deep: the folder cannot be made (Not a directory)."),
    ],
)
def test_targets_that_cannot_be(culpa, tmp_path, target, said):
    (tmp_path / "file").write_text("mine")
    ran = culpa("demo", "--output", target)
    assert ran.code == 2
    assert f"culpa: {said}" in ran.err
    assert (tmp_path / "file").read_text() == "mine"


def test_the_example_is_the_folder_of_the_help():
    assert EXAMPLE == "Example: culpa demo --output demo-report"
