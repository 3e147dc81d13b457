"""What a length earns: the four knots, steps, unknown lengths, messages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from culpa import InputError
from culpa.signals import apply, equal_group, length_band

NAN = np.nan


def group(*lengths):
    return equal_group((1, len(lengths)), length=np.array([lengths], dtype=float))


@given(st.floats(0, 100), st.floats(-2, 2))
def test_it_is_the_line_through_its_knots(length, factor):
    earned = np.interp(length, [10, 20, 40, 80], [0, 1, 1, 0])
    value = apply(length_band(10, 20, 40, 80, factor=factor), [[0.5]], group(length)).item()
    assert value == pytest.approx(0.5 + factor * earned, abs=1e-12)


def test_two_knots_at_one_place_are_a_step():
    value = apply(length_band(10, 10, 40, 40), np.zeros((1, 5)), group(9, 10, 20, 40, 41))
    assert value.tolist() == [[0.0, 1.0, 1.0, 1.0, 0.0]]


def test_an_unknown_length_is_no_verdict():
    for step in (length_band(1, 2, 3, 4), length_band(1, 1, 4, 4), length_band(1, 2, 4, 4)):
        assert_array_equal(apply(step, [[1.0, 1.0, NAN]], group(2, NAN, 2)), [[2.0, NAN, NAN]])


@pytest.mark.parametrize("knots", [(2, 1, 3, 4), (1, 3, 2, 4), (1, 2, 4, 3), (1, 2, 3, np.inf), (NAN, 2, 3, 4)])
def test_knots_out_of_order_are_refused(knots):
    with pytest.raises(InputError) as error:
        length_band(*knots)
    expected = f"length_band needs four lengths in rising order, got {', '.join(map(str, knots))}. "
    assert str(error.value) == expected + "Least, start and end of the plateau, most, in tokens."


def test_the_factor_must_be_a_number():
    with pytest.raises(InputError) as error:
        length_band(1, 2, 3, 4, factor=NAN)
    assert str(error.value) == "factor must be a finite number, got nan. 0 leaves it out."
