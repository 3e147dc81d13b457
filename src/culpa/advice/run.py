"""`advise`: partial credit or none, from rollouts whose checks are known one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.advice.checks import ALL_PATTERNS, Checks, checks_of
from culpa.advice.course import Course, Run
from culpa.advice.credit import CREDITS, Credit, credits, weights
from culpa.advice.decide import Decision, View, as_good, decide, rule_of_thumb
from culpa.advice.forecast import MODELS, Asked, Forecast, draws_of, feature_forecast, pattern_forecast
from culpa.advice.groups import exact
from culpa.advice.measure import measure_next
from culpa.advice.rates import Independence, independence, pairs_of, prompts_of, rates_of, silent_share
from culpa.advice.regime import boundary, early_gain, levers
from culpa.advice.worlds import POOLED, PRODUCT, feature_world, kinds_of, pattern_world, strength
from culpa.dynamics import Horizon, Learner, grpo
from culpa.dynamics.learner import Path
from culpa.dynamics.simulate import recorded_steps
from culpa.errors import InputError
from culpa.rollouts import Rollouts

Array = npt.NDArray[np.float64]

STEPS = 1_000


@dataclass(frozen=True, eq=False)
class Advice:
    """What to reward, and everything that it rests on. Tables are polars frames."""

    decision: Decision
    rates: pl.DataFrame  # what, rate, low, high
    pairs: pl.DataFrame  # first, second, log_odds, low, high
    prompts: pl.DataFrame  # prompt_id, outputs and p, q, r, check.NAME with their intervals
    outcomes: pl.DataFrame  # model, prior, credit: success at the horizon, with what the draws say of it
    curves: pl.DataFrame  # model, credit, step, success, kl
    credits: pl.DataFrame  # credit: its silent share of groups, whether its groups are exact
    regime: dict[str, Any]  # p, q, r, p k, the boundaries and the rule of thumb
    measure: tuple[str, ...]  # what to measure next
    facts: dict[str, Any]  # learner, group, horizon, eta, seed, prompts, outputs, priors, features
    notes: tuple[str, ...]


def advise(
    rollouts: Rollouts,
    checks: Sequence[str] = (),
    *,
    learner: Learner | None = None,
    horizon: Horizon | None = None,
    eta: float = 0.1,
    seed: int = 0,
) -> Advice:
    """Partial credit or none: success under binary, partial, weighted and staged credit, forecast before training.

    checks   proxies or columns whose values are 0 and 1 (shell patterns); none: all proxies
    learner  reinforce, rloo:K or grpo:K; grpo:8 where none is given
    horizon  kl=VALUE or steps=NUMBER; 1,000 steps where none is given. The other is compared too, see `Advice.facts`

    Success is passing all checks, or the truth where the record has one. The forecasts are exact expected steps in two
    or three worlds (`culpa.advice.worlds`), which differ in what outputs share; where they disagree nothing is
    recommended. Same seed, same bytes.

    >>> cells = {"a": np.tile([[1.0, 0.0, 0.0, 1.0]], (8, 1)), "b": np.tile([[0.0, 0.0, 1.0, 1.0]], (8, 1))}
    >>> names = np.array([f"q{number}" for number in range(8)], dtype=object)
    >>> found = advise(Rollouts(names, np.ones((8, 4), bool), np.full((8, 4), 0.25), cells))
    >>> found.regime["p"], found.decision.kind, found.decision.credit
    (0.25, 'no difference', None)
    """
    path, until = _checked(learner, horizon, eta)
    known, rng = checks_of(rollouts, checks), np.random.default_rng(seed)
    rates, pairs = rates_of(known, rng), pairs_of(known, rng)
    apart = independence(pairs)
    group = path.group or max(2, int(np.median(known.outputs)))
    passed = rates["rate"].to_numpy()[: len(known.names)]
    ways = credits(known.patterns, passed)
    asked = Asked(Run(path, eta, until.steps, until.kl, group), until.kl)
    forecasts, other, source = _forecasts(rollouts, known, ways, asked, apart, draws_of(len(known.prompts), rng))
    unseen = known.sampled and not known.mass[:, -1].any() and not apart.holds
    decision = decide(_views(forecasts, asked), _views(other, asked), unseen=unseen)
    mass = _smoothed(known, forecasts[0].prior)
    regime = _regime(known, mass, group, apart, passed)
    facts = {
        "learner": path.name, "group": group, "horizon": {"kl": until.kl, "steps": until.steps}, "eta": eta,
        "seed": seed, "prompts": len(known.prompts), "outputs": int(known.outputs.sum()),
        "checks": list(known.names), "sampled": known.sampled, "truth": known.truth is not None,
        "prior": forecasts[0].prior if known.sampled else "none needed", "features": source,
        "strength": strength(known) if known.sampled else 0.0,
        "success_before": float((known.mass @ known.success).mean()),
    }  # fmt: skip
    return Advice(
        decision, rates, pairs, prompts_of(known, rollouts.prompt_id), outcomes_of([*forecasts, *other], asked),
        _curves(forecasts), _credits(known, mass, ways, path, group), regime,
        measure_next(decision, forecasts, known, regime), facts, (*known.notes, *_notes(known)),
    )  # fmt: skip


def _checked(learner: Learner | None, horizon: Horizon | None, eta: float) -> tuple[Path, Horizon]:
    path, until = learner or grpo(8), horizon or Horizon(kl=None, steps=STEPS)
    if not isinstance(path, Path) or not path.plain:
        raise InputError(f"{path.name} is no learner for advice.", remedy="Use reinforce, rloo:K or grpo:K.")
    if until.gain is not None:
        problem = "a gain is counted on the credit's own scale, which differs from credit to credit."
        raise InputError(problem, remedy="Use kl=VALUE or steps=NUMBER.")
    if not 0 < eta < inf:
        raise InputError(f"the step size must be positive, got {eta}.", remedy="0.1 is usual.")
    return path, until


def _forecasts(
    rollouts: Rollouts, checks: Checks, ways: Sequence[Credit], asked: Asked, apart: Independence, drawn: Array
) -> tuple[list[Forecast], list[Forecast], str]:
    """Those under the prior that the data suggest, those under the other one, and what the features are."""
    priors = [PRODUCT, POOLED] if apart.holds else [POOLED, PRODUCT]
    first = priors[0] if len(checks.names) <= ALL_PATTERNS else POOLED  # a product needs all patterns
    main = [pattern_forecast(checks, ways, asked, model=model, prior=first, drawn=drawn) for model in MODELS]
    sampled = feature_world(rollouts, checks)
    if sampled is not None:
        main.append(feature_forecast(sampled, ways, asked, drawn))
    if not checks.sampled or len(checks.names) > ALL_PATTERNS:
        return main, [], "none" if sampled is None else sampled.source
    none = drawn[:0]
    other = [pattern_forecast(checks, ways, asked, model=model, prior=priors[1], drawn=none) for model in MODELS]
    return main, other, "none" if sampled is None else sampled.source


def _views(forecasts: Sequence[Forecast], asked: Asked) -> list[View]:
    return [View(one.model, one.outcome(asked), one.drawn) for one in forecasts]


def outcomes_of(forecasts: Sequence[Forecast], asked: Asked) -> pl.DataFrame:
    """A row for each world, prior and credit; `wins`: share of draws in which it is as good as the best there."""
    rows = []
    for one in forecasts:
        also = asked.read_other(one.courses)
        ahead = as_good(one.drawn) if one.drawn.shape[1] else None
        for number, (name, course) in enumerate(zip(CREDITS, one.courses, strict=True)):
            reading, switch = asked.read(course), float(course.switch[0])
            ends = [None, None] if ahead is None else np.quantile(one.drawn[number], [0.025, 0.975]).tolist()
            wins = None if ahead is None else float(ahead[number].mean())
            read = [float(part[0]) for part in (reading.success, reading.step, reading.kl)]
            rows.append((one.model, one.prior, name, read[0], *ends, wins, *read[1:], bool(reading.reached[0]),
                         float(also[number].success[0]), *asked.other(one.courses),
                         None if switch == inf else switch))  # fmt: skip
    return pl.DataFrame(rows, schema=_OUTCOMES, orient="row")


_OUTCOMES = {
    "model": pl.String, "prior": pl.String, "credit": pl.String, "success": pl.Float64, "low": pl.Float64,
    "high": pl.Float64, "wins": pl.Float64, "step": pl.Float64, "kl": pl.Float64, "reached": pl.Boolean,
    "success_other": pl.Float64, "other": pl.String, "other_value": pl.Float64, "switch": pl.Float64,
}  # fmt: skip


def _curves(forecasts: Sequence[Forecast]) -> pl.DataFrame:
    rows = []
    for one in forecasts:
        for name, course in zip(CREDITS, one.courses, strict=True):
            rows += [(one.model, name, *point) for point in _points(course)]
    schema = {"model": pl.String, "credit": pl.String, "step": pl.Int64, "success": pl.Float64, "kl": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _points(course: Course) -> list[tuple[int, float, float]]:
    at = course.step[:, 0]
    steps = recorded_steps(int(at[-1])) if at[-1] else [0]
    success, kl = (np.interp(steps, at, column[:, 0]) for column in (course.success, course.kl))
    return list(zip(steps, success.tolist(), kl.tolist(), strict=True))


def _smoothed(checks: Checks, prior: str) -> Array:
    """The mass that each prompt is taken to have on the patterns, (p, z)."""
    kinds = kinds_of(checks)
    world = pattern_world(checks, kinds, kinds.number[None] / kinds.number.sum(), prior=prior, shared=False)
    return np.asarray(np.exp(world.start[0])[kinds.of_prompt])


def _credits(checks: Checks, mass: Array, ways: Sequence[Credit], path: Path, group: int) -> pl.DataFrame:
    rows = [
        (way.name, silent_share(checks, way, group, mass), exact(len(np.unique(way.reward.round(12))), path))
        for way in ways
    ]
    return pl.DataFrame(rows, schema={"credit": pl.String, "silent": pl.Float64, "exact": pl.Boolean}, orient="row")


def _regime(checks: Checks, mass: Array, group: int, apart: Independence, rates: Array) -> dict[str, Any]:
    """Where the policy stands; boundaries and levers are those of the masses under the prior."""
    passed = checks.patterns.sum(axis=1)
    p = float(checks.mass[:, -1].mean())
    r = float(checks.mass[:, passed == 0].sum(axis=1).mean())
    q = 1.0 - p - r
    binary, partial = (way.reward for way in credits(checks.patterns, rates)[:2])
    ahead = early_gain(mass, partial, binary)
    lever = levers(mass.mean(axis=0), checks.patterns)
    return {
        "p": p, "q": q, "r": r, "pk": p * group, "group_for_one": ceil(1.0 / p) if p > 0 else None,
        "boundary": float(boundary(p, q)), "prompts_gaining": float((ahead > 0).mean()),
        "prompts_losing": float((ahead < 0).mean()),
        "levers": [None if np.isnan(one) else float(one) for one in lever], "rarest": checks.names[int(rates.argmin())],
        "weights": weights(rates).tolist(), "independent": apart.holds, "independence_known": apart.known,
        "rule": rule_of_thumb(p, q, rates, group, apart),
    }  # fmt: skip


def _notes(checks: Checks) -> list[str]:
    if checks.truth is None:
        return []
    known = ~np.isnan(checks.truth) & (checks.pattern >= 0)
    every = checks.pattern == len(checks.patterns) - 1
    truth = np.where(known, checks.truth, 0.0)
    weight = np.where(known, checks.weight, 0.0)
    off = float((weight * np.abs(truth - every)).sum() / weight.sum())
    return [
        f"success is the truth, {(weight * truth).sum() / weight.sum():.3f} of the mass; all checks pass in "
        f"{(weight * every).sum() / weight.sum():.3f}, and the two differ on {off:.3f}"
    ]
