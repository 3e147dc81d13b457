"""Worlds where the truth, the policy and every proxy are known: four plans, and the rollouts that one would log there.

A prompt has finitely many outputs. The initial policy is pi0 ~ exp(b), b = N(0, 1) + .3 truth for each output.

A  tabular: one logit per output, nothing shared; the truth of an output is N(0, 1), independent of all others
B  shared: pi ~ exp(b + <w, phi>), phi ~ N(0, I / 24), one w for all prompts, w = 0 at first;
   truth = sqrt(.5) <u, phi'> + sqrt(.2) (<v, phi'>^2 - 1) / sqrt(2) + sqrt(.3) N(0, 1), phi' = sqrt(24) phi, unit u, v
C  as B with 64 outputs, trained by sampled groups; C-Adam is world C itself, trained with another optimiser

What a spurious property or a planted mark is made of: <z, phi'> for a random unit z in B and C, so that the policy can
learn it from few prompts; N(0, 1) for each output in A. Prompts are in three parts that do not overlap: those on which
measures are taken, those that are trained on (none in A, where a prompt teaches nothing about another and is trained
and judged at once), and those on which the outcome is judged.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl
from proxy_families import Rng, plant, standardised

from culpa import Rollouts

Array = npt.NDArray[np.float32]

MEASURED, SAMPLES, DIMS = 100, 32, 24
REPORTED = (1001, 1002, 1003, 1004, 1005)  # the first five after 1000: the table is over these
TUNING = (501, 502, 503)  # whatever is chosen by looking at results is chosen on these


@dataclass(frozen=True)
class Plan:
    """The size of a world and how it is trained."""

    name: str
    outputs: int
    proxies: int
    trained: int  # prompts to train on; 0: tabular
    judged: int  # prompts on which the outcome is judged
    step: float  # of plain steps
    horizons: tuple[int, ...]
    adam: float = 0.0  # the rate where the training takes its steps by Adam; 0: plain steps


PLANS = {
    "A": Plan("A", outputs=96, proxies=200, trained=0, judged=100, step=1.0, horizons=(10, 100, 1000)),
    "B": Plan("B", outputs=96, proxies=200, trained=100, judged=200, step=2.0, horizons=(10, 60, 300)),
    "C": Plan("C", outputs=64, proxies=160, trained=512, judged=200, step=0.2, horizons=(600,)),
}
PLANS["C-Adam"] = replace(PLANS["C"], adam=0.0065)  # so that the median run diverges by about 1.4 on the tuning seeds


@dataclass(frozen=True, eq=False)
class World:
    """One draw of a plan. Axes: p prompts (measured, trained, judged in this order), s outputs, k proxies."""

    plan: Plan
    seed: int
    logp: Array  # (p, s) of the initial policy
    truth: Array  # (p, s)
    names: tuple[str, ...]
    rewards: Array  # (k, p, s)
    features: Array | None  # (p, s, d)

    @cached_property
    def prob(self) -> Array:
        """The initial policy, (p, s)."""
        return np.exp(self.logp)

    @property
    def trained(self) -> slice:
        """Prompts that the policy is trained on."""
        return slice(MEASURED, MEASURED + self.plan.trained) if self.plan.trained else self.judged

    @property
    def judged(self) -> slice:
        """Prompts on which the outcome is read off."""
        return slice(MEASURED + self.plan.trained, None)


def make_world(plan: Plan, seed: int, proxies: int | None = None) -> World:
    """The world of a seed, the same in every process; with fewer proxies than the plan's for a quick look."""
    rng = np.random.default_rng([seed, ord(plan.name)])
    prompts = MEASURED + plan.trained + plan.judged
    shape = (prompts, plan.outputs)
    phi = rng.standard_normal((*shape, DIMS), dtype=np.float32) if plan.trained else None
    rough = rng.standard_normal(shape, dtype=np.float32) if phi is None else _shared_truth(phi, rng)
    base = rng.standard_normal(shape, dtype=np.float32) + np.float32(0.3) * rough
    logp = base - np.log(np.exp(base).sum(axis=1, keepdims=True))
    prob = np.exp(logp)

    def attribute(rng: Rng) -> Array:
        return rng.standard_normal(shape, dtype=np.float32) if phi is None else phi @ _unit(rng)

    truth = standardised(rough, prob)
    planted = plant(truth, prob, attribute, rng, proxies or plan.proxies)
    features = None if phi is None else phi / np.float32(np.sqrt(DIMS))
    return World(plan, seed, logp, truth, tuple(planted), np.stack(list(planted.values())), features)


