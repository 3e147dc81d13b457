"""The rows of the correlation table: what is measured of every proxy before training, on the same rollouts for all.

Pairs and moments know nothing of the run. Cosines and rehearsals take the learner of the real run; "wrong learner"
takes GRPO for REINFORCE and RLOO, and the reverse. A rehearsal is read off at a divergence of .4; "matched" is read off
where the real run ended, which nobody knows beforehand; "same steps" walks as many steps of the same size as the real
run (at most 150, longer ones in proportion); in C-Adam the steps of world C, as if the run had been one of plain steps.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from world_training import Outcome
from worlds import Plan, World

from culpa import Rollouts
from culpa.audit.collect import collect
from culpa.audit.measures import BY_NAME
from culpa.audit.offline import all_weights, offline_measures, offline_pairs, offline_sums
from culpa.dynamics import Horizon, Path, grpo, reinforce, simulate
from culpa.metrics import mean, pair_counts
from culpa.predictors.cosine import shuffled

Array = npt.NDArray[np.float64]
Scores = dict[str, Array]  # row -> (k,)

KL = 0.4
MEDIANS = {".4": 0.4, "1": 1.0, "2": 2.0}  # divergences of the median proxy at which one clock is stopped
SHUFFLES = 10  # shuffled truths; a row's figure is the mean of their correlations


class Row(NamedTuple):
    """One line of the table."""

    name: str
    worlds: str  # in which it has a value; "+": in C-Adam alone, which has all rows of C besides


PLAIN = (
    Row("Acc off", "ABC"),
    Row("Acc off, tie ½", "ABC"),
    Row("HAcc off", "ABC"),
    Row("Acc-W off (raw)", "ABC"),
    Row("HAcc-W off (raw)", "ABC"),
    Row("Acc-W off (tempered)", "ABC"),
    Row("HAcc-W off (tempered)", "ABC"),
    Row("Acc on", "ABC"),
    Row("Acc on, tie ½", "ABC"),
    Row("HAcc on", "ABC"),
    Row("HAcc on, tie ½", "ABC"),
    Row("Acc on, π weights", "ABC"),
    Row("HAcc on, π weights", "ABC"),
    Row("reward variance", "ABC"),
    Row("covariance", "ABC"),
    Row("correlation (Pearson)", "ABC"),
    Row("tilt b = 1", "ABC"),
)
TABULAR = (
    Row("tabular rehearsal, KL .4", "ABC"),
    Row("tabular rehearsal, matched", "ABC"),
    Row("tabular rehearsal, same steps", "A"),
    Row("tabular rehearsal, KL .4, wrong learner", "ABC"),
)
SHARED = (
    Row("gradient inner product", "BC"),
    Row("gradient cosine", "ABC"),
    Row("gradient cosine, wrong learner", "ABC"),
    Row("feature rehearsal, KL .4", "BC"),
    Row("feature rehearsal, KL .4, wrong learner", "BC"),
    Row("feature rehearsal, matched", "BC"),
    Row("feature rehearsal, matched, wrong learner", "BC"),
    Row("feature rehearsal, same steps", "BC"),
)
CONTROLS = (
    Row("cosine, noisy features", "BC"),
    Row("rehearsal KL .4, noisy features", "BC"),
    Row("cosine, half of the dimensions", "BC"),
    Row("rehearsal KL .4, half of the dimensions", "BC"),
    Row("cosine, unrelated features", "BC"),
    Row("rehearsal KL .4, unrelated features", "BC"),
    Row("cosine, features shuffled", "BC"),
    Row("rehearsal KL .4, features shuffled", "BC"),
    Row("HAcc on, truth shuffled", "ABC"),
    Row("cosine, truth shuffled", "ABC"),
    Row("rehearsal KL .4, truth shuffled", "BC"),
)
CEILING = (Row("the other training seed", "C"),)
LATER = (  # added after the first reading: a ceiling, and controls of the rehearsals with the real run's steps
    Row("trained on the measured prompts", "B"),
    Row("same steps, wrong learner", "ABC"),
    Row("same steps, truth shuffled", "ABC"),
    Row("same steps, unrelated features", "BC"),
    Row("same steps, features shuffled", "BC"),
)
ELSEWHERE = tuple(  # what the candidates are where nothing is shared
    Row(name, "A")
    for name in (
        "tabular rehearsal, KL 1",
        *(f"tabular rehearsal, one clock to median KL {name}" for name in MEDIANS),
        "mean rank of cosine and tabular rehearsal KL .4",
        "mean rank of cosine and tabular rehearsal KL 1",
    )
)
ROWS = PLAIN + TABULAR + SHARED + CONTROLS + CEILING + LATER + ELSEWHERE

_OFF = {
    "Acc off": "acc_off",
    "Acc off, tie ½": "acc_off_half",
    "HAcc off": "hacc_off",
    "Acc-W off (raw)": "acc_off_raw",
    "HAcc-W off (raw)": "hacc_off_raw",
    "Acc-W off (tempered)": "acc_off_tempered",
    "HAcc-W off (tempered)": "hacc_off_tempered",
}
_ON = {
    "Acc on": "acc",
    "Acc on, tie ½": "acc_half",
    "HAcc on": "hacc",
    "HAcc on, tie ½": "hacc_half",
    "reward variance": "variance",
    "covariance": "covariance",
    "correlation (Pearson)": "correlation",
}


def plain_rows(own: Rollouts, paired: Rollouts) -> Scores:
    """Pairs, moments and the tilt."""
    names = tuple(own.proxies)
    pairs = offline_pairs(paired, dict(paired.proxies))
    weights = {kind: weight for kind, weight in all_weights(pairs)[0].items() if kind in ("uniform", "raw", "tempered")}
    totals = offline_sums(pairs, names, weights).totals
    off = {measure.name: measure for measure in offline_measures(tuple(weights))}
    rows = {row: off[name].value(totals) for row, name in _OFF.items()}
    sums = collect(own, own.proxies, {}, {"pairs", "association", "scores"}).totals
    rows |= {row: BY_NAME[name].value(sums) for row, name in _ON.items()}
    return rows | _weighted_twice(own) | {"tilt b = 1": tilted(own)}


def hacc(own: Rollouts) -> Array:
    """HAcc on the policy's own pairs."""
    return BY_NAME["hacc"].value(collect(own, own.proxies, {}, {"pairs"}).totals)


