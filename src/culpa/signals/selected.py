"""More advantage for the output that would be selected from its group: cloning it, without another loss."""

from typing import Literal, get_args

import numpy as np
from numpy.random import Generator

from culpa.errors import InputError
from culpa.metrics.arrays import Array
from culpa.signals.baseline import center
from culpa.signals.deviation import divide_std
from culpa.signals.draws import drawn, one_of
from culpa.signals.ranks import levels
from culpa.signals.transform import Group, State, Transform, chain, known_field, stateless

Select = Literal["correct", "one_correct", "shortest_correct", "longest_correct", "shortest"]
_BY_LENGTH = {"shortest_correct": 1.0, "shortest": 1.0, "longest_correct": -1.0}


def add_selected(
    coefficient: float,
    select: Select = "shortest_correct",
    *,
    correct: float = 0.5,
    size: int | None = None,
    advantage: Transform | None = None,
) -> Transform:
    """The advantage, and for outputs that are selected as much again as makes the policy imitate them.

    A' = A + c q / w,   q: the law of the selected output of a group, w: the policy's own        (..., p, s) to the like

    Since E_pi[(q / pi) grad log pi] = E_q[grad log pi], this is c times the gradient of E_q[log pi]: cloning the
    selected output, inside the same loss. A group of G equal samples: c G for the one that is selected; ties share it.
    A group in which nothing can be selected gets nothing. The signal is the reward; A is `advantage` of it, which is
    centred and divided by the group's standard deviation if none is given. Outputs of reward above `correct` are
    correct. select: "correct" clones all of them (the positives of OREAL), "one_correct" one by chance, which is the
    same on average and needs a generator; "shortest_correct" is ICR, which shortens reasoning without a penalty;
    "longest_correct" and "shortest" are its controls.

    Where outputs are enumerated, q is that of groups of `size`, or of endless ones: for lengths l and F(l) = P(correct
    and no longer than l), q(l) = (1 - F(l-))^size - (1 - F(l))^size, shared within a length as the policy does.

    Departure from ICR: its estimator is not published; this one follows from its description, with c to be small (.1):
    where short outputs are the wrong ones, .3 does harm. See `metrics.lengths.length_accuracy`.
    Reference: ICR, arXiv 2605.07316; OREAL, arXiv 2502.06781.

    >>> from culpa.signals.transform import apply, equal_group
    >>> group = equal_group((1, 3), length=np.array([[5.0, 9.0, 2.0]]))
    >>> apply(add_selected(0.1, advantage=center()), [[1.0, 1.0, 0.0]], group).round(3).tolist()
    [[0.633, 0.333, -0.667]]
    """
    _check(coefficient, select, size)
    inner = chain(center(), divide_std()) if advantage is None else advantage
    step = selection_ratio(select, correct=correct, size=size)

    def init(shape: tuple[int, ...], rng: Generator | None) -> State:
        if inner.output(shape) != shape:
            problem = f"add_selected needs an advantage that keeps the shape, got one to {inner.output(shape)}."
            raise InputError(problem, remedy="Merge rewards in a step of its own, before it.")
        return inner.init(shape, rng), step.init(shape, rng)

    def act(signal: Array, group: Group, state: State) -> tuple[Array, State]:
        base, first = inner.apply(signal, group, state[0])
        more, second = step.apply(signal, group, state[1])
        return base + coefficient * more, (first, second)

    return Transform(init, act)


def selection_ratio(select: Select, *, correct: float = 0.5, size: int | None = None) -> Transform:
    """The ratio q / w: how much oftener the selected output of a group is this one than a draw of the policy is.

    Its mean over a group under the weights is 1, or the chance that there is anything to select. An output of unknown
    length becomes NaN where length decides. One without weight has the value of the outputs that it ties with, else 0.
    """
    _check(1.0, select, size)
    sign = _BY_LENGTH.get(select)

    def eligible(signal: Array, group: Group) -> tuple[Array, Array]:
        """The key of every output that may be selected, the lowest first; and the signal as far as it can be judged."""
        key = np.zeros(signal.shape)
        if sign is not None:
            key = sign * np.broadcast_to(known_field(group, "length", f"selecting {select}"), signal.shape)
        cells = np.where(np.isnan(key), np.nan, signal)
        fits = ~np.isnan(cells) if select == "shortest" else cells > correct
        return np.where(fits, key, np.nan), cells

    def exact(signal: Array, group: Group) -> Array:
        key, cells = eligible(signal, group)
        return _of_level(key, cells, group, size)

    def chance(signal: Array, group: Group, rng: Generator) -> Array:
        key, cells = eligible(signal, group)
        if group.enumerated:
            return _of_level(key, cells, group, size)
        mass = np.where(np.isnan(cells), 0.0, np.broadcast_to(group.weight, cells.shape))
        chosen = one_of(~np.isnan(key), mass, rng)
        share = mass / np.maximum(mass.sum(axis=-1, keepdims=True), np.finfo(float).tiny)
        return np.where(np.isnan(cells), np.nan, chosen / np.where(chosen, share, 1.0))

    return drawn(chance, "one_correct") if select == "one_correct" else stateless(exact)


def _of_level(key: Array, cells: Array, group: Group, size: int | None) -> Array:
    """The ratio q / w for the lowest key of the group: a tie shares its chance as the weights do."""
    weight = np.broadcast_to(group.weight, cells.shape)
    known = np.where(np.isnan(cells), 0.0, weight)
    total = known.sum(axis=-1, keepdims=True)
    able = np.where(np.isnan(key), 0.0, known).sum(axis=-1, keepdims=True) / np.where(total > 0, total, 1.0)
    found = levels(key, weight)
    below, mass = able * np.nan_to_num(found.below), able * np.nan_to_num(found.mass)
    some = mass > 0
    if group.enumerated and size is not None:
        chance = (1.0 - below) ** size - np.maximum(1.0 - below - mass, 0.0) ** size
    else:
        chance = (below == 0.0).astype(np.float64)
    value = np.where(some, chance / np.where(some, mass, 1.0), 0.0)
    return np.where(np.isnan(cells), np.nan, value)


def _check(coefficient: float, select: str, size: int | None) -> None:
    if not np.isfinite(coefficient):
        raise InputError(f"coefficient must be a finite number, got {coefficient}.", remedy="0 leaves it out.")
    if select not in get_args(Select):
        raise InputError(
            f"select must be one of {', '.join(get_args(Select))}, got {select!r}.", remedy="See add_selected."
        )
    if size is not None and size < 1:
        raise InputError(f"size must be 1 or more, got {size}.", remedy="It is the number of outputs of a group.")
