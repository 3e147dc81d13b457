"""What wrong scores would do to the policy that wrote the rollouts, by rehearsal: a harmless bug stays a note.

Outputs that count as the same are merged, every prompt is a policy over its own outputs, and the learner is run
exactly, with the scores as they are and with the wrong ones put right. Outputs share nothing across prompts here: what
a policy learns on one prompt and carries to another is not seen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.dynamics import Forecast, Horizon, effects, simulate
from culpa.dynamics.effect import TOLERANCE
from culpa.dynamics.errors import errors, right_scores, scale_of
from culpa.dynamics.learner import Learner, grpo
from culpa.dynamics.simulate import run
from culpa.probing.answers import Tried
from culpa.probing.finding import Finding, Level
from culpa.probing.score import Score
from culpa.rollouts import Rollouts
from culpa.rollouts.merge import merged
from culpa.rollouts.select import select

Array = npt.NDArray[np.float64]
REWARD = "reward"
_ETA = 0.1


@dataclass(frozen=True)
class Rehearsal:
    """How the policy is trained in rehearsal."""

    learner: Learner = field(default_factory=grpo)
    horizon: Horizon = field(default_factory=Horizon)
    merge_by: str = "response"
    null_mass: float = 1e-4  # a null answer's mass at first, on every prompt: the policy itself never wrote it


class Cost(NamedTuple):
    """What is lost by the horizon, and how much of it a null answer has then."""

    cost: float  # expected truth without the wrong scores minus that with them, mean over prompts
    mass: float
    steps: int


def scored(rollouts: Rollouts, scores: Sequence[Score]) -> Rollouts:
    """The record with the reward's scores as its only proxy; no score is no verdict."""
    values = np.full(rollouts.shape, np.nan)
    values[rollouts.present] = [one.value for one in scores]
    return replace(rollouts, proxies={REWARD: values})


class Outlook(NamedTuple):
    """The rehearsal of the reward's own scores."""

    forecast: Forecast
    scale: str  # of right scores: the truth itself, or the truth on the reward's scale
    errors: list[dict[str, Any]]  # one row per wrong score, as `dynamics.effects` has it
    costs: dict[str, Cost]  # of all scores that are too high together, and of all that are too low


def outlook(record: Rollouts, how: Rehearsal) -> Outlook:
    """Every wrong score put right alone, and those that are too high, or too low, together.

    `record` has the reward's scores (`scored`) and a truth. Right scores are on the scale that `scale_of` tells.
    """
    joined = merged(record, by=how.merge_by)
    forecast = simulate(joined, learner=how.learner, horizon=how.horizon, eta=_ETA)
    case, reward = forecast.problem, forecast.problem.rewards[0]
    scale = scale_of(case, reward)
    right = right_scores(case, reward, scale)
    wrong = errors(case, reward, right)
    costs = {}
    for name, there in (("too high", wrong & (reward > right)), ("too low", wrong & (reward < right))):
        lost = 0.0
        if there.any():
            mended = np.where(there, right, reward)
            other = run(case._replace(rewards=mended[None]), how.learner, _until(forecast), _ETA)
            lost = float(other.outcome[0] - forecast.outcome[0])
        costs[name] = Cost(lost, 0.0, int(forecast.horizon[0]))
    return Outlook(forecast, scale, effects(forecast, scale=scale).to_dicts(), costs)


def null_cost(record: Rollouts, answer: Tried, how: Rehearsal) -> Cost:
    """What a null answer would cost, had the policy written it with mass `null_mass` wherever it was tried.

    Its truth is the lowest of the data, its right score the prompt's lowest. The cost is the truth without its reward
    minus the truth with it, at the horizon of the run with it.
    """
    values = {case.prompt_id: one.value for case, one in zip(answer.cases, answer.scores, strict=True) if one.known}
    rows = [number for number, name in enumerate(record.prompt_id) if name in values]
    part = merged(select(record, rows), by=how.merge_by)
    given = np.array([[values[name]] for name in part.prompt_id])
    lowest = np.fmin.reduce(part.proxies[REWARD], axis=1, keepdims=True)
    assert part.truth is not None
    assert record.truth is not None
    share = np.where(part.weight.sum(axis=1, keepdims=True) > 0, how.null_mass, 0.0)
    extended = Rollouts(
        part.prompt_id,
        np.hstack([part.present, np.ones_like(share, dtype=np.bool_)]),
        np.hstack([part.weight * (1 - share), share]),
        {
            "found": np.hstack([part.proxies[REWARD], given]),
            "unpaid": np.hstack([part.proxies[REWARD], np.minimum(lowest, given)]),
        },
        np.hstack([part.truth, np.full_like(share, np.nanmin(record.truth))]),
    )
    paid = simulate(extended, ["found"], learner=how.learner, horizon=how.horizon, eta=_ETA)
    unpaid = simulate(extended, ["unpaid"], learner=how.learner, horizon=_until(paid), eta=_ETA)
    mass = float(np.exp(paid.final[0, -1]).mean())
    return Cost(float(unpaid.outcome[0] - paid.outcome[0]), mass, int(paid.horizon[0]))


def error_findings(seen: Outlook, how: Rehearsal) -> Iterator[Finding]:
    """Scores that are too high, and too low: an error where they cost the policy something, else a note."""
    limit = TOLERANCE * seen.forecast.problem.truth_range
    for name, code in (("too high", "false-positive"), ("too low", "false-negative")):
        rows = [row for row in seen.errors if (row["score"] > row["right"]) == (name == "too high")]
        if not rows:
            continue
        kinds = {kind: sum(row["kind"] == kind for row in rows) for kind in ("harmful", "benign", "beneficial")}
        cost = seen.costs[name].cost
        level: Level = "error" if cost > limit else "note"
        said = f"{len(rows)} outputs score {name}: {effect_words(cost, limit)} {horizon_words(seen.forecast)}"
        alone = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
        yield Finding(level, code, "consequence", f"{said}, under {how.learner.name}; one by one {alone}")


def null_finding(found: Finding, cost: Cost, how: Rehearsal, limit: float) -> Finding:
    """The finding of a rewarded null answer, with what it would do to this policy."""
    grows = f"from mass {how.null_mass:g} to {cost.mass:.2g} in {cost.steps:,} steps of {how.learner.name}"
    if cost.cost > limit:
        return found._replace(level="error", message=f"{found.message}; harmful: {grows}, costing {cost.cost:.2g}")
    return found._replace(level="note", message=f"{found.message}; by then this policy has not found it: {grows}")


def effect_words(cost: float, limit: float) -> str:
    """What a cost is in words.

    >>> effect_words(0.12, 0.001), effect_words(0.0, 0.001), effect_words(-0.12, 0.001)
    ('together they cost 0.12 of true reward', 'together they do not matter', 'together they gain 0.12 of true reward')
    """
    if abs(cost) <= limit:
        return "together they do not matter"
    return f"together they {'cost' if cost > 0 else 'gain'} {abs(cost):.2g} of true reward"


def horizon_words(forecast: Forecast) -> str:
    """Where the run was read off."""
    last = forecast.curves.row(-1, named=True)
    return f"by KL {last['kl']:.2g} ({int(forecast.horizon[0]):,} steps)"


def _until(forecast: Forecast) -> Horizon:
    """The same step, whatever the other run does."""
    return Horizon(kl=None, steps=max(1, int(forecast.horizon[0])))
