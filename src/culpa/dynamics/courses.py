"""One way to run every learner: what `simulate`, `effects` and `stalls` stand on.

A plain path takes the fast walk; a signal, rounds and drawn groups the one that steps all prompts together; a flow an
integrator; a closed form its parts. Prompts are columns, (s, m).
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from culpa.dynamics.advantage import Advantage
from culpa.dynamics.closed import parts
from culpa.dynamics.flow import CELLS, flow
from culpa.dynamics.learner import ClosedForm, Learner, Path
from culpa.dynamics.stepwise import stepwise
from culpa.dynamics.walk import Columns, blocks, divergences, expectations, gains, walk
from culpa.errors import InputError

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

MARKS = 1_000  # of a flow, besides the start: 0.7 % apart over a thousand steps, 1.4 % over a million
_LOOKS = 8  # at a flow's goal, between two recorded steps


class Goal(NamedTuple):
    """What ends a run: a mean divergence from the start, or a mean rise of values, of this size or more."""

    size: float
    values: Array | None = None  # (s, m); None: the divergence

    def reached(self, logp: Array, start: Array) -> bool:
        """Whether the policy (s, m) is there."""
        return self.measure(logp, start) >= self.size

    def measure(self, logp: Array, start: Array) -> float:
        """How far the policy has come."""
        if self.values is None:
            return float(divergence(logp, start).mean())
        return float(((np.exp(logp) - np.exp(start)) * self.values).sum(axis=0).mean())


class Course(Protocol):
    """A run of all prompts under one reward."""

    logp: Array  # (s, m) where it stands

    def advance(self, steps: int, goal: Goal | None) -> int | None:
        """Goes on by so many steps, or to the first of them that reaches the goal: its number, else None."""


def course(
    columns: Columns,
    learner: Learner,
    *,
    eta: float,
    length: Array | None = None,
    rng: np.random.Generator | None = None,
) -> Course:
    """The run of a learner from the initial policy; with a generator, one of drawn groups.

    >>> even = np.log(np.full((2, 1), 0.5))
    >>> run = course(Columns(even, even, np.array([[1.0], [0.0]])), Path("reinforce"), eta=1.0)
    >>> run.advance(10, Goal(0.1)), np.exp(run.logp[0]).round(3).tolist()
    (2, [0.725])
    """
    if rng is not None and (isinstance(learner, ClosedForm) or learner.flow):
        raise InputError(f"{learner.name} draws no outputs.", remedy="Leave rng out, or take a learner that walks.")
    if isinstance(learner, ClosedForm):
        return _Stepping(columns, parts(columns, learner))
    if learner.flow:
        return _Flowing(columns, learner, eta)
    if learner.plain and rng is None:
        return _Walking(columns, learner, eta)
    return _Stepping(columns, stepwise(columns, learner, eta=eta, length=length, rng=rng))


def seen_scores(columns: Columns, learner: Learner, *, length: Array | None = None, apart: bool = False) -> Array:
    """The rewards as a learner sees them at the start, after its signal, (s, m); NaN = no verdict.

    >>> from culpa.signals import clip
    >>> at = Columns(np.zeros((1, 1)), np.zeros((1, 1)), np.array([[7.0]]))
    >>> seen_scores(at, Path("reinforce").with_signal(clip(2.0), "clip:2")).tolist()
    [[2.0]]
    """
    if not isinstance(learner, Path) or learner.signal is None:
        return columns.reward
    shape = (columns.logp.shape[1], 1, -1) if apart else (columns.logp.shape[1], -1)
    start, reward = columns.start.T.reshape(shape), columns.reward.T.reshape(shape)
    advantage = Advantage(learner, reward, start, None if length is None else length.T.reshape(shape))
    return advantage.signal(np.exp(start), start).reshape(columns.logp.shape[::-1]).T


def most_steps(learner: Learner, steps: int) -> int:
    """The steps that a learner can take, where so many are asked for: a closed form comes to its end."""
    return min(steps, learner.parts) if isinstance(learner, ClosedForm) else steps


def marks(learner: Learner, steps: int) -> Index:
    """The steps at which `means` looks: every one; of a flow 0, 1, 2, .. then ever further apart, a thousand at most.

    >>> marks(Path("reinforce"), 3).tolist(), len(marks(Path("reinforce", flow=True), 10**6)) < 1_002
    ([0, 1, 2, 3], True)
    """
    if isinstance(learner, Path) and learner.flow:
        spaced = np.round(np.geomspace(1, max(1, steps), MARKS)).astype(np.int64)
        return np.unique(np.concatenate([[0], spaced[spaced <= steps]]))
    return np.arange(steps + 1)


def means(
    columns: Columns, learner: Learner, values: Array, *, steps: int, eta: float, length: Array | None = None
) -> tuple[Array, Array]:
    """The run's end (s, m), and the policy's mean of j values (j, s, m) at each of its `marks`, (j, t, m).

    Columns are independent: for a signal each is a batch of its own.

    >>> even = np.log(np.full((2, 1), 0.5))
    >>> at = Columns(even, even, np.array([[1.0], [0.0]]))
    >>> means(at, ClosedForm("best of 3", best_of=3), at.reward[None], steps=2, eta=0.1)[1].ravel().round(6).tolist()
    [0.5, 0.75, 0.875]
    """
    if isinstance(learner, Path) and learner.plain:
        return expectations(columns, learner, values, steps=steps, eta=eta)
    if isinstance(learner, Path) and learner.flow:
        return _flow_means(columns, learner, values, marks(learner, steps).astype(np.float64) * eta)
    found = np.empty((len(values), steps + 1, columns.logp.shape[1]))
    if not found.shape[-1]:
        return columns.logp, found
    run = _states(columns, learner, eta, length)
    for step in range(steps + 1):
        logp = next(run)
        found[:, step] = np.einsum("sm,jsm->jm", np.exp(logp), values)
    return logp, found


def divergence(logp: Array, start: Array) -> Array:
    """KL(pi || pi0) of each prompt, (s, p) to (p,)."""
    gap = np.where(np.isfinite(start), logp - np.where(np.isfinite(start), start, 0.0), 0.0)
    kl: Array = np.einsum("sp,sp->p", np.exp(logp), gap)
    return kl


def _states(columns: Columns, learner: Learner, eta: float, length: Array | None) -> Iterator[Array]:
    if isinstance(learner, ClosedForm):
        return parts(columns, learner)
    return stepwise(columns, learner, eta=eta, length=length, apart=True)


def _flow_means(columns: Columns, path: Path, values: Array, taus: Array) -> tuple[Array, Array]:
    end, found = np.empty_like(columns.logp), np.empty((len(values), len(taus), columns.logp.shape[1]))
    for place, block in blocks(columns, CELLS):
        states = flow(block, path, taus)
        end[:, place] = states[-1]
        found[:, :, place] = np.einsum("tsm,jsm->jtm", np.exp(states), values[:, :, place])
    return end, found


class _Walking:
    """By the fast walk: a stretch with its record of every step, and again up to the step that reached the goal."""

    def __init__(self, columns: Columns, path: Path, eta: float) -> None:
        self.logp, self._columns, self._path, self._eta = columns.logp, columns, path, eta

    def advance(self, steps: int, goal: Goal | None) -> int | None:
        """As `Course` says."""
        at, path, eta = self._columns._replace(logp=self.logp), self._path, self._eta
        if goal is None:
            self.logp = walk(at, path, steps=steps, eta=eta)
            return None
        if goal.values is None:
            end, along = divergences(at, path, steps=steps, eta=eta)
        else:
            end, along = gains(at, path, goal.values, steps=steps, eta=eta)
            along = along - float((np.exp(at.start) * goal.values).sum(axis=0).mean())
        there = along[1:] >= goal.size
        if not there.any():
            self.logp = end
            return None
        count = 1 + int(there.argmax())
        self.logp = walk(at, path, steps=count, eta=eta)
        return count


class _Stepping:
    """By one state after the other."""

    def __init__(self, columns: Columns, states: Iterator[Array]) -> None:
        self._start, self._states, self.logp = columns.start, states, next(states)

    def advance(self, steps: int, goal: Goal | None) -> int | None:
        """As `Course` says."""
        for count in range(1, steps + 1):
            self.logp = next(self._states)
            if goal is not None and goal.reached(self.logp, self._start):
                return count
        return None


class _Flowing:
    """By the integrator: the goal is looked for at a few times on the way, and from there by halving."""

    def __init__(self, columns: Columns, path: Path, eta: float) -> None:
        self.logp, self._columns, self._path, self._eta = columns.logp, columns, path, eta

    def advance(self, steps: int, goal: Goal | None) -> int | None:
        """As `Course` says; a goal that is reached and lost again between two looks is not seen."""
        looks = np.unique(np.linspace(0, steps, 2 if goal is None else _LOOKS + 1).round().astype(np.int64))
        states, done = self._after(looks), 0
        for count, logp in zip(looks[1:].tolist(), states[1:], strict=True):
            if goal is not None and goal.reached(logp, self._columns.start):
                return done + self._halve(count - done, goal, logp)
            self.logp, done = logp, count
        return None

    def _halve(self, most: int, goal: Goal, logp: Array) -> int:
        low, high = 0, most
        while high - low > 1:
            middle = (low + high) // 2
            state = self._after(np.array([0, middle]))[-1]
            if goal.reached(state, self._columns.start):
                high, logp = middle, state
            else:
                low = middle
        self.logp = logp
        return high

    def _after(self, steps: Index) -> Array:
        return flow(self._columns._replace(logp=self.logp), self._path, steps.astype(np.float64) * self._eta)
