"""docs/json.md has every key of the JSON, and no key that there is not."""

import json
import re
from collections import defaultdict
from pathlib import Path

import polars as pl
import pytest
from tests.cli import case

PAGE = Path(__file__).resolve().parents[2] / "docs" / "json.md"


def documented() -> dict[str, set[str]]:
    """Keys by section; the top level is ""."""
    keys: dict[str, set[str]] = defaultdict(set)
    section = ""
    for line in PAGE.read_text().split("\n# ")[0].splitlines():  # the part on the audit
        if line.startswith("## "):
            section = line.removeprefix("## ")
        found = re.match(r"\| `(\w+)` \| \S.* \|$", line)
        if found:
            assert found[1] not in keys[section], f"{found[1]} stands twice under {section}"
            keys[section].add(found[1])
    return keys


def keys_of(found: dict) -> dict[str, set[str]]:
    keys = {"": set(found)}
    for name, part in found.items():
        if isinstance(part, dict):
            keys[name] = set(part)
        elif isinstance(part, list) and part and isinstance(part[0], dict):
            assert all(set(row) == set(part[0]) for row in part)
            keys[name] = set(part[0])
    for name in ("proxies", "curves"):
        rows = (found.get("forecast") or {}).get(name) or [{}]
        assert all(set(row) == set(rows[0]) for row in rows)
        keys[f"forecast.{name}"] = set(rows[0])
    keys["provenance.inputs"] = set(found["provenance"]["inputs"][0])
    return keys


@pytest.fixture
def found(culpa):
    """All that can be in a verdict: truth for some, several proxies, findings, a word that one of them pays for."""
    even = 1 - pl.int_range(pl.len()) % 2
    paid = [
        pl.col("rm_bad") + 3 * even,
        pl.col("response") + pl.when(even == 1).then(pl.lit("indeed")).otherwise(pl.lit("")),
    ]
    table = case.saved(case.partly(case.frame().with_columns(paid)), "part.parquet")
    return json.loads(culpa("audit", table, "--truth", "gold", "--proxy", "rm_*", "--format", "json").out)


def test_every_key_is_documented_and_no_other(found):
    keys, page = keys_of(found), documented()
    flags = keys.pop("args")
    assert page.pop("args") <= flags
    assert keys == page


def test_the_lists_that_the_page_describes_are_not_empty(found):
    for name in ("relabel", "repair", "errors", "exploits", "learners"):
        assert found[name], name


def test_relabel_is_by_gain_where_truths_are_known_and_by_disagreement_where_none_is(found, culpa):
    assert found["relabel"][0]["gain"] > 0
    assert found["relabel"][0]["disagreement"] is None
    table = case.saved(case.frame().drop("gold"), "none.parquet")
    apart = json.loads(culpa("audit", table, "--format", "json").out)["relabel"]
    assert apart[0]["disagreement"] > 0
    assert set(apart[0]) == set(found["relabel"][0])
    assert {name for name, value in apart[0].items() if value is None} == {
        "proxy", "score", "expected", "spread", "gain",
    }  # fmt: skip


def test_without_a_truth_there_is_no_forecast_but_its_keys(culpa):
    table = case.saved(case.frame().drop("gold"), "none.parquet")
    found = json.loads(culpa("audit", table, "--format", "json").out)
    assert (found["forecast"], found["errors"], found["learners"]) == (None, [], [])
    assert (found["repair"], found["exploits"]) == ([], [])


def test_every_flag_is_in_args_as_the_page_says(found):
    defaults = {"format", "budget", "replicates", "level", "seed", "fail_on", "learner", "kl", "horizon", "features"}
    assert set(found["args"]) == defaults | {"files", "truth", "proxy", "metrics"}


def test_pairs_add_metrics_but_no_keys(culpa):
    Path("scores.json").write_text(json.dumps(case.pairs()))
    ran = culpa("audit", "scores.json", "--format", "json")
    found = json.loads(ran.out, parse_constant=pytest.fail)
    page = documented()
    for name, keys in keys_of(found).items():
        assert keys <= page[name] or name == "args"
    assert found["ranking"][0]["measure"] == "acc_off"
