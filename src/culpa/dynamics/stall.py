"""Plateaus ahead: how long the best output will be held up by a likely mediocre one, from a short rehearsal.

When only the best output (mass p) and one other are left, and the scores differ by D, then per unit of eta x steps

    dp/dt = 2 D c p^2 (1 - p)^2,        c = 1, or the learner's 1 / spread

so that the way from p to 1/2 takes (1/p - 1/(1-p) + 2 log((1-p)/p)) / (2 D eta) steps: about 1 / (2 D p eta). The
plateau is as long as p is small at its beginning, and how far p is pushed down while the other output rises is what
errors can change by orders of magnitude.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.dynamics.courses import marks, means, most_steps
from culpa.dynamics.learner import ClosedForm, Learner, Path
from culpa.dynamics.scale import at_most_two, binary_scale
from culpa.dynamics.shared import SharedForecast
from culpa.dynamics.simulate import Forecast
from culpa.dynamics.walk import Columns
from culpa.errors import InputError

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

STEPS = 1_000  # of the rehearsal
_POINTS = 400  # of the integral, between the mass and a half
_CELLS = 1 << 24  # recorded steps at once

STALLS = {
    "proxy": pl.String,
    "prompt_id": pl.String,
    "best": pl.Int64,
    "mass": pl.Float64,
    "lowest": pl.Float64,
    "lowest_at": pl.Int64,
    "rival": pl.Int64,
    "plateau": pl.Float64,
    "gap": pl.Float64,
    "pair": pl.Float64,
    "escape": pl.Float64,
    "seen": pl.Boolean,
}


def escape_steps(mass: Array, gap: Array, path: Path, *, eta: float, binary: bool = False) -> Array:
    """Steps in which the better one of two outputs rises from its mass to a half, (m,); inf where it never does.

    mass: (m,) in [0, 1]; 0 steps from a half on. gap: (m,) its score minus the other's; not above 0: never.
    A normalising learner in the limit of large groups, or with `binary` in groups of its size. Without divergence.

    >>> escape_steps(np.array([0.05, 0.001]), np.array([0.2, 0.2]), Path("reinforce"), eta=0.1).round().tolist()
    [621.0, 25320.0]
    """
    if path.kl > 0.0:
        problem = f"the way out of a plateau is not known for a KL weight of {path.kl}."
        raise InputError(problem, remedy="Take learner.with_kl(0), or simulate for as long as it takes.")
    p, size = np.asarray(mass, dtype=np.float64), np.asarray(gap, dtype=np.float64)
    if path.signal is not None:
        problem = f"the way out of a plateau is not known for a signal: {path.name}."
        raise InputError(problem, remedy="Transform the scores before, or simulate for as long as it takes.")
    live = (p > 0) & (size > 0)
    p, size = np.where(live, np.minimum(p, 0.5), 0.5), np.where(live, size, 1.0)
    time = _scaled_time(p, size, path, binary) if path.normalise else _time(p) / size
    return np.asarray(np.where(live, time / eta, np.inf))


def stalls(forecast: Forecast, *, steps: int = STEPS) -> pl.DataFrame:
    """Per proxy and prompt the lowest mass of the best output in a rehearsal of so many steps, and when it escapes.

    `best`: the output of highest truth, of several the one with most mass at the end; `rival`: the likeliest of the
    others (itself, where it is alone), and `plateau` its truth; `gap`: score of best minus rival; `pair`: mass of the
    two at the end.
    `escape`: the first step at which the best output has half of the mass, as `seen` in the rehearsal, else by the law
    from its end on; infinite where the rival's score is as high. The law knows of two outputs: while others fall
    (`pair` below 1) they still push the best one down, and it escapes later. A longer rehearsal comes closer.

    Each prompt by itself: with shared features nothing is known of the way out, and there is none of this.
    A closed form ends with its way: what it has not let go by then, it never does. Of a clip the law knows nothing. A
    flow is looked at a thousand times, so that its `lowest_at` and `escape` can be late by 1.4 %; a million steps of it
    cost little.

    >>> from culpa.dynamics import reinforce, simulate
    >>> from culpa.rollouts import Rollouts
    >>> truth, mass = np.array([[1.0, 0.8, -1.0, -1.0, -1.0]]), np.array([[0.1, 0.5, 0.4 / 3, 0.4 / 3, 0.4 / 3]])
    >>> rollouts = Rollouts(np.array(["a"], dtype=object), truth > -2, mass, {"rm": truth}, truth)
    >>> run = simulate(rollouts, learner=reinforce())
    >>> [stalls(run, steps=steps)["escape"].round().item() for steps in (1_000, 8_000, 11_000)]
    [3675.0, 10164.0, 10681.0]
    """
    if isinstance(forecast, SharedForecast):
        problem = "plateaus are known of prompts by themselves, and these outputs share features."
        raise InputError(problem, remedy='Rehearse with the features "none".')
    if steps < 1:
        raise InputError(f"a rehearsal needs at least one step, got {steps}.", remedy="1000 is usual.")
    case = forecast.problem
    columns = [_of_proxy(forecast, name, case.rewards[number], steps) for number, name in enumerate(case.proxies)]
    return pl.concat(columns)


class _Course(NamedTuple):
    """The mass of the best outputs along the rehearsal, (p,)."""

    first: Array
    lowest: Array
    lowest_at: Index
    last: Array
    half: Index  # the first step at which it is a half; -1 = never


def _of_proxy(forecast: Forecast, name: str, reward: Array, asked: int) -> pl.DataFrame:
    case, learner, steps = forecast.problem, forecast.learner, most_steps(forecast.learner, asked)
    run = _Run(learner, forecast.eta, steps, case.length)
    at = Columns(case.start, case.start, reward)
    end = np.exp(_end(at, run))
    prompts = np.arange(end.shape[1])
    best = np.where(case.best, end, -1.0).argmax(axis=0)
    order = np.where(case.present, np.where(case.best, end - 2.0, end), -np.inf)  # a best one only where no other is
    order[best, prompts] = -3.0
    rival = order.argmax(axis=0)
    gap = reward[best, prompts] - reward[rival, prompts]
    course = _course(at, run, best)
    ahead = _ahead(forecast, reward, course.last, gap)
    columns = {
        "proxy": [name] * len(prompts),
        "prompt_id": case.prompt_id.tolist(),
        "best": best,
        "mass": course.first,
        "lowest": course.lowest,
        "lowest_at": course.lowest_at,
        "rival": rival,
        "plateau": case.truth[rival, prompts],
        "gap": gap,
        "pair": course.last + np.where(rival == best, 0.0, end[rival, prompts]),
        "escape": np.where(course.half >= 0, course.half, steps + ahead),
        "seen": course.half >= 0,
    }
    return pl.DataFrame(columns, schema=STALLS)


def _ahead(forecast: Forecast, reward: Array, last: Array, gap: Array) -> Array:
    """Steps from the end of the rehearsal to the escape, (p,)."""
    path, case = forecast.learner, forecast.problem
    if isinstance(path, ClosedForm):
        return np.full(len(last), np.inf)
    law, groups = (escape_steps(last, gap, path, eta=forecast.eta, binary=binary) for binary in (False, True))
    return np.where(at_most_two(reward, case.present), groups, law)


class _Run(NamedTuple):
    learner: Learner
    eta: float
    steps: int
    length: Array | None

    def means(self, at: Columns, place: slice, values: Array) -> tuple[Array, Array]:
        """The run of some columns: its end, and the policy's mean of the values at every look."""
        length = None if self.length is None else self.length[:, place]
        return means(at.at(place), self.learner, values, steps=self.steps, eta=self.eta, length=length)


