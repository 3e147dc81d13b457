"""Training on every proxy of a world at once, and what the truth becomes.

A       exact gradient, one logit per output, by `culpa.dynamics.walk`
B       exact gradient of the mean over the trained prompts, one w for all prompts
C rloo  sampled: 32 prompts a step, 4 outputs each, scores divided by their standard deviation over the batch, .01 of
        the log-ratio to the initial policy taken from each, mean of the other three as baseline
C grpo  sampled: 32 prompts a step, 8 outputs each, minus the group's mean, over its standard deviation (population),
        no divergence

In C all proxies see the same prompts in the same order and draw their own outputs. Steps are plain gradient ascent; in
C-Adam the same sampled gradient of the 24 weights goes through Adam, with a fresh state for each proxy.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from worlds import DIMS, MEASURED, World

from culpa.dynamics import Columns, Path, grpo, reinforce, rloo
from culpa.dynamics.walk import walk

Array = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]

BATCH = 32  # prompts a step in C
LEARNERS: dict[str, Path] = {"rloo": rloo(4).with_kl(0.01), "grpo": grpo(8)}


class Outcome(NamedTuple):
    """One column of the table: what training on each of k proxies came to."""

    column: str
    learner: Path  # what was trained with, as a forecast would have it
    steps: int
    truth: Array  # (k,) expected truth of the final policy, mean over the judged prompts
    kl: Array  # (k,) divergence from the initial policy on the same prompts, mean

    @property
    def whitened(self) -> bool:
        """Whether the run's scores were divided by their standard deviation over the batch."""
        return self.column.startswith("C rloo")


class Adam(NamedTuple):
    """What Adam remembers of the gradients so far: Kingma and Ba, arXiv 1412.6980.

    step = mean' / (sqrt(square') + 1e-8), mean' = mean / (1 - .9^t), square' = square / (1 - .999^t)
    """

    mean: Array  # .9 of it stays at each step
    square: Array  # of the gradient; .999 of it stays
    steps: int = 0

    @classmethod
    def fresh(cls, shape: tuple[int, ...]) -> "Adam":
        """Before the first gradient."""
        return cls(np.zeros(shape), np.zeros(shape))

    def seen(self, gradient: Array) -> "Adam":
        """After one more gradient."""
        return Adam(0.9 * self.mean + 0.1 * gradient, 0.999 * self.square + 0.001 * gradient**2, self.steps + 1)

    @property
    def step(self) -> Array:
        """The move that a rate of 1 makes."""
        return (self.mean / (1 - 0.9**self.steps)) / (np.sqrt(self.square / (1 - 0.999**self.steps)) + 1e-8)


def outcomes(world: World) -> list[Outcome]:
    """Every column of a world."""
    if world.plan.name == "A":
        return _tabular(world)
    if world.plan.name == "B":
        return _shared(world, world.trained)
    return [_sampled(world, name, training=0) for name in LEARNERS]


def again(world: World) -> list[Outcome]:
    """The training once more: in C with other draws of prompts and outputs, in B on the measured prompts instead."""
    if world.plan.name == "B":
        return _shared(world, slice(0, MEASURED))
    return [_sampled(world, name, training=1) for name in LEARNERS]


def _tabular(world: World) -> list[Outcome]:
    start = world.logp[world.judged].T.astype(np.float64)
    truth = world.truth[world.judged].T.astype(np.float64)
    proxies = len(world.names)
    wide = np.tile(start, proxies)
    reward = world.rewards[:, world.judged].transpose(2, 0, 1).reshape(len(start), -1).astype(np.float64)
    state, done, columns = wide, 0, []
    for steps in world.plan.horizons:
        state = walk(Columns(state, wide, reward), reinforce(), steps=steps - done, eta=world.plan.step)
        done = steps
        prob = np.exp(state).reshape(len(start), proxies, -1)
        value = np.einsum("skp,sp->k", prob, truth) / truth.shape[1]
        gap = np.where(state > -np.inf, state, 0.0) - wide
        kl = np.einsum("skp,skp->k", prob, gap.reshape(prob.shape)) / truth.shape[1]
        columns.append(Outcome(f"A {steps}", reinforce(), steps, value, kl))
    return columns


def _shared(world: World, rows: slice) -> list[Outcome]:
    weights, columns = np.zeros((len(world.names), DIMS)), []
    phi, start = world.features[rows], world.logp[rows]
    rewards = np.ascontiguousarray(world.rewards[:, rows])
    flat = phi.reshape(-1, DIMS)
    for step in range(1, max(world.plan.horizons) + 1):
        prob = policy(weights, phi, start)
        gain = prob * rewards
        gain -= prob * gain.sum(axis=2, keepdims=True)
        weights += world.plan.step / len(phi) * (gain.reshape(len(weights), -1) @ flat)
        if step in world.plan.horizons:
            columns.append(Outcome(f"B {step}", reinforce(), step, *judge(world, weights)))
    return columns


