"""Which files were read, by name, size and hash."""

import hashlib
import os

import polars as pl
import pytest

from culpa.rollouts import Input, Options, inputs, inputs_of


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_hashed_whole_under_the_name_that_was_given(here):
    (here / "a.csv").write_bytes(b"abc")
    assert inputs_of("a.csv") == (Input("a.csv", 3, sha256(b"abc"), "whole"),)
    assert inputs_of(here / "a.csv")[0].path == str(here / "a.csv")


@pytest.mark.parametrize(("size", "part"), [(20, "whole"), (21, "ends"), (40, "ends")])
def test_of_a_large_file_both_ends(monkeypatch, here, size, part):
    monkeypatch.setattr(inputs, "WHOLE", 20)
    monkeypatch.setattr(inputs, "END", 4)
    content = bytes(range(size))
    (here / "a.csv").write_bytes(content)
    hashed = content if part == "whole" else content[:4] + content[-4:]
    assert inputs_of("a.csv") == (Input("a.csv", size, sha256(hashed), part),)


def test_the_limits_are_what_the_page_says():
    assert (inputs.WHOLE, inputs.END) == (256 * 2**20, 16 * 2**20)


def test_globs_and_folders_are_the_files_that_are_read_and_joined_ones_come_last(here):
    (here / "runs").mkdir()
    for name in ("runs/step_10.csv", "runs/step_2.csv", "runs/notes.txt", "runs/.hidden.csv", "gold.csv"):
        (here / name).write_text("prompt,response\na,b\n")
    asked = Options(join=("gold.csv",))
    assert [one.path for one in inputs_of("runs", asked)] == ["runs/step_2.csv", "runs/step_10.csv", "gold.csv"]
    assert [one.path for one in inputs_of("runs/*.csv")] == ["runs/step_2.csv", "runs/step_10.csv"]
    assert [one.path for one in inputs_of(["gold.csv", "gold.csv"], asked)] == ["gold.csv"]


def test_of_a_folder_that_a_reader_knows_whole_every_file(monkeypatch, here):
    (here / "run" / "deep").mkdir(parents=True)
    (here / "run" / "deep" / "b.pt").write_bytes(b"b")
    (here / "run" / "a.pt").write_bytes(b"a")
    monkeypatch.setattr("culpa.rollouts.detect._whole", lambda _folder, _forced: True)
    assert [one.path for one in inputs_of("run")] == ["run/a.pt", "run/deep/b.pt"]


def test_what_cannot_be_read_twice_has_a_name_only():
    os.mkfifo("pipe.csv")
    assert inputs_of("pipe.csv") == (Input("pipe.csv", None, None, None),)


def test_a_file_that_cannot_be_opened_spoils_nothing(monkeypatch, here):
    (here / "a.csv").write_bytes(b"abc")

    def refused(*_):
        raise PermissionError

    monkeypatch.setattr(inputs, "_sha256", refused)
    assert inputs_of("a.csv") == (Input("a.csv", None, None, None),)


def test_a_name_that_is_no_text_becomes_escapes(here):
    name = os.fsdecode(b"\xff.parquet")
    pl.DataFrame({"a": [1]}).write_parquet(here / "x")
    (here / "x").rename(here / name)
    assert inputs_of(name)[0].path == "\\udcff.parquet"
