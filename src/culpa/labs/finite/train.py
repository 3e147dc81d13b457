"""One sampled run for each of many rewards at once, with steps whose size does not depend on a reward's scale.

    theta  <-  theta + eta g / sqrt(v),    v  <-  .9 v + .1 |g|^2  (unbiased),    |.| the rms by which g moves logits

g is the gradient of drawn groups, all trained prompts at each update. A scale of a reward then changes nothing, as
under Adam, and a remedy is not credited for a mere change of speed. v counts updates at which no verdict has come yet:
the first steps of a late column are larger, at most sqrt(10) times.
"""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from culpa.dynamics import Advantage, Path
from culpa.dynamics.sampled import Drawn
from culpa.labs.finite.defects import Planted
from culpa.labs.finite.worlds import Array, World, stream
from culpa.signals import Group, Transform, chain
from culpa.signals.draws import drawn

UPDATES, ETA, MEMORY = 160, 0.06, 0.9


class Run(NamedTuple):
    """What became of each of k rewards' policies on the judged prompts, all (k,)."""

    final: Array  # expected truth
    half: Array  # the same after half of the updates
    kl: Array  # mean divergence from the initial policy
    half_kl: Array


@dataclass(frozen=True, eq=False)
class _Policies:
    """k policies. theta: (k, p, s) logits added to the start, or (k, d) weights of the features."""

    world: World

    def fresh(self, count: int) -> Array:
        features = self.world.features
        return np.zeros((count, *self.world.truth.shape) if features is None else (count, features.shape[-1]))

    def logp(self, theta: Array, where: slice) -> Array:
        start, features = self.world.start[where], self.world.features
        moved = theta if features is None else np.tensordot(theta, features[where], axes=(1, 2))
        logits = start + moved
        top = logits.max(axis=-1, keepdims=True)
        return np.asarray(logits - top - np.log(np.exp(logits - top).sum(axis=-1, keepdims=True)))

    def gradient(self, push: Array) -> Array:
        features = self.world.features
        if features is None:
            return push
        flat = features[self.world.trained].reshape(-1, features.shape[-1])
        return np.asarray(push.reshape(len(push), -1) @ flat)

    def size(self, gradient: Array) -> Array:
        """Mean square by which logits would move, (k,)."""
        axes = tuple(range(1, gradient.ndim))
        total = np.square(gradient).sum(axis=axes)
        return np.asarray(total if self.world.features is not None else total / self.world.truth.size)


def train(world: World, columns: list[Planted], path: Path, seed: int, *, updates: int = UPDATES) -> Run:
    """Trains on every column by itself; all of them see the same numbers of draws, remedies the same draws.

    >>> from culpa.dynamics import rloo
    >>> from culpa.labs.finite.worlds import make_world
    >>> world = make_world("apart", 1)
    >>> run = train(world, [Planted("none", 0.0, world.truth)], rloo(8), 1, updates=40)
    >>> bool(run.final[0] > run.half[0] > (world.prob * world.truth).sum(axis=1).mean())
    True
    """
    policies, rng = _Policies(world), stream(seed, "training")
    rewards = np.stack([column.scores[world.trained] for column in columns])
    noise = np.array([column.noise for column in columns])[:, None, None]
    path = _noisy(path, noise)
    start, length = (np.broadcast_to(one[world.trained], rewards.shape) for one in (world.start, world.length))
    advantage = Advantage(path, rewards, start, length)
    steps, theta = Drawn(advantage, rng), policies.fresh(len(columns))
    square, late = np.zeros(len(columns)), _Late(columns)
    half = theta
    for update in range(updates):
        logp = policies.logp(theta, world.trained)
        if update % path.epochs == 0:
            steps.begin(np.exp(logp), logp)
        gradient = late(policies.gradient(steps.step(logp)))
        square = MEMORY * square + (1.0 - MEMORY) * policies.size(gradient)
        scale = np.sqrt(square / (1.0 - MEMORY ** (update + 1)))
        pace = np.divide(ETA, scale, out=np.zeros_like(scale), where=scale > 0)
        theta = theta + gradient * pace.reshape(-1, *[1] * (theta.ndim - 1))
        if update + 1 == updates // 2:
            half = theta
    kl, half_kl = (_divergence(policies, one) for one in (theta, half))
    return Run(_judged(policies, theta), _judged(policies, half), kl, half_kl)


class _Late:
    """Gradients, some columns' by as many updates late as they ask; nothing before the first has come."""

    def __init__(self, columns: list[Planted]) -> None:
        lags = [column.lag for column in columns]
        self._late = [(number, lag) for number, lag in enumerate(lags) if lag]
        self._past: deque[Array] = deque(maxlen=max(lags) + 1)

    def __call__(self, gradient: Array) -> Array:
        self._past.append(gradient)
        if not self._late:
            return gradient
        result = gradient.copy()
        for number, lag in self._late:
            result[number] = self._past[-1 - lag][number] if len(self._past) > lag else 0.0
        return result


def _noisy(path: Path, noise: Array) -> Path:
    """The learner behind noise of these standard deviations (k, 1, 1), drawn anew at each call."""

    def act(signal: Array, _group: Group, rng: np.random.Generator) -> Array:
        return signal + noise * rng.standard_normal(signal.shape)

    step: Transform = drawn(act, "noise")
    return path.with_signal(step if path.signal is None else chain(step, path.signal), "noise")


def _judged(policies: _Policies, theta: Array) -> Array:
    world = policies.world
    prob = np.exp(policies.logp(theta, world.judged))
    return np.asarray((prob * world.truth[world.judged]).sum(axis=-1).mean(axis=-1))


def _divergence(policies: _Policies, theta: Array) -> Array:
    world = policies.world
    logp = policies.logp(theta, world.judged)
    return np.asarray((np.exp(logp) * (logp - world.start[world.judged])).sum(axis=-1).mean(axis=-1))
