"""`culpa audit` in every format: chosen by flag or by the file's name, with the same exit codes, and whole files."""

import hashlib
import json
import re
from pathlib import Path
from xml.etree import ElementTree as Tree

import pytest
import yaml
from tests.cli import case

from culpa.cli.audit import ENDINGS, Format, format_of
from culpa.errors import InputError

DOCS = Path(__file__).resolve().parents[2] / "docs"
STARTS = {
    "table": "40 prompts, 160 outputs. ",
    "json": '{\n  "schema": "culpa.audit/1"',
    "md": "# culpa audit\n",
    "html": "<!DOCTYPE html>\n",
    "sarif": '{\n  "$schema": "https://docs.oasis-open.org/sarif/',
    "junit": '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>',
    "card": "# Written by culpa ",
}
QUICK = ("--truth", "gold", "--replicates", "100")


@pytest.fixture
def rollouts(tmp_path):
    case.saved(case.frame(), tmp_path / "rollouts.parquet")
    return "rollouts.parquet"


def test_the_list_of_formats_is_tested():
    assert {one.value for one in Format} == set(STARTS)


@pytest.mark.parametrize("kind", STARTS)
def test_each_format_to_the_screen_with_the_same_exit_code(culpa, rollouts, kind, tmp_path):
    ran = culpa("audit", rollouts, *QUICK, "--format", kind, "--fail-on", "error")
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith(STARTS[kind])
    assert [path.name for path in tmp_path.iterdir()] == [rollouts]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.html", "html"), ("a.HTM", "html"), ("a.json", "json"), ("a.md", "md"), ("a.sarif", "sarif"),
        ("a.sarif.json", "sarif"), ("a.xml", "junit"), ("a.yaml", "card"), ("a.yml", "card"),
        ("a.txt", "table"), ("html", "table"), ("a.html.txt", "table"), (None, "table"),
    ],
)  # fmt: skip
def test_the_ending_of_the_file_is_its_format(name, kind):
    assert format_of(None if name is None else Path("deep.json") / name) is Format(kind)


def test_the_page_has_every_format_with_its_endings_and_no_other():
    rows = re.findall(r"^\| `(\w+)` \|(.*?)\|", (DOCS / "ci.md").read_text(), flags=re.MULTILINE)
    endings = {kind: {ending for ending, one in ENDINGS.items() if one.value == kind} for kind in STARTS}
    assert {kind: set(re.findall(r"`(.*?)`", cell)) for kind, cell in rows} == endings


@pytest.mark.parametrize("name", ["a.html", "a.sarif", "a.xml", "a.yaml", "a.json", "a.md"])
def test_the_file_is_what_its_ending_says_and_what_the_screen_would_get(culpa, rollouts, tmp_path, name):
    ran = culpa("audit", rollouts, *QUICK, "--output", name)
    assert (ran.code, ran.out, ran.err) == (0, "", f"culpa: written: {name}, a.config.yaml\n")
    assert {path.name for path in tmp_path.iterdir()} == {rollouts, name, "a.config.yaml"}
    kind = ENDINGS[Path(name).suffix].value
    assert (tmp_path / name).read_text().startswith(STARTS[kind])
    if kind in ("html", "md"):  # the others hold the flags
        assert (tmp_path / name).read_text() == culpa("audit", rollouts, *QUICK, "--format", kind).out


def test_a_format_that_is_named_wins_over_the_ending(culpa, rollouts, tmp_path):
    culpa("audit", rollouts, *QUICK, "--output", "a.json", "--format", "md")
    assert (tmp_path / "a.json").read_text().startswith("# culpa audit\n")
    culpa("audit", rollouts, *QUICK, "--output", "a.html", "--format", "table")
    assert (tmp_path / "a.html").read_text().startswith("40 prompts")


def test_settings_written_beside_give_the_same_again(culpa, rollouts, tmp_path):
    culpa("audit", rollouts, *QUICK, "--output", "a.xml")
    first = (tmp_path / "a.xml").read_bytes()
    (tmp_path / "a.xml").unlink()
    culpa("audit", "--config", "a.config.yaml", rollouts)
    assert (tmp_path / "a.xml").read_bytes() == first


