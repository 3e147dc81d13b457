"""Exact policy gradient with one weight vector for all prompts: outputs that look alike rise and fall together.

    z = z0 + Phi w,        w  <-  w + eta Phi' (pi A)

Phi holds the features of every output of every prompt, A is the learner's own advantage. Many rewards are walked at
once: a step is two products with Phi. Step sizes are such that logits move by the same root mean square at each step,
whatever the scale of a reward: the path is the same, only its clock differs, and it is read off at a divergence. In
rounds of several steps that is the size of all steps of a round, so that those that a clip cuts are small.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.dynamics.advantage import Advantage
from culpa.dynamics.learner import Path
from culpa.dynamics.problem import Problem, spread_within
from culpa.dynamics.simulate import CURVE, Forecast
from culpa.dynamics.stepwise import Expected
from culpa.errors import InputError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Features = npt.NDArray[np.float32] | npt.NDArray[np.float64]

KL = 0.4  # mean over prompts at which a rehearsal is read off
MOVE = 0.05  # root mean square by which logits move in a step, the first of a round
MOST_STEPS = 400
_AT_ONCE = 2_000_000  # cells of rewards x prompts x samples walked together
_HALVINGS = 24  # of the last step, so that it ends on the divergence


@dataclass(frozen=True, eq=False)
class SharedForecast(Forecast):
    """What becomes of the truth when a policy with shared features is trained on each of k proxies.

    Its `eta` is the root mean square by which logits move in a step, its `horizon` the steps that each run took.
    """

    learner: Path
    paces: Array = field(kw_only=True)  # (k, t) the sizes of the steps; 0 once a run is over
    features: Features = field(kw_only=True)  # (p, s, d)
    kl: float = field(kw_only=True)  # the divergence asked for
    together: bool = field(kw_only=True, default=False)  # the same steps for all proxies


def rehearse(
    case: Problem, features: Features, learner: Path, *, kl: float = KL, together: bool = False
) -> SharedForecast:
    """Train on each proxy of the problem until the mean divergence over prompts is `kl`, and record the truth.

    So proxies are compared where the policy has moved alike, as an optimiser does that takes the scale of a gradient
    away. With `together` all proxies take the same steps, counted in their standard deviations within prompts, and stop
    when the median of them has diverged by `kl`: as plain gradient steps do, by which some move the policy less.

    features: (p, s, d) of the problem's prompts and outputs, centred within prompts. A proxy without any gradient (its
    scores are constant, or the features of all outputs of a prompt are equal) stays where it is: `reached` is false.

    >>> from culpa.dynamics.learner import reinforce
    >>> from culpa.dynamics.problem import problem
    >>> from culpa.rollouts import Rollouts
    >>> scores = np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> rollouts = Rollouts(np.array(["a", "b"], dtype=object), scores >= 0, scores * 0 + 0.5, {"rm": scores}, scores)
    >>> alike = np.array([[[1.0], [-1.0]]] * 2)
    >>> rehearse(problem(rollouts), alike, reinforce()).outcome.round(3).tolist()
    [0.914]
    """
    if not kl > 0:
        raise InputError(f"the divergence must be positive, got {kl}.", remedy=f"{KL} is usual.")
    size = len(case.proxies) if together else max(1, _AT_ONCE // case.start.size)
    rewards = case.rewards.transpose(0, 2, 1)
    speeds = _speeds(case, learner) if together else None
    walks = [Walk(case, rewards[first : first + size], features, learner) for first in range(0, len(rewards), size)]
    runs = [_run(one, kl, speeds) for one in walks]
    frames = [
        pl.DataFrame(rows, schema=CURVE, orient="row").insert_column(0, pl.lit(name).alias("proxy"))
        for name, rows in zip(case.proxies, (rows for one in runs for rows in one.rows), strict=True)
    ]
    longest = max(one.paces.shape[1] for one in runs)
    paces = [np.pad(one.paces, ((0, 0), (0, longest - one.paces.shape[1]))) for one in runs]
    return SharedForecast(
        pl.concat(frames),
        case.proxies,
        np.concatenate([(one.paces > 0).sum(axis=1) for one in runs]),
        np.concatenate([one.reached for one in runs]),
        np.concatenate([one.final for one in runs]).transpose(0, 2, 1),
        case,
        learner,
        MOVE,
        paces=np.concatenate(paces),
        features=features,
        kl=kl,
        together=together,
    )


def _speeds(case: Problem, learner: Path) -> Array:
    """One over each proxy's standard deviation within prompts, (k,); 1 where there is none, or the learner divides."""
    if learner.normalise:
        return np.ones(len(case.rewards))
    spread = spread_within(case, case.rewards)
    return np.asarray(1.0 / np.where(spread > 0, spread, 1.0))


def replay(case: Problem, rewards: Array, features: Features, learner: Path, paces: Array) -> Iterator[Array]:
    """Log-probabilities (k, p, s) before the first step and after each, with given step sizes (k, t).

    rewards: (k, p, s), any: what a corrected reward would have done in the run of the uncorrected one.
    """
    walk = Walk(case, rewards, features, learner)
    yield walk.logp
    for pace in paces.T:
        walk.move(walk.direction() * pace[:, None, None])
        yield walk.logp


class Stride(NamedTuple):
    """A step of k policies, all (k,): its sizes, those that made it, and those that it brought to the divergence."""

    pace: Array
    live: Mask
    over: Mask


class _Run(NamedTuple):
    rows: list[list[tuple[float, ...]]]  # per proxy
    paces: Array
    reached: Mask
    final: Array


