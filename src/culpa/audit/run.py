"""The audit: rollouts in, verdict out."""

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl

from culpa.audit.collect import collect
from culpa.audit.evaluate import Evaluation, compare, evaluate, tied
from culpa.audit.measures import BY_NAME, MEASURES, Measure
from culpa.audit.offline import Pairs, all_weights, joined_pairs, offline_measures, offline_pairs, offline_sums
from culpa.audit.outlook import UNSHARED, NoOutlookError, Outlook, outlook, worth_keeping
from culpa.audit.settings import Settings
from culpa.audit.sums import Sums, merge
from culpa.audit.unlabelled import LABEL_FIRST, SAMPLED_PROMPTS, Masses, added, disagreement, label_first, shares
from culpa.audit.verdict import Verdict
from culpa.audit.warn import Seen, warn
from culpa.dynamics import Horizon, reinforce
from culpa.dynamics.horizon import parse_horizon
from culpa.dynamics.learner import Learner
from culpa.errors import InputError
from culpa.metrics import characters, markdown
from culpa.predictors import Subsample
from culpa.rollouts import Array, Rollouts
from culpa.rollouts.columns import RESPONSE

RULERS = ("(longest)", "(shortest)", "(most markdown)")  # no proxy's name: brackets
_TOO_FEW = "no prompt has two of the policy's own outputs with a truth"
RANKED_BY = ("rehearsal", "hacc", "acc", "hacc_off", "acc_off")  # the first that is defined decides the order


def audit(
    rollouts: Rollouts | Iterable[Rollouts],
    *,
    learner: Learner | None = None,
    horizon: str | Horizon = "kl=0.4",
    metrics: Collection[str] = (),
    seed: int = 0,
    settings: Settings | None = None,
) -> Verdict:
    """What each proxy is worth to this policy under this algorithm, with intervals, ties, null rulers and findings.

    rollouts  one record, or the chunks of `scan`: memory is bounded by a chunk
    learner   the algorithm; REINFORCE if not given, which in expectation is RLOO of any size
    horizon   how far the policy is trained in rehearsal
    metrics   names of `MEASURES` to show; none: all. What no part of them needs is not computed
    settings  of bootstrap, budget and features

    The ranking is by the truth after rehearsal; where there is nothing to rehearse on, by harm-aware accuracy on the
    policy's own outputs, else on the pairs that come with the data.
    """
    how, rng, wanted = settings or Settings(), np.random.default_rng(seed), _wanted(metrics)
    trainer, until = learner or reinforce(), parse_horizon(horizon) if isinstance(horizon, str) else horizon
    chunks = [rollouts] if isinstance(rollouts, Rollouts) else rollouts
    gathered = _gather(chunks, how.budget, wanted, trainer)
    evaluations = list(_evaluations(gathered, rng, how.replicates))
    ahead = _ahead_of(gathered, trainer, until, how, rng)
    if ahead is not None:
        evaluations.append(ahead.evaluation)
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


def _verdict(gathered: "_Gathered", evaluations: list[Evaluation], ahead: Outlook | None, asked: _Asked) -> Verdict:
    level, names = asked.settings.level, gathered.names
    table = pl.concat([one.frame(level) for one in evaluations])
    left_out = {one.name for one in MEASURES} - set(asked.shown)
    measure, evaluation, ranked = _decisive(evaluations, names, left_out)
    comparisons = compare(evaluation, measure, ranked, level)
    groups = tied(comparisons, ranked, level)
    seen = Seen(table, comparisons, names, RULERS, gathered.facts(), gathered.problems, level, ahead)
    return Verdict(
        ranking=_ranking(table, measure, groups),
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
        args=asked.settings.asked() | {"metrics": [one.name for one in asked.wanted] if asked.metrics else []},
        seed=asked.seed,
    )


def _ahead_of(
    gathered: "_Gathered", learner: Learner, horizon: Horizon, how: Settings, rng: np.random.Generator
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


@dataclass
class _Gathered:
    """What the chunks add up to."""

    sums: Sums
    names: tuple[str, ...]
    pairs: Pairs | None
    apart: Masses
    first: pl.DataFrame
    notes: tuple[str, ...]
    outputs: int
    known: int
    sample: Rollouts | None
    unseen: str = ""  # why there is no sample, where a truth is known and an outlook was asked for
    problems: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, int | bool]:
        """How much there was."""
        return {
            "prompts": self.sums.prompts,
            "outputs": self.outputs,
            "truths": self.known,
            "pairs": 0 if self.pairs is None else len(self.pairs.key),
            "resampled_units": self.sums.units,
            "binned": self.sums.binned,
        }


