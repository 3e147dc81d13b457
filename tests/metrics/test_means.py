"""A mean's interval: its cover, and what moves it."""

import numpy as np
import pytest

from culpa.errors import InputError
from culpa.metrics.means import mean_interval


def test_it_covers_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(3.0, 2.0, size=(2000, 4))
    ends = [mean_interval(row, level=0.9) for row in draws]
    assert np.mean([one.low < 3.0 < one.high for one in ends]) == pytest.approx(0.9, abs=0.02)


def test_shift_and_scale_carry_over():
    values = np.array([1.0, 4.0, 9.0, 2.0])
    one, other = mean_interval(values), mean_interval(2 * values + 5)
    assert other == pytest.approx([2 * end + 5 for end in one])
    assert one.mean == 4.0
    assert one.high - one.low == pytest.approx(2 * 3.182446 * values.std(ddof=1) / 2)


def test_one_run_has_no_interval_and_equal_ones_no_width():
    alone = mean_interval([2.5])
    assert np.isnan([alone.low, alone.high]).all()
    assert str(alone) == "2.5"
    assert str(mean_interval([2.0, 2.0])) == "2 [2, 2]"


@pytest.mark.parametrize(
    ("values", "level", "message"),
    [
        ([], 0.95, "values must have shape (n,), n > 0, got (0,). One value for each run."),
        ([[1.0]], 0.95, "values must have shape (n,), n > 0, got (1, 1). One value for each run."),
        ([1.0], 1.0, "level must be between 0 and 1, got 1.0. 0.95 is usual."),
    ],
)
def test_what_has_no_mean_is_refused(values, level, message):
    with pytest.raises(InputError) as error:
        mean_interval(values, level=level)
    assert str(error.value) == message
