"""Worlds: what they must be, and where they end."""

import numpy as np
import pytest

from culpa.errors import InputError
from culpa.labs.mdp.world import Mdp

STAY = np.eye(2)[:, None, :]


def test_an_end_stays_and_pays_nothing():
    transition = np.array([[[0.0, 1.0, 0.0]] * 2, [[0.0, 1.0, 0.0]] * 2, [[0.0, 0.0, 1.0]] * 2])
    world = Mdp(transition, [[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]], 0.9, [1.0, 0.0, 0.0])
    assert world.ends.tolist() == [False, False, True]  # the middle one stays too, but pays
    assert (world.states, world.actions) == (3, 2)


def test_a_state_that_one_action_leaves_is_no_end():
    transition = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    assert Mdp(transition, np.zeros((2, 2)), 0.9, [1, 0]).ends.tolist() == [False, True]


def test_another_reward_leaves_the_ends_unpaid():
    world = Mdp(STAY, np.array([[1.0], [0.0]]), 0.9, [1.0, 0.0])
    assert world.paying([[2.0], [3.0]]).reward.tolist() == [[2.0], [0.0]]


def test_arrays_are_held_apart_and_cannot_be_written():
    start = np.array([1.0, 0.0])
    world = Mdp(STAY, np.zeros((2, 1)), 0.9, start)
    start[0] = 5.0
    assert world.start.tolist() == [1.0, 0.0]
    with pytest.raises(ValueError, match="read-only"):
        world.reward[0, 0] = 1.0


GOOD = {"transition": STAY, "reward": np.zeros((2, 1)), "gamma": 0.9, "start": [1.0, 0.0]}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("transition", np.eye(2),
         "transition must have shape (x, a, x), got (2, 2). Its last axis is the state that follows."),
        ("transition", 2 * STAY, "transition has a row that does not sum to 1 at index (0, 0). Divide it by its sum."),
        ("transition", np.array([[[2.0, -1.0]], [[0.0, 1.0]]]),
         "transition has a negative value at index (0, 0, 1). They are probabilities."),
        ("reward", np.zeros((2, 2)),
         "reward must have shape (2, 1), got (2, 2). Give every action of every state its pay."),
        ("start", [1.0], "start must have shape (2,), got (1,). Give every state its chance to be the first."),
        ("gamma", 1.5, "gamma must be from 0 to 1, got 1.5. It discounts what comes later."),
    ],
)  # fmt: skip
def test_what_cannot_be_a_world_is_refused(field, value, message):
    with pytest.raises(InputError) as error:
        Mdp(**{**GOOD, field: value})
    assert str(error.value) == message
