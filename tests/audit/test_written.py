"""A verdict in other formats than JSON, and how it came to be."""

import json
import platform
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.audit.world import drawn

import culpa
from culpa.audit import WRITERS, Settings
from culpa.rollouts import Input


@pytest.fixture(scope="module")
def verdict():
    return culpa.audit(drawn(0), settings=Settings(replicates=100), seed=3)


def test_provenance_is_one_block_with_what_the_top_says(verdict):
    found = json.loads(verdict.to_json())
    block = found["provenance"]
    assert {name: block[name] for name in ("version", "args", "seed")} == {
        name: found[name] for name in ("version", "args", "seed")
    }
    assert (block["numpy"], block["polars"]) == (np.__version__, pl.__version__)
    assert (block["python"], block["platform"]) == (
        platform.python_version(),
        f"{platform.system()} {platform.machine()}",
    )
    assert block["inputs"] == []


def test_input_files_are_in_the_provenance(verdict):
    files = (Input("a.csv", 3, "ab", "whole"), Input("p", None, None, None))
    found = replace(verdict, provenance=replace(verdict.provenance, inputs=files)).to_dict()
    assert found["provenance"]["inputs"] == [
        {"path": "a.csv", "bytes": 3, "sha256": "ab", "sha256_of": "whole"},
        {"path": "p", "bytes": None, "sha256": None, "sha256_of": None},
    ]


@pytest.mark.parametrize("kind", ["html", "markdown"])
def test_a_page_is_returned_and_written(verdict, tmp_path, kind):
    text = getattr(verdict, f"to_{kind}")(tmp_path / "out")
    assert (tmp_path / "out").read_text() == text.rstrip("\n") + "\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert getattr(verdict, f"to_{kind}")() == text


def test_each_format_is_its_own(verdict):
    assert verdict.to_html().startswith("<!DOCTYPE html>")
    assert verdict.to_markdown().startswith("# culpa audit\n")
    assert verdict._repr_html_().startswith("<div>\n<p><b>40 prompts")


def test_a_notebook_is_spared_the_page(verdict):
    assert len(verdict._repr_html_()) < 20_000
    assert "<script" not in verdict._repr_html_()


def test_outputs_without_a_forecast_come_from_the_record():
    rollouts = drawn(0, unknown=1.0)
    found = culpa.audit(rollouts, settings=Settings(replicates=100, budget=0))
    assert found.outlook is None
    assert "prompt 39" in found.to_html(rollouts=rollouts)
    assert "prompt 39" not in found.to_html()


def test_a_writer_that_is_not_loaded_says_what_to_import(verdict, monkeypatch):
    for name in tuple(WRITERS):
        monkeypatch.delitem(WRITERS, name)
    with pytest.raises(culpa.InputError) as caught:
        verdict.to_html()
    assert str(caught.value) == "nothing that writes html is loaded. Put `import culpa.report` first."
