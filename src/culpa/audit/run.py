"""The audit: rollouts in, verdict out."""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from culpa.audit.evaluate import Evaluation, compare, evaluate, tied
from culpa.audit.gather import RULERS, Gathered, gather
from culpa.audit.measures import BY_NAME, MEASURES, Measure
from culpa.audit.offline import all_weights, offline_measures, offline_sums
from culpa.audit.outlook import NoOutlookError, Outlook, outlook
from culpa.audit.provenance import Provenance
from culpa.audit.relabel import relabel
from culpa.audit.settings import Settings
from culpa.audit.unlabelled import shares
from culpa.audit.verdict import Verdict
from culpa.audit.warn import Seen, warn
from culpa.dynamics import Horizon, reinforce
from culpa.dynamics.horizon import parse_horizon
from culpa.dynamics.learner import Learner, Path
from culpa.engines import Spread
from culpa.errors import InputError
from culpa.predictors.ground import ground
from culpa.rollouts import Rollouts
from culpa.rollouts.select import concat

RANKED_BY = ("rehearsal", "hacc", "acc", "hacc_off", "acc_off")  # the first that is defined decides the order


def audit(
    rollouts: Rollouts | Iterable[Rollouts] | Spread,
    *,
    learner: Learner | None = None,
    horizon: str | Horizon = "kl=0.4",
    metrics: Collection[str] = (),
    seed: int = 0,
    settings: Settings | None = None,
) -> Verdict:
    """What each proxy is worth to this policy under this algorithm, with intervals, ties, null rulers and findings.

    rollouts  one record; the chunks of `scan`, memory is bounded by a chunk; or files spread over processes, a cluster
    learner   the algorithm; REINFORCE if not given, which in expectation is RLOO of any size
    horizon   how far the policy is trained in rehearsal
    metrics   names of `MEASURES` to show; none: all. What no part of them needs is not computed
    settings  of bootstrap, budget and features

    The ranking is by the truth after rehearsal and by the gradient cosine, the mean of the two places; where outputs
    share nothing, or another horizon than a divergence was asked for, by the rehearsal alone; where there is nothing to
    rehearse on, by harm-aware accuracy on the policy's own outputs, else on the pairs that come with the data.
    """
    how, rng, wanted = settings or Settings(), np.random.default_rng(seed), _wanted(metrics)
    trainer, until = learner or reinforce(), parse_horizon(horizon) if isinstance(horizon, str) else horizon
    source = [rollouts] if isinstance(rollouts, Rollouts) else rollouts
    gathered = gather(source, how.budget, wanted, trainer)
    evaluations = list(_evaluations(gathered, rng, how.replicates))
    ahead = _ahead_of(gathered, trainer, until, how, rng)
    if ahead is not None:
        evaluations.append(ahead.evaluation)
        gathered.first = _to_ask(gathered, ahead, trainer, until, how)
    shown = [one.name for one in wanted if any(one in known.measures for known in evaluations)]
    if not shown and gathered.pairs is None:
        problem = f"the data has nothing to compute {', '.join(measure.name for measure in wanted)} from."
        raise InputError(problem, remedy="Give a truth (or, for length and markdown, texts), or ask for other metrics.")
    return _verdict(gathered, evaluations, ahead, _Asked(how, wanted, tuple(metrics), shown, seed))


class _Asked(NamedTuple):
    """How the audit was asked for, and what can be shown of it."""

    settings: Settings
    wanted: tuple[Measure, ...]
    metrics: tuple[str, ...]
    shown: list[str]
    seed: int


def _verdict(gathered: Gathered, evaluations: list[Evaluation], ahead: Outlook | None, asked: _Asked) -> Verdict:
    level, names = asked.settings.level, gathered.names
    table = pl.concat([one.frame(level) for one in evaluations])
    left_out = {one.name for one in MEASURES} - set(asked.shown)
    measure, evaluation, ranked = _decisive(evaluations, names, left_out)
    comparisons = compare(evaluation, measure, ranked, level)
    groups = tied(comparisons, ranked, level)
    seen = Seen(table, comparisons, names, RULERS, gathered.facts(), gathered.problems, level, ahead)
    return Verdict(
        ranking=_ranking(table, measure, groups, ahead),
        metrics=table.filter(~pl.col("metric").is_in(left_out)).with_columns(
            pl.col("proxy").is_in(RULERS).alias("ruler")
        ),
        comparisons=comparisons,
        disagreement=shares(gathered.apart),
        relabel=gathered.first,
        outlook=ahead,
        tied=tuple(tuple(group) for group in groups if len(group) > 1),
        facts=gathered.facts(),
        notes=gathered.notes,
        warnings=tuple(warn(seen)),
        provenance=Provenance(
            asked.settings.asked() | {"metrics": [one.name for one in asked.wanted] if asked.metrics else []},
            asked.seed,
        ),
    )


