"""Pay added to the steps of an output: potentials, advice, credit for one's own part.

A step signal is (t, ..., p, s), NaN where an output has ended, as in `steps`. What is known of the states in which the
steps were taken comes beside it: an array of the same shape, or a function that reads one off the group.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from culpa.errors import InputError
from culpa.metrics.arrays import Array, float64s
from culpa.signals.transform import Group, Transform, stateless

Beside = ArrayLike | Callable[[Group], ArrayLike]


def potential(phi: Beside, gamma: float = 1.0, *, final: Beside = 0.0) -> Transform:
    """Every step's pay and the rise of a potential: r_t + gamma Phi_{t+1} - Phi_t.        (t, ..., p, s) to the like

    phi: Phi_t of the state that step t is taken in. After the last step of an output stands `final`, which is 0 where
    the output is complete: that is what keeps the best policy best. One cut off in the middle has the potential of
    the state where it was cut, (..., p, s). The discounted sum of what is added is gamma^T final - Phi_0, whatever was
    done in between: for outputs of a language model, gamma = 1, a constant of the prompt, which centring removes.

    A potential that changes with time is given as it was when each state was reached: this is then dynamic shaping. One
    of state and action, Phi(x_t, a_t), makes it look-ahead advice, which keeps the best policy for a learner who takes
    the best of Q + Phi, and not for others. A step whose potential is not known (NaN) becomes NaN.
    Reference: Ng, Harada and Russell, 1999; Devlin and Kudenko, 2012; Wiewiora et al., 2003.

    >>> from culpa.signals.transform import apply
    >>> apply(potential([[[3.0]], [[5.0]]]), [[[0.0]], [[1.0]]]).ravel().tolist()
    [2.0, -4.0]
    """
    _discount(gamma)

    def act(signal: Array, group: Group) -> Array:
        steps = steps_of(signal, "potential")
        held = beside(phi, signal, group, "phi")
        after, _ = np.broadcast_arrays(float64s(read(final, group), "final"), signal[0])
        result = np.full(signal.shape, np.nan)
        following = after
        for t in reversed(range(len(signal))):
            result[t] = signal[t] + gamma * following - held[t]
            following = np.where(steps[t], held[t], following)
        return np.where(steps, result, np.nan)

    return stateless(act)


def look_back(phi: Beside, gamma: float = 1.0) -> Transform:
    """Every step's pay and look-back advice: r_t + Phi_t - Phi_{t-1} / gamma, Phi_{-1} = 0.  (t, ..., p, s) to the like

    phi: Phi(x_t, a_t) of state and action. The discounted sum of what is added up to step T is gamma^T Phi_T, so the
    whole return moves by the last step's advice: where that is not 0, what is best may change.
    Reference: Wiewiora, Cottrell and Elkan, 2003.

    >>> from culpa.signals.transform import apply
    >>> apply(look_back([[[3.0]], [[5.0]]], 0.5), [[[0.0]], [[1.0]]]).ravel().tolist()
    [3.0, 0.0]
    """
    _discount(gamma)
    if gamma == 0.0:
        raise InputError("look_back divides by gamma, got 0.", remedy="Give gamma above 0.")

    def act(signal: Array, group: Group) -> Array:
        steps = steps_of(signal, "look_back")
        held = beside(phi, signal, group, "phi")
        result = np.full(signal.shape, np.nan)
        before = np.zeros(signal.shape[1:])
        for t in range(len(signal)):
            result[t] = signal[t] + held[t] - before / gamma
            before = np.where(steps[t], held[t], before)
        return np.where(steps, result, np.nan)

    return stateless(act)


def difference_rewards(score: Callable[[Array], ArrayLike], team: ArrayLike, default: ArrayLike = 0.0) -> Array:
    """What each member adds to a joint score: D_i = G(z) - G(z with member i replaced).        (..., i) to (..., i)

    score: G, from (..., i) to (...,). default: what stands in for a member, one for all or (i,). What is the same for
    every choice of member i drops out of D_i, and D_i is highest where G is. Reference: Wolpert and Tumer, 2001.

    >>> difference_rewards(lambda team: team.max(axis=-1), [3.0, 5.0]).tolist()
    [0.0, 2.0]
    """
    given = float64s(team, "team")
    if not given.ndim:
        raise InputError("team must have shape (..., i), got ().", remedy="The members stand on the last axis.")
    instead = np.broadcast_to(float64s(default, "default"), given.shape[-1:])
    whole = float64s(score(given), "the score")
    parts = [
        whole - float64s(score(np.where(np.arange(given.shape[-1]) == i, instead, given)), "the score")
        for i in range(given.shape[-1])
    ]
    return np.stack(parts, axis=-1)


def steps_of(signal: Array, asker: str) -> NDArray[np.bool_]:
    """Which cells are steps; refuses a signal without a step axis."""
    if signal.ndim < 3:
        raise InputError(
            f"{asker} needs a signal of shape (t, ..., p, s), got {signal.shape}.",
            remedy="Stack the pay of the steps on the first axis.",
        )
    return ~np.isnan(signal)


def beside(values: Beside, signal: Array, group: Group, name: str) -> Array:
    """What was given for every step, in the signal's shape; (t, p, s) serves all leading axes."""
    given = float64s(read(values, group), name)
    missing = signal.ndim - given.ndim
    if 3 <= given.ndim <= signal.ndim:
        given = given.reshape(given.shape[0], *[1] * missing, *given.shape[1:])
    if given.ndim != signal.ndim or any(a not in (1, b) for a, b in zip(given.shape, signal.shape, strict=True)):
        raise InputError(
            f"{name} has shape {given.shape} beside a signal of shape {signal.shape}.",
            remedy="Give (t, p, s): one value for every step.",
        )
    return np.broadcast_to(given, signal.shape)


def read(values: Beside, group: Group) -> ArrayLike:
    """What was given, or what the function given reads off the group."""
    return values(group) if callable(values) else values


def _discount(gamma: float) -> None:
    if not 0.0 <= gamma <= 1.0:
        raise InputError(f"gamma must be from 0 to 1, got {gamma}.", remedy="1 for outputs of a language model.")
