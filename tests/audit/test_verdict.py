"""A verdict as JSON: its shape, null for what is not known, and a file that is whole or not there."""

import json

import numpy as np
import pytest
from tests.audit.world import NAN, drawn, record

import culpa
from culpa.audit import SCHEMA, Settings

KEYS = [
    "schema", "version", "args", "seed", "facts", "ranking", "tied", "metrics", "comparisons", "disagreement",
    "relabel", "forecast", "errors", "learners", "notes", "warnings",
]  # fmt: skip


@pytest.fixture(scope="module")
def verdict():
    return culpa.audit(drawn(0, unknown=0.3), settings=Settings(replicates=100), seed=3)


def test_shape(verdict):
    found = json.loads(verdict.to_json())
    assert list(found) == KEYS
    assert (found["schema"], found["version"], found["seed"]) == (SCHEMA, culpa.__version__, 3)
    assert list(found["ranking"][0]) == ["proxy", "score", "measure", "low", "high", "tied_with"]
    assert list(found["metrics"][0])[:8] == ["proxy", "metric", "value", "low", "high", "chance", "n", "ess"]
    assert list(found["warnings"][0]) == ["level", "code", "proxy", "message"]
    assert found["args"] == {"replicates": 100, "level": 0.95, "budget": 10, "metrics": []}


def test_what_is_not_known_is_null(verdict):
    text = verdict.to_json()
    assert "NaN" not in text
    constant = [row for row in json.loads(text)["metrics"] if (row["proxy"], row["metric"]) == ("constant", "kendall")]
    assert constant[0]["value"] is None


def test_no_frame_holds_nan(verdict):
    for frame in (verdict.ranking, verdict.metrics, verdict.comparisons, verdict.disagreement, verdict.relabel):
        floats = [column for column in frame if column.dtype.is_float()]
        assert not any(column.is_nan().any() for column in floats)


def test_file_is_the_text(verdict, tmp_path):
    text = verdict.to_json(tmp_path / "verdict.json")
    assert (tmp_path / "verdict.json").read_text() == text + "\n"
    assert [path.name for path in tmp_path.iterdir()] == ["verdict.json"]


def test_letters_stay_readable():
    scores = {"häß": np.array([[0.0, 1.0]]), "b": np.array([[1.0, NAN]])}
    assert "häß" in culpa.audit(record(scores), settings=Settings(replicates=100)).to_json()
