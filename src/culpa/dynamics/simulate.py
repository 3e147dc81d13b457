"""What a reward does to a policy: the same algorithm, exactly, on the outputs at hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.dynamics.courses import Course, Goal, course, divergence, most_steps, seen_scores
from culpa.dynamics.learner import Learner
from culpa.dynamics.problem import Problem, problem, spread_within
from culpa.dynamics.scale import at_most_two
from culpa.dynamics.walk import Columns
from culpa.errors import InputError
from culpa.rollouts import Rollouts

Array = npt.NDArray[np.float64]
MAX_STEPS = 10_000
POINTS = 40  # at which curves are recorded: 0, 1, 2, ... then ever further apart


class _Usual(float):
    """A value that nobody asked for: it gives way to one that somebody did."""


@dataclass(frozen=True)
class Horizon:
    """When to read the result off: the first step at which a measure of the run reaches a value, or a fixed step.

    The measure is the mean KL over prompts, or with `gain` the rise of the mean proxy reward, counted in the proxy's
    standard deviations within prompts under the initial policy (their mean square over prompts, pooled).

    >>> Horizon().kl, Horizon(gain=0.5).kl, Horizon(kl=None, steps=50).steps
    (0.4, None, 50)
    """

    kl: float | None = _Usual(0.4)
    steps: int = MAX_STEPS  # the horizon itself where `kl` and `gain` are None, else the most that is walked
    gain: float | None = None
    together: bool = False  # with shared features: the same steps for all proxies, until the median one reaches the KL

    def __repr__(self) -> str:
        gain = "" if self.gain is None else f", gain={self.gain}"
        return f"Horizon(kl={self.kl}, steps={self.steps}{gain})"

    def __post_init__(self) -> None:
        """Refuse a horizon that is never or at once, and two measures."""
        if self.gain is not None:
            if isinstance(self.kl, _Usual):
                object.__setattr__(self, "kl", None)
            if self.kl is not None or not 0 < self.gain < inf or self.steps < 1:
                problem = f"the horizon is kl={self.kl}, gain={self.gain}, steps={self.steps}."
                raise InputError(
                    problem, remedy="Use a positive KL or a positive gain, not both, and at least one step."
                )
        elif self.steps < 1 or (self.kl is not None and not 0 < self.kl < inf):
            problem = f"the horizon is kl={self.kl}, steps={self.steps}."
            raise InputError(problem, remedy="Use at least one step, and a positive KL or None.")


@dataclass(frozen=True, eq=False)
class Forecast:
    """What becomes of the truth when a policy is trained on each of k proxies."""

    curves: pl.DataFrame  # proxy, step, true_reward, proxy_reward, kl, entropy: means over prompts
    proxies: tuple[str, ...]
    horizon: npt.NDArray[np.int64]  # (k,) the step at which the run is read off
    reached: npt.NDArray[np.bool_]  # (k,) whether the KL or gain was reached before the steps ran out
    final: Array  # (k, s, p) log-probabilities at the horizon
    problem: Problem
    learner: Learner
    eta: float
    sampled: bool = False  # each step from drawn groups, not the expected one

    @property
    def by_prompt(self) -> Array:
        """Expected truth of each prompt at the horizon, (k, p)."""
        value: Array = (np.exp(self.final) * self.problem.truth).sum(axis=1)
        return value

    @property
    def outcome(self) -> Array:
        """Expected truth at the horizon, mean over prompts, (k,)."""
        return np.asarray(self.by_prompt.mean(axis=1))

    @property
    def finite(self) -> npt.NDArray[np.int64]:
        """Prompts of each proxy, (k,), whose steps are exact for the learner's own group size.

        All of them without normalisation, and in sampled runs. With it those whose rewards, after the learner's signal,
        take two values; the others take the limit of large groups.
        """
        case = self.problem
        if not self.learner.normalise or self.sampled:
            return np.full(len(self.proxies), len(case.prompts))
        seen = (
            seen_scores(Columns(case.start, case.start, reward), self.learner, length=case.length)
            for reward in case.rewards
        )
        known = [at_most_two(np.where(case.present, reward, 0.0), case.present).sum() for reward in seen]
        return np.array(known) * (self.learner.group is not None)


def simulate(
    rollouts: Rollouts,
    proxies: Sequence[str] = (),
    *,
    learner: Learner,
    horizon: Horizon | None = None,
    eta: float = 0.1,
    rng: np.random.Generator | None = None,
) -> Forecast:
    """Train on each proxy from the rollouts' policy, tabular and exact, and record what becomes of the truth.

    Every prompt is a softmax over its own outputs, started at the policy's mass; nothing is shared between prompts, so
    this is for outputs that are enumerated (`weight` = pi) or merged, and says little of samples that are all distinct.
    `eta` is the step of the logits. The steps are expected steps: no sampling, no noise; with a normalising learner
    they are exact for its group size on binary rewards, and the limit of large groups on others (`Forecast.finite`).
    A signal acts on all prompts as one batch. A closed form's steps are the parts of its way, and it ends where that
    does; `eta` is nothing to it. With `rng` every step is that of groups drawn from the policy; one run is one chance.
    Prompts with missing verdicts: `run(problem(rollouts, missing="mean"), ...)`.
    Adding a constant to a proxy's scores of one prompt changes nothing, but for what a signal or a draw of one sees.

    >>> from culpa.dynamics import reinforce
    >>> from culpa.rollouts import Rollouts
    >>> scores = np.array([[1.0, 0.0]])
    >>> rollouts = Rollouts(np.array(["a"], dtype=object), scores >= 0, np.array([[0.2, 0.8]]), {"rm": scores}, scores)
    >>> forecast = simulate(rollouts, learner=reinforce(), horizon=Horizon(kl=0.4))
    >>> int(forecast.horizon[0]), round(float(forecast.outcome[0]), 3)
    (42, 0.611)
    """
    return run(problem(rollouts, tuple(proxies)), learner, horizon or Horizon(), eta, rng)


def run(
    case: Problem, learner: Learner, horizon: Horizon, eta: float, rng: np.random.Generator | None = None
) -> Forecast:
    """`simulate` for a problem that is already made."""
    if not 0 < eta < inf:
        raise InputError(f"the step size must be positive, got {eta}.", remedy="0.1 is usual.")
    starts = (
        course(Columns(case.start, case.start, reward), learner, eta=eta, length=case.length, rng=rng)
        for reward in case.rewards
    )
    most = most_steps(learner, horizon.steps)
    runs = [_run_one(case, reward, one, horizon, most) for one, reward in zip(starts, case.rewards, strict=True)]
    frames = [
        pl.DataFrame(one.rows, schema=CURVE, orient="row").insert_column(0, pl.lit(name).alias("proxy"))
        for name, one in zip(case.proxies, runs, strict=True)
    ]
    return Forecast(
        pl.concat(frames),
        case.proxies,
        np.array([one.end for one in runs]),
        np.array([one.reached for one in runs]),
        np.stack([one.final for one in runs]),
        case,
        learner,
        eta,
        rng is not None,
    )


def recorded_steps(most: int) -> list[int]:
    """0, 1, 2, 3, ... then ever further apart, and the last.

    >>> recorded_steps(20)[:6], recorded_steps(20)[-1]
    ([0, 1, 2, 3, 4, 5], 20)
    """
    spaced = np.unique(np.round(np.geomspace(1, most, POINTS)).astype(int)).tolist()
    return [0, *spaced]


CURVE = {
    "step": pl.Int64,
    "true_reward": pl.Float64,
    "proxy_reward": pl.Float64,
    "kl": pl.Float64,
    "entropy": pl.Float64,
}


class _Run(NamedTuple):
    rows: list[tuple[float, ...]]
    end: int
    reached: bool
    final: Array


def _run_one(case: Problem, reward: Array, course: Course, horizon: Horizon, most: int) -> _Run:
    goal, last = _goal(case, reward, horizon), 0
    rows = [_observe(0, course.logp, case, reward)]
    for step in recorded_steps(most)[1:]:
        count = course.advance(step - last, goal)
        last = step if count is None else last + count
        rows.append(_observe(last, course.logp, case, reward))
        if count is not None:
            return _Run(rows, last, True, course.logp)
    return _Run(rows, last, goal is None, course.logp)


def _goal(case: Problem, reward: Array, horizon: Horizon) -> Goal | None:
    if horizon.gain is None:
        return None if horizon.kl is None else Goal(horizon.kl)
    low = np.where(case.present, reward, np.inf).min(axis=0)
    spread = float(spread_within(case, reward))
    return Goal(horizon.gain * spread if spread > 0 else inf, np.where(case.present, reward - low, 0.0))


def _observe(step: int, logp: Array, case: Problem, reward: Array) -> tuple[float, ...]:
    prob = np.exp(logp)
    entropy = -np.einsum("sp,sp->p", prob, np.where(prob > 0, logp, 0.0))
    true, proxy = ((prob * value).sum(axis=0).mean() for value in (case.truth, reward))
    return (step, float(true), float(proxy), float(divergence(logp, case.start).mean()), float(entropy.mean()))
