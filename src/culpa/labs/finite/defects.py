"""Errors planted in a reward, one kind at a time, each in three sizes.

Sizes are in standard deviations of the truth within prompts, or shares, as `Defect.size_is` says. What cannot stand in
one table of scores travels beside it: noise that is drawn anew at each call, and how many updates late a verdict comes.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.labs.finite.worlds import KINDS, Array, Kind, Rng, World, mean, spread, stream

Mask = npt.NDArray[np.bool_]

GRADED: tuple[Kind, ...] = ("apart", "shared")
FREQUENT, RARE = 0.8416, 2.0537  # .2 and .02 of a standard normal lie above
_ABOVE, _BELOW = 0.5, -0.5  # how far from the policy's mean a graded output counts as good, or as bad


class Defect(NamedTuple):
    """A kind of error: what it is, its sizes from small to large, where it can be planted, and how."""

    about: str
    size_is: str
    sizes: tuple[float, float, float]
    plant: Callable[[World, float, Rng], Array]  # the scores, (p, s)
    kinds: tuple[Kind, ...] = KINDS


class Planted(NamedTuple):
    """A reward with one planted defect; `name` "none" is the truth itself."""

    name: str
    size: float
    scores: Array  # (p, s)
    noise: float = 0.0  # standard deviation of what is added anew at each call
    lag: int = 0  # updates by which verdicts come late


def planted(world: World, seed: int) -> list[Planted]:
    """The truth, and every defect of every size that this kind of world can have.

    The sizes of a defect share their draws: the larger is the smaller, only more so.
    """
    columns = [Planted("none", 0.0, world.truth)]
    for number, (name, defect) in enumerate(DEFECTS.items()):
        if world.kind not in defect.kinds:
            continue
        for size in defect.sizes:
            rng = stream(seed, "defect", KINDS.index(world.kind), number)
            scores = defect.plant(world, size, rng)
            column = Planted(name, size, _scaled(world, scores), lag=int(size) if name == "delay" else 0)
            columns.append(_with_noise(world, column) if name == "noise_call" else column)
    return columns


def _with_noise(world: World, column: Planted) -> Planted:
    """Noise at every call; graded scores keep the truth's spread, noise and all."""
    factor = 1.0 if world.kind == "verified" else 1.0 / float(np.hypot(1.0, column.size))
    return column._replace(scores=column.scores * factor, noise=column.size * world.unit * factor)


def _scaled(world: World, scores: Array) -> Array:
    """Graded scores of mean 0 and of the truth's spread, as reward models are delivered; verdicts as they are."""
    if world.kind == "verified":
        return scores
    size = spread(scores, world.prob)
    return np.asarray((scores - mean(scores, world.prob).mean()) * (world.unit / size if size > 0 else 1.0))


def _advantage(world: World) -> Array:
    return world.truth - mean(world.truth, world.prob)


def _good(world: World) -> Mask:
    return world.truth > 0.5 if world.kind == "verified" else _advantage(world) > _ABOVE * world.unit


def _bad(world: World) -> Mask:
    return world.truth < 0.5 if world.kind == "verified" else _advantage(world) < _BELOW * world.unit


def _noise(world: World, size: float, rng: Rng) -> Array:
    return world.truth + size * world.unit * rng.standard_normal(world.truth.shape)


def _as_is(world: World, _size: float, _rng: Rng) -> Array:
    return world.truth


def _offset(world: World, size: float, rng: Rng) -> Array:
    return world.truth + size * world.unit * rng.standard_normal((len(world.truth), 1))


def _turned(world: World, size: float, rng: Rng) -> Array:
    """Round the middle of its prompt, so that the lowest score becomes the highest."""
    turned = rng.random((len(world.truth), 1)) < size
    ends = world.truth.max(axis=1, keepdims=True) + world.truth.min(axis=1, keepdims=True)
    return np.where(turned, ends - world.truth, world.truth)


def _false_positive(world: World, size: float, rng: Rng) -> Array:
    """Bad outputs of one kind are scored as one that is good."""
    hit = _bad(world) & (_rank(world.attribute(rng)) > 1.0 - size)
    return np.where(hit, _level(world, _good(world)), world.truth)


def _false_negative(world: World, size: float, rng: Rng) -> Array:
    """Good outputs of one kind are scored as one that is bad."""
    hit = _good(world) & (_rank(world.attribute(rng)) > 1.0 - size)
    return np.where(hit, _level(world, _bad(world)), world.truth)


def _rank(values: Array) -> Array:
    """The place of every output among all, 0 to 1."""
    return np.asarray(values.ravel().argsort().argsort().reshape(values.shape) / (values.size - 1))


def _level(world: World, which: Mask) -> float:
    return float((world.truth * world.prob)[which].sum() / world.prob[which].sum())