def _portions(at: Columns, run: _Run) -> list[slice]:
    count, width = at.logp.shape[1], max(1, _CELLS // len(marks(run.learner, run.steps)))
    return [slice(first, first + width) for first in range(0, count, width)]


def _end(at: Columns, run: _Run) -> Array:
    nothing = np.empty((0, *at.logp.shape))
    return np.concatenate([run.means(at, some, nothing[:, :, some])[0] for some in _portions(at, run)], axis=1)


def _course(at: Columns, run: _Run, best: Index) -> _Course:
    looks, parts = marks(run.learner, run.steps), []
    itself = (np.arange(len(at.logp))[:, None] == best).astype(np.float64)[None]
    for some in _portions(at, run):
        mass = run.means(at, some, itself[:, :, some])[1][0]
        half = np.where((mass >= 0.5).any(axis=0), looks[(mass >= 0.5).argmax(axis=0)], -1)
        parts.append(_Course(mass[0], mass.min(axis=0), looks[mass.argmin(axis=0)], mass[-1], half))
    return _Course(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _time(p: Array) -> Array:
    return np.asarray((1.0 / p - 1.0 / (1.0 - p) + 2.0 * np.log((1.0 - p) / p)) / 2.0)


def _scaled_time(p: Array, gap: Array, path: Path, binary: bool) -> Array:
    """The integral of dp / (2 D c p^2 (1-p)^2) over the log odds, dp = p (1 - p) d log odds, by the trapezoid rule."""
    odds = np.linspace(np.log(p / (1.0 - p)), 0.0, _POINTS)
    half = 1.0 / (1.0 + np.exp(-odds))
    form = path if binary else path.in_the_limit()
    scale = np.stack([binary_scale(row, form, gap) for row in half])  # of the gap itself: D c
    pace = 1.0 / (2.0 * scale * half * (1.0 - half))
    return np.asarray(((pace[1:] + pace[:-1]) / 2.0 * np.diff(odds, axis=0)).sum(axis=0))
