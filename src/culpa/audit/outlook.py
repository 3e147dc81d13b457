"""What becomes of the truth under each proxy: the part of a verdict that looks ahead.

Where outputs have features, the policy is one weight vector for all prompts and the run goes on until the policy has
moved by the horizon's divergence (`culpa.dynamics.shared`). Where outputs are enumerated, with the policy's mass on
each, every prompt is walked by itself. Samples that are all distinct and without features have no outlook: unrelated
outputs that each occur once say nothing of others.

Intervals come from the bootstrap over prompts of what each prompt adds: its own truth at the end, and what its part in
training adds to the truth of all (a derivative, so no run is repeated).
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.audit.evaluate import Evaluation, evaluate
from culpa.audit.measures import BY_NAME, GAIN
from culpa.audit.settings import Settings
from culpa.audit.sums import Sums, keys_of
from culpa.dynamics import Horizon, effects
from culpa.dynamics.closed import policy
from culpa.dynamics.errors import scale_of
from culpa.dynamics.learner import ClosedForm, Learner, Path, best_of_n, grpo, reinforce
from culpa.dynamics.problem import Problem, problem
from culpa.dynamics.shared import KL, rehearse
from culpa.dynamics.shared_effects import SHARED_ERRORS, shared_adjoint, shared_effects
from culpa.dynamics.simulate import run as simulated
from culpa.errors import InputError
from culpa.metrics import percentile_interval
from culpa.predictors import Features, features_of
from culpa.predictors.cosine import cosine
from culpa.predictors.features import Floats
from culpa.rollouts import Array, Rollouts
from culpa.rollouts.columns import RESPONSE
from culpa.rollouts.merge import merged

ETA = 0.1  # step of the logits where every prompt is walked by itself
NULLS = 200  # shuffles of the truth
DRAWS = 500  # of prompts, for the cosine
OTHERS: tuple[Learner, ...] = (reinforce(), grpo(8), best_of_n(16))  # beside the user's own

SHARED, ALONE = "shared features", "every prompt by itself"

PREDICTION = {
    "proxy": pl.String,
    "start": pl.Float64,
    "outcome": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "gain_low": pl.Float64,
    "gain_high": pl.Float64,
    "steps": pl.Int64,
    "reached": pl.Boolean,
    "cosine": pl.Float64,
    "cosine_low": pl.Float64,
    "cosine_high": pl.Float64,
    "null_low": pl.Float64,
    "null_high": pl.Float64,
    "right": pl.String,
    "harmful": pl.Int64,
    "benign": pl.Int64,
    "beneficial": pl.Int64,
}


@dataclass(frozen=True, eq=False)
class Outlook:
    """The forecast of every proxy, and the effect of every error. Tables are polars frames."""

    prediction: pl.DataFrame  # one row per proxy: truth before and after, cosine with its null band, errors by kind
    curves: pl.DataFrame  # proxy, step, true_reward, proxy_reward, kl, entropy
    errors: pl.DataFrame  # one row per wrong score: effect, kind, reason, method, horizon, crossing
    learners: pl.DataFrame  # learner, proxy, score, rank
    facts: dict[str, Any]  # learner, horizon, features, mode, prompts, outputs
    sample: Rollouts  # the outputs that it was computed on
    evaluation: Evaluation  # the truth after training, as a measure with replicates


UNSHARED = "the outputs are samples without a text or features that they could share"


class _Look(NamedTuple):
    """What either way of walking gives."""

    curves: pl.DataFrame
    outcome: Array  # (k, p) truth of each prompt at the end
    training: Array  # (k, p) what its part in training adds to the others'
    steps: npt.NDArray[np.int64]
    reached: npt.NDArray[np.bool_]
    errors: pl.DataFrame


class NoOutlookError(ValueError):
    """Why there is none, as a part of a sentence."""


def outlook(
    sample: Rollouts, learner: Learner, horizon: Horizon, settings: Settings, rng: np.random.Generator
) -> Outlook:
    """The outlook of a sample of rollouts; raises `NoOutlookError` where nothing can be rehearsed."""
    record = _merged(sample)
    features = _features(record, learner, settings)
    case = _case(record)
    values = None if features is None else features.values[case.prompts]
    if values is None or isinstance(learner, ClosedForm):
        look = _alone(case, learner, horizon)
    else:
        look = _shared(case, values, learner, horizon, settings)
    evaluation, gain = _evaluations(case, look, rng, settings.replicates)
    parts = [_forecast(case, look, (evaluation, gain), settings.level), _cosines(case, values, learner, settings, rng)]
    prediction = _counted(pl.concat(parts, how="horizontal"), look.errors)
    facts = {
        "start": float(prediction["start"][0]),
        "ceiling": float(_trained(_of_truth(case), values, learner, horizon)[0]),
        "learner": learner.name,
        "horizon": _said(horizon),
        "features": "none" if features is None else features.source,
        "mode": ALONE if features is None else SHARED,
        "prompts": len(case.prompts),
        "outputs": int(case.present.sum()),
    }
    learners = _learners(case, values, (learner, look.outcome.mean(axis=1)), horizon)
    return Outlook(prediction, look.curves, look.errors, learners, facts, record, evaluation)


def _features(record: Rollouts, learner: Learner, settings: Settings) -> Features | None:
    """What outputs have in common; nothing for a learner that only chooses among them."""
    if isinstance(learner, ClosedForm):
        return None
    found = features_of(record, settings.features)
    if found is not None and not found.alike:
        return found
    if not _enumerated(record):
        raise NoOutlookError(UNSHARED)
    return None


def _case(record: Rollouts) -> Problem:
    try:
        case = problem(record, missing="mean")
    except InputError as error:
        raise NoOutlookError(str(error)) from error
    if (case.best == case.present).all():
        raise NoOutlookError("in no prompt does the truth order two outputs")
    return case


def worth_keeping(chunk: Rollouts, learner: Learner) -> bool:
    """Whether a chunk has what an outlook needs: a truth, and texts, features or outputs of unequal mass.

    A closed form chooses among the outputs of a prompt, whatever they have in common.
    """
    if chunk.truth is None:
        return False
    known = isinstance(learner, ClosedForm) or RESPONSE in chunk.table.columns or chunk.features is not None
    return known or _enumerated(chunk)


def _merged(sample: Rollouts) -> Rollouts:
    """Equal texts of a prompt are one output: what the policy says twice it says with twice the mass."""
    if RESPONSE not in sample.table.columns or sample.table[RESPONSE].null_count() == sample.size:
        return sample
    return merged(sample, by=RESPONSE)


def _enumerated(record: Rollouts) -> bool:
    """Whether some prompt gives its outputs unequal mass: enumerated, or merged."""
    own = record.weight > 0
    low = np.where(own, record.weight, np.inf).min(axis=1)
    return bool((record.weight.max(axis=1) > low * (1 + 1e-9)).any())


def _shared(case: Problem, values: Floats, learner: Path, horizon: Horizon, settings: Settings) -> _Look:
    if horizon.kl is None:
        problem = f"the horizon {_said(horizon)} does not fit policies that share features."
        raise InputError(problem, remedy="Use kl=VALUE: how far the policy moves, whatever the step.")
    run = rehearse(case, values, learner, kl=horizon.kl)
    training, errors = np.zeros(run.by_prompt.shape), pl.DataFrame(schema=SHARED_ERRORS)
    if learner.plain:
        slopes = shared_adjoint(run, values)
        training = slopes.prompts
        errors = shared_effects(run, values, scale="auto", top=settings.repeat, slopes=slopes)
    return _Look(run.curves, run.by_prompt, training, run.horizon, run.reached, errors)


def _alone(case: Problem, learner: Learner, horizon: Horizon) -> _Look:
    run = simulated(case, learner, horizon, ETA)
    outcome = (np.exp(run.final) * case.truth).sum(axis=1)
    errors = effects(run, scale="auto").with_columns(pl.lit("counterfactual").alias("method"))
    return _Look(run.curves, outcome, np.zeros_like(outcome), run.horizon, run.reached, errors)


def _evaluations(
    case: Problem, look: _Look, rng: np.random.Generator, replicates: int
) -> tuple[Evaluation, Evaluation]:
    """The truth after training, and what it is more than before, prompt by prompt.

    What a policy gets before training is the chance level of the first: a proxy that teaches less does harm. Prompts
    differ in how good the policy is at them, so whether the truth rises is told by the second.
    """
    start = np.broadcast_to((np.exp(case.start) * case.truth).sum(axis=0), look.outcome.shape)
    table = np.stack([look.outcome + look.training, start, np.ones_like(start)])
    sums = Sums(("outcome", "start", "rehearsed"), table, case.proxies, len(case.prompts), keys_of(case.prompt_id))
    both = evaluate(sums, (BY_NAME["rehearsal"], GAIN), rng, replicates)
    after, gain = (
        replace(both, measures=(one,), values=both.values[[place]], replicates=both.replicates[:, [place]])
        for place, one in enumerate(both.measures)
    )
    return after, gain


def _forecast(case: Problem, look: _Look, evaluations: tuple[Evaluation, Evaluation], level: float) -> pl.DataFrame:
    intervals, gains = (one.frame(level) for one in evaluations)
    return pl.DataFrame(
        {
            "proxy": list(case.proxies),
            "start": intervals["chance"],
            "outcome": intervals["value"],
            "low": intervals["low"],
            "high": intervals["high"],
            "gain_low": gains["low"],
            "gain_high": gains["high"],
            "steps": look.steps,
            "reached": look.reached,
            "right": [scale_of(case, reward) for reward in case.rewards],
        }
    )


def _cosines(
    case: Problem, values: Floats | None, learner: Learner, settings: Settings, rng: np.random.Generator
) -> pl.DataFrame:
    """Nothing where every prompt is walked by itself: without features no two gradients have a direction in common."""
    names = ("cosine", "cosine_low", "cosine_high", "null_low", "null_high")
    columns = np.full((len(names), len(case.proxies)), np.nan)
    if values is not None:
        found = cosine(case, values, learner)
        interval = percentile_interval(found.replicates(rng, DRAWS), level=settings.level)
        band = percentile_interval(found.null(rng, NULLS), level=settings.level)
        columns = np.clip(np.stack([found.values, *interval, *band]), -1.0, 1.0)
    return pl.DataFrame(dict(zip(names, columns, strict=True)), nan_to_null=True)


def _counted(prediction: pl.DataFrame, errors: pl.DataFrame) -> pl.DataFrame:
    kinds = ("harmful", "benign", "beneficial")
    counts = errors.group_by("proxy").agg([(pl.col("kind") == kind).sum().cast(pl.Int64).alias(kind) for kind in kinds])
    frame = prediction.join(counts, on="proxy", how="left", maintain_order="left")
    return frame.with_columns(pl.col(kinds).fill_null(0)).select(list(PREDICTION))


def _learners(case: Problem, values: Floats | None, own: tuple[Learner, Array], horizon: Horizon) -> pl.DataFrame:
    """The truth after each algorithm, the user's own first; equal ones share a rank.

    A closed form beside it is of each prompt by itself, at its end: nobody stops best-of-n half-way.
    """
    scores = {own[0].name: own[1]}
    for one in OTHERS:
        if one.name not in scores:
            found = _chosen(case, one) if isinstance(one, ClosedForm) else _trained(case, values, one, horizon)
            scores[one.name] = found
    frames = []
    for name, score in scores.items():
        rank = 1 + (score > score[:, None]).sum(axis=1)
        frames.append(
            pl.DataFrame({"learner": [name] * len(score), "proxy": case.proxies, "score": score, "rank": rank})
        )
    return pl.concat(frames)


def _chosen(case: Problem, learner: ClosedForm) -> Array:
    ends = np.stack([policy(case.start, reward, learner) for reward in case.rewards])
    return np.asarray((np.exp(ends) * case.truth).sum(axis=1).mean(axis=1))


def _trained(case: Problem, values: Floats | None, learner: Learner, horizon: Horizon) -> Array:
    """The truth at the horizon, by proxy."""
    if values is None or isinstance(learner, ClosedForm):
        return simulated(case, learner, horizon, ETA).outcome
    return rehearse(case, values, learner, kl=horizon.kl or KL).outcome


def _of_truth(case: Problem) -> Problem:
    """The same outputs, with the truth itself as the proxy."""
    return case._replace(rewards=case.truth[None], proxies=("(truth)",))


def _said(horizon: Horizon) -> str:
    if horizon.gain is not None:
        return f"gain={horizon.gain:g}"
    return f"steps={horizon.steps}" if horizon.kl is None else f"kl={horizon.kl:g}"
