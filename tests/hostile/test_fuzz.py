"""The fuzzer's targets do what they say on what they start from; the campaign itself is `make fuzz`."""

import json
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("torch")  # the texts of prompts and judges
pytest.importorskip("transformers")

from fuzz import files, lines, mutate, page

from culpa.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
TARGETS = {one.name: one for part in (files, lines) for one in part.targets()}


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_read_or_refused(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    read = 0
    for seed in TARGETS[name].seeds():
        with suppress(InputError):
            TARGETS[name].run(seed)
            read += 1
    assert read  # one of them at least is what it should be


def test_changes_keep_the_kind_and_the_size():
    from random import Random

    seed = mutate.SHAPED + json.dumps(files.ROWS).encode()
    changed = {mutate.shaped(seed, 2000, Random(number), lambda data, most: data[:most]) for number in range(50)}
    assert len(changed) > 30
    assert all(one[:1] == mutate.SHAPED and len(one) <= 2000 for one in changed)


def test_the_page_is_that_of_the_record(tmp_path):
    record = json.loads((ROOT / "fuzz" / "record.json").read_text(encoding="utf-8"))
    page.write_page(record, tmp_path / "fuzzing.md")
    assert (tmp_path / "fuzzing.md").read_text(encoding="utf-8") == (ROOT / "docs" / "fuzzing.md").read_text(
        encoding="utf-8"
    )
    assert record["executions"] >= 1_000_000
    assert record["executions"] == sum(one["executions"] for one in record["targets"].values())
    assert not record["findings"]
    readers = [one["executions"] for name, one in record["targets"].items() if name.startswith("reader.")]
    assert len(readers) >= 15
    assert min(readers) >= 10_000
    assert sum(one["executions"] for name, one in record["targets"].items() if name.startswith("cli.")) >= 10_000
    assert all(one["ok"] for one in record["big"])
