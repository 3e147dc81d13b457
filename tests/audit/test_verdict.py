"""A verdict as JSON: its shape, null for what is not known, and a file that is whole or not there."""

import json

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.audit import ahead
from tests.audit.world import NAN, demo, drawn, record

import culpa
from culpa.audit import SCHEMA, Settings
from culpa.audit.unlabelled import LABEL_FIRST
from culpa.dynamics.shared_effects import SHARED_ERRORS

KEYS = [
    "schema", "version", "args", "seed", "provenance", "facts", "ranking", "tied", "metrics", "comparisons",
    "disagreement", "relabel", "repair", "forecast", "errors", "learners", "exploits", "notes", "warnings",
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


# ---- repair ----


def test_repair_lists_known_harm_by_what_putting_it_right_gains():
    _, found = demo()
    frame = found.repair
    assert frame["gain"].is_sorted(descending=True)
    assert (frame["gain"] > 0).all()
    assert_frame_equal(frame.select(-pl.col("gain")).rename({"gain": "effect"}), frame.select("effect"))
    assert set(frame["kind"]) == {"harmful"}
    assert set(frame["method"]) == {"counterfactual"}
    harmful = found.errors.filter((pl.col("kind") == "harmful") & (pl.col("method") == "counterfactual"))
    assert 0 < frame.height == harmful.height < found.errors.filter(pl.col("kind") == "harmful").height
    assert_frame_equal(frame.drop("gain"), harmful, check_row_order=False)


def test_repair_in_the_json_says_once_what_all_rows_share():
    _, found = demo()
    rows = found.to_dict()["repair"]
    assert len(rows) == found.repair.height
    assert set(rows[0]) == set(SHARED_ERRORS) - {"effect", "kind", "method"} | {"gain"}
    assert [row["gain"] for row in rows] == found.repair["gain"].to_list()


def test_without_an_outlook_there_is_nothing_to_repair():
    found = culpa.audit(drawn(0, text=False), settings=Settings(replicates=100))
    assert found.outlook is None
    assert found.repair.is_empty()
    assert found.errors.is_empty()
    assert dict(found.repair.schema) == SHARED_ERRORS | {"gain": pl.Float64}
    assert found.repair.columns[-1] == "gain"
    as_data = found.to_dict()
    assert (as_data["repair"], as_data["exploits"], as_data["errors"]) == ([], [], [])


def test_where_every_prompt_is_by_itself_repair_is_of_its_own_prompt():
    found = culpa.audit(ahead.enumerated(), settings=Settings(replicates=100))
    assert found.repair.height == found.errors.filter(pl.col("kind") == "harmful").height > 0
    assert found.repair["gain"].max() == -found.errors["effect"].min()


# ---- relabel and exploits ----


def test_relabel_has_the_same_keys_whichever_way_the_list_is_made(verdict):
    by_gain = json.loads(verdict.to_json())["relabel"]
    assert all(row["gain"] > 0 and row["highest"] is None for row in by_gain)
    apart = culpa.audit(drawn(0).with_truth(None), settings=Settings(replicates=100))
    by_disagreement = json.loads(apart.to_json())["relabel"]
    assert all(row["gain"] is None and row["highest"] for row in by_disagreement)
    assert list(by_gain[0]) == list(by_disagreement[0]) == list(LABEL_FIRST)


def test_exploits_in_the_json_are_the_outlooks():
    _, found = demo()
    assert found.to_dict()["exploits"] == found.outlook.exploits.to_dicts()
    assert found.outlook.exploits.height
