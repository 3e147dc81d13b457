"""Small worlds of gymnasium (CliffWalking, Taxi, FrozenLake) as exact ones. Needs the extra `mdp`."""

from typing import Any

import numpy as np

from culpa.errors import InputError
from culpa.labs.mdp.world import Mdp


def of_gymnasium(environment: Any, gamma: float = 0.95) -> Mdp:
    """The world of an environment that lists its own steps, by its name or the environment itself.

    `environment.unwrapped.P[x][a]` is a list of (chance, next state, pay, over). All that is over goes to one further
    state at the end, which pays nothing. Where the first state has no known law, `reset` is not asked: that is refused.

    >>> of_gymnasium("CliffWalking-v1").states  # doctest: +SKIP
    49
    """
    steps, start = _listed(environment)
    states, actions = len(steps), len(steps[0])
    transition = np.zeros((states + 1, actions, states + 1))
    reward = np.zeros((states + 1, actions))
    transition[-1, :, -1] = 1.0
    for x in range(states):
        for a in range(actions):
            for chance, then, pay, over in steps[x][a]:
                transition[x, a, states if over else int(then)] += chance
                reward[x, a] += chance * float(pay)
    return Mdp(transition, reward, gamma, np.append(np.asarray(start, dtype=np.float64), 0.0))


def _listed(environment: Any) -> tuple[Any, Any]:
    """The table of steps and the law of the first state."""
    if isinstance(environment, str):
        try:
            import gymnasium  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise InputError("gymnasium is not installed.", remedy="pip install 'culpa[mdp]'") from error
        environment = gymnasium.make(environment)
    plain = getattr(environment, "unwrapped", environment)
    steps, start = getattr(plain, "P", None), getattr(plain, "initial_state_distrib", None)
    if steps is None or start is None:
        raise InputError(
            f"{type(plain).__name__} does not list its steps and its first states.",
            remedy="Give one with P and initial_state_distrib: CliffWalking, Taxi or FrozenLake.",
        )
    return steps, start
