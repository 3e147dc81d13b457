"""Pay for what is new: states seldom seen, and features that a model of what follows gets wrong."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from culpa.errors import InputError
from culpa.metrics.arrays import Array, Mask, Shape, float64s
from culpa.signals.shaping import Beside, beside, read, steps_of
from culpa.signals.transform import Group, State, Transform


def count_bonus(
    seen: Beside, states: int, *, weight: float = 1.0, most: float | None = None, before: bool = False
) -> Transform:
    """Every step's pay and a bonus that fades as its state is seen: r_t + weight / sqrt(n).  (t, ..., p, s) to the like

    seen: the number 0 .. states - 1 of the state that step t leads to; NaN is none, and no bonus. n: how often it was
    seen up to now, this batch with it; the memory is n, one row for every leading cell. A cell of weight 0 is not
    counted, and gets its bonus. most: the bonus is weight / sqrt((weight / most)^2 + n), which never exceeds `most`.
    before: n is that of the batches before, which needs `most`. The bonus of what goes on being seen goes to 0, so that
    what is best in the end is what the pay says.
    Reference: Strehl and Littman, 2008; with `most`: ExploRS, NeurIPS 2022.

    >>> from culpa.signals.transform import apply
    >>> apply(count_bonus([[[0, 0]], [[1, 0]]], 2), np.zeros((2, 1, 2))).round(3).tolist()
    [[[0.577, 0.577]], [[1.0, 0.577]]]
    """
    if before and most is None:
        raise InputError("the count before may be 0, and the bonus endless.", remedy="Give most=, the highest bonus.")
    if most is not None and not most > 0.0:
        raise InputError(f"most must be above 0, got {most}.", remedy="It is the bonus of a state never seen.")
    floor = 0.0 if most is None else (weight / most) ** 2

    def init(shape: Shape, _rng: Generator | None) -> State:
        return np.zeros((*shape[1:-2], states))

    def act(signal: Array, group: Group, state: State) -> tuple[Array, State]:
        known, number = _numbers(steps_of(signal, "count_bonus"), beside(seen, signal, group, "seen"), states)
        after = state + _counted(np.where(known & (group.weight > 0), number, states), states)
        rows = state if before else after
        count = np.take_along_axis(rows[None, ..., None, :], number, axis=-1)
        bonus = weight / np.sqrt(floor + (count if before else np.maximum(count, 1.0)))
        return signal + np.where(known, bonus, 0.0), after

    return Transform(init, act)


def _numbers(steps: Mask, named: Array, states: int) -> tuple[Mask, NDArray[np.int64]]:
    """Which steps lead to a known state, and its number."""
    known = steps & ~np.isnan(named)
    if ((named < 0) | (named >= states) | (named % 1 != 0))[known].any():
        raise InputError(f"seen has a value that is not a state's number, of {states}.", remedy="Count them from 0.")
    return known, np.where(known, named, 0).astype(np.int64)


def _counted(number: NDArray[np.int64], states: int) -> Array:
    """How often each state occurs, (t, ..., p, s) to (..., states); the number `states` stands for none."""
    rows = np.moveaxis(number, 0, -3)
    flat = rows.reshape(-1, int(np.prod(rows.shape[-3:])))
    counts = [np.bincount(row, minlength=states + 1)[:states] for row in flat]
    return np.array(counts, dtype=np.float64).reshape(*rows.shape[:-3], states)


class Followed(NamedTuple):
    """What a linear model of the next features has seen, one for each leading cell."""

    inputs: Array  # (..., d, d) sum of x x'
    both: Array  # (..., d, d') sum of x y'


def novelty_bonus(here: Beside, there: Beside, *, weight: float = 1.0, ridge: float = 1.0) -> Transform:
    """Every step's pay and half the squared error of a model of what follows.        (t, ..., p, s) to the like

    r_t + weight / 2 |W x_t - y_t|^2,   W = (sum y x') (sum x x' + ridge 1)^-1 over the batches before

    here: x_t (t, p, s, d), features of state and action; there: y_t (t, p, s, d'), those of the state that follows. A
    step is paid while it surprises: what cannot be foretold goes on being paid, so noise attracts. With features of the
    state that follows as `here`, and fixed random ones of it as `there`, it is random network distillation. Cells of
    weight 0 teach it nothing, and get their bonus.
    Departure: the model is linear, of features that are given. Reference: Pathak et al., ICML 2017; Burda et al., 2019.

    >>> from culpa.signals.transform import apply
    >>> apply(novelty_bonus(np.ones((1, 1, 1, 1)), 2 * np.ones((1, 1, 1, 1))), [[[0.0]]]).item()
    2.0
    """
    if not ridge > 0.0:
        raise InputError(f"ridge must be above 0, got {ridge}.", remedy="Before the first batch nothing else is known.")

    def act(signal: Array, group: Group, state: State) -> tuple[Array, State]:
        taught = steps_of(signal, "novelty_bonus") & (group.weight > 0)
        inputs, outputs = (_features(*one, signal, group) for one in ((here, "here"), (there, "there")))
        wide = inputs.shape[-1]
        lead = signal.shape[1:-2]
        seen = state or Followed(np.zeros((*lead, wide, wide)), np.zeros((*lead, wide, outputs.shape[-1])))
        learnt = np.linalg.solve(seen.inputs + ridge * np.eye(wide), seen.both)
        wrong = np.square(np.einsum("t...psd,...de->t...pse", inputs, learnt) - outputs).sum(axis=-1)
        rows = np.where(taught[..., None], inputs, 0.0)
        after = (np.einsum("t...psd,t...pse->...de", rows, aims) for aims in (inputs, outputs))
        return signal + 0.5 * weight * wrong, Followed(*(a + b for a, b in zip(seen, after, strict=True)))

    return Transform(lambda _shape, _rng: (), act)


def _features(values: Beside, name: str, signal: Array, group: Group) -> Array:
    """The features of every step (t, ..., p, s, d); (t, p, s, d) serves all leading axes."""
    given = float64s(read(values, group), name)
    if given.ndim != 4 or any(a not in (1, b) for a, b in zip(given.shape, _outer(signal), strict=False)):
        raise InputError(
            f"{name} has shape {given.shape} beside a signal of shape {signal.shape}.",
            remedy="Give (t, p, s, d): the features of every step.",
        )
    lead = given.reshape(given.shape[0], *[1] * (signal.ndim - 3), *given.shape[1:])
    return np.broadcast_to(lead, (*signal.shape, given.shape[-1]))


def _outer(signal: Array) -> Shape:
    """(t, p, s) of a signal (t, ..., p, s)."""
    return signal.shape[0], *signal.shape[-2:]
