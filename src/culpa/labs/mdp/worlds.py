"""Worlds to try a reward in: arms, a chain, two rooms, a cliff."""

import numpy as np
from numpy.typing import ArrayLike

from culpa.errors import InputError
from culpa.labs.mdp.world import Mdp
from culpa.metrics.arrays import Array

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left


def bandit(pay: ArrayLike) -> Mdp:
    """One state: every action (a,) pays its own and ends the episode.

    >>> bandit([0.0, 1.0]).reward.tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    given = np.atleast_1d(np.asarray(pay, dtype=np.float64))
    transition = np.zeros((2, len(given), 2))
    transition[:, :, 1] = 1.0
    return Mdp(transition, np.stack([given, np.zeros(len(given))]), 1.0, np.eye(2)[0])


def chain(length: int, gamma: float = 0.95, *, slip: float = 0.0) -> Mdp:
    """A row of states: action 0 steps left, 1 right; the last state is the end, and the step that reaches it pays 1.

    Episodes start at state 0, where a step to the left stays. With chance `slip` the step is the other one.

    >>> chain(3).transition[0].tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if length < 2:
        raise InputError(f"length must be 2 or more, got {length}.", remedy="One state to start from, and the end.")
    transition = np.zeros((length, 2, length))
    for x in range(length - 1):
        transition[x, 0, max(x - 1, 0)] = 1.0
        transition[x, 1, x + 1] = 1.0
    transition[-1, :, -1] = 1.0
    transition[:-1] = (1.0 - slip) * transition[:-1] + slip * transition[:-1, ::-1]
    reward = np.where(np.arange(length)[:, None] == length - 1, 0.0, transition[:, :, -1])
    return Mdp(transition, reward, gamma, np.eye(length)[0])


def two_rooms(side: int = 6, gamma: float = 0.95, *, slip: float = 0.05, pay: float = 1.0) -> Mdp:
    """A square of cells in two rooms, side by side, with one door halfway down the wall between them.

    State = row * side + column; the last state is the end. Actions go up, right, down, left, and stay where a wall is.
    With chance `slip` one of the other three is done. The goal is the upper right corner: any action there pays, and
    ends the episode. Episodes start in the lower left corner.

    >>> two_rooms().states
    37
    """
    if side < 2 or side % 2:
        raise InputError(f"side must be even and 2 or more, got {side}.", remedy="The wall is in the middle.")
    cells, wall, door = side * side, side // 2, side // 2
    moved = np.zeros((cells + 1, 4, cells + 1))
    for x in range(cells):
        row, column = divmod(x, side)
        for action, (down, right) in enumerate(MOVES):
            to = row + down, column + right
            through = {column, to[1]} == {wall - 1, wall} and row != door
            inside = 0 <= to[0] < side and 0 <= to[1] < side and not through
            moved[x, action, to[0] * side + to[1] if inside else x] = 1.0
    transition = _slipped(moved, slip)
    goal, end = side - 1, cells
    transition[[goal, end]] = np.eye(cells + 1)[end]
    reward = np.zeros((cells + 1, 4))
    reward[goal] = pay
    return Mdp(transition, reward, gamma, np.eye(cells + 1)[(side - 1) * side])


def cliff(height: int = 4, width: int = 12, gamma: float = 0.95) -> Mdp:
    """Along the foot of a cliff: every step costs 1, a step off the edge 100 and one starts again.

    State = row * width + column. The start is the lower left corner, the end the lower right one, the edge all between.
    The optimal policy walks right beside the edge. Reference: Sutton and Barto, example 6.6.

    >>> cliff().states
    48
    """
    cells = height * width
    start, end = cells - width, cells - 1
    transition, reward = np.zeros((cells, 4, cells)), np.full((cells, 4), -1.0)
    for x in range(cells):
        row, column = divmod(x, width)
        for action, (down, right) in enumerate(MOVES):
            to = min(max(row + down, 0), height - 1) * width + min(max(column + right, 0), width - 1)
            fell = start < to < end
            transition[x, action, start if fell else to] = 1.0
            reward[x, action] = -100.0 if fell else -1.0
    transition[end], reward[end] = np.eye(cells)[end], 0.0
    return Mdp(transition, reward, gamma, np.eye(cells)[start])


def _slipped(moved: Array, slip: float) -> Array:
    """With chance `slip`, one of the other actions."""
    others = (moved.sum(axis=1, keepdims=True) - moved) / (moved.shape[1] - 1)
    return np.asarray((1.0 - slip) * moved + slip * others)