class Walk:
    """k policies over the same outputs, all (k, p, s), each trained on its own reward. rewards: (k, p, s)."""

    def __init__(self, case: Problem, rewards: Array, features: Features, learner: Path) -> None:
        self.truth = case.truth.T
        self.start = case.start.T
        self.present = np.isfinite(self.start)
        self.mass = np.exp(self.start)
        self.rewards = np.where(self.present, rewards, 0.0)
        self.features: Features = features.reshape(-1, features.shape[-1])
        length = None if case.length is None else case.length.T
        self.learner, self.taken = learner, 0
        self.steps = Expected(Advantage(learner, self.rewards, self.start, length))
        self.logp = np.broadcast_to(self.start, self.rewards.shape).copy()
        self.prob = np.exp(self.logp)

    def direction(self) -> Array:
        """Where the gradient moves the logits: Phi Phi' (pi A), the mean over prompts."""
        if self.taken % self.learner.epochs == 0:
            self.steps.begin(self.prob, self.logp)
        self.taken += 1
        return spread(self.steps.step(self.logp), self.features) / len(self.start)

    def move(self, change: Array) -> None:
        """Adds to the logits."""
        self.logp = moved(self.logp, change, self.present)
        self.prob = np.exp(self.logp)

    def size(self, change: Array) -> Array:
        """Root mean square of a change of the logits within prompts, under the initial policy, (k,)."""
        centred = change - (self.mass * change).sum(axis=-1, keepdims=True)
        return np.asarray(np.sqrt((self.mass * centred**2).sum(axis=-1).mean(axis=-1)))

    def seen(self, step: int) -> list[tuple[float, ...]]:
        """A row of the curves for each policy, as it stands."""
        kl = divergence(self.logp, self.start)
        true, proxy = ((self.prob * value).sum(axis=-1).mean(axis=-1) for value in (self.truth, self.rewards))
        entropy = -(self.prob * np.where(self.prob > 0, self.logp, 0.0)).sum(axis=-1).mean(axis=-1)
        return [(step, *map(float, row)) for row in zip(true, proxy, kl, entropy, strict=True)]


def spread(push: Array, features: Features) -> Array:
    """A push on some outputs felt by all, (k, p, s): Phi Phi' push. features: (p s, d)."""
    flat = push.reshape(len(push), -1).astype(features.dtype, copy=False)
    felt = np.matmul(np.matmul(flat, features), features.T)
    return np.asarray(felt, dtype=np.float64).reshape(push.shape)


def moved(logp: Array, change: Array, present: Mask) -> Array:
    """Log-probabilities (k, p, s) after a change of the logits."""
    logits = np.where(present, logp + change, -np.inf)
    logits -= logits.max(axis=-1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return np.asarray(logits)


def divergence(logp: Array, start: Array) -> Array:
    """Mean over prompts of KL to the start (p, s), for each of k policies, (k,)."""
    present = np.isfinite(start)
    gap = np.where(present, logp, 0.0) - np.where(present, start, 0.0)
    return np.asarray((np.exp(logp) * gap).sum(axis=-1).mean(axis=-1))


def until(walk: Walk, kl: float, speeds: Array | None = None) -> Iterator[Stride]:
    """All policies step by step until each has diverged by `kl`; those that have stay where they are.

    speeds: (k,) steps of these proportions for all, until the median of those that move has diverged by `kl`.
    """
    count = len(walk.rewards)
    live = np.ones(count, dtype=bool)
    for step in range(MOST_STEPS):
        way = walk.direction()
        if step % walk.learner.epochs == 0:
            length = walk.size(way)
            live &= length > 0
            whole = np.divide(MOVE, length, out=np.zeros(count), where=live)
        if not live.any():
            break
        if speeds is not None and step % walk.learner.epochs == 0:
            whole = MOVE / np.median((length * speeds)[live]) * speeds
        pace = np.where(live, whole, 0.0)
        change = way * pace[:, None, None]
        after = divergence(moved(walk.logp, change, walk.present), walk.start)
        over = live & ((after if speeds is None else np.median(after[live])) >= kl)
        share = np.ones(count)
        share[over] = _share(walk.logp[over], change[over], walk.start, (kl, speeds is not None))
        walk.move(change * share[:, None, None])
        yield Stride(pace * share, live.copy(), over)
        live &= ~over


def _run(walk: Walk, kl: float, speeds: Array | None) -> _Run:
    """What `until` does, with what was seen on the way."""
    count = len(walk.rewards)
    rows, paces, reached = [[row] for row in walk.seen(0)], [np.zeros((count, 0))], np.zeros(count, dtype=bool)
    for step, stride in enumerate(until(walk, kl, speeds), start=1):
        paces.append(stride.pace[:, None])
        reached |= stride.over
        for number, row in enumerate(walk.seen(step)):
            if stride.live[number]:
                rows[number].append(row)
    return _Run(rows, np.concatenate(paces, axis=1), reached, walk.logp)


def _share(logp: Array, change: Array, start: Array, goal: tuple[float, bool]) -> Array:
    """The part of a step after which the divergence, or its median, is the goal, by bisection, for runs past it."""
    kl, together = goal
    low, high = np.zeros(len(logp)), np.ones(len(logp))
    for _ in range(_HALVINGS if len(logp) else 0):
        middle = (low + high) / 2
        spent = divergence(moved(logp, change * middle[:, None, None], np.isfinite(start)), start)
        above = (np.full(len(logp), np.median(spent)) if together else spent) >= kl
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.asarray(high)
