"""Whatever is wrong with the input: exit code 2, one line that begins with the command's name, and nothing else."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.cli import case

from culpa.cli import app, audit
from culpa.errors import InputError

JUNK = np.random.default_rng(5).bytes(3000)


def broken(name: str, content: bytes) -> str:
    Path(name).write_bytes(content)
    return name


def cut() -> str:
    data = case.saved(case.frame(), "whole.parquet").read_bytes()
    return broken("cut.parquet", data[: len(data) // 2])


def empty_folder() -> str:
    Path("empty").mkdir()
    return "empty"


BAD = {
    "no file": (lambda: "nowhere.parquet", "nowhere.parquet: there is no such file. Check the path; quote globs."),
    "folder": (empty_folder, "empty: the folder holds no rollouts. Looked for .parquet, "),
    "unknown suffix": (lambda: broken("a.bin", b"x"), "a.bin: the file type is not known by its name. Rename it;"),
    "empty": (lambda: broken("a.csv", b""), "a.csv: the file is empty."),
    "no rows": (lambda: broken("a.csv", b"prompt_id,score\n"), "there are no rows."),
    "wrong columns": (
        lambda: broken("a.csv", b"a,b\n1,2\n"),
        "a.csv: no column tells the prompts apart. Name a column:",
    ),
    "half a Parquet file": (cut, "cut.parquet: cannot be read"),
    "a number that is none": (
        lambda: broken("a.csv", b"prompt_id,score\nx,1\nx,maybe\n"),
        "a.csv, row 3, column 'score': 'maybe' is not a number.",
    ),
    "name with escapes": (lambda: "no\x1b[31m.csv", r"no\x1b[31m.csv: there is no such file."),
} | {
    f"junk{suffix}": (lambda suffix=suffix: broken(f"junk{suffix}", JUNK), f"junk{suffix}")
    for suffix in (".parquet", ".csv", ".jsonl", ".json", ".zip", ".eval", ".pt")
}


@pytest.mark.parametrize(("make", "said"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("verb", ["audit", "convert"])
def test_bad_files_are_one_clear_line(culpa, verb, make, said):
    out = ["out.parquet"] if verb == "convert" else []
    ran = culpa(verb, make(), *out)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("culpa: ")
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert "fault of culpa" not in ran.err
    assert not case.controls(ran.err)
    assert not Path("out.parquet").exists()


FLAGS = {
    "--truth nope": "no column is called 'nope'. Found scores: rm_good, rm_bad, rm_mid",
    "--proxy zz": "no score is called 'zz'.",
    "--metric nope": "no metric is called 'nope'. Known: rehearsal, hacc, ",
    "--reader nope": "no reader is called 'nope'. Known: ",
    "--prompt nope": "no column for prompt = nope.",
    "--join nowhere.csv": "nowhere.csv: there is no such file.",
    "--stream --join rollouts.parquet": "files to join cannot be streamed.",
    "--output nowhere/a.txt": "nowhere: the folder does not exist. Make it, or choose another.",
    "--output .": ".: is a folder. Name a file in it.",
}


@pytest.mark.parametrize(("flags", "said"), FLAGS.items(), ids=FLAGS)
def test_flags_that_do_not_fit_the_file(culpa, tmp_path, flags, said):
    table = case.saved(case.frame(), tmp_path / "rollouts.parquet")
    ran = culpa("audit", table, *flags.split())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("culpa: ")
    assert said in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["rollouts.parquet"]


@pytest.mark.parametrize(
    "line",
    ["audit", "audit a --budget -1", "audit a --format x", "audit a --seed x", "audit a --nope", "nope",
     "audit a --level 1", "audit a --fail-on x", "convert a", "demo extra"],
)  # fmt: skip
def test_usage_errors(culpa, line):
    ran = culpa(*line.split())
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("Usage: culpa")
    assert "Error: " in ran.err


def test_an_output_that_cannot_be_written_is_refused_before_the_work(culpa, monkeypatch):
    monkeypatch.setattr(audit, "read", lambda *_, **__: pytest.fail("the files were read first"))
    assert culpa("audit", case.saved(case.frame(), "a.parquet"), "--output", "nowhere/a.txt").code == 2


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (ValueError("odd\x1b thing."), 2, "unexpected ValueError in app.py, line "),
        (MemoryError(), 2, "there is not enough memory. Try --stream, or fewer proxies."),
        (type("PanicException", (BaseException,), {})("inside"), 2, "unexpected PanicException in app.py"),
        (KeyboardInterrupt(), 130, "stopped"),
        (InputError("wrong.", remedy="Do right."), 2, "culpa: wrong. Do right.\n"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_no_traceback_whatever_happens(culpa, monkeypatch, raised, code, said):
    def fail() -> None:
        raise raised

    monkeypatch.setattr(app, "app", fail)
    ran = culpa("demo")
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith("culpa: ")
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert not case.controls(ran.err)


def test_a_fault_of_ours_asks_for_a_report(culpa, monkeypatch):
    monkeypatch.setattr(app, "app", lambda: 1 / 0)
    assert culpa().err.endswith(
        "division by zero. This is a fault of culpa 0.1.0: please report this line and your command.\n"
    )


def test_the_command_is_installed():
    assert shutil.which("culpa", path=str(Path(sys.executable).parent))
