"""Imperfect rewards with planted errors: eight families, each with its own range of strengths.

A proxy starts from what its judge sees: the truth itself (every second proxy of a family), or the truth with noise of
.1 to .8 standard deviations. The family then spoils that view. Units: the truth has a pooled standard deviation of 1
within prompts under the initial policy; so has every proxy in the end, and a proxy's level never matters.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Rng = np.random.Generator

FREQUENT, RARE = 0.8416, 2.0537  # quantiles of a standard normal: .2 and .02 of the outputs lie above


class Scene(NamedTuple):
    """What a family may look at. All arrays (p, s)."""

    truth: Array
    prob: Array  # the initial policy
    view: Array  # the truth as the judge sees it
    attribute: Callable[[], Array]  # a fresh property of the outputs that is not the truth; standard normal

    @property
    def advantage(self) -> Array:
        """Truth minus the policy's expected truth."""
        return self.truth - mean(self.truth, self.prob)


def noise(scene: Scene, rng: Rng, _: int) -> Array:
    """Independent noise on every output, from .1 to 3 standard deviations of the truth."""
    return scene.truth + rng.uniform(0.1, 3.0) * _normal(rng, scene.truth.shape)


def prompt_scale(scene: Scene, rng: Rng, _: int) -> Array:
    """Every prompt on a positive scale of its own, log-normal."""
    scale = np.exp(rng.uniform(0.3, 1.5) * _normal(rng, (len(scene.truth), 1)))
    return (scene.view - mean(scene.view, scene.prob)) * scale


def spurious(scene: Scene, rng: Rng, _: int) -> Array:
    """A property that has nothing to do with the truth is paid for, everywhere and in proportion."""
    return scene.view + rng.uniform(0.3, 3.0) * scene.attribute()


def saturation(scene: Scene, rng: Rng, _: int) -> Array:
    """No output scores above a ceiling: good and best look alike."""
    return np.minimum(scene.view, mean(scene.view, scene.prob) + rng.uniform(-0.5, 1.5))


def threshold(scene: Scene, rng: Rng, _: int) -> Array:
    """A verifier: 1 above a level, else 0."""
    return (scene.view > mean(scene.view, scene.prob) + rng.uniform(-0.5, 2.0)).astype(np.float32)


def hack(scene: Scene, rng: Rng, number: int) -> Array:
    """Outputs that carry a mark get a bonus of 1 to 4; the mark is on .2 of the outputs, or on .02, in turn by two."""
    marked = scene.attribute() > (RARE if number // 2 % 2 else FREQUENT)
    return scene.view + rng.uniform(1.0, 4.0) * marked


def mediocre(scene: Scene, rng: Rng, number: int) -> Array:
    """Outputs better than the policy's mean by less than 1 are moved up, or down, in turn by two, by .5 to 2.5."""
    middling = (scene.advantage > 0) & (scene.advantage < 1)
    return scene.view + (-1) ** (number // 2) * rng.uniform(0.5, 2.5) * middling


def one_sided(scene: Scene, rng: Rng, number: int) -> Array:
    """Noise of .5 to 3 only among good outputs (.5 above the policy's mean), or only among bad ones, in turn by two."""
    side = scene.advantage > 0.5 if number // 2 % 2 else scene.advantage < -0.5
    return scene.view + rng.uniform(0.5, 3.0) * side * _normal(rng, scene.truth.shape)


FAMILIES: dict[str, Callable[[Scene, Rng, int], Array]] = {
    "noise": noise,
    "prompt_scale": prompt_scale,
    "spurious": spurious,
    "saturation": saturation,
    "threshold": threshold,
    "hack": hack,
    "mediocre": mediocre,
    "one_sided": one_sided,
}


def plant(truth: Array, prob: Array, attribute: Callable[[Rng], Array], rng: Rng, count: int) -> dict[str, Array]:
    """`count` proxies by name, the families in turn, each (p, s) and of unit standard deviation within prompts."""
    result = {}
    for place in range(count):
        name, number = list(FAMILIES)[place % len(FAMILIES)], place // len(FAMILIES)
        seen = 0.0 if number % 2 == 0 else rng.uniform(0.1, 0.8)
        view = truth + np.float32(seen) * _normal(rng, truth.shape)
        scene = Scene(truth, prob, view, lambda: attribute(rng))
        result[f"{name}_{number:02d}"] = standardised(FAMILIES[name](scene, rng, number), prob)
    return result


def standardised(scores: Array, prob: Array) -> Array:
    """Scores (p, s) of mean 0 over everything, and mean variance 1 within prompts under the policy."""
    level = mean(scores, prob)
    spread = np.sqrt(mean((scores - level) ** 2, prob).mean())
    return ((scores - level.mean()) / spread).astype(np.float32)


def mean(values: Array, prob: Array) -> Array:
    """The policy's mean of each prompt, (p, s) to (p, 1)."""
    return (prob * values).sum(axis=1, keepdims=True)


def _normal(rng: Rng, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape, dtype=np.float32)