def _wanted(names: Collection[str]) -> tuple[Measure, ...]:
    unknown = sorted(set(names) - set(BY_NAME))
    if unknown:
        raise InputError(f"no metric is called {unknown[0]!r}.", remedy=f"Known: {', '.join(BY_NAME)}.")
    return tuple(measure for measure in MEASURES if not names or measure.name in names)


def _gather(chunks: Iterable[Rollouts], budget: int, wanted: tuple[Measure, ...], learner: Learner) -> _Gathered:
    parts_wanted = {measure.part for measure in wanted}
    sample = Subsample()
    pairs: list[Pairs] = []
    apart: Masses = {}
    first = pl.DataFrame(schema=LABEL_FIRST)
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    prompts = outputs = known = kept = 0

    def parts(pool: ThreadPoolExecutor) -> Iterator[Sums]:
        nonlocal apart, first, notes, names, prompts, outputs, known, kept
        for chunk in _ahead(chunks, pool):
            names = _same(names, tuple(chunk.proxies))
            notes, outputs = chunk.notes, outputs + chunk.size
            known += 0 if chunk.truth is None else int((~np.isnan(chunk.truth)).sum())
            rulers = ruler_values(chunk) if "rulers" in parts_wanted else {}
            scores = dict(chunk.proxies) | _as_scores(rulers)
            if "outlook" in parts_wanted and worth_keeping(chunk, learner):
                sample.add(chunk)
                kept += 1
            found = offline_pairs(chunk, dict(chunk.proxies))
            if found is not None:
                pairs.append(found)
            apart = added(apart, disagreement(chunk, SAMPLED_PROMPTS - prompts))
            prompts += chunk.shape[0]
            more = label_first(chunk, budget)
            first = pl.concat([first, more]).sort("disagreement", descending=True, maintain_order=True).head(budget)
            yield collect(chunk, scores, rulers, parts_wanted)

    # The pool is closed here and not in a generator: one that is left half-way is closed by the garbage collector, at
    # any moment and in any thread, and waiting for a thread there can wait for ever.
    with ThreadPoolExecutor(1) as pool:
        sums = merge(parts(pool))
    joined = joined_pairs(pairs) if pairs else None
    unseen = "" if not known or "outlook" not in parts_wanted else _TOO_FEW if kept else UNSHARED
    return _Gathered(sums, names, joined, apart, first, notes, outputs, known, sample.record, unseen)


def _ahead(chunks: Iterable[Rollouts], pool: ThreadPoolExecutor) -> Iterator[Rollouts]:
    """The chunks, the next one being read while this one is worked on."""
    source = iter(chunks)
    coming = pool.submit(next, source, None)
    while (chunk := coming.result()) is not None:
        coming = pool.submit(next, source, None)
        yield chunk


def ruler_values(rollouts: Rollouts) -> dict[str, Array]:
    """The measures that need no judge: "len" (tokens, else characters) and "md" (markdown marks), where known."""
    result: dict[str, Array] = {}
    text = rollouts.table[RESPONSE] if RESPONSE in rollouts.table.columns else None
    if rollouts.length is not None:
        result["len"] = rollouts.length
    for name, measure in (("len", characters), ("md", markdown)):
        if text is not None and name not in result:
            values = np.full(rollouts.shape, np.nan)
            values[rollouts.present] = measure(text)
            result[name] = values
    return result


def _as_scores(rulers: dict[str, Array]) -> dict[str, Array]:
    scores: dict[str, Array] = {}
    if "len" in rulers:
        scores |= {RULERS[0]: rulers["len"], RULERS[1]: -rulers["len"]}
    if "md" in rulers:
        scores[RULERS[2]] = rulers["md"]
    return scores


def _evaluations(gathered: _Gathered, rng: np.random.Generator, replicates: int) -> Iterator[Evaluation]:
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


def _ranking(metrics: pl.DataFrame, measure: str, groups: list[list[str]]) -> pl.DataFrame:
    rows = metrics.filter((pl.col("metric") == measure) & ~pl.col("proxy").is_in(RULERS))
    rows = rows.sort("value", descending=True, nulls_last=True, maintain_order=True)
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


def _same(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[str, ...]:
    if not now:
        raise InputError("there is no proxy to audit.", remedy="Name one with --proxy; the truth is not its own proxy.")
    if before and before != now:
        raise InputError(
            f"the chunks have different proxies: {', '.join(before)}, then {', '.join(now)}.",
            remedy="Name those that all have with --proxy.",
        )
    return now
