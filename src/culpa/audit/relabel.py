"""Which outputs of unknown truth to have judged next, so that the reward one trains on gains most by being put right.

Once an output is judged, its score R can be made right, r = right(G). What that is worth is, in expectation over G,

    gain = (r - R) s + c k Var G        with r the right score of the expected truth

s: the derivative of the truth at the end of training by the score, other unknown truths as expected; c: how much a
right score grows with the truth; k: how much the output's own mass at the end grows with its score. The first term is
what the expected truth already tells, the second what the judgement adds: the score follows whatever is found.

Gains do not add up, so the list is made in rounds: what is on it counts as put right, and the rest is weighed again,
half by the derivative where things stand and half by that on the way to where all is right.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.audit.expected import Expected, expected_truth
from culpa.audit.unlabelled import LABEL_FIRST, texts_at
from culpa.dynamics import Forecast, Horizon, SharedForecast, adjoint
from culpa.dynamics.errors import right_scores, scale_of
from culpa.dynamics.influence import Step
from culpa.dynamics.learner import Path
from culpa.dynamics.problem import Problem, problem, spread_within
from culpa.dynamics.shared import replay
from culpa.dynamics.shared_effects import shared_adjoint
from culpa.dynamics.walk import Columns, states, walk
from culpa.predictors.features import Floats
from culpa.predictors.ground import Ground, forecast
from culpa.rollouts import Array
from culpa.rollouts.columns import PROMPT, RESPONSE

Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_BY_DISAGREEMENT = ("disagreement", "highest", "lowest")  # of `label_first`; null here

ROUNDS = 6
_CELLS = 4_000_000  # of states held at once: steps x prompts x outputs


class Picked(NamedTuple):
    """What to have judged next, the best first: cells of the ground's record, and what each is expected to add."""

    rows: Index
    cells: Index
    gains: Array
    expected: Expected


def relabel(found: Ground, learner: Path, horizon: Horizon, proxy: str, budget: int) -> pl.DataFrame:
    """The outputs worth most to have judged, the best first: at most `budget`, and none that is expected to do harm.

    `gain` is of the truth of all prompts together, on top of what stands above it in the list.
    """
    record, (rows, cells, gains, expected) = found.record, picked(found, learner, horizon, proxy, budget)
    columns = {
        "prompt_id": record.prompt_id[rows].tolist(),
        "prompt": texts_at(record, PROMPT, rows, cells),
        "response": texts_at(record, RESPONSE, rows, cells),
        "proxy": [proxy] * len(rows),
        "score": record.proxies[proxy][rows, cells],
        "expected": expected.mean[rows, cells],
        "spread": expected.spread[rows, cells],
        "gain": gains,
    }
    columns |= {name: [None] * len(rows) for name in _BY_DISAGREEMENT}
    return pl.DataFrame(columns, schema_overrides=LABEL_FIRST).select(list(LABEL_FIRST))


def picked(found: Ground, learner: Path, horizon: Horizon, proxy: str, budget: int, rounds: int = ROUNDS) -> Picked:
    """`relabel` before it is a table. More rounds see more of what the outputs above in the list have changed."""
    case, expected, unknown = _asked(found, proxy)
    scale = scale_of(found.case, found.case.rewards[found.case.proxies.index(proxy)])
    right = right_scores(case, case.rewards[0], scale)
    spread = np.where(case.present, expected.spread[case.prompts].T, 0.0)
    values = None if found.features is None else found.features.values[case.prompts]
    weighed = _Weighed(case, values, learner, horizon, right, _growth(case, right) * spread**2)
    (outputs, prompts), gains = weighed.chosen(unknown, _rounds(budget, rounds))
    return Picked(case.prompts[prompts], outputs, gains, expected)


def _asked(found: Ground, proxy: str) -> tuple[Problem, Expected, Mask]:
    """The problem with unknown truths as they are expected, and the cells (s, p) that can be asked for."""
    record = found.record
    truth = np.asarray(record.truth)
    expected = expected_truth(record, None if found.features is None else found.features.values, truth)
    case = problem(record.with_truth(expected.mean), (proxy,), missing="mean")
    unknown = np.isnan(truth) & ~np.isnan(record.proxies[proxy])
    return case, expected, case.present & unknown[case.prompts].T