def rollouts(world: World, samples: int = SAMPLES, draw: int = 0) -> Rollouts:
    """What the initial policy says on the measured prompts: `samples` draws each, equal ones merged into one cell.

    A cell's weight is its share of the draws. `draw` gives other samples of the same world. The column `output` of the
    table tells which output a cell is. In A an output's feature is that it is this one and no other.
    """
    rng = np.random.default_rng([world.seed, ord(world.plan.name), 1, draw])
    counts = np.stack([rng.multinomial(samples, _exact(row)) for row in world.prob[:MEASURED]])
    order = np.argsort(counts == 0, axis=1, kind="stable")[:, : (counts > 0).sum(axis=1).max()]
    weight = np.take_along_axis(counts, order, axis=1) / samples
    return _record(world, order, weight, weight > 0)


def offline(world: World, own: Rollouts) -> Rollouts:
    """The same with a random pair in each prompt that the policy has not written, the better one marked `chosen`.

    Two outputs drawn from all outputs alike, by no policy; they have weight 0.
    """
    rng = np.random.default_rng([world.seed, ord(world.plan.name), 2])
    pair = np.stack([rng.choice(world.plan.outputs, 2, replace=False) for _ in range(MEASURED)])
    truth = np.take_along_axis(world.truth[:MEASURED], pair, axis=1)
    pair = np.take_along_axis(pair, np.argsort(-truth, axis=1), axis=1)
    first = own.column("output")
    order = np.concatenate([np.where(own.present, first, 0).astype(np.int64), pair], axis=1)
    weight = np.concatenate([own.weight, np.zeros((MEASURED, 2))], axis=1)
    present = np.concatenate([own.present, np.ones((MEASURED, 2), dtype=bool)], axis=1)
    side = np.full(present.shape, None, dtype=object)
    side[:, -2], side[:, -1] = True, False
    return _record(world, order, weight, present, pl.Series("chosen", side[present].tolist(), dtype=pl.Boolean))


def _record(
    world: World, order: npt.NDArray[np.int64], weight: npt.NDArray[np.float64], present: npt.NDArray[np.bool_],
    chosen: pl.Series | None = None,
) -> Rollouts:  # fmt: skip
    def cells(values: Array) -> npt.NDArray[np.float64]:
        taken = np.take_along_axis(values[:MEASURED], order, axis=1)
        return np.where(present, taken, np.nan).astype(np.float64)

    table = pl.DataFrame({"output": order[present]})
    return Rollouts(
        np.array([f"{world.plan.name}{row:03d}" for row in range(MEASURED)], dtype=object),
        present,
        weight,
        {name: cells(scores) for name, scores in zip(world.names, world.rewards, strict=True)},
        truth=cells(world.truth),
        logprob=cells(world.logp),
        features=_features(world, order, present),
        table=table if chosen is None else table.with_columns(chosen),
    )


def _features(world: World, order: npt.NDArray[np.int64], present: npt.NDArray[np.bool_]) -> Array:
    if world.features is not None:
        return np.where(present[:, :, None], world.features[np.arange(MEASURED)[:, None], order], np.float32(0))
    identity = np.zeros((*present.shape, int(present.sum())), dtype=np.float32)
    identity[present] = np.eye(identity.shape[2], dtype=np.float32)
    return identity


def _shared_truth(phi: Array, rng: Rng) -> Array:
    linear, bent = phi @ _unit(rng), phi @ _unit(rng)
    own = rng.standard_normal(linear.shape, dtype=np.float32)
    parts = (np.sqrt(0.5), linear), (np.sqrt(0.1), bent**2 - 1), (np.sqrt(0.3), own)
    return sum((np.float32(share) * part for share, part in parts), start=np.zeros_like(own))


def _unit(rng: Rng) -> Array:
    direction = rng.standard_normal(DIMS, dtype=np.float32)
    return direction / np.linalg.norm(direction)


def _exact(prob: Array) -> npt.NDArray[np.float64]:
    """float64 shares that sum to 1 as closely as numpy asks for."""
    wide = prob.astype(np.float64)
    return wide / wide.sum()
