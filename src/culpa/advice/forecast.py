"""The forecasts: every credit in every world, once as exactly as it goes and some hundred times over drawn prompts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from culpa.advice.checks import Checks
from culpa.advice.course import Course, Run, walk_credit
from culpa.advice.credit import Credit
from culpa.advice.reading import Reading, at_kl, at_steps, furthest
from culpa.advice.worlds import ALONE, FEATURES, SKILLS, Sampled, kinds_of, pattern_world

Array = npt.NDArray[np.float64]

MODELS = (ALONE, SKILLS)  # the worlds of patterns
DRAWS = 200  # of the prompts
KINDS = 24  # of prompts in a draw: more are thrown together with their neighbours
_CELLS, _DRAWN_CELLS = 10_000, 20_000  # kinds x patterns that are walked at once, and draws x kinds x patterns
_COARSE = 0.25  # of a logit between two looks, in draws
_FAIR = 0.2  # the same with features
_FEW = 400  # ways of a group to fall that are counted through in draws


@dataclass(frozen=True)
class Asked:
    """How far the courses go and where they are read."""

    run: Run
    kl: float | None  # the horizon, else it is the steps of the run

    def read(self, course: Course) -> Reading:
        """At the horizon."""
        return at_steps(course, self.run.steps) if self.kl is None else at_kl(course, self.kl)

    def other(self, courses: Sequence[Course]) -> tuple[str, float]:
        """The other measure, and the largest value of it that all of the courses came to."""
        steps, kl = furthest(list(courses))
        return ("kl", kl) if self.kl is None else ("steps", steps)

    def read_other(self, courses: Sequence[Course]) -> list[Reading]:
        """At that value."""
        kind, value = self.other(courses)
        return [at_kl(one, value) if kind == "kl" else at_steps(one, value) for one in courses]


@dataclass(frozen=True, eq=False)
class Forecast:
    """Courses of all credits in one world."""

    model: str
    prior: str
    courses: tuple[Course, ...]  # one for each credit
    drawn: Array  # (credits, draws) success at the horizon

    def outcome(self, asked: Asked) -> Array:
        """Success at the horizon, (credits,)."""
        return np.array([float(asked.read(one).success[0]) for one in self.courses])


def draws_of(prompts: int, rng: np.random.Generator) -> Array:
    """How often each prompt is drawn, (draws, p); none with fewer than two prompts.

    >>> draws_of(3, np.random.default_rng(0)).sum(axis=1)[:2].tolist()
    [3.0, 3.0]
    """
    if prompts < 2:
        return np.zeros((0, prompts))
    return rng.multinomial(prompts, np.full(prompts, 1.0 / prompts), size=DRAWS).astype(np.float64)


def pattern_forecast(
    checks: Checks, credits: Sequence[Credit], asked: Asked, *, model: str, prior: str, drawn: Array
) -> Forecast:
    """The credits in a world of patterns: every prompt by itself, or checks as skills. drawn: (draws, p)."""
    shared = model == SKILLS
    width = len(checks.patterns)
    kinds = kinds_of(checks, max(KINDS, _CELLS // width))
    share = kinds.number[None] / kinds.number.sum()
    world = pattern_world(checks, kinds, share, prior=prior, shared=shared)
    courses = tuple(walk_credit(world, credit, asked.run) for credit in credits)
    few = kinds_of(checks, int(np.clip(_DRAWN_CELLS // (DRAWS * width), 2, KINDS)))
    if not len(drawn):
        return Forecast(model, prior, courses, np.zeros((len(credits), 0)))
    counts = np.stack([few.number, *(np.bincount(few.of_prompt, row, len(few.number)) for row in drawn)])
    worlds = pattern_world(checks, few, counts / counts.sum(axis=1, keepdims=True), prior=prior, shared=shared)
    coarse = replace(asked, run=asked.run._replace(move=_COARSE, most=_FEW))
    ends = [coarse.read(walk_credit(worlds, credit, coarse.run)).success for credit in credits]
    exact = np.array([asked.read(one).success for one in courses])
    return Forecast(model, prior, courses, moved_to(exact, np.stack(ends)))


def moved_to(exact: Array, ends: Array) -> Array:
    """Draws (credits, draws), from a coarser walk whose first column is that of all prompts: moved to its place.

    exact: (credits, 1). Shares stay between 0 and 1.

    >>> moved_to(np.array([[0.5]]), np.array([[0.4, 0.3, 0.95]])).round(6).tolist()
    [[0.4, 1.0]]
    """
    return np.asarray(np.clip(ends[:, 1:] + (exact - ends[:, :1]), 0.0, 1.0))


def feature_forecast(sampled: Sampled, credits: Sequence[Credit], asked: Asked, drawn: Array) -> Forecast:
    """The credits in the world of sampled outputs. Draws judge other prompts after the same training."""
    run = asked.run._replace(move=_FAIR)
    courses = tuple(walk_credit(sampled.world, credit, run) for credit in credits)
    weight = drawn[:, sampled.prompts]
    whole = weight.sum(axis=1, keepdims=True)
    weight = np.divide(weight, whole, out=np.full(weight.shape, 1.0 / weight.shape[1]), where=whole > 0)
    return Forecast(FEATURES, "samples alone", courses, np.stack([weight @ _ends(one, asked) for one in courses]))


def _ends(course: Course, asked: Asked) -> Array:
    """Success of each prompt at the horizon, (u,)."""
    step = float(asked.read(course).step[0])
    at = course.step[:, 0]
    right = int(np.clip(np.searchsorted(at, step), 1, len(at) - 1)) if len(at) > 1 else 0
    left = max(0, right - 1)
    part = (step - at[left]) / (at[right] - at[left]) if right > left else 0.0
    return np.asarray((1.0 - part) * course.by_prompt[left] + part * course.by_prompt[right])
