"""Layered gates: runs that time out, success from starts, and each run decides its claim."""

from functools import partial

import numpy as np
import pytest
from tests.papers import case

from culpa.papers.layered_gates import (
    COMPILE,
    MEAN,
    TIMEOUT,
    _timed_out,
    experiment,
    governed,
    holds,
    repair,
    unrelated,
)
from culpa.signals import apply

lost = partial(case.lost, "layered_gates")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 5
    assert all(check.claim.startswith("control") == check.control for check in checks)


def test_the_starts():
    rng = np.random.default_rng(0)
    assert repair("success", "none", 0, rng)["success"] == pytest.approx(COMPILE.prod() * MEAN.prod())
    assert governed("masked", 0, rng) == pytest.approx(0.1)
    assert 0.0 < unrelated("layers", 0, rng) < 0.05


@pytest.mark.parametrize(("name", "value"), [("-1", -1.0), ("0", 0.0), ("masked", np.nan)])
def test_time_outs_fall_by_chance(name, value):
    for reward, chance in zip((1.0, 0.0), TIMEOUT, strict=True):
        told = apply(_timed_out(name), np.full((2_000, 8), reward), rng=np.random.default_rng(0))
        gone = np.isnan(told) if name == "masked" else told == value
        if value != reward:
            assert gone.mean() == pytest.approx(chance, abs=0.02)
        assert set(np.unique(told[~gone])) <= {reward}


def test_a_zero_for_a_time_out_costs_time_only(outcome):
    assert next(row["success"] for row in outcome.data["valid"] if row["name"] == "0") > 0.9


@pytest.mark.parametrize(
    ("name", "steps", "change", "words"),
    [
        ("success", "none", {"updates": 60}, "layers are faster"),
        ("layers", "none", {"updates": None}, "layers are faster"),
        ("layers", "own", {"updates": 40}, "step weights"),
        ("layers", "dealt out", {"updates": 20}, "control: not if"),
        ("compiles", "none", {"success": 0.5}, "compiling alone does not"),
    ],
)
def test_each_shared_run_decides_its_claim(outcome, name, steps, change, words):
    def put(data):
        for row in data["shared"]:
            if (row["name"], row["steps"]) == (name, steps):
                row.update(change)

    assert any(words in claim for claim in lost(outcome, put))


@pytest.mark.parametrize(
    ("key", "name", "success", "words"),
    [
        ("apart", "success", 0.4, "success alone trains"),
        ("apart", "layers", 0.9, "layers do harm"),
        ("apart", "compiles", 0.6, "and compiling alone"),
        ("valid", "masked", 0.1, "time-outs masked"),
        ("valid", "-1", 0.3, "it unlearns"),
    ],
)
def test_each_other_run_decides_its_claim(outcome, key, name, success, words):
    def put(data):
        for row in data[key]:
            if row["name"] == name:
                row["success"] = success

    assert any(words in claim for claim in lost(outcome, put))