def _weighted_twice(own: Rollouts) -> Scores:
    """Pairs of samples weighted once more by pi(y) pi(y'), each prompt the same; the mean is that of the samples."""
    cube = np.stack(list(own.proxies.values()))
    centre = np.stack([mean(score, own.weight) for score in own.proxies.values()])
    mass = own.weight * np.exp(np.where(own.present, own.logprob, -np.inf))
    counts = pair_counts(cube, own.truth, mass / mass.sum(axis=1, keepdims=True), centre)
    right = counts.concordant / counts.ordered
    return {
        "Acc on, π weights": right.mean(axis=1),
        "HAcc on, π weights": (right + counts.excused / counts.ordered).mean(axis=1),
    }


def tilted(own: Rollouts, b: float = 1.0) -> Array:
    """Expected truth after the weights are multiplied by exp(b R), mean over prompts."""
    truth = np.where(own.present, own.truth, 0.0)
    scores = np.stack([np.where(own.present, score, 0.0) for score in own.proxies.values()])
    mass = own.weight * np.exp(b * (scores - scores.max(axis=2, keepdims=True)))
    return ((mass * truth).sum(axis=2) / mass.sum(axis=2)).mean(axis=1)


def tabular_rows(own: Rollouts, columns: list[Outcome], world: World) -> list[Scores]:
    """Rehearsals without sharing, for every column; a learner's columns share their walks."""
    walks = {one.learner: _tabular(own, one.learner, _furthest(columns, one.learner)) for one in columns}
    other = {one.learner: _tabular(own, wrong(one.learner), np.full(len(own.proxies), KL)) for one in columns}
    result = []
    for one in columns:
        kl, truth = walks[one.learner]
        rows = {
            "tabular rehearsal, KL .4": read_off(kl, truth, KL),
            "tabular rehearsal, matched": read_off(kl, truth, one.kl),
            "tabular rehearsal, KL .4, wrong learner": read_off(*other[one.learner], KL),
        }
        if world.plan.name == "A":
            horizon = Horizon(kl=None, steps=one.steps)
            run = simulate(own, learner=one.learner, horizon=horizon, eta=world.plan.step)
            rows["tabular rehearsal, same steps"] = run.outcome
        result.append(rows)
    return result


