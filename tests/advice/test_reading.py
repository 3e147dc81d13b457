"""Reading courses off."""

import numpy as np
import pytest

from culpa.advice.course import Course
from culpa.advice.reading import at_kl, at_steps, furthest


def course(step, success, kl):
    columns = (np.array(column, dtype=np.float64).T for column in (step, success, kl))
    return Course(*columns, np.zeros((len(step[0]), 1)), np.full(len(step), np.inf))


TWO = course([[0, 2, 10], [0, 5, 6]], [[0.0, 0.2, 1.0], [0.5, 0.6, 0.8]], [[0.0, 1.0, 3.0], [0.0, 2.0, 1.0]])


def test_at_steps():
    found = at_steps(TWO, 6)
    assert found.success.tolist() == pytest.approx([0.6, 0.8])
    assert found.kl.tolist() == pytest.approx([2.0, 1.0])
    assert found.reached.tolist() == [True, True]
    late = at_steps(TWO, 8)
    assert late.step.tolist() == [8, 6]
    assert late.reached.tolist() == [True, False]


def test_at_a_divergence_it_is_the_first_time():
    found = at_kl(TWO, 1.5)
    assert found.step.tolist() == pytest.approx([4.0, 3.75])
    assert found.success.tolist() == pytest.approx([0.4, 0.575])
    assert found.kl.tolist() == pytest.approx([1.5, 1.5])


def test_a_divergence_that_is_not_reached():
    found = at_kl(TWO, 2.5)
    assert found.reached.tolist() == [True, False]
    assert found.step.tolist() == pytest.approx([8.0, 6.0])  # the other at its end


def test_at_the_start():
    assert at_kl(TWO, 0.0).success.tolist() == [0.0, 0.5]
    assert at_steps(TWO, 0).success.tolist() == [0.0, 0.5]


def test_how_far_all_courses_came():
    other = course([[0, 4]], [[0, 1]], [[0.0, 9.0]])
    assert furthest([TWO, other]) == (4.0, 3.0)
