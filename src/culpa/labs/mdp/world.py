"""A world with states: where each action leads, what it pays, where an episode starts."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from culpa.errors import InputError
from culpa.metrics.arrays import Array, Mask, finite, float64s, refuse, same_shape

_SUMS = 1e-9  # how far the sum of a row of probabilities may be from 1


@dataclass(frozen=True, eq=False)
class Mdp:
    """States x, actions a. A state that no action leaves and where none pays is an end: an episode is over there.

    gamma = 1 is for worlds in which every policy that is asked about reaches an end.

    >>> coin = Mdp([[[0, 1]], [[0, 1]]], [[1.0], [0.0]], 0.9, [1, 0])
    >>> coin.states, coin.actions, coin.ends.tolist()
    (2, 1, [False, True])
    """

    transition: Array  # (x, a, x'), each row sums to 1
    reward: Array  # (x, a); of an action that leads to several places, the mean
    gamma: float
    start: Array  # (x,), sums to 1

    def __post_init__(self) -> None:
        transition = _chances(self.transition, "transition")
        if transition.ndim != 3 or transition.shape[0] != transition.shape[2] or not transition.size:
            raise InputError(
                f"transition must have shape (x, a, x), got {transition.shape}.",
                remedy="Its last axis is the state that follows.",
            )
        states, actions = transition.shape[:2]
        reward, start = finite(self.reward, "reward"), _chances(self.start, "start")
        same_shape("reward", reward.shape, ((states, actions),), "Give every action of every state its pay.")
        same_shape("start", start.shape, ((states,),), "Give every state its chance to be the first.")
        if not 0.0 <= self.gamma <= 1.0:
            raise InputError(f"gamma must be from 0 to 1, got {self.gamma}.", remedy="It discounts what comes later.")
        for name, value in (("transition", transition), ("reward", reward), ("start", start)):
            held = value.astype(np.float64)
            held.flags.writeable = False
            object.__setattr__(self, name, held)

    @property
    def states(self) -> int:
        """How many states there are, ends among them."""
        return int(self.transition.shape[0])

    @property
    def actions(self) -> int:
        """How many actions every state has."""
        return int(self.transition.shape[1])

    @cached_property
    def ends(self) -> Mask:
        """(x,) where an episode is over: every action stays, and pays nothing."""
        stays = np.diagonal(self.transition, axis1=0, axis2=2).T == 1.0
        ends: Mask = (stays & (self.reward == 0.0)).all(axis=1)
        return ends

    def paying(self, reward: ArrayLike) -> "Mdp":
        """The same world with another reward (x, a). At an end nothing is paid, whatever the reward says there."""
        given = float64s(reward, "reward")
        same_shape("reward", given.shape, (self.reward.shape,), "Give every action of every state its pay.")
        return replace(self, reward=np.where(self.ends[:, None], 0.0, given))


def _chances(values: ArrayLike, name: str) -> Array:
    array = np.array(finite(values, name), dtype=np.float64)
    refuse(array < 0.0, name, "a negative value", "They are probabilities.")
    if array.ndim:
        refuse(np.abs(array.sum(axis=-1) - 1.0) > _SUMS, name, "a row that does not sum to 1", "Divide it by its sum.")
    return array
