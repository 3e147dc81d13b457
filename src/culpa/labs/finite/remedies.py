"""What is done about a spoiled reward: one transform or one setting at a time, before the learner's own baseline.

The learner is RLOO with groups of 8: the baseline is the mean of the others. A step of `culpa.signals` is written as
the line that `parse` reads; steps that need more than a line (scores of reference outputs, a second reward) are built
here. Steps that are advantages by themselves (selected outputs, pairs, DCPO) would lose their form to the baseline, and
are left out. Graded scores have a standard deviation of 1 within prompts, verdicts are 0 or 1.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from culpa.dynamics import Path, grpo, rloo
from culpa.dynamics.sampled import draw
from culpa.labs.finite.defects import Planted
from culpa.labs.finite.worlds import KINDS, Array, Kind, World, stream
from culpa.signals import Transform, apply, equal_group, parse
from culpa.signals.calibrate import calibrate_low
from culpa.signals.saturate import par, squash

UNTOUCHED = "untouched"
REFERENCES, GROUP = 8, 8
VERIFIED: tuple[Kind, ...] = ("verified",)
Build = Callable[[World, list[Planted], int], tuple[list[Planted], Path]]  # world, rewards, seed -> rewards, learner


class Remedy(NamedTuple):
    """A remedy: what it is (for graded scores, and for verdicts where that differs), how it is built, and its price."""

    about: str
    build: Build
    kinds: tuple[Kind, ...] = KINDS
    outputs: float = 1.0  # drawn per update, in those of the untouched run
    updates: float = 1.0
    step: Transform | None = None  # what the price per reward is measured on; None: nothing is computed


def base() -> Path:
    """The learner without a remedy."""
    return rloo(GROUP)


def _line(graded: str, verified: str | None = None) -> Remedy:
    """A step that `parse` reads; another line for verdicts where the scale asks for it."""
    lines: dict[Kind, str] = {"apart": graded, "shared": graded, "verified": graded if verified is None else verified}

    def build(world: World, columns: list[Planted], _seed: int) -> tuple[list[Planted], Path]:
        line = lines[world.kind]
        return columns, base().with_signal(parse(line), line)

    about = graded if verified in (None, graded) else f"{graded}; for verdicts {verified}"
    return Remedy(about, build, step=parse(graded))


def _setting(about: str, path: Path, *, outputs: float = 1.0) -> Remedy:
    return Remedy(about, lambda _world, columns, _seed: (columns, path), outputs=outputs)


def _kl(weight: float) -> Remedy:
    def build(world: World, columns: list[Planted], _seed: int) -> tuple[list[Planted], Path]:
        return columns, base().with_kl(weight * world.unit)

    return Remedy(f"KL to the initial policy, weight {weight:g} standard deviations of the truth per nat", build)


def _referred(about: str, make: Callable[[Array], Transform]) -> Remedy:
    """A step that holds scores against those of reference outputs, drawn from the initial policy."""

    def build(world: World, columns: list[Planted], seed: int) -> tuple[list[Planted], Path]:
        places = draw(world.prob[world.trained], REFERENCES, stream(seed, "references"))
        held = np.stack([np.take_along_axis(one.scores[world.trained], places, axis=1) for one in columns])
        return columns, base().with_signal(make(held), about)

    return Remedy(about, build, step=make(np.zeros((1, REFERENCES))))


def _second(world: World, columns: list[Planted], seed: int) -> tuple[list[Planted], Path]:
    """Low scores raised by a second reward: the truth under noise of one standard deviation, as a chance."""
    noise = world.unit * stream(seed, "second").standard_normal(world.truth.shape)
    second = 1.0 / (1.0 + np.exp(-(world.truth - 0.5 + noise) / world.unit))
    step = calibrate_low(second, tau=0.5, alpha=0.5)
    group = equal_group(world.truth.shape)
    return [one._replace(scores=apply(step, one.scores, group)) for one in columns], base()


REMEDIES: Mapping[str, Remedy] = MappingProxyType(
    {
        UNTOUCHED: _setting("the learner on the reward as it is", base()),
        "grpo": Remedy(
            "center | divide_std: GRPO",
            lambda _world, columns, _seed: (columns, grpo(GROUP)),
            step=parse("center | divide_std"),
        ),
        "whiten": _line("whiten"),
        "gaussian_rank": _line("gaussian_rank"),
        "clip": _line("clip:1", "clip:0,1"),
        "clip_2": _line("clip:2", "clip:-0.5,1.5"),
        "center_clip": _line("center | clip:1", "center | clip:0.4"),
        "clip_running": _line("clip_running"),
        "minmax_running": _line("minmax_running"),
        "normalise_running": _line("normalise_running"),
        "squash_tanh": _line("squash:tanh"),
        "squash_lsc": _referred(
            f"squash:log_sigmoid,quantile=0.85 against {REFERENCES} reference outputs",
            lambda held: squash("log_sigmoid", reference=held, quantile=0.85),
        ),
        "par": _referred(f"par against {REFERENCES} reference outputs", par),
        "tiers": _line("squash:sigmoid | tiers:4", "tiers:2"),
        "drop_dead": _line("drop_dead:1", "drop_dead:0.4"),
        "length_penalty": _line("length_penalty:0.01", "length_penalty:0.004"),
        "overlong": _line("overlong:200,100"),
        "unlikeliness": _line("unlikeliness:0.25,per_token=false")._replace(kinds=VERIFIED),
        "calibrate_low": Remedy(
            "calibrate_low:0.5,0.5 by a second reward", _second, VERIFIED, step=calibrate_low(0.5, tau=0.5, alpha=0.5)
        ),
        "kl_0.03": _kl(0.03),
        "kl_0.1": _kl(0.1),
        "kl_0.3": _kl(0.3),
        "group_2": _setting("groups of 2", rloo(2), outputs=0.25),
        "group_4": _setting("groups of 4", rloo(4), outputs=0.5),
        "group_16": _setting("groups of 16", rloo(16), outputs=2.0),
        "rounds_4": _setting("rounds of 4 steps on the same outputs, clip .2", base().with_rounds(4), outputs=0.25),
        "half_time": Remedy(
            "half of the updates", lambda _world, columns, _seed: (columns, base()), outputs=1.0, updates=0.5
        ),
    }
)
