"""Curves in a cell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from culpa.report.spark import CELLS, along, sparkline


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([0.0, 1.0], "▁█"),
        ([i / 8 + 0.01 for i in range(8)], "▁▂▃▄▅▆▇█"),
        ([-1.0, 2.0], "▁█"),
        ([float("nan"), 0.5], " ▅"),
        ([], ""),
    ],
)
def test_bars(values, bars):
    assert sparkline(values, 0.0, 1.0) == bars


def test_the_scale_may_begin_anywhere():
    assert sparkline([-3.0, -2.0, -1.0], -3.0, -1.0) == "▁▅█"


def test_a_scale_without_length():
    assert sparkline([3.0, 3.0, float("nan")], 3.0, 3.0) == "▁▁ "


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30))
def test_higher_values_have_bars_no_lower(values):
    bars = sparkline(sorted(values), -1.0, 1.0)
    assert list(bars) == sorted(bars)


def test_steps_are_even_in_their_logarithm_and_the_ends_are_exact():
    steps = [0, 1, 3, 7, 15]
    assert along(steps, [5.0, 6.0, 9.0, 7.0, 1.0], cells=5) == pytest.approx([5.0, 6.0, 9.0, 7.0, 1.0])
    found = along(list(range(1001)), np.log1p(np.arange(1001)).tolist())
    assert len(found) == CELLS
    np.testing.assert_allclose(np.diff(found), np.diff(found)[0], rtol=1e-3)