@pytest.mark.parametrize("level", ["never", "error", "warning", "note"])
def test_junit_fails_where_the_exit_code_does(culpa, rollouts, level):
    ran = culpa("audit", rollouts, *QUICK, "--format", "junit", "--fail-on", level)
    suite = Tree.fromstring(ran.out).find("testsuite")
    found = json.loads(culpa("audit", rollouts, *QUICK, "--format", "json").out)["warnings"]
    levels = ("note", "warning", "error")
    least = levels.index("error" if level == "never" else level)
    expected = {(one["proxy"], one["code"]) for one in found if levels.index(one["level"]) >= least}
    assert int(suite.get("failures")) == len(expected)
    assert ran.code == (0 if level == "never" else 1)


def test_inputs_are_traced(culpa, rollouts, tmp_path):
    found = json.loads(culpa("audit", rollouts, *QUICK, "--format", "json").out)["provenance"]
    content = (tmp_path / rollouts).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert found["inputs"] == [{"path": rollouts, "bytes": len(content), "sha256": digest, "sha256_of": "whole"}]
    assert found["args"]["files"] == [rollouts]
    ran = json.loads(culpa("audit", rollouts, *QUICK, "--format", "sarif").out)["runs"][0]
    assert ran["artifacts"][0]["hashes"] == {"sha-256": digest}
    card = yaml.safe_load(culpa("audit", rollouts, *QUICK, "--format", "card").out)["model-index"]
    assert card[0]["results"][0]["dataset"]["args"]["sha256"] == digest


def test_joined_files_are_traced_behind_the_others(culpa):
    case.frame().drop("gold").write_parquet("scores.parquet")
    case.frame().select("prompt", "response", "gold").write_csv("gold.csv")
    ran = culpa("audit", "scores.parquet", "--join", "gold.csv", *QUICK, "--format", "json")
    assert [one["path"] for one in json.loads(ran.out)["provenance"]["inputs"]] == ["scores.parquet", "gold.csv"]


def test_a_page_without_a_truth_has_the_outputs(culpa):
    table = case.saved(case.frame().drop("gold"), "none.parquet")
    assert "answer 159" in culpa("audit", table, "--format", "html").out
    assert "answer 159" not in culpa("audit", table, "--format", "html", "--stream").out


def test_a_card_without_a_truth_is_refused_and_nothing_is_written(culpa, tmp_path):
    table = case.saved(case.frame().drop("gold"), "none.parquet")
    ran = culpa("audit", table, "--output", "card.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert "a model card has nothing to show" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["none.parquet"]


def test_a_writer_that_fails_leaves_the_old_file(culpa, rollouts, tmp_path, monkeypatch):
    def broken(_):
        raise InputError("broken.")

    (tmp_path / "a.sarif").write_text("mine")
    monkeypatch.setattr("culpa.cli.audit.to_sarif", broken)
    assert culpa("audit", rollouts, *QUICK, "--output", "a.sarif").code == 2
    assert (tmp_path / "a.sarif").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {rollouts, "a.sarif"}


@pytest.mark.parametrize("kind", ["html", "sarif", "junit", "card"])
def test_hostile_names_in_every_format(culpa, kind):
    table = case.hostile().rename({"gold": "truth"})
    path = case.saved(table, "hostile <b>&.parquet")
    ran = culpa("audit", path, "--replicates", "100", "--format", kind)
    assert ran.code == 0, ran.err
    assert not case.controls(ran.out) if kind != "html" else "\x1b" not in ran.out
    if kind == "sarif":
        assert json.loads(ran.out)["runs"][0]["artifacts"][0]["location"]["uri"] == "hostile%20%3Cb%3E%26.parquet"
    if kind == "junit":
        assert any("<script>" in one.get("classname") for one in Tree.fromstring(ran.out).iter("testcase"))
    if kind == "card":
        assert len(yaml.safe_load(ran.out)["model-index"]) == 5
    if kind == "html":
        assert "<script>0</script>" not in ran.out


@pytest.mark.usefixtures("audited_demo")
@pytest.mark.parametrize("kind", ["sarif", "junit", "card"])
def test_the_demo_too(culpa, kind):
    ran = culpa("demo", "--format", kind)
    assert ran.code == 0
    assert ran.out.startswith(STARTS[kind])
    assert "demo.parquet" in ran.out