def _sampled(world: World, name: str, training: int) -> Outcome:
    (steps,) = world.plan.horizons
    for weights in islice(sampled(world, LEARNERS[name], training), steps):  # noqa: B007 - the last ones
        pass
    column = f"C {name}" + " Adam" * bool(world.plan.adam)
    return Outcome(column, LEARNERS[name], steps, *judge(world, weights))


def sampled(world: World, learner: Path, training: int) -> Iterator[Array]:
    """Weight vectors (k, d) after 1, 2, ... steps on sampled groups, without end."""
    adam = Adam.fresh((len(world.names), DIMS))
    rng = np.random.default_rng([world.seed, ord(world.plan.name), 3, training, learner.group or 0])
    weights = np.zeros((len(world.names), DIMS))
    while True:
        rows = world.trained.start + rng.choice(world.plan.trained, BATCH, replace=False)
        gradient = _sampled_gradient(world, weights, rows, learner, rng)
        adam = adam.seen(gradient)
        weights = weights + (world.plan.adam * adam.step if world.plan.adam else world.plan.step * gradient)
        yield weights


def _sampled_gradient(
    world: World, weights: Array, rows: npt.NDArray[np.int64], learner: Path, rng: np.random.Generator
) -> Array:
    """One step's estimate, (k, d): mean over the drawn outputs of advantage x phi; a group's advantages sum to 0."""
    phi, start = world.features[rows], world.logp[rows]
    prob = policy(weights, phi, start)
    drawn = draw(prob, learner.group, rng)
    proxy, batch = np.ogrid[: len(weights), : len(rows)]
    reward = world.rewards[proxy[:, :, None], rows[None, :, None], drawn]
    if learner.normalise:
        advantage = _group_scaled(reward)
    else:
        ratio = np.log(np.take_along_axis(prob, drawn, axis=2)) - start[batch[:, :, None], drawn]
        advantage = _leave_one_out(_whitened(reward) - learner.kl * ratio)
    cells = (proxy[:, :, None] * len(rows) + batch[:, :, None]) * start.shape[1] + drawn
    mass = np.bincount(cells.ravel(), weights=advantage.ravel(), minlength=prob.size)
    return mass.reshape(len(weights), -1) @ phi.reshape(-1, DIMS) / (len(rows) * learner.group)


def draw(prob: Single, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """`count` outputs from each distribution, with replacement: (k, p, s) to (k, p, count), by the inverse."""
    kinds = prob.shape[0] * prob.shape[1]
    ladder = prob.reshape(kinds, -1).cumsum(axis=1, dtype=np.float64)
    ladder /= ladder[:, -1:]
    base = np.arange(kinds)[:, None]
    height = rng.random((kinds, count)) + base
    place = np.searchsorted((ladder + base).ravel(), height.ravel(), side="right").reshape(kinds, count)
    return np.minimum(place - base * prob.shape[2], prob.shape[2] - 1).reshape(*prob.shape[:2], count)


def _whitened(reward: Array) -> Array:
    gap = reward - reward.mean(axis=(1, 2), keepdims=True)
    return gap / np.sqrt((gap**2).mean(axis=(1, 2), keepdims=True) + 1e-8)


def _leave_one_out(reward: Array) -> Array:
    group = reward.shape[-1]
    return (reward - reward.mean(axis=-1, keepdims=True)) * (group / (group - 1))


def _group_scaled(reward: Array) -> Array:
    gap = reward - reward.mean(axis=-1, keepdims=True)
    return gap / (np.sqrt((gap**2).mean(axis=-1, keepdims=True)) + 1e-8)


def policy(weights: Array, phi: Single, start: Single) -> Single:
    """Probabilities of all outputs under every weight vector: (k, d), (p, s, d), (p, s) to (k, p, s)."""
    logits = weights.astype(np.float32) @ phi.reshape(-1, DIMS).T
    prob = logits.reshape(len(weights), *start.shape)
    prob += start
    prob -= prob.max(axis=2, keepdims=True)
    np.exp(prob, out=prob)
    prob /= prob.sum(axis=2, keepdims=True)
    return prob


def judge(world: World, weights: Array) -> tuple[Array, Array]:
    """Expected truth and divergence from the initial policy on the judged prompts, (k,) each."""
    rows = world.judged
    prob = policy(weights, world.features[rows], world.logp[rows])
    truth = np.einsum("kps,ps->k", prob, world.truth[rows], dtype=np.float64)
    gap = np.log(np.maximum(prob, 1e-30)) - world.logp[rows]
    kl = np.einsum("kps,kps->k", prob, gap, dtype=np.float64)
    return truth / world.plan.judged, kl / world.plan.judged
