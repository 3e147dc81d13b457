"""Parts of files: no prompt is cut, nothing is lost, and one part after another is what reading in one go gives."""

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.rollouts.records import assert_same, refused

from culpa.rollouts import Options, cut, read
from culpa.rollouts.dense import from_frame, to_frame
from culpa.rollouts.dump import stacked


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Parts of about ten rows, and a window of two rows in which the end of a prompt is looked for."""
    monkeypatch.setattr(cut, "LEAST", 10)
    monkeypatch.setattr(cut, "_WINDOW", 2)
    monkeypatch.setattr(cut, "_ROW_BYTES", 60)


def frame(sizes, seed=0):
    rng = np.random.default_rng(seed)
    ids = np.repeat([f"p{number}" for number in range(len(sizes))], sizes)
    scores = rng.normal(size=(2, len(ids)))
    words = [f"w{number}" for number in range(len(ids))]
    return pl.DataFrame({"prompt_id": ids, "response": words, "truth": scores[0], "proxy.rm": scores[1]})


def whole(parts):
    return from_frame(stacked([to_frame(chunk) for part in parts for chunk in part.chunks(rows=4)]))


def ids_of(part):
    return [name for chunk in part.chunks() for name in chunk.prompt_id]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=40))
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parts_of_one_file_are_the_file(tmp_path, sizes):
    path = tmp_path / "a.parquet"
    frame(sizes).write_parquet(path, row_group_size=7)
    parts = cut.cut(path, options=Options())
    names = [name for part in parts for name in ids_of(part)]
    assert names == [f"p{number}" for number in range(len(sizes))]  # each once: none is cut, none is lost
    assert_same(read(path), whole(parts))
    assert all(sum(chunk.size for chunk in part.chunks()) >= 10 for part in parts[:-1])


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_a_prompt_that_goes_on_in_the_next_file_is_not_cut(tmp_path, suffix):
    rows = frame([5] * 12)
    for number, start in enumerate(range(0, 60, 12)):  # files of 12 rows end within a prompt
        piece = rows[start : start + 12]
        target = tmp_path / f"part_{number}.{suffix}"
        piece.write_parquet(target) if suffix == "parquet" else piece.write_ndjson(target)
    parts = cut.cut(tmp_path, options=Options())
    names = [name for part in parts for name in ids_of(part)]
    assert names == [f"p{number}" for number in range(12)]
    assert [len(part.paths) for part in parts] == ([5] if suffix == "jsonl" else [1, 3, 3])
    assert_same(read(tmp_path), whole(parts))


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_files_that_end_with_a_prompt_are_parts(tmp_path, suffix):
    rows = frame([6] * 10)
    for number, start in enumerate(range(0, 60, 12)):
        piece = rows[start : start + 12]
        target = tmp_path / f"part_{number}.{suffix}"
        piece.write_parquet(target) if suffix == "parquet" else piece.write_ndjson(target)
    parts = cut.cut(tmp_path, options=Options())
    assert len(parts) == 5
    assert_same(read(tmp_path), whole(parts))


def test_small_files_go_together(tmp_path):
    for number in range(9):
        frame([2], seed=number).with_columns(prompt_id=pl.lit(f"q{number}")).write_parquet(
            tmp_path / f"{number}.parquet"
        )
    assert [len(part.paths) for part in cut.cut(tmp_path, options=Options())] == [5, 4]


def test_the_row_of_an_error_is_that_of_the_file(tmp_path):
    rows = frame([5] * 10).with_columns(pl.col("proxy.rm").cast(pl.String))
    rows = rows.with_columns(
        pl.when(pl.int_range(pl.len()) == 37).then(pl.lit("x")).otherwise("proxy.rm").alias("proxy.rm")
    )
    rows.write_parquet(tmp_path / "a.parquet")
    parts = cut.cut(tmp_path / "a.parquet")
    assert "row 38" in refused(lambda: [list(part.chunks()) for part in parts])


def test_only_the_prompts_that_are_wanted(tmp_path):
    path = tmp_path / "a.parquet"
    frame([4] * 20).write_parquet(path)
    parts = [part.with_text() for part in cut.cut(path)]
    chunks = [chunk for part in parts for chunk in part.chunks(only={"p3", "p17"})]
    assert [name for chunk in chunks for name in chunk.prompt_id] == ["p3", "p17"]
    assert chunks[0].table["response"].to_list() == ["w12", "w13", "w14", "w15"]


def test_text_is_read_where_it_is_asked_for(tmp_path):
    path = tmp_path / "a.parquet"
    frame([4] * 3).write_parquet(path)
    (part,) = cut.cut(path)
    assert part.unread
    assert next(part.chunks()).table.columns == []
    assert next(part.with_text().chunks()).table.columns == ["response"]
    frame([4] * 3).drop("response").write_parquet(path)
    assert not cut.cut(path)[0].unread


def test_formats_of_trainers_and_csv_are_one_part(tmp_path):
    line = '{{"input": "{}", "output": "o", "score": 1, "step": 1}}\n'
    for number in range(3):
        (tmp_path / f"{number}.jsonl").write_text("".join(line.format(f"{number}/{row}") for row in range(30)))
    (part,) = cut.cut(tmp_path)
    assert len(part.paths) == 3
    frame([5] * 20).write_csv(tmp_path / "a.csv")
    assert len(cut.cut(tmp_path / "a.csv")) == 1


def test_joined_files_are_not_cut(tmp_path):
    path = tmp_path / "a.parquet"
    frame([2]).write_parquet(path)
    assert refused(cut.cut, path, options=Options(join=(str(path),))) == (
        "files to join cannot be streamed. Join them once: culpa convert IN OUT --join FILE."
    )
