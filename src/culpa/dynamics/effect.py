"""What every error of a reward does to the truth: each one put right in turn, and the run repeated.

effect(y) = V_true(T; R) - V_true(T; R with R(y) put right), of the prompt that y belongs to, the other errors staying
as they are. A derivative does not do: for a likely mediocre output it can say "a little more reward helps" where
punishing it outright is what frees the best output (Shang et al., arXiv 2604.25872, controlled experiments).
"""

from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.dynamics.courses import marks, means, seen_scores
from culpa.dynamics.errors import Scale, errors, right_scores
from culpa.dynamics.learner import Learner, Path
from culpa.dynamics.problem import Problem
from culpa.dynamics.reasons import Seen, reasons
from culpa.dynamics.scale import at_most_two
from culpa.dynamics.simulate import Forecast
from culpa.dynamics.stepwise import stepwise
from culpa.dynamics.walk import Columns
from culpa.errors import InputError

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

TOLERANCE = 1e-3  # of the truth's range: smaller effects are benign
_SAME = 1e-8  # of a probability: prompts that are run alone end where they end together
_CELLS = 4_000_000  # recorded steps of corrected runs at once; six numbers each

ERRORS = {
    "proxy": pl.String,
    "prompt_id": pl.String,
    "output": pl.Int64,
    "mass": pl.Float64,
    "score": pl.Float64,
    "right": pl.Float64,
    "truth": pl.Float64,
    "effect": pl.Float64,
    "kind": pl.String,
    "reason": pl.String,
    "crossing": pl.Int64,
    "horizon": pl.Int64,
    "learner": pl.String,
}


def effects(forecast: Forecast, *, scale: Scale = "same", tolerance: float = TOLERANCE) -> pl.DataFrame:
    """One row per error of every proxy: its counterfactual effect, kind, reason, and when the effect changes sign.

    `output` is the column of the record's arrays; `horizon` the T of the proxy's own run, used for its corrected runs
    as well; `crossing` the first step at which the effect has the other sign, null where it never has up to T.
    A positive effect means that the truth ends higher *with* the error. Kinds: harmful below -tolerance times the
    truth's range, beneficial above it, benign between. A normalising learner takes its finite-group form where the
    scores of a prompt are binary with the error and without it, else the limit of large groups in both runs: the two
    forms differ by more than an error does. A learner's signal must treat every prompt by itself. A flow is looked at
    a thousand times: `crossing` is then the first look, 1.4 % late at most.

    >>> from culpa.dynamics import Horizon, reinforce, simulate
    >>> from culpa.rollouts import Rollouts
    >>> truth, proxy = np.array([[1.0, 0.8, -1.0]]), np.array([[1.0, -1.0, -1.0]])
    >>> mass = np.array([[0.05, 0.5, 0.45]])
    >>> rollouts = Rollouts(np.array(["a"], dtype=object), truth > -2, mass, {"rm": proxy}, truth)
    >>> run = simulate(rollouts, learner=reinforce(), horizon=Horizon(kl=None, steps=400))
    >>> effects(run)["kind"].item(), effects(run)["reason"].item(), effects(run)["crossing"].item()
    ('beneficial', 'frees the best output, later', 102)
    """
    if not tolerance >= 0:
        raise InputError(f"the tolerance must be zero or more, got {tolerance}.", remedy=f"{TOLERANCE} is usual.")
    _check(forecast)
    frames = [_of_proxy(forecast, number, scale, tolerance) for number in range(len(forecast.proxies))]
    return pl.concat(frames)


def _of_proxy(forecast: Forecast, number: int, scale: Scale, tolerance: float) -> pl.DataFrame:
    case, reward = forecast.problem, forecast.problem.rewards[number]
    right = right_scores(case, reward, scale)
    outputs, prompts = np.nonzero(errors(case, reward, right))
    steps, limit = int(forecast.horizon[number]), tolerance * case.truth_range
    seen = _compare(case, (reward, right), (outputs, prompts), _How(forecast.learner, forecast.eta, steps), limit)
    size = len(outputs)
    columns = {
        "proxy": [forecast.proxies[number]] * size,
        "prompt_id": case.prompt_id[prompts].tolist(),
        "output": outputs,
        "mass": np.exp(case.start[outputs, prompts]),
        "score": reward[outputs, prompts],
        "right": right[outputs, prompts],
        "truth": case.truth[outputs, prompts],
        "effect": seen.effect,
        "kind": seen.kind.tolist(),
        "reason": reasons(case, (reward, right), seen),
        "crossing": [int(step) if step > 0 else None for step in seen.crossing],
        "horizon": [steps] * size,
        "learner": [forecast.learner.name] * size,
    }
    return pl.DataFrame(columns, schema=ERRORS)


