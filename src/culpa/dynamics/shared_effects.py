"""What errors do where outputs share features: derivatives of all, and the largest put right in turn.

A wrong score of one prompt moves the weights that all prompts share, so its effect is the sum over prompts of what the
truth ends higher with it than without it. One backward pass through the run of a proxy gives the derivative of that sum
by each of its scores,

    dV/dR  +=  eta (du/dR)' K l,        l  <-  l + eta (du/dz)' K l,        first l = pi (G - V_G) at the end

with u = pi A, K = Phi Phi', and the derivatives of u those of a run without shared features. A larger score also moves
the policy further in the same steps; runs are compared at the same divergence, so what that alone does is taken off.
The errors of largest (score - right) x derivative are then put right one at a time and their runs repeated, up to the
same divergence; the others keep the product as their effect, and say so (`method`).
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.dynamics.effect import ERRORS, TOLERANCE, noted, pairs_of, spread_of
from culpa.dynamics.errors import Scale, errors, right_scores
from culpa.dynamics.influence import Step
from culpa.dynamics.problem import Problem
from culpa.dynamics.reasons import Seen, reasons
from culpa.dynamics.shared import SharedForecast, Walk, replay, spread, until
from culpa.errors import InputError

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

SHARED_ERRORS = ERRORS | {"method": pl.String}
THROUGH_OTHERS = "moves outputs like it on other prompts"
SPENDS = "spends the policy's movement on its own prompt"
SPARES = "leaves the policy's movement to other prompts"
TOP = 12  # errors of each proxy that are put right and run again
_CELLS = 8_000_000  # of states kept at once: steps x rewards x prompts x samples


def shared_effects(
    run: SharedForecast,
    *,
    scale: Scale = "auto",
    tolerance: float = TOLERANCE,
    top: int = TOP,
    slopes: "Slopes | None" = None,
) -> pl.DataFrame:
    """One row per error of every proxy, with the columns of `effects` and the `method` by which its effect is known.

    An effect is a sum over prompts: what the truth of all of them ends higher with the error than without it. The `top`
    errors of each proxy by size of derivative have the effect of putting them right (`counterfactual`), and reasons; a
    normalising learner is in the limit of large groups there, in both runs. The rest have score minus right times the
    derivative (`adjoint`), and neither reason nor crossing. `slopes`: of `shared_adjoint`, where they are at hand.
    """
    if not tolerance >= 0:
        raise InputError(f"the tolerance must be zero or more, got {tolerance}.", remedy=f"{TOLERANCE} is usual.")
    known = shared_adjoint(run) if slopes is None else slopes
    limit = tolerance * run.problem.truth_range
    frames = []
    for number in range(len(run.proxies)):
        one = _Proxy.of(run, number, known, scale)
        order = np.argsort(-np.abs(one.estimate), kind="stable")[:top]
        frames.append(_frame(one, _simulated(one, order, limit), order, limit))
    return pl.concat(frames)


class Slopes(NamedTuple):
    """Derivatives of the truth at the end of each proxy's run, summed over prompts, at the same divergence."""

    scores: Array  # (k, s, p) by each score
    pace: Array  # (k, s, p) the part of it that comes of stopping sooner or later
    prompts: Array  # (k, p) by how often a prompt is trained on; their mean is 0


