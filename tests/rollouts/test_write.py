import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from tests.rollouts.records import assert_same, refused, rollouts

from culpa.rollouts import Rollouts, read, write, write_text
from culpa.rollouts.dense import from_frame
from culpa.rollouts.write import replacing


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("written")


def small(**columns):
    return from_frame(pl.DataFrame({"prompt_id": ["a", "a"], "proxy.rm": [1.0, None]} | columns), ["a note"])


@given(record=rollouts())
def test_parquet_comes_back_as_it_was(folder, record):
    assert_same(record, read(write(record, folder / "a.parquet")))


@given(record=rollouts())
def test_json_lines_come_back_but_for_the_notes(folder, record):
    assert_same(record, read(write(record, folder / "a.jsonl")), notes=False)


@given(record=rollouts(features=False))
def test_csv_comes_back_but_for_the_notes(folder, record):
    assert_same(record, read(write(record, folder / "a.csv")), notes=False)


def test_further_columns_keep_their_types_where_the_format_has_any(tmp_path):
    record = small(n=[1, None], flag=[True, False], tags=[["x"], []])
    for name in ("a.parquet", "a.jsonl"):
        assert read(write(record, tmp_path / name)).table.equals(record.table)
    plain = small(n=[1, None], flag=[True, False])
    assert read(write(plain, tmp_path / "a.csv")).table.rows() == [("1", "true"), (None, "false")]


def test_an_infinite_logprob_is_not_null(tmp_path):
    record = small(logprob=[-np.inf, None])
    for name in ("a.parquet", "a.jsonl", "a.csv"):
        np.testing.assert_array_equal(read(write(record, tmp_path / name)).logprob, [[-np.inf, np.nan]])


def test_the_file_says_what_it_is(tmp_path):
    metadata = pl.read_parquet_metadata(write(small(), tmp_path / "a.parquet"))
    assert metadata["culpa.schema"] == "1"
    assert json.loads(metadata["culpa.notes"]) == ["a note"]
    assert metadata["culpa.version"]


def test_no_verdict_is_null_in_the_file(tmp_path):
    frame = pl.read_parquet(write(small(), tmp_path / "a.parquet"))
    assert frame["proxy.rm"].to_list() == [1.0, None]
    assert (tmp_path / "a.parquet").stat().st_size > 0
    assert write(small(), tmp_path / "a.jsonl").read_text().splitlines()[1].endswith('"proxy.rm":null}')


@pytest.mark.parametrize(
    ("name", "columns", "text"),
    [
        ("a.txt", {}, "cannot write this kind of file. Use .parquet, .jsonl, .csv."),
        ("a", {}, "cannot write this kind of file. Use .parquet, .jsonl, .csv."),
        ("a.csv", {"features": [[1.0], [2.0]]}, "column 'features': CSV cannot hold lists. Write Parquet."),
        ("a.csv", {"tags": [["x"], []]}, "column 'tags': CSV cannot hold lists. Write Parquet."),
    ],
)
def test_refuses_and_leaves_nothing(tmp_path, name, columns, text):
    path = tmp_path / name
    between = ", " if text.startswith("column") else ": "
    assert refused(write, small(**columns), path) == f"{path}{between}{text}"
    assert list(tmp_path.iterdir()) == []


def test_the_folder_has_to_be_there(tmp_path):
    path = tmp_path / "none" / "a.csv"
    text = f"{path.parent}: the folder does not exist. Make it, or choose another."
    assert refused(write, small(), path) == refused(write_text, "x", path) == text


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.csv"])
@pytest.mark.parametrize("error", [OSError("disk full"), pl.exceptions.ComputeError("disk full"), KeyboardInterrupt()])
def test_what_fails_half_way_leaves_the_old_file(tmp_path, monkeypatch, name, error):
    path = write(small(), tmp_path / name)
    before = path.read_bytes()

    def half(_, target, **__):
        Path(target).write_bytes(b"half")
        raise error

    for method in ("write_parquet", "write_ndjson", "write_csv"):
        monkeypatch.setattr(pl.DataFrame, method, half)
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            write(small(), path)
    else:
        assert refused(write, small(), path) == f"{path}: cannot be written (disk full)."
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_that_is_taken_by_a_folder(tmp_path):
    path = tmp_path / "a.csv"
    path.mkdir()
    assert refused(write, small(), path) == f"{path}: cannot be written (Is a directory)."
    assert list(tmp_path.iterdir()) == [path]


def test_nobody_sees_a_half_and_text_is_written_alike(tmp_path):
    path = tmp_path / "a.md"
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == path.parent  # a rename within one file system
    assert path.read_text() == "new"
    assert write_text("é\n", os.fspath(path)) == path
    assert path.read_text(encoding="utf-8") == "é\n"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_changes_nothing_in_the_record(tmp_path):
    record = small(logprob=[-np.inf, 0.0])
    again = small(logprob=[-np.inf, 0.0])
    write(record, tmp_path / "a.jsonl")
    assert isinstance(record, Rollouts)
    assert_same(record, again)