class _Weighed(NamedTuple):
    """What is needed to weigh the outputs again and again; arrays are (s, p)."""

    case: Problem
    values: Floats | None
    learner: Path
    horizon: Horizon
    right: Array
    doubt: Array  # how much the variance of the truth adds, per unit of own growth

    def chosen(self, unknown: Mask, rounds: list[int]) -> tuple[tuple[Index, Index], Array]:
        """Places (output, prompt) of what to ask for, the best first, and what each adds."""
        left, reward = unknown.copy(), self.case.rewards[0].copy()
        places: list[Index] = []
        gains: list[float] = []
        for count in rounds:
            gain = np.where(left, self.gains(reward, left), 0.0)
            order = np.argsort(-gain, axis=None, kind="stable")[:count]
            order = order[gain.ravel()[order] > 0]
            places += order.tolist()
            gains += gain.ravel()[order].tolist()
            at = np.unravel_index(order, gain.shape)
            left[at], reward[at] = False, self.right[at]
        outputs, prompts = np.unravel_index(np.array(places, dtype=np.int64), unknown.shape)
        return (outputs, prompts), np.array(gains)

    def gains(self, reward: Array, left: Mask) -> Array:
        """What putting each score right is expected to add."""
        slope, reach = self.derivatives(reward)
        ahead, _ = self.derivatives(np.where(left, (reward + self.right) / 2, reward))
        return np.asarray((self.right - reward) * (slope + ahead) / 2 + self.doubt * reach)

    def derivatives(self, reward: Array) -> tuple[Array, Array]:
        """Of the truth at the end by each score, and of each output's own mass by its own."""
        return _derivatives(forecast(self.case._replace(rewards=reward[None]), self.values, self.learner, self.horizon))


def _rounds(budget: int, rounds: int) -> list[int]:
    """Sizes of the rounds, small ones first: what is asked for first should be what is worth most.

    >>> _rounds(10, 6), _rounds(100, 6), sum(_rounds(1000, 6))
    ([1, 1, 2, 3, 3], [3, 8, 14, 19, 25, 31], 1000)
    """
    edges = np.round(budget * (np.arange(rounds + 1) / rounds) ** 2).astype(int)
    return [size for size in np.diff(edges).tolist() if size]


def _growth(case: Problem, right: Array) -> float:
    """How much a right score grows with the truth: 1 on the truth's scale, else the ratio of the spreads."""
    grown, truth = (float(spread_within(case, values)) for values in (right, case.truth))
    return grown / truth if truth > 0 else 0.0


def _derivatives(run: Forecast) -> tuple[Array, Array]:
    """Of the truth at the end by each score, and of each output's own mass by its own, (s, p).

    The second is taken as if no other output of the run moved: what a score moves of its own logit, step by step.
    """
    case, how = run.problem, _limit(run)
    columns, moved = Columns(case.start, case.start, case.rewards[0]), np.zeros_like(case.start)
    if isinstance(run, SharedForecast):
        *before, last = replay(case, case.rewards.transpose(0, 2, 1), run.features, run.learner, run.paces)
        for logp, pace in zip(before, run.paces[0] / len(case.prompts), strict=True):
            moved += pace * _own(np.exp(logp[0].T), columns, how)
        moved *= np.einsum("psd,psd->ps", run.features, run.features).astype(np.float64).T
        end, slope = np.exp(last[0].T), shared_adjoint(run).scores[0]
    else:
        steps, at = int(run.horizon[0]), columns
        portion = max(1, _CELLS // case.start.size)  # steps whose states are held at once
        for first in range(0, steps, portion):
            count = min(portion, steps - first)
            for mass in states(at, how, steps=count, eta=run.eta):
                moved += run.eta * _own(mass, columns, how)
            at = at._replace(logp=walk(at, how, steps=count, eta=run.eta))
        end, slope = np.exp(run.final[0]), adjoint(columns, case.truth, how, steps=steps, eta=run.eta)
    return slope, np.asarray(moved * end * (1.0 - end))


def _limit(run: Forecast) -> Path:
    """The learner in the limit of large groups, where its derivative is known."""
    how = run.learner if isinstance(run.learner, Path) else Path(run.learner.name)
    return how.in_the_limit() if how.normalise else how


def _own(mass: Array, columns: Columns, learner: Path) -> Array:
    """How fast an output's own logit grows with its own score, d(pi A) / dR, (s, p)."""
    own = mass * (1.0 - mass)
    if not learner.normalise:
        return own
    present = np.isfinite(columns.start)
    above = np.where(present, columns.reward - np.where(present, columns.reward, np.inf).min(axis=0), 0.0)
    step = Step(mass, above, columns.start, learner)
    return np.asarray(step.scale * own - (mass * step.gap * step.scale) ** 2 / step.std)
