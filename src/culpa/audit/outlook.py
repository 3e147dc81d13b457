"""What becomes of the truth under each proxy: the part of a verdict that looks ahead.

Where outputs have features, the policy is one weight vector for all prompts and the run goes on until the policy has
moved by the horizon's divergence (`culpa.dynamics.shared`). Where outputs are enumerated, with the policy's mass on
each, every prompt is walked by itself. Samples that are all distinct and without features have no outlook: unrelated
outputs that each occur once say nothing of others.

Intervals come from the bootstrap over prompts of what each prompt adds: its own truth at the end, and what its part in
training adds to the truth of all (a derivative, so no run is repeated).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.audit.evaluate import Evaluation, evaluate
from culpa.audit.exploits import exploits
from culpa.audit.measures import BY_NAME, GAIN
from culpa.audit.settings import Settings
from culpa.audit.sums import Sums
from culpa.dynamics import Forecast, Horizon
from culpa.dynamics.closed import policy
from culpa.dynamics.errors import scale_of
from culpa.dynamics.labels import labelled
from culpa.dynamics.learner import ClosedForm, Learner, best_of_n, grpo, reinforce
from culpa.dynamics.problem import Problem
from culpa.dynamics.shared import SharedForecast
from culpa.dynamics.shared_effects import SHARED_ERRORS, Slopes, shared_adjoint
from culpa.errors import InputError
from culpa.metrics import percentile_interval
from culpa.predictors.cosine import cosine
from culpa.predictors.features import Floats
from culpa.predictors.ground import Ground, enumerated, forecast, ground, said
from culpa.predictors.panel import mean_rank, ranks
from culpa.rollouts import Array, Rollouts
from culpa.rollouts.columns import RESPONSE
from culpa.rollouts.order import keys_of

Mask = npt.NDArray[np.bool_]

CLOCK = 1.0  # divergence of the median proxy, where all take the same steps
NULLS = 200  # shuffles of the truth
DRAWS = 500  # of prompts, for the cosine
OTHERS: tuple[Learner, ...] = (reinforce(), grpo(8), best_of_n(16))  # beside the user's own

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
    exploits: pl.DataFrame  # what the policy takes up with a proxy and would not with the truth
    facts: dict[str, Any]  # learner, horizon, features, mode, prompts, outputs
    sample: Rollouts  # the outputs that it was computed on
    evaluation: Evaluation  # the truth after training, as a measure with replicates

    @property
    def by_both(self) -> bool:
        """Whether proxies are placed by truth after training and cosine: both are known, and each has its own steps."""
        cosines = self.prediction.filter(pl.col("outcome").is_not_nan())["cosine"]
        return not cosines.is_empty() and not cosines.has_nulls() and not self.facts["horizon"].startswith("clock")

    def placed(self) -> dict[str, float]:
        """The place of every proxy that has one, 1 is best: the mean of those by truth after training and by cosine.

        The measure that ordered proxies best where language models were trained on them (docs/honest.md). By the truth
        alone where it is not `by_both`.
        """
        known = self.prediction.filter(pl.col("outcome").is_not_nan())
        after = known["outcome"].to_numpy()
        places = mean_rank(after, known["cosine"].to_numpy()) if self.by_both else ranks(after)
        return dict(zip(known["proxy"].to_list(), places.tolist(), strict=True))


UNSHARED = "the outputs are samples without a text or features that they could share"

UNJUDGED = "no proxy has a verdict on the outputs whose truth is known"


class NoOutlookError(ValueError):
    """Why there is none, as a part of a sentence."""


def outlook(
    sample: Rollouts, learner: Learner, horizon: Horizon, settings: Settings, rng: np.random.Generator
) -> Outlook:
    """The outlook of a sample of rollouts; raises `NoOutlookError` where nothing can be rehearsed."""
    found = _ground(sample, learner, settings)
    case, values = found.case, found.values
    run, ideal = (forecast(one, values, learner, horizon) for one in (case, _of_truth(case)))
    slopes = shared_adjoint(run) if isinstance(run, SharedForecast) and run.learner.plain else None
    errors = _errors(run, slopes, settings)
    judged = np.array([not np.isnan(scores[found.record.weight > 0]).all() for scores in found.record.proxies.values()])
    if not judged.any():
        raise NoOutlookError(UNJUDGED)
    evaluation, gain = _evaluations(run, (slopes, judged), rng, settings.replicates)
    parts = [_forecast(run, (evaluation, gain), settings.level), _cosines(case, values, learner, settings, rng)]
    prediction = _counted(pl.concat(parts, how="horizontal"), errors)
    facts = {
        "start": float(prediction["start"].drop_nulls()[0]),
        "ceiling": float(ideal.outcome[0]),
        "learner": learner.name,
        "horizon": said(horizon),
        "features": "none" if found.features is None else found.features.source,
        "mode": found.mode,
        "prompts": len(case.prompts),
        "outputs": int(case.present.sum()),
    }
    learners = _learners(run, values, horizon)
    taken = exploits(found, run, ideal)
    return Outlook(prediction, run.curves, errors, learners, taken, facts, found.record, evaluation)


def _ground(sample: Rollouts, learner: Learner, settings: Settings) -> Ground:
    try:
        found = ground(sample, learner=learner, features=settings.features)
    except InputError as error:
        if settings.features not in ("auto", "none"):  # somebody asked for them
            raise
        raise NoOutlookError(str(error)) from error
    apart = settings.features == "none" or isinstance(learner, ClosedForm) or enumerated(found.record)
    if found.features is None and not apart:
        raise NoOutlookError(UNSHARED)
    if (found.case.best == found.case.present).all():
        raise NoOutlookError("in no prompt does the truth order two outputs")
    return found


def worth_keeping(chunk: Rollouts, learner: Learner) -> bool:
    """Whether a chunk has what an outlook needs: a truth, and texts, features or outputs of unequal mass.

    A closed form chooses among the outputs of a prompt, whatever they have in common.
    """
    if chunk.truth is None:
        return False
    known = isinstance(learner, ClosedForm) or RESPONSE in chunk.table.columns or chunk.features is not None
    return known or enumerated(chunk)


def _errors(run: Forecast, slopes: Slopes | None, settings: Settings) -> pl.DataFrame:
    """None where the effect of a single error is not known: a signal, or rounds, with shared features."""
    if isinstance(run, SharedForecast) and slopes is None:
        return pl.DataFrame(schema=SHARED_ERRORS)
    return labelled(run, scale="auto", top=settings.repeat, slopes=slopes)


def _evaluations(
    run: Forecast, known: tuple[Slopes | None, Mask], rng: np.random.Generator, replicates: int
) -> tuple[Evaluation, Evaluation]:
    """The truth after training, and what it is more than before, prompt by prompt.

    What a policy gets before training is the chance level of the first: a proxy that teaches less does harm. Prompts
    differ in how good the policy is at them, so whether the truth rises is told by the second. A proxy without any
    verdict has neither: known = slopes, and which proxies (k,) have one.
    """
    slopes, judged = known
    case, outcome = run.problem, run.by_prompt
    training = np.zeros_like(outcome) if slopes is None else slopes.prompts
    start = np.broadcast_to((np.exp(case.start) * case.truth).sum(axis=0), outcome.shape)
    table = np.stack([outcome + training, start, np.ones_like(start)]) * judged[:, None]
    sums = Sums(("outcome", "start", "rehearsed"), table, case.proxies, len(case.prompts), keys_of(case.prompt_id))
    both = evaluate(sums, (BY_NAME["rehearsal"], GAIN), rng, replicates)
    after, gain = (
        replace(both, measures=(one,), values=both.values[[place]], replicates=both.replicates[:, [place]])
        for place, one in enumerate(both.measures)
    )
    return after, gain


def _forecast(run: Forecast, evaluations: tuple[Evaluation, Evaluation], level: float) -> pl.DataFrame:
    intervals, gains = (one.frame(level) for one in evaluations)
    return pl.DataFrame(
        {
            "proxy": list(run.proxies),
            "start": intervals["chance"],
            "outcome": intervals["value"],
            "low": intervals["low"],
            "high": intervals["high"],
            "gain_low": gains["low"],
            "gain_high": gains["high"],
            "steps": run.horizon,
            "reached": run.reached,
            "right": [scale_of(run.problem, reward) for reward in run.problem.rewards],
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


def _learners(run: Forecast, values: Floats | None, horizon: Horizon) -> pl.DataFrame:
    """The truth after each algorithm, the user's own first; equal ones share a rank.

    A closed form beside it is of each prompt by itself, at its end: nobody stops best-of-n half-way. With shared
    features the user's own stands there once more with the same steps for all proxies, as an optimiser takes them that
    does not divide by the scale of a gradient.
    """
    case, scores = run.problem, {run.learner.name: run.outcome}
    for one in OTHERS:
        if one.name not in scores:
            scores[one.name] = (
                _chosen(case, one) if isinstance(one, ClosedForm) else forecast(case, values, one, horizon).outcome
            )
    if isinstance(run, SharedForecast) and not horizon.together:
        common = Horizon(CLOCK, together=True)
        scores[f"{run.learner.name}, {said(common)}"] = forecast(case, values, run.learner, common).outcome
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


def _of_truth(case: Problem) -> Problem:
    """The same outputs, with the truth itself as the proxy."""
    return case._replace(rewards=case.truth[None], proxies=("(truth)",))
