"""Tiers of closeness: edges, the order of rewards, geometry, grids."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from culpa import InputError
from culpa.signals import apply
from culpa.signals.tiers import block_share, gaussian_closeness, outcome_plus, tiers

NAN = np.nan


@pytest.mark.parametrize("k", [2, 3, 4, 7])
def test_tiers_are_equal_parts(k):
    score = (np.arange(200) + 0.5) / 200
    value = apply(tiers(k), score[None])[0]
    expected = [next(i for i in range(k) if (i + 1) / k > one) / (k - 1) for one in score]
    assert value == pytest.approx(expected)
    assert len(set(value)) == k


def test_the_edges_of_tiers():
    assert_array_equal(apply(tiers(4), [[0.0, 0.25, 0.2499, 1.0, -1.0, 2.0, NAN]]), [[0, 1 / 3, 0, 1, 0, 1, NAN]])


@pytest.mark.parametrize("k", [None, 2, 4])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.99])
def test_every_success_is_above_every_failure(alpha, k):
    close = np.linspace(-1, 2, 301)
    both = np.stack([np.repeat([[0.0], [1.0]], 301, axis=1), np.tile(close, (2, 1))])
    wrong, right = apply(outcome_plus(alpha, k=k), both)
    assert wrong.max() < right.min()
    assert (np.diff(right) >= 0).all()
    assert wrong.max() - wrong.min() == pytest.approx(alpha)


def test_outcome_plus_is_the_sum():
    both = np.array([[[0.0, 1.0, NAN]], [[0.6, 0.3, 0.5]]])
    assert_array_equal(apply(outcome_plus(0.6, k=3), both), [[0.6 * 0.5, 1.0, NAN]])
    assert apply(outcome_plus(0.5, k=None), both)[0, :2] == pytest.approx([0.3, 1.15])
    assert apply(outcome_plus(), both)[0, 0] == pytest.approx(0.5 * 2 / 3)


def test_closeness_is_in_half_sides_from_the_centre():
    box = [10.0, 20.0, 30.0, 80.0]
    value = gaussian_closeness([[20.0, 50.0], [30.0, 50.0], [20.0, 80.0], [40.0, 110.0]], box)
    assert value == pytest.approx(np.exp([0.0, -0.5, -0.5, -4.0]))
    assert gaussian_closeness([30.0, 50.0], box, width=2.0) == pytest.approx(np.exp(-0.125))
    both = gaussian_closeness([[20.0, 50.0], [20.0, 50.0]], [box, [20.0, 50.0, 22.0, 52.0]])
    assert both == pytest.approx([1.0, np.exp(-1.0)])


def test_blocks_match_as_a_whole():
    target = np.arange(36).reshape(6, 6)
    grid = target.copy()
    assert block_share(grid, target) == 1.0
    grid[0, 0] = grid[1, 2] = -1
    assert block_share(grid, target) == 0.75
    grid[5, 5] = -1
    assert block_share(grid, target) == 0.5
    assert block_share(target[:4, :5], target[:4, :5] + (np.arange(5) == 4)) == 0.5
    assert block_share(target[:5], target) == 0.0
    assert block_share(grid, target, block=1) == pytest.approx(33 / 36)


MESSAGES = [
    (lambda: tiers(1), "k must be 2 or more, got 1. One tier tells nothing apart."),
    (lambda: outcome_plus(1.0), "alpha must be 0 or more and below 1, got 1.0. From 1 on a failure may win."),
    (lambda: outcome_plus(-0.1), "alpha must be 0 or more and below 1, got -0.1. From 1 on a failure may win."),
    (
        lambda: apply(outcome_plus(), np.ones((3, 1, 2))),
        "outcome_plus needs a signal of shape (2, ..., p, s), got (3, 1, 2). "
        "Stack the outcome and the closeness on the first axis.",
    ),
    (
        lambda: gaussian_closeness([1.0, 2.0, 3.0], [0.0, 0.0, 1.0, 1.0]),
        "points need shape (..., 2) and boxes (..., 4), got (3,) and (4,). x, y; left, top, right, bottom.",
    ),
    (
        lambda: gaussian_closeness([1.0, 2.0], [0.0, 0.0, 0.0, 1.0]),
        "a box needs a positive width and height. left < right, top < bottom; width above 0.",
    ),
    (
        lambda: block_share([1.0], [1.0]),
        "block_share needs a target of shape (h, w) and a block of 1 or more, got (1,), 3. 3 suits a Sudoku.",
    ),
]


@pytest.mark.parametrize("at", range(len(MESSAGES)))
def test_messages(at):
    act, text = MESSAGES[at]
    with pytest.raises(InputError) as error:
        act()
    assert str(error.value) == text
