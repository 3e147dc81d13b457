"""Files elsewhere: copied once, read like any, and fetched again where a part of them is worked on."""

import shutil

import fsspec
import polars as pl
import pytest
from tests.rollouts.records import refused

from culpa.rollouts import expand, inputs_of, read
from culpa.rollouts.cut import cut
from culpa.rollouts.remote import cache, origin

ROWS = pl.DataFrame({"prompt_id": ["a", "a", "b"], "reward": [1.0, 0.5, 0.0]})


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def store():
    memory = fsspec.filesystem("memory")
    for name in ("step_2", "step_10"):
        with memory.open(f"/dumps/{name}.jsonl", "wb") as file:
            file.write(ROWS.with_columns(pl.col("prompt_id") + name).write_ndjson().encode())
    yield memory
    memory.rm("/dumps", recursive=True)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("address", ["memory://dumps", "memory://dumps/*.jsonl", "memory://dumps/step_*"])
def test_folders_and_globs_of_a_store(address):
    assert [path.name for path in expand(address)] == ["step_2.jsonl", "step_10.jsonl"]
    assert list(read(address).prompt_id) == ["astep_2", "bstep_2", "astep_10", "bstep_10"]


@pytest.mark.usefixtures("store")
def test_a_file_is_copied_once_and_told_by_its_address():
    address = "memory://dumps/step_2.jsonl"
    assert read(address).shape == (2, 2)
    (copy,) = expand(address)
    before = copy.stat().st_mtime_ns
    assert expand(address) == (copy,)
    assert copy.stat().st_mtime_ns == before
    assert [one.path for one in inputs_of(address)] == ["memory:///dumps/step_2.jsonl"]


def test_a_changed_file_is_another_copy(store):
    (first,) = expand("memory://dumps/step_2.jsonl")
    with store.open("/dumps/step_2.jsonl", "ab") as file:
        file.write(b'{"prompt_id": "c", "reward": 1}\n')
    (second,) = expand("memory://dumps/step_2.jsonl")
    assert first != second
    assert len(second.read_text().splitlines()) == 4


@pytest.mark.usefixtures("store")
def test_a_part_fetches_its_files_where_they_are_missing():
    parts = cut("memory://dumps")
    for part in parts:
        for path in part.paths:
            shutil.rmtree(path.parent)  # as on another machine
    assert sum(chunk.size for part in parts for chunk in part.chunks()) == 6


def test_a_file_of_this_machine_by_address_is_no_copy(tmp_path):
    ROWS.write_csv(tmp_path / "a.csv")
    assert expand((tmp_path / "a.csv").as_uri()) == (tmp_path / "a.csv",)
    assert origin(tmp_path / "a.csv") is None


@pytest.mark.usefixtures("store")
def test_what_cannot_be_fetched():
    said = refused(read, "memory://dumps/gone.parquet")
    assert said.startswith("memory://dumps/gone.parquet: cannot be fetched (")
    assert said.endswith("Check the address and your rights.")
    assert refused(read, "nosuch://a/b.parquet").startswith("nosuch://a/b.parquet: cannot be fetched (")
    assert refused(read, "memory://dumps/*.nothing") == (
        "memory://dumps/*.nothing: there is no such file. Check the address; quote globs."
    )


def test_half_a_copy_is_none(store, monkeypatch):
    def broken(*_, **__):
        raise OSError("the line is dead")

    monkeypatch.setattr(type(store), "_open", broken)
    assert "cannot be fetched (the line is dead)" in refused(read, "memory://dumps/step_2.jsonl")
    assert not [path for path in cache().rglob("*") if path.is_file()]