def shared_adjoint(run: SharedForecast) -> Slopes:
    """How the truth at the end of each proxy's run changes with each score, and with each prompt's part in training.

    Exact for the run's own step sizes; a normalising learner is taken in the limit of large groups. More of a prompt
    brings the divergence sooner, its own part of it and that of others, and a run that ends on it stops sooner:

        dV/dn = d - (sum d / sum e) (e + KL - mean KL)        d, e: of the truth and of the divergence, as the steps are

    With the truth of each prompt at the end (`by_prompt`) this is the outcome's influence by prompts, and the
    mean over drawn prompts of the two a bootstrap of the whole rehearsal to first order.

    >>> from culpa.dynamics.learner import reinforce
    >>> from culpa.dynamics.problem import problem
    >>> from culpa.dynamics.shared import rehearse
    >>> from culpa.rollouts import Rollouts
    >>> scores = np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> names = np.array(["a", "b"], dtype=object)
    >>> case = problem(Rollouts(names, scores >= 0, scores * 0 + 0.5, {"rm": scores}, scores))
    >>> apart = np.array([[[1.0, 0.0], [-1.0, 0.0]], [[0.0, 1.0], [0.0, -1.0]]])
    >>> slopes = shared_adjoint(rehearse(case, apart, reinforce()))  # the same for both: no slope, but for the pace
    >>> np.abs(slopes.scores).max().round(6), (slopes.pace[0, 0] < 0).tolist()
    (np.float64(0.0), [True, True])
    """
    if not run.learner.plain:
        problem = f"the derivative of {run.learner.name} is not known: counterfactual only."
        raise InputError(problem, remedy="Take reinforce, rloo:K or grpo:K without a signal.")
    case = run.problem
    width = max(1, _CELLS // ((run.paces.shape[1] + 1) * case.start.size))
    parts = [_back(run, slice(first, first + width)) for first in range(0, len(run.proxies), width)]
    scores, moved, truth, spent = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    price = truth.sum(axis=1) / np.where(
        run.reached & (not run.together), spent.sum(axis=1), np.inf
    )  # truth per divergence, at the end
    by_prompts = truth - price[:, None] * spent
    pace = -price[:, None, None] * moved
    whole, part = (one.transpose(0, 2, 1) for one in (scores + pace, pace))
    return Slopes(whole, part, by_prompts - by_prompts.mean(axis=1, keepdims=True))


def _back(run: SharedForecast, some: slice) -> tuple[Array, Array, Array, Array]:
    """Derivatives with the steps as they are: of truth and of divergence, by scores (k, p, s) and then by prompts."""
    case, learner = run.problem, run.learner.in_the_limit()
    flat = run.features.reshape(-1, run.features.shape[-1])
    low = np.where(case.present, case.rewards[some], np.inf).min(
        axis=1, keepdims=True
    )  # so that equal scores differ by 0
    rewards = np.where(case.present, case.rewards[some] - low, 0.0).transpose(0, 2, 1)
    paces = run.paces[some] / len(case.prompts)
    *states, end = replay(case, rewards, run.features, learner, run.paces[some])
    start, ratio = np.tile(case.start, len(rewards)), np.where(case.present.T, end - _held(case.start.T), 0.0)
    last = np.exp(end)
    values = np.stack([np.broadcast_to(case.truth.T, last.shape), ratio])
    toward = last * (values - (last * values).sum(axis=-1, keepdims=True))
    by_scores, by_prompts = np.zeros_like(toward), np.zeros((2, *last.shape[:2]))
    for logp, pace in zip(states[::-1], paces.T[::-1], strict=True):
        step = Step(_columns(np.exp(logp)), _columns(rewards), start, learner)
        push = step.push().T.reshape(last.shape)
        for number in (0, 1):
            felt = spread(toward[number], flat) * pace[:, None, None]
            by_score, by_logit = step.back(_columns(felt))
            by_prompts[number] += (felt * push).sum(axis=-1)
            toward[number] += by_logit.T.reshape(last.shape)
            by_scores[number] += by_score.T.reshape(last.shape)
    spent = (last * ratio).sum(axis=-1)
    return *by_scores, by_prompts[0], by_prompts[1] + spent - spent.mean(axis=1, keepdims=True)


def _held(logp: Array) -> Array:
    """Log-probabilities that can be computed with: 0 on padding."""
    return np.where(np.isfinite(logp), logp, 0.0)


def _columns(cube: Array) -> Array:
    """(k, p, s) as columns (s, k p), which is how a step takes them."""
    return cube.reshape(-1, cube.shape[-1]).T


class _Proxy(NamedTuple):
    """One proxy's run and its n errors."""

    run: SharedForecast
    number: int
    rewards: tuple[Array, Array]  # (s, p) as they are, and right
    at: tuple[Index, Index]  # output and prompt of each error, (n,)
    estimate: Array  # (n,)
    paced: Array  # (n,) the part of it that comes of stopping sooner or later

    @staticmethod
    def of(run: SharedForecast, number: int, slopes: Slopes, scale: Scale) -> "_Proxy":
        case, reward = run.problem, run.problem.rewards[number]
        right = right_scores(case, reward, scale)
        outputs, prompts = np.nonzero(errors(case, reward, right))
        estimate, paced = (
            ((reward - right) * slope[number])[outputs, prompts] for slope in (slopes.scores, slopes.pace)
        )
        return _Proxy(run, number, (reward, right), (outputs, prompts), estimate, paced)


def _simulated(one: _Proxy, order: Index, limit: float) -> tuple[Seen, Array]:
    """What the runs show of some of a proxy's errors, each put right alone; and the effect on its own prompt."""
    case, learner = one.run.problem, one.run.learner.in_the_limit()
    outputs, prompts = one.at[0][order], one.at[1][order]
    wrong, count = one.rewards[0].T, len(order)
    mended = np.repeat(wrong[None], count, axis=0)
    mended[np.arange(count), prompts, outputs] = one.rewards[1][outputs, prompts]
    walk = Walk(case, np.concatenate([wrong[None], mended]), one.run.features, learner)
    looks = [_look(walk, case, (outputs, prompts))]
    looks += [_look(walk, case, (outputs, prompts)) for _ in _steps(one, walk)]
    both = np.stack([walk.prob[[0] * count, prompts], walk.prob[1 + np.arange(count), prompts]])
    own = ((both[0] - both[1]) * case.truth.T[prompts]).sum(axis=-1)
    spread_by = spread_of(pairs_of(case, one.rewards, (outputs, prompts)), learner)
    return noted((outputs, prompts), np.stack(looks, axis=1), spread_by, limit), own


def _steps(one: _Proxy, walk: Walk) -> Iterator[None]:
    """As many as take every run to the divergence; where proxies have the time in common, those of the run itself."""
    run, most = one.run, int(one.run.horizon[one.number])
    if not run.together:
        for _ in islice(until(walk, run.kl), None if run.reached[one.number] else most):
            yield None
        return
    for pace in run.paces[one.number, :most]:
        walk.move(walk.direction() * pace)
        yield None


def _look(walk: Walk, case: Problem, at: tuple[Index, Index]) -> Array:
    """Truth of all prompts, mass of the best outputs and of the wrong one, in the run with the errors and in those
    without one, (3, 2, n).
    """
    outputs, prompts = at
    here = np.arange(len(outputs))
    total = (walk.prob * case.truth.T).sum(axis=(1, 2))
    both = np.stack([walk.prob[0, prompts], walk.prob[1 + here, prompts]])  # of the error's own prompt, (2, n, s)
    best = np.where(case.best.T[prompts], both, 0.0).sum(axis=-1)
    return np.stack([np.stack([np.full(len(here), total[0]), total[1:]]), best, both[:, here, outputs]])


def _reasons(one: _Proxy, seen: Seen, own: Array, order: Index) -> list[str]:
    """That of the error's own prompt, unless most of the effect is on others: through features, or the divergence."""
    side, size = np.sign(seen.effect), 0.5 * np.abs(seen.effect)
    elsewhere = (seen.kind != "benign") & (own * side < size)
    through = np.where(one.paced[order] * side < size, THROUGH_OTHERS, np.where(side < 0, SPENDS, SPARES))
    found = reasons(one.run.problem, one.rewards, seen)
    return [str(one) for one in np.where(elsewhere, through, found)]


def _frame(one: _Proxy, simulated: tuple[Seen, Array], order: Index, limit: float) -> pl.DataFrame:
    case, (reward, right), at = one.run.problem, one.rewards, one.at
    (seen, own), count = simulated, len(at[0])
    effect = one.estimate.copy()
    effect[order] = seen.effect
    reason: list[str | None] = [None] * count
    crossing: list[int | None] = [None] * count
    for place, why, turn in zip(order, _reasons(one, seen, own, order), seen.crossing, strict=True):
        reason[place], crossing[place] = why, int(turn) or None
    method = np.full(count, "adjoint", dtype=object)
    method[order] = "counterfactual"
    columns = {
        "proxy": [one.run.proxies[one.number]] * count,
        "prompt_id": case.prompt_id[at[1]].tolist(),
        "output": at[0],
        "mass": np.exp(case.start[at]),
        "score": reward[at],
        "right": right[at],
        "truth": case.truth[at],
        "effect": effect,
        "kind": np.select([effect < -limit, effect > limit], ["harmful", "beneficial"], "benign").tolist(),
        "reason": reason,
        "crossing": crossing,
        "horizon": [int(one.run.horizon[one.number])] * count,
        "learner": [one.run.learner.name] * count,
        "method": method.tolist(),
    }
    return pl.DataFrame(columns, schema=SHARED_ERRORS)