def _check(forecast: Forecast) -> None:
    """Refuse runs of which a single error cannot be taken out: noisy ones, and those of prompts that hang together."""
    if forecast.sampled:
        problem = "the effect of an error is that on the expected run, and this run is sampled."
        raise InputError(problem, remedy="Simulate without rng.")
    path, case = forecast.learner, forecast.problem
    if not isinstance(path, Path) or path.signal is None:
        return
    for number, reward in enumerate(case.rewards):
        at = Columns(case.start, case.start, reward)
        alone = stepwise(at, path, eta=forecast.eta, length=case.length, apart=True)
        end = next(islice(alone, int(forecast.horizon[number]), None))
        if np.abs(np.exp(end) - np.exp(forecast.final[number])).max() > _SAME:
            problem = "the effect of single errors is not computed for a signal that couples prompts."
            raise InputError(problem, remedy="Take statistics over the group instead of the batch, or no signal.")


class _How(NamedTuple):
    learner: Learner
    eta: float
    steps: int


class _Pairs(NamedTuple):
    """Each error's prompt with its scores as they are and with the one put right, (s, m)."""

    start: Array
    values: Array  # (3, s, m): truth above the prompt's lowest, whether an output is best, whether it is the wrong one
    wrong: Array
    mended: Array
    length: Array | None

    def at(self, chosen: Mask) -> "tuple[Columns, Array, Array | None]":
        """Some of them: those with the error, then those without it; the values; the lengths."""
        start = np.tile(self.start[:, chosen], 2)
        reward = np.concatenate([self.wrong[:, chosen], self.mended[:, chosen]], axis=1)
        length = None if self.length is None else np.tile(self.length[:, chosen], 2)
        return Columns(start, start, reward), np.tile(self.values[:, :, chosen], 2), length


def _compare(case: Problem, rewards: tuple[Array, Array], at: tuple[Index, Index], how: _How, limit: float) -> Seen:
    """The runs of all errors, so many at once that their records stay small."""
    looks = marks(how.learner, how.steps)
    width = max(1, _CELLS // len(looks))
    parts = []
    for first in range(0, max(1, len(at[0])), width):
        some = (at[0][first : first + width], at[1][first : first + width])
        pairs = pairs_of(case, rewards, some)
        seen = noted(some, _run(pairs, how), spread_of(pairs, how.learner), limit)
        parts.append(seen._replace(crossing=looks[seen.crossing]))
    return Seen(*(np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True)))


def pairs_of(case: Problem, rewards: tuple[Array, Array], at: tuple[Index, Index]) -> _Pairs:
    """A constant truth, counted from the lowest, has effect 0 exactly."""
    outputs, prompts = at
    place = (outputs, np.arange(len(outputs)))
    wrong = rewards[0][:, prompts]
    mended, itself = wrong.copy(), np.zeros_like(wrong)
    mended[place], itself[place] = rewards[1][at], 1.0
    lowest = np.where(case.present, case.truth, np.inf).min(axis=0)
    truth = np.where(case.present, case.truth - lowest, 0.0)
    values = np.stack([truth[:, prompts], case.best[:, prompts].astype(np.float64), itself])
    length = None if case.length is None else case.length[:, prompts]
    return _Pairs(case.start[:, prompts], values, wrong, mended, length)


def _run(pairs: _Pairs, how: _How) -> Array:
    """The policy's means of the three values at every look, with the error and without it: (3, t, 2, m)."""
    present = np.isfinite(pairs.start)
    binary = at_most_two(pairs.wrong, present) & at_most_two(pairs.mended, present)
    result = np.empty((3, len(marks(how.learner, how.steps)), 2, present.shape[1]))
    for form, chosen in ((how.learner, binary), (how.learner.in_the_limit(), ~binary)):
        both, values, length = pairs.at(chosen)
        _, found = means(both, form, values, steps=how.steps, eta=how.eta, length=length)
        result[..., chosen] = found.reshape(*result.shape[:3], -1)
    return result


def spread_of(pairs: _Pairs, learner: Learner) -> Array:
    """What a normalising learner divides the scores by at first, with the error and without it, (2, m)."""
    if not learner.normalise:
        return np.ones((2, pairs.start.shape[1]))
    both, _, length = pairs.at(np.ones(pairs.start.shape[1], dtype=np.bool_))
    mass, scores = np.exp(both.start), seen_scores(both, learner, length=length, apart=True)
    scores = np.where(np.isfinite(scores), scores, 0.0)
    mean = (mass * scores).sum(axis=0)
    return np.asarray(np.sqrt((mass * (scores - mean) ** 2).sum(axis=0))).reshape(2, -1)


def noted(at: tuple[Index, Index], means: Array, spread: Array, limit: float) -> Seen:
    """Effects, kinds and crossings from the means of truth, best outputs and the wrong one in two runs."""
    truth, best, itself = means
    along = truth[:, 0] - truth[:, 1]
    first = [_first(along < -limit), _first(along > limit)]
    kind = np.select([along[-1] < -limit, along[-1] > limit], ["harmful", "beneficial"], "benign")
    crossing = np.where(np.minimum(*first) > 0, np.maximum(*first), 0)
    return Seen(*at, along[-1], kind, crossing, best[-1], itself.max(axis=0), itself[-1], spread)


def _first(holds: Mask) -> Index:
    """The first look at which it holds, 0 where it never does; at step 0 both runs are the same."""
    return np.asarray(holds.argmax(axis=0))
