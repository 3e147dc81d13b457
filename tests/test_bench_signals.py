"""The benchmark of transforms leaves none out, and gives each what it needs."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from culpa.signals import KNOWN

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = str(ROOT / "benchmarks")


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import bench_signals

    yield bench_signals
    for name in ("bench_signals", "timing"):
        sys.modules.pop(name, None)


def test_every_transform_has_a_line(bench):
    told = [name for _, cases in bench.kinds(np.random.default_rng(0), 640).values() for name in cases]
    assert sorted(told) == sorted(bench.transforms())
    assert {"center", "gaussian_rank", "par", "token_gate", *KNOWN} <= bench.transforms()


def test_every_case_gives_a_number_to_every_cell(bench):
    for given, cases in bench.kinds(np.random.default_rng(0), 640).values():
        for name, transform in cases.items():
            value, _ = bench._call(transform, given)()
            assert value.shape[-1] == bench.GROUP, name
            if name != "only_valid":
                assert np.isfinite(value).all(), name


def test_the_cells_are_as_many_as_are_said(bench):
    for what, (given, _) in bench.kinds(np.random.default_rng(0), 6400).items():
        cells = given.signal.size * (bench.STEPS if "one number to" in what else 1)
        assert cells == 6400, what


def test_the_page_of_costs_is_one_that_the_benchmark_writes(bench, monkeypatch):
    monkeypatch.setattr(bench, "RUNS", 1)
    fresh = bench.page(bench.costs(640))
    shown = (ROOT / "docs" / "signals_cost.md").read_text(encoding="utf-8")
    headings, names = (re.compile(one, re.MULTILINE) for one in (r"^#+ .*$", r"^\| `(\w+)` \| [\d.]+ \| [\d.]+ \|$"))
    assert headings.findall(shown) == headings.findall(fresh)
    assert sorted(names.findall(shown)) == sorted(names.findall(fresh)) == sorted(bench.transforms())
    assert "1,000,000 numbers" in shown
