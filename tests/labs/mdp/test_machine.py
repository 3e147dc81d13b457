"""Reward machines: runs read by hand, and the world with the machine beside it against episodes."""

import numpy as np
import pytest
from tests.labs.mdp.random_world import random_policy, random_world

from culpa.errors import InputError
from culpa.labs.mdp.machine import Machine, with_machine
from culpa.labs.mdp.shaping import potential_of, potential_pay
from culpa.labs.mdp.values import expected_return
from culpa.labs.mdp.worlds import chain

THEN_B = Machine(np.array([[0, 1, 0], [1, 1, 2], [2, 2, 2]]), np.array([[0, 0, 0], [0, 0, 1.0], [0, 0, 0]]))


def test_a_run_is_read_label_by_label():
    states, pays = THEN_B.run(np.array([[0, 2], [1, 1], [2, 2], [2, 2]]))
    assert states.T.tolist() == [[0, 0, 1, 2], [0, 0, 1, 2]]
    assert pays.T.tolist() == [[0, 0, 1, 0], [0, 0, 1, 0]]


def test_the_potential_is_the_plan_of_the_task():
    assert THEN_B.potential(0.5).tolist() == pytest.approx([0.5, 1.0, 0.0])
    forever = Machine(np.array([[0]]), np.array([[1.0]]))
    assert forever.potential(0.9).tolist() == pytest.approx([10.0])


def test_the_world_with_a_machine_is_paid_as_its_runs_are():
    world, rng = random_world(6, end=False), np.random.default_rng(0)
    label = np.array([0, 1, 2, 0, 1])
    joint = with_machine(world, THEN_B, label)
    policy = random_policy(world)
    both = np.repeat(policy, 3, axis=0)  # the policy does not look at the machine
    number, steps = 4000, 60
    x = rng.choice(5, size=number, p=world.start)
    read = []
    for _ in range(steps):
        a = (rng.random(number)[:, None] > np.cumsum(policy, axis=1)[x, :-1]).sum(axis=1)
        x = (rng.random(number)[:, None] > np.cumsum(world.transition, axis=2)[x, a, :-1]).sum(axis=1)
        read.append(label[x])
    pays = THEN_B.run(np.array(read))[1]
    gained = (world.gamma ** np.arange(steps)[:, None] * pays).sum(axis=0)
    assert float(expected_return(joint, both)) == pytest.approx(gained.mean(), abs=4 * gained.std() / number**0.5)


def test_a_task_that_is_done_is_an_end():
    joint = with_machine(chain(3), THEN_B, np.array([0, 1, 2]))
    assert joint.states == 9
    assert joint.ends.reshape(3, 3)[:, 2].all()
    assert joint.ends.reshape(3, 3)[2].all()
    assert joint.start.nonzero()[0].tolist() == [0]
    assert joint.reward.nonzero()[0].tolist() == [1 * 3 + 1]  # at 1 with a read, the step to 2 reads b


def test_its_potential_is_one_of_the_joint_world():
    joint = with_machine(chain(4), THEN_B, np.array([0, 1, 0, 2]))
    phi = np.tile(THEN_B.potential(0.95), 4)
    assert potential_of(joint, potential_pay(joint, phi)).is_potential


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Machine(np.array([0]), np.zeros(1)),
         "follows must be numbers (u, l), got (1,). Name the next states."),
        (lambda: Machine(np.array([[1]]), np.zeros((1, 1))),
         "follows names a state that is not there, of 1. Count them from 0."),
        (lambda: Machine(np.array([[0]]), np.zeros((1, 2))),
         "pays must have shape (1, 1), got (1, 2). Give one reward for every state and label."),
        (lambda: THEN_B.run([3]), "labels must be numbers from 0 to 2. Name what happens."),
        (lambda: THEN_B.potential(1.0), "gamma must be from 0 to below 1, got 1.0. 0.95 is usual."),
        (lambda: with_machine(chain(3), THEN_B, [0]),
         "label must have shape (3,), got (1,). Give every state what is read there."),
    ],
    ids=["shape", "state", "pays", "label", "gamma", "reading"],
)  # fmt: skip
def test_what_is_no_machine_is_refused(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value) == message
