"""Worlds where policy and truth are known and every prompt has finitely many outputs.

The initial policy is pi0 ~ exp(b), b = N(0, 1) + .3 z for a latent quality z of each output.

apart      one logit per output, nothing shared; z = N(0, 1), and the truth is z
shared     pi ~ exp(b + <w, phi>), phi ~ N(0, I), one w for all prompts, w = 0 at first; the truth is
           z = sqrt(.5) <u, phi> + sqrt(.2) (<v, phi>^2 - 1) / sqrt(2) + sqrt(.3) N(0, 1), unit u, v
verified   as shared, and the truth is a verdict: 1 for outputs of z above .84 (about a fifth), else 0

The truth of apart and shared has a standard deviation of 1 within prompts under the initial policy. A property that is
not the truth is <w, phi> for a random unit w, so that the policy can learn it; in apart it is N(0, 1) for each output.
Where prompts share features, the policy is judged on as many prompts as it is trained on, and others.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from culpa.errors import InputError

Array = npt.NDArray[np.float64]
Rng = np.random.Generator
Kind = Literal["apart", "shared", "verified"]

KINDS: tuple[Kind, ...] = get_args(Kind)
PROMPTS, OUTPUTS, DIMS = 24, 16, 12
_USES = ("world", "defect", "training", "references", "second")
RIGHT = 0.8416  # a fifth of a standard normal lies above


@dataclass(frozen=True, eq=False)
class World:
    """One draw of a kind. Axes: p prompts (those trained on first), s outputs, d features."""

    kind: Kind
    start: Array  # (p, s) log-probabilities of the initial policy
    truth: Array  # (p, s)
    length: Array  # (p, s) tokens; has nothing to do with the truth
    features: Array | None  # (p, s, d); None: one logit per output

    @property
    def prob(self) -> Array:
        """The initial policy, (p, s)."""
        return np.exp(self.start)

    @property
    def trained(self) -> slice:
        """The prompts that the policy is trained on."""
        return slice(0, PROMPTS)

    @property
    def judged(self) -> slice:
        """The prompts on which the outcome is read off."""
        return slice(0, PROMPTS) if self.features is None else slice(PROMPTS, None)

    @property
    def unit(self) -> float:
        """The truth's standard deviation within prompts under the initial policy: what sizes are counted in."""
        return spread(self.truth, self.prob)

    def attribute(self, rng: Rng) -> Array:
        """A property of the outputs that is not the truth: standard normal, (p, s)."""
        if self.features is None:
            return rng.standard_normal(self.truth.shape)
        return np.asarray(self.features @ _unit(rng))


def make_world(kind: Kind, seed: int) -> World:
    """The world of a kind and a seed, the same in every process.

    >>> world = make_world("verified", 1)
    >>> world.truth.shape, sorted(set(world.truth.ravel().tolist())), round(float(world.prob[0].sum()), 6)
    ((48, 16), [0.0, 1.0], 1.0)
    """
    if kind not in KINDS:
        raise InputError(f"no kind of world is called {kind!r}.", remedy=f"Known: {', '.join(KINDS)}.")
    rng = stream(seed, "world", KINDS.index(kind))
    shape = (PROMPTS if kind == "apart" else 2 * PROMPTS, OUTPUTS)
    features = None if kind == "apart" else rng.standard_normal((*shape, DIMS))
    quality = rng.standard_normal(shape) if features is None else _quality(features, rng)
    logits = rng.standard_normal(shape) + 0.3 * quality
    start = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    truth = (quality > RIGHT).astype(np.float64) if kind == "verified" else quality / spread(quality, np.exp(start))
    world = World(kind, start, truth, np.ones(shape), features)
    length = np.round(100.0 * np.exp(0.4 * world.attribute(rng)))
    return World(kind, start, truth, length, features)


def stream(seed: int, use: str, *numbers: int) -> Rng:
    """A generator of its own for each use of a seed: a world, its defects, a training.

    Numbers are counted from 1 in what numpy is given: to it [3] and [3, 0] are the same seed.
    """
    return np.random.default_rng([seed, 1 + _USES.index(use), *(1 + number for number in numbers)])


def mean(values: Array, prob: Array) -> Array:
    """The policy's mean of each prompt, (..., p, s) to (..., p, 1)."""
    return np.asarray((prob * values).sum(axis=-1, keepdims=True))


def spread(values: Array, prob: Array) -> float:
    """Standard deviation within prompts under the policy, pooled over prompts.

    >>> spread(np.array([[1.0, 0.0]]), np.array([[0.2, 0.8]])).__round__(3)
    0.4
    """
    return float(np.sqrt((prob * (values - mean(values, prob)) ** 2).sum(axis=-1).mean()))


def _quality(features: Array, rng: Rng) -> Array:
    linear, bent = features @ _unit(rng), features @ _unit(rng)
    own = rng.standard_normal(linear.shape)
    return np.asarray(np.sqrt(0.5) * linear + np.sqrt(0.1) * (bent**2 - 1.0) + np.sqrt(0.3) * own)


def _unit(rng: Rng) -> Array:
    direction = rng.standard_normal(DIMS)
    return np.asarray(direction / np.linalg.norm(direction))
