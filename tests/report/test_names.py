"""The names of the storey: all are there, and no other."""

import pytest

from culpa import report


def test_all_names_are_functions():
    assert all(callable(getattr(report, name)) for name in report.__all__)
    assert report.__all__ == sorted(report.__all__)


def test_a_name_that_is_none_is_refused():
    with pytest.raises(AttributeError, match=r"module 'culpa\.report' has no attribute 'to_pdf'"):
        _ = report.to_pdf
