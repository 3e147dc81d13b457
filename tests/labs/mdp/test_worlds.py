"""The worlds: their shortest ways, counted apart from any value."""

import sys
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest

from culpa.errors import InputError
from culpa.labs.mdp.gym import of_gymnasium
from culpa.labs.mdp.values import expected_return, greedy, optimal, state_values
from culpa.labs.mdp.worlds import bandit, chain, cliff, two_rooms


def steps_to(world, goal):
    """How many steps the likeliest moves need from the start to a state, by breadth first."""
    start = int(world.start.argmax())
    seen, queue = {start: 0}, deque([start])
    while queue:
        x = queue.popleft()
        for a in range(world.actions):
            y = int(world.transition[x, a].argmax())
            if y not in seen:
                seen[y] = seen[x] + 1
                queue.append(y)
    return seen.get(goal)


def test_a_chain_is_as_long_as_it_says():
    world = chain(6, 0.9)
    assert steps_to(world, 5) == 5
    assert expected_return(world, greedy(optimal(world))) == pytest.approx(0.9**4)
    assert greedy(optimal(world))[:-1, 1].all()
    assert world.transition[0, 0, 0] == 1.0


def test_a_chain_that_slips_does_the_other():
    world = chain(4, slip=0.2)
    assert world.transition[1, 1].tolist() == [0.2, 0.0, 0.8, 0.0]
    assert world.reward[2].tolist() == [0.2, 0.8]
    assert world.reward[:2].tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_arms_pay_once():
    world = bandit([1.0, 3.0])
    assert expected_return(world, np.array([[0.25, 0.75], [1.0, 0.0]])) == pytest.approx(2.5)


def test_two_rooms_have_one_door():
    world = two_rooms(6, slip=0.0)
    cells = [(row, column) for row in range(6) for column in range(6)]
    crossings = [
        (row, column)
        for row, column in cells
        for a in range(4)
        for x in [int(world.transition[row * 6 + column, a].argmax())]
        if x < 36 and (column, x % 6) in ((2, 3), (3, 2))
    ]
    assert crossings == [(3, 2), (3, 3)]
    # 2 up to the door's row, 5 across, 3 up, and the step that is paid
    assert expected_return(world, greedy(optimal(world))) == pytest.approx(0.95**10)
    assert steps_to(world, 36) == 11
    assert world.ends.nonzero()[0].tolist() == [36]
    assert world.reward.nonzero()[0].tolist() == [5] * 4


def test_slips_go_to_the_other_three():
    world = two_rooms(6, slip=0.3)
    assert world.transition[7, 1].tolist() == pytest.approx(
        [0.1 if x in (1, 13, 6) else 0.7 if x == 8 else 0.0 for x in range(37)]
    )


def test_a_cliff_is_walked_along_its_edge():
    world = cliff(gamma=1.0)
    assert float(expected_return(world, greedy(optimal(world)))) == pytest.approx(-13.0)
    assert world.reward.min() == -100.0
    assert world.transition[36, 1, 36] == 1.0  # off the edge, back to the start


@pytest.mark.parametrize(("make", "size", "name"), [(chain, 1, "length"), (two_rooms, 5, "side")])
def test_sizes_that_cannot_be_are_refused(make, size, name):
    with pytest.raises(InputError, match=f"{name} must be .*got {size}"):
        make(size)


def test_the_cliff_of_gymnasium_is_this_one():
    gymnasium = pytest.importorskip("gymnasium")
    theirs = of_gymnasium(gymnasium.make("CliffWalking-v1"), 1.0)
    assert float(expected_return(theirs, greedy(optimal(theirs)))) == pytest.approx(-13.0)
    ours, policy = cliff(gamma=0.9), np.full((48, 4), 0.25)
    theirs = of_gymnasium("CliffWalking-v1", 0.9)
    same = state_values(theirs, np.vstack([policy, policy[:1]]))[:37]
    assert same == pytest.approx(state_values(ours, policy)[:37])


def test_a_taxi_of_gymnasium_has_an_end_of_its_own():
    pytest.importorskip("gymnasium")
    world = of_gymnasium("Taxi-v4")
    assert world.states == 501
    assert world.ends.nonzero()[0].tolist() == [500]
    assert world.start[:500].sum() == pytest.approx(1.0)


def test_what_does_not_list_its_steps_is_refused(monkeypatch):
    with pytest.raises(InputError) as error:
        of_gymnasium(SimpleNamespace(P={}))
    assert str(error.value) == (
        "SimpleNamespace does not list its steps and its first states. "
        "Give one with P and initial_state_distrib: CliffWalking, Taxi or FrozenLake."
    )
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(InputError) as error:
        of_gymnasium("CliffWalking-v1")
    assert str(error.value) == "gymnasium is not installed. pip install 'culpa[mdp]'"


def test_steps_that_end_go_to_the_end_with_their_pay():
    steps = {0: {0: [(0.25, 0, 1.0, False), (0.75, 0, 2.0, True)]}}
    world = of_gymnasium(SimpleNamespace(P=steps, initial_state_distrib=[1.0]), 0.5)
    assert world.transition[0, 0].tolist() == [0.25, 0.75]
    assert world.reward.tolist() == [[1.75], [0.0]]
