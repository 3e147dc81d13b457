"""The command in a process of its own: pipes that close, full disks, poor encodings, what is imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli import case


def command(*arguments: str, **options) -> subprocess.CompletedProcess:
    line = [sys.executable, *case.COMMAND, *arguments]
    return subprocess.run(line, stderr=subprocess.PIPE, text=True, encoding="utf-8", check=False, **options)


@pytest.mark.parametrize(("fail_on", "code"), [("never", 0), ("error", 1)], ids=["nothing asked", "finding asked for"])
@pytest.mark.parametrize("format", ["table", "json"])
def test_a_reader_that_leaves_changes_no_exit_code(tmp_path, format, fail_on, code):
    table = case.saved(case.frame(), tmp_path / "a.parquet")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        asked = ("audit", str(table), "--truth", "gold", "--format", format, "--fail-on", fail_on)
        ran = command(*asked, stdout=gone)
    assert (ran.returncode, ran.stderr) == (code, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
@pytest.mark.parametrize("format", ["table", "md"])
def test_a_full_disk_is_said(tmp_path, format):
    table = case.saved(case.frame(prompts=4), tmp_path / "a.parquet")
    with open("/dev/full", "w") as full:
        ran = command("audit", str(table), "--truth", "gold", "--format", format, stdout=full)
    said = "the output cannot be printed (No space left on device). Write it to a file with --output."
    assert (ran.returncode, ran.stderr) == (2, f"culpa: {said}\n")


def test_poor_encodings_get_escapes_and_json_stays_json(tmp_path):
    poor = os.environ | {"PYTHONIOENCODING": "ascii"}
    table = case.saved(case.frame().rename({"rm_good": "rm_größe"}), tmp_path / "a.parquet")
    shown = command("audit", str(table), "--truth", "gold", stdout=subprocess.PIPE, env=poor)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert r"Acc, tie \xbd" in shown.stdout
    assert r" \u2192 " in shown.stdout
    ran = command("audit", str(table), "--truth", "gold", "--format", "json", stdout=subprocess.PIPE, env=poor)
    assert json.loads(ran.stdout)["ranking"][0]["proxy"] == "rm_größe"


def test_damaged_parquet_ends_with_one_line_of_ours(tmp_path):
    data = bytearray(case.saved(case.frame(), tmp_path / "a.parquet").read_bytes())
    data[4:404] = bytes(400)
    (tmp_path / "a.parquet").write_bytes(data)
    ran = command("audit", str(tmp_path / "a.parquet"), stdout=subprocess.PIPE)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.splitlines()[-1].startswith(f"culpa: {tmp_path / 'a.parquet'}: cannot be read")
    assert "Traceback" not in ran.stderr


def test_a_file_name_that_is_no_text(tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff.csv"
    with open(name, "wb") as file:
        case.frame().write_csv(file)
    ran = subprocess.run(
        [sys.executable, *case.COMMAND, "audit", name, "--format", "json"], capture_output=True, check=False
    )
    assert ran.returncode in (0, 2)  # polars may refuse to open it
    assert b"Traceback" not in ran.stderr
    if not ran.returncode:
        assert json.loads(ran.stdout)["args"]["files"][0].endswith(r"\udcff.csv")


HEAVY = ("scipy.stats", "scipy.sparse", "altair", "torch", "jinja2", "yaml", "rich", "typer", "pydantic")


def test_import_brings_nothing_that_is_not_needed():
    line = f"import culpa, sys; print([name for name in {HEAVY} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