def _to_ask(gathered: Gathered, ahead: Outlook, learner: Learner, horizon: Horizon, how: Settings) -> pl.DataFrame:
    """What to have judged next: what the best proxy would gain most by; else where the proxies disagree most."""
    if not isinstance(learner, Path) or not learner.plain or not how.budget:  # no derivative is known
        return gathered.first
    if gathered.sample is None or gathered.known == gathered.outputs:
        return gathered.first
    parts = [gathered.sample] if gathered.unlabelled is None else [gathered.sample, gathered.unlabelled]
    found = ground(concat(parts), learner=learner, features=how.features)
    places = ahead.placed()
    best = max(places, key=lambda name: places[name])
    asked = relabel(found, learner, horizon, best, how.budget)
    return asked if asked.height else gathered.first


def _ahead_of(
    gathered: Gathered, learner: Learner, horizon: Horizon, how: Settings, rng: np.random.Generator
) -> Outlook | None:
    """The outlook; why there is none is a note, where a truth is there and somebody might miss it."""
    if gathered.sample is None:
        gathered.notes += (f"no rehearsal: {gathered.unseen}",) if gathered.unseen else ()
        return None
    try:
        return outlook(gathered.sample, learner, horizon, how, rng)
    except NoOutlookError as error:
        gathered.notes += (f"no rehearsal: {error}",)
        return None


def _wanted(names: Collection[str]) -> tuple[Measure, ...]:
    unknown = sorted(set(names) - set(BY_NAME))
    if unknown:
        raise InputError(f"no metric is called {unknown[0]!r}.", remedy=f"Known: {', '.join(BY_NAME)}.")
    return tuple(measure for measure in MEASURES if not names or measure.name in names)


def _evaluations(gathered: Gathered, rng: np.random.Generator, replicates: int) -> Iterator[Evaluation]:
    """All that the sums allow, asked for or not: the findings look at more than what is shown."""
    available = tuple(measure for measure in MEASURES if measure.count in gathered.sums.values)
    if available:
        yield evaluate(gathered.sums, available, rng, replicates)
    if gathered.pairs is not None:
        weights, reasons = all_weights(gathered.pairs)
        gathered.problems.extend(reasons)
        sums = offline_sums(gathered.pairs, gathered.names, weights)
        yield evaluate(sums, offline_measures(tuple(weights)), rng, replicates)


def _decisive(
    evaluations: list[Evaluation], names: tuple[str, ...], left_out: set[str]
) -> tuple[str, Evaluation, tuple[str, ...]]:
    """What decides the order, and the proxies that have a value of it: a proxy without one is tied with nobody."""
    for measure in (name for name in RANKED_BY if name not in left_out):
        for one in evaluations:
            if measure in [known.name for known in one.measures]:
                values = dict(zip(one.proxies, one.of(measure)[0], strict=True))
                ranked = tuple(name for name in names if not np.isnan(values[name]))
                if ranked:
                    return measure, one, ranked
    return "", evaluations[0], ()


def _ranking(metrics: pl.DataFrame, measure: str, groups: list[list[str]], ahead: Outlook | None) -> pl.DataFrame:
    rows = metrics.filter((pl.col("metric") == measure) & ~pl.col("proxy").is_in(RULERS))
    rows = rows.sort("value", descending=True, nulls_last=True, maintain_order=True)
    if measure == "rehearsal" and ahead is not None:
        placed = ahead.placed()
        order = [placed.get(name, -1.0) for name in rows["proxy"]]
        rows = rows[np.argsort(-np.array(order), kind="stable").tolist()]
    names = [
        sorted({other for group in groups if proxy in group for other in group} - {proxy}) for proxy in rows["proxy"]
    ]
    return rows.select(
        "proxy",
        pl.col("value").alias("score"),
        pl.col("metric").alias("measure"),
        "low",
        "high",
        pl.Series("tied_with", names, dtype=pl.List(pl.String)),
    )
