"""Rewards with a memory: an automaton that reads what happens, and pays for what has been done so far."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from culpa.errors import InputError
from culpa.labs.mdp.world import Mdp
from culpa.metrics.arrays import Array, finite, same_shape

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Machine:
    """A reward machine: in state u, reading label l, it pays and goes on. It starts in state 0.

    follows[u, l] is the next state, pays[u, l] the reward. A state that every label leaves as it is, and where none
    pays, is an end: the task is done. Reference: Toro Icarte et al., ICML 2018.

    >>> then_b = Machine([[0, 1, 0], [1, 1, 2], [2, 2, 2]], [[0, 0, 0], [0, 0, 1], [0, 0, 0]])  # first a, then b
    >>> then_b.run([2, 1, 0, 2])[1].tolist()
    [0.0, 0.0, 0.0, 1.0]
    """

    follows: Numbers  # (u, l)
    pays: Array  # (u, l)

    def __post_init__(self) -> None:
        follows, pays = np.array(self.follows), np.array(finite(self.pays, "pays"), dtype=np.float64)
        if follows.ndim != 2 or not np.issubdtype(follows.dtype, np.integer) or not follows.size:
            raise InputError(f"follows must be numbers (u, l), got {follows.shape}.", remedy="Name the next states.")
        if ((follows < 0) | (follows >= len(follows))).any():
            raise InputError(
                f"follows names a state that is not there, of {len(follows)}.", remedy="Count them from 0."
            )
        same_shape("pays", pays.shape, (follows.shape,), "Give one reward for every state and label.")
        object.__setattr__(self, "follows", follows.astype(np.int64))
        object.__setattr__(self, "pays", pays)

    def run(self, labels: ArrayLike) -> tuple[Numbers, Array]:
        """The state before each label and what it pays, for labels (t, ...); both (t, ...)."""
        read = np.asarray(labels)
        if not np.issubdtype(read.dtype, np.integer) or ((read < 0) | (read >= self.pays.shape[1])).any():
            raise InputError(f"labels must be numbers from 0 to {self.pays.shape[1] - 1}.", remedy="Name what happens.")
        now, states = np.zeros(read.shape[1:], dtype=np.int64), np.zeros(read.shape, dtype=np.int64)
        for t, label in enumerate(read):
            states[t] = now
            now = self.follows[now, label]
        return states, self.pays[states, read]

    def potential(self, gamma: float = 0.95) -> Array:
        """What each state is worth to one who chooses the labels, (u,): the potential of the task's own plan.

        v(u) = max_l pays(u, l) + gamma v(follows(u, l)).   As Phi of `potential_pay` in the world with the machine's
        state beside its own it leads from step to step of the task. Reference: Camacho et al., IJCAI 2019.
        """
        if not 0.0 <= gamma < 1.0:
            raise InputError(f"gamma must be from 0 to below 1, got {gamma}.", remedy="0.95 is usual.")
        value = np.zeros(len(self.follows))
        while True:
            after = (self.pays + gamma * value[self.follows]).max(axis=1)
            if np.allclose(after, value, rtol=1e-13, atol=1e-13):
                return np.asarray(after)
            value = after


def with_machine(world: Mdp, machine: Machine, label: ArrayLike) -> Mdp:
    """The world with the machine's state beside its own: state x * (number of u) + u, paid by the machine alone.

    label: (x,), what is read when x is reached. The world's own reward is left out; its ends stay ends, and so become
    all states in which the task is done.
    """
    read = np.asarray(label)
    same_shape("label", read.shape, ((world.states,),), "Give every state what is read there.")
    count = len(machine.follows)
    then, pays = machine.follows[:, read], machine.pays[:, read]  # (u, x')
    joint = np.einsum("xay,uyv->xuayv", world.transition, np.eye(count)[then])
    states = world.states * count
    transition = joint.reshape(states, world.actions, states)
    reward = np.einsum("xay,uy->xua", world.transition, pays).reshape(states, world.actions)
    done = (machine.follows == np.arange(count)[:, None]).all(axis=1) & (machine.pays == 0.0).all(axis=1)
    over = (world.ends[:, None] | done).ravel()
    transition = np.where(over[:, None, None], np.eye(states)[:, None, :], transition)
    start = np.zeros((world.states, count))
    start[:, 0] = world.start
    return Mdp(transition, np.where(over[:, None], 0.0, reward), world.gamma, start.ravel())
