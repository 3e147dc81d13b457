"""Simulated runs whose exact truth is known at every step: on these the built-in limits were measured.

Many runs side by side, (r, p, s): every prompt has 40 outputs, pi ~ exp(b + <w, phi>) with phi ~ N(0, I / 16) of 16
dimensions shared by all prompts, b ~ N(0, 1). Each step draws a group for every prompt and takes the learner's sampled
step. The watch sees another draw of the same policy. In units of the truth's standard deviation:

    quality q = sqrt(.6) <u, phi> + sqrt(.4) noise,  mark m = <z, phi> (phi scaled to unit variance, u and z orthogonal)

    true      R = G = q                                  noisy      R = q + .3 to 3 noise, G = q
    verifier  R = G = 1[q > .5]                          harmless   R = q + .3 to 2 m, G = q: an error that does no harm
    overdone  R = q + 1 to 2 m, G = q + m - .5 to 1 max(m, 0)^2: good in measure, paid for without measure
    rare      R = q + 3 to 6 [m > 1.75], G = q - 4 [m > 1.75]: a trick that one output in 25 shows at first
    passed    R = 1[q > .3 or m > 1.3], G = 1[q > .3] - 3 [m > 1.3]: a verifier with a hole

Lengths are exp(5 + .3 x) tokens, cut off at 250, x the mark itself or a property that nobody pays for, each in half
of the runs.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from culpa.dynamics import Advantage, grpo
from culpa.dynamics.sampled import Drawn, draw
from culpa.training.watch.batch import Array, Batch
from culpa.training.watch.report import StepReport, step_report

HONEST, HACKED = ("true", "noisy", "verifier", "harmless"), ("overdone", "rare", "passed")
OUTPUTS, DIMS, STEPS, GROUP, LONGEST = 40, 16, 100, 8, 250.0
FALLEN, KEPT = 0.15, 0.03  # below the best so far, of the truth's spread: a run that fell, one that did not


class Runs(NamedTuple):
    """Runs of one kind side by side."""

    reports: list[list[StepReport]]  # of each run
    value: Array  # (r, t) exact expected truth at each step, in the truth's initial spread within prompts

    @property
    def fall(self) -> Array:
        """How far each run's truth was below its best so far, at most, (r,).

        >>> Runs([], np.array([[0.0, 1.0, 0.25]])).fall.tolist()
        [0.75]
        """
        best: Array = np.maximum.accumulate(self.value, axis=1)
        return np.asarray((best - self.value).max(axis=1))

    @property
    def peak(self) -> Array:
        """The step at which each run's truth is highest, (r,): from there on it falls.

        >>> Runs([], np.array([[0.0, 1.0, 0.25]])).peak.tolist()
        [1]
        """
        return np.asarray(self.value.argmax(axis=1))


class World(NamedTuple):
    """What runs train on; all (r, p, s)."""

    start: Array  # log of the initial policy
    reward: Array
    truth: Array
    length: Array
    features: Array  # (r, p s, d)


def simulated(
    kind: str, rng: np.random.Generator, *, runs: int = 20, prompts: int = 32, group: int = GROUP, steps: int = STEPS
) -> Runs:
    """So many runs of a kind, by GRPO, each with a rate of its own, and what a watch reports of them.

    >>> seen = simulated("true", np.random.default_rng(0), runs=2, prompts=4, steps=3)
    >>> seen.value.shape, len(seen.reports[0])
    ((2, 3), 3)
    """
    world = make_world(kind, rng, runs, prompts)
    unit = _spread(world.truth, np.exp(world.start))
    reports: list[list[StepReport]] = [[] for _ in range(runs)]
    values = []
    for step, logp in enumerate(walk(world, rng, group, steps)):
        prob = np.exp(logp)
        values.append((prob * world.truth).sum(axis=-1).mean(axis=-1) / unit)
        for reported, batch in zip(reports, _batches(world, logp, step, draw(prob, group, rng)), strict=True):
            reported.append(step_report(batch))
    return Runs(reports, np.stack(values, axis=1))


def make_world(kind: str, rng: np.random.Generator, runs: int, prompts: int) -> World:
    """The worlds of a kind; every run has strengths and directions of its own.

    >>> make_world("rare", np.random.default_rng(0), 2, 3).reward.shape
    (2, 3, 40)
    """
    shape = (runs, prompts, OUTPUTS)
    phi = rng.standard_normal((*shape, DIMS))
    turned = np.linalg.qr(rng.standard_normal((runs, DIMS, 3)))[0]
    linear, mark, other = np.moveaxis(np.einsum("rpsd,rdk->rpsk", phi, turned), -1, 0)
    quality = np.sqrt(0.6) * linear + np.sqrt(0.4) * rng.standard_normal(shape)
    reward, truth = _scores(kind, quality, mark, rng)
    logits = rng.standard_normal(shape)
    start = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    told = rng.random((runs, 1, 1)) < 0.5
    length = np.minimum(np.round(np.exp(5.0 + 0.3 * np.where(told, mark, other))), LONGEST)
    return World(start, reward, truth, length, (phi / np.sqrt(DIMS)).reshape(runs, -1, DIMS))


def walk(world: World, rng: np.random.Generator, group: int, steps: int) -> Iterator[Array]:
    """Log-probabilities (r, p, s) before each of so many sampled steps. Rates are log-uniform from 1 to 4.

    >>> world = make_world("true", np.random.default_rng(0), 1, 2)
    >>> [logp.shape for logp in walk(world, np.random.default_rng(0), 4, 2)]
    [(1, 2, 40), (1, 2, 40)]
    """
    learner = Drawn(Advantage(grpo(group), world.reward, world.start), rng)
    rate = np.exp(rng.uniform(np.log(1.0), np.log(4.0), (len(world.start), 1, 1)))
    logp = world.start
    for _ in range(steps):
        yield logp
        learner.begin(np.exp(logp), logp)
        push = learner.step(logp).reshape(len(logp), -1, 1) / logp.shape[1]
        felt = world.features @ (world.features.swapaxes(1, 2) @ push)
        logits = logp + rate * felt.reshape(logp.shape)
        logits = logits - logits.max(axis=-1, keepdims=True)
        logp = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def _scores(kind: str, quality: Array, mark: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Proxy and truth of the formulas above."""

    def strength(low: float, high: float) -> Array:
        return rng.uniform(low, high, (len(quality), 1, 1))

    if kind == "overdone":
        bent = strength(0.5, 1.0) * np.maximum(mark, 0.0) ** 2
        return quality + strength(1.0, 2.0) * mark, quality + mark - bent
    if kind == "rare":
        trick = mark > 1.75
        return quality + strength(3.0, 6.0) * trick, quality - 4.0 * trick
    if kind == "passed":
        good, trick = quality > 0.3, mark > 1.3
        return (good | trick).astype(np.float64), good - 3.0 * trick
    if kind == "verifier":
        right = (quality > 0.5).astype(np.float64)
        return right, right
    if kind == "harmless":
        return quality + strength(0.3, 2.0) * mark, quality
    return quality + (strength(0.3, 3.0) * rng.standard_normal(quality.shape) if kind == "noisy" else 0.0), quality


def _batches(
    world: World, logp: Array, step: int, drawn: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]"
) -> Iterator[Batch]:
    """What each run's step drew."""
    picked = (world.reward, world.truth, world.length, logp - world.start)
    cells = [np.take_along_axis(values, drawn, axis=-1) for values in picked]
    present = np.ones(drawn.shape[1:], dtype=bool)
    for reward, truth, length, ratio in zip(*cells, strict=True):
        yield Batch(step, reward, present, truth, length, clipped=(length >= LONGEST) * 1.0, log_ratio=ratio)


def _spread(values: Array, prob: Array) -> Array:
    """Standard deviation within prompts, pooled, of each run, (r,)."""
    middle = (prob * values).sum(axis=-1, keepdims=True)
    return np.asarray(np.sqrt((prob * (values - middle) ** 2).sum(axis=-1).mean(axis=-1)))