def _spurious(world: World, size: float, rng: Rng) -> Array:
    return world.truth + size * world.unit * world.attribute(rng)


def _length(world: World, size: float, _rng: Rng) -> Array:
    return world.truth + size * world.unit * (world.length - mean(world.length, world.prob)) / spread(
        world.length, world.prob
    )


def _hack(mark: float) -> Callable[[World, float, Rng], Array]:
    def plant(world: World, size: float, rng: Rng) -> Array:
        return world.truth + size * world.unit * (world.attribute(rng) > mark)

    return plant


def _mediocre(sign: float) -> Callable[[World, float, Rng], Array]:
    def plant(world: World, size: float, _rng: Rng) -> Array:
        ahead = _advantage(world) / world.unit
        return world.truth + sign * size * world.unit * ((ahead > 0) & (ahead < 1))

    return plant


def _saturated(world: World, size: float, _rng: Rng) -> Array:
    """The policy's best outputs, this share of its mass over all prompts, score alike."""
    ahead = _advantage(world)
    order = np.argsort(-ahead, axis=None)
    share = np.cumsum(world.prob.ravel()[order]) / len(ahead)
    top = ahead.ravel()[order][np.searchsorted(share, size)]
    return np.asarray(np.minimum(ahead, top))


def _scales(world: World, size: float, rng: Rng) -> Array:
    return np.asarray(np.exp(size * rng.standard_normal((len(world.truth), 1))) * _advantage(world))


def _sparse(world: World, size: float, _rng: Rng) -> Array:
    """1 for the best outputs of a prompt, as many as leave this share of the policy's mass without, else 0."""
    order = np.argsort(world.truth, axis=1)
    below = np.cumsum(np.take_along_axis(world.prob, order, axis=1), axis=1)
    paid = below > size
    scores = np.zeros_like(world.truth)
    np.put_along_axis(scores, order, paid.astype(np.float64), axis=1)
    return scores


def _stale(world: World, size: float, rng: Rng) -> Array:
    """Noise in proportion to how unlikely an output was when the reward was fitted, over the policy's mean of it."""
    surprise = -world.start
    usual = mean(surprise, world.prob).mean()
    return np.asarray(world.truth + size * world.unit * surprise / usual * rng.standard_normal(world.truth.shape))


_SDS = "standard deviations of the truth"
_SMALL_TO_LARGE = (0.5, 1.0, 2.0)
DEFECTS: Mapping[str, Defect] = MappingProxyType(
    {
        "noise_output": Defect("noise on every output, the same at every call", _SDS, _SMALL_TO_LARGE, _noise),
        "noise_call": Defect("noise on every output, drawn anew at each call", _SDS, _SMALL_TO_LARGE, _as_is),
        "noise_prompt": Defect("a level of its own for every prompt", _SDS, (1.0, 3.0, 10.0), _offset),
        "turned_prompt": Defect("prompts whose order is turned round", "share of prompts", (0.1, 0.2, 0.4), _turned),
        "false_positive": Defect(
            "bad outputs of one kind scored as good", "share of bad outputs", (0.05, 0.1, 0.3), _false_positive
        ),
        "false_negative": Defect(
            "good outputs of one kind scored as bad", "share of good outputs", (0.1, 0.3, 0.6), _false_negative
        ),
        "spurious": Defect("a property that is not the truth is paid for", _SDS, _SMALL_TO_LARGE, _spurious),
        "length": Defect("length is paid for", _SDS, _SMALL_TO_LARGE, _length),
        "hack_frequent": Defect("a bonus for a mark on a fifth of the outputs", _SDS, (1.0, 2.0, 4.0), _hack(FREQUENT)),
        "hack_rare": Defect("a bonus for a mark on one output in fifty", _SDS, (1.0, 2.0, 4.0), _hack(RARE)),
        "mediocre_over": Defect(
            "outputs a little above the mean scored too high", _SDS, _SMALL_TO_LARGE, _mediocre(1.0), GRADED
        ),
        "mediocre_under": Defect(
            "outputs a little above the mean scored too low", _SDS, _SMALL_TO_LARGE, _mediocre(-1.0), GRADED
        ),
        "saturation": Defect("the best outputs score alike", "share of outputs", (0.15, 0.3, 0.5), _saturated, GRADED),
        "scale_prompt": Defect(
            "every prompt on a scale of its own", "standard deviation of its log", (0.5, 1.0, 1.5), _scales, GRADED
        ),
        "sparsity": Defect("only the best outputs are paid", "share without pay", (0.7, 0.9, 0.97), _sparse, GRADED),
        "delay": Defect("verdicts count so many updates late", "updates", (4.0, 16.0, 48.0), _as_is),
        "staleness": Defect("noise on what was unlikely when the reward was fitted", _SDS, _SMALL_TO_LARGE, _stale),
    }
)