def same_steps_controls(own: Rollouts, column: Outcome, step: float, rng: np.random.Generator) -> Scores:
    """The wrong learner and shuffled truths, with as many steps of the same size, where nothing is shared."""
    horizon = Horizon(kl=None, steps=column.steps)
    right = simulate(own, learner=column.learner, horizon=horizon, eta=step)
    mixed = shuffled(right.problem.truth.T, right.problem.present.T, SHUFFLES, rng)
    return {
        "same steps, wrong learner": simulate(own, learner=wrong(column.learner), horizon=horizon, eta=step).outcome,
        "same steps, truth shuffled": np.einsum("ksp,bps->bk", np.exp(right.final), mixed) / len(mixed[0]),
    }


def tabular_candidates(own: Rollouts, learner: Path, cosine: Array, plan: Plan) -> Scores:
    """The candidates that a default might be, where nothing is shared; one clock is that of the plan's plain steps."""
    everywhere = np.ones(len(own.proxies))
    near, far = (read_off(*_tabular(own, learner, kl * everywhere), kl) for kl in (KL, 1.0))
    run = simulate(own, learner=learner, horizon=Horizon(kl=None, steps=max(plan.horizons)), eta=plan.step)
    kl, truth = (np.stack(curve, axis=1) for curve in curves_of(run.curves, run.proxies))
    clock = {f"tabular rehearsal, one clock to median KL {name}": clocked(kl, truth, m) for name, m in MEDIANS.items()}
    return clock | {
        "tabular rehearsal, KL 1": far,
        "mean rank of cosine and tabular rehearsal KL .4": ranks(cosine) + ranks(near),
        "mean rank of cosine and tabular rehearsal KL 1": ranks(cosine) + ranks(far),
    }


def _furthest(columns: list[Outcome], learner: Path) -> Array:
    return np.max([np.maximum(one.kl, KL) for one in columns if one.learner == learner], axis=0)


def _tabular(own: Rollouts, learner: Path, until: Array) -> tuple[list[Array], list[Array]]:
    """Divergence and truth along each proxy's walk, as far as it has to go."""
    kl, truth = [], []
    for name, most in zip(own.proxies, until, strict=True):
        run = simulate(own, (name,), learner=learner, horizon=Horizon(kl=float(most), steps=600), eta=3.0)
        kl.append(run.curves["kl"].to_numpy())
        truth.append(run.curves["true_reward"].to_numpy())
    return kl, truth


def curves_of(frame: pl.DataFrame, names: tuple[str, ...]) -> tuple[list[Array], list[Array]]:
    """Divergence and truth along each proxy's run, from the curves of a rehearsal."""
    parts = frame.partition_by("proxy", as_dict=True)
    runs = [parts[(name,)] for name in names]
    return [run["kl"].to_numpy() for run in runs], [run["true_reward"].to_numpy() for run in runs]


def read_off(kl: list[Array], truth: list[Array], at: Array | float) -> Array:
    """The truth at a divergence, between the recorded points in proportion; at the run's end if that comes first."""
    where = np.broadcast_to(at, len(kl))
    return np.array(
        [np.interp(place, np.maximum.accumulate(x), y) for place, x, y in zip(where, kl, truth, strict=True)]
    )


def clocked(kl: Array, truth: Array, most: float) -> Array:
    """The truth (k,) at the first point where the median divergence is so large; the last one if none is. (t, k) both.

    >>> clocked(np.array([[0.0, 0.0], [0.2, 0.9], [0.4, 1.8]]), np.array([[0, 0], [1, 2], [3, 4]]), 0.5).tolist()
    [1, 2]
    """
    over = np.median(kl, axis=1) >= most
    return np.asarray(truth[int(over.argmax()) if over.any() else -1])


def ranks(values: Array) -> Array:
    """Places, 0 the lowest; equal values share theirs."""
    return (values[:, None] > values).sum(axis=1) + ((values[:, None] == values).sum(axis=1) - 1) / 2


def wrong(learner: Path) -> Path:
    """What a user might take it for."""
    return reinforce() if learner.normalise else grpo(8)
