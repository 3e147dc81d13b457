"""Pay added to a world's reward, and whether it is a potential's, which leaves every policy's advantages unchanged."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from culpa.labs.mdp.learn import paid
from culpa.labs.mdp.world import Mdp
from culpa.metrics.arrays import Array, finite, same_shape


def potential_pay(world: Mdp, potential: ArrayLike, *, at_ends: ArrayLike = 0.0) -> Array:
    """F(x, a, x') = gamma Phi(x') - Phi(x), (..., x, a, x'), from Phi (..., x); nothing is paid at an end.

    Added to any reward it takes Phi(x) from every value and leaves the advantages unchanged: what is best stays best,
    and the exact policy gradient is the same. at_ends: Phi at the ends in place of its own, 0 as it has to be; any
    other value, a number or one for each state, pays for ending or against it. Reference: Ng, Harada and Russell, 1999.

    >>> from culpa.labs.mdp.worlds import chain
    >>> potential_pay(chain(3, 0.5), [1.0, 4.0, 7.0])[0, 1].tolist()
    [-0.5, 1.0, -1.0]
    """
    given = finite(potential, "potential").astype(np.float64)
    same_shape("potential", given.shape[-1:], ((world.states,),), "Give every state its potential.")
    held = np.where(world.ends, at_ends, given)
    pay = world.gamma * held[..., None, None, :] - np.where(world.ends, 0.0, given)[..., :, None, None]
    full = np.broadcast_to(pay, (*given.shape[:-1], *world.transition.shape))
    return np.where(world.ends[:, None, None], 0.0, full)


def mean_pay(world: Mdp, pay: ArrayLike) -> Array:
    """What is paid for an action on average over where it leads: (..., x, a, x') to (..., x, a)."""
    return np.asarray((paid(world, pay) * world.transition).sum(axis=-1))


class Fit(NamedTuple):
    """The potential that explains a pay best, and what of the pay it leaves unexplained."""

    potential: Array  # (x,), 0 at ends
    left: float  # the largest |pay - F| of any step that can happen
    is_potential: bool


def potential_of(world: Mdp, extra: ArrayLike, tolerance: float = 1e-8) -> Fit:
    """The potential whose F(x, a, x') is closest to the extra pay, by least squares over the steps that can happen.

    extra: (x, a, x'), or (x, a) where it does not depend on x'. Where nothing is left, the pay leaves the best policy
    as it is, in this world and with any reward; where something is left there are rewards for which it does not. A
    potential that is not 0 at ends leaves something, but where all episodes end alike and gamma is 1: there the law
    of what is best is shifted by a constant only, and still something is left.

    >>> from culpa.labs.mdp.worlds import chain
    >>> world = chain(3)
    >>> potential_of(world, potential_pay(world, [1.0, 4.0, 7.0])).is_potential
    True
    >>> potential_of(world, potential_pay(world, [1.0, 4.0, 7.0], at_ends=7.0)).is_potential
    False
    """
    pay = paid(world, extra)
    same_shape("extra", pay.shape, (world.transition.shape,), "Give one pay for every step.")
    x, a, then = np.nonzero((world.transition > 0.0) & ~world.ends[:, None, None])
    rows = np.zeros((len(x), world.states))
    np.add.at(rows, (np.arange(len(x)), then), world.gamma)
    np.add.at(rows, (np.arange(len(x)), x), -1.0)
    rows[:, world.ends] = 0.0
    wanted = pay[x, a, then]
    found = np.linalg.lstsq(rows, wanted, rcond=None)[0]
    left = float(np.abs(rows @ found - wanted).max(initial=0.0))
    return Fit(np.asarray(found), left, left <= tolerance * max(1.0, float(np.abs(wanted).max(initial=0.0))))
