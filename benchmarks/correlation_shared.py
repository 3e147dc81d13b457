"""The rows that let outputs share features across prompts, and the controls that must fall."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from correlation_rows import KL, MEDIANS, SHUFFLES, Scores, clocked, curves_of, hacc, read_off, wrong
from correlation_walk import portions, states
from world_training import Outcome
from worlds import Plan

from culpa import Rollouts
from culpa.dynamics import Path
from culpa.dynamics.problem import problem
from culpa.dynamics.shared import SharedForecast, rehearse
from culpa.predictors import Features, features_of
from culpa.predictors.cosine import Cosine, gradient_cosine, shuffled

Array = npt.NDArray[np.float64]
Rng = np.random.Generator

MOST_STEPS = 150
MOST_CLOCK = 600  # steps of one clock, each as large as those of the longest run walked in MOST_STEPS
_TOGETHER = 25  # proxies whose gradients are held at once where every output is a feature of its own


class Known(NamedTuple):
    """What the rollouts of one world give to one learner."""

    cosine: Cosine
    kl: list[Array]  # of each proxy's rehearsal, step by step
    truth: list[Array]


def feature_set(own: Rollouts) -> Features:
    """The policy's own features; in A each output is one of its own."""
    found = features_of(own, "policy")
    assert found is not None
    return found


def tabular_cosine(own: Rollouts, learner: Path, rng: Rng) -> tuple[Array, Array]:
    """The cosine where nothing is shared, (k,), and under shuffled truths, (b, k): a few proxies at a time."""
    features, names = feature_set(own), tuple(own.proxies)
    seed = int(rng.integers(1 << 62))
    values, null = [], []
    for start in range(0, len(names), _TOGETHER):
        part = gradient_cosine(own, names[start : start + _TOGETHER], learner=learner, features=features)
        values.append(part.values)
        null.append(part.null(np.random.default_rng(seed), SHUFFLES))
    return known(np.concatenate(values)), known(np.concatenate(null, axis=1))


def ask(own: Rollouts, features: Features, learner: Path, until: Array) -> Known:
    """Cosine and rehearsal of all proxies, each as far as it has to go, (k,)."""
    kl: list[Array] = [np.zeros(0)] * len(until)
    truth = kl.copy()
    for places, run in _rehearsed(own, features, learner, until):
        found = curves_of(run.curves, run.proxies)
        for number, place in enumerate(places):
            kl[place], truth[place] = found[0][number], found[1][number]
    return Known(gradient_cosine(own, learner=learner, features=features), kl, truth)


def _rehearsed(
    own: Rollouts, features: Features, learner: Path, until: Array
) -> Iterator[tuple[npt.NDArray[np.int64], SharedForecast]]:
    case = problem(own)
    for places, some in portions(case, np.argsort(until)):
        yield places, rehearse(some, features.values[case.prompts], learner, kl=float(until[places].max()))


def shared_rows(column: Outcome, right: Known, other: Known) -> Scores:
    """Cosines and rehearsals for one column; `other`: of the wrong learner."""
    totals = gradients(right.cosine).sum(axis=1)
    runs = {"": (right.kl, right.truth), "x": (other.kl, other.truth)}
    return {
        "gradient inner product": totals[:-1] @ totals[-1],
        "gradient cosine": known(right.cosine.values),
        "gradient cosine, wrong learner": known(other.cosine.values),
        "feature rehearsal, KL .4": read_off(*runs[""], KL),
        "feature rehearsal, KL .4, wrong learner": read_off(*runs["x"], KL),
        "feature rehearsal, matched": read_off(*runs[""], column.kl),
        "feature rehearsal, matched, wrong learner": read_off(*runs["x"], column.kl),
    }


def gradients(cosine: Cosine) -> Array:
    """What each prompt adds to the gradient of every proxy, the truth's last, (k + 1, p, d)."""
    return np.einsum("kps,psd->kpd", cosine.pushes, cosine.features, optimize=True).astype(np.float64)


def clock_rows(own: Rollouts, column: Outcome, step: float, rng: Rng) -> Scores:
    """The same plain steps for all proxies: as many as the real run took, of the plan's size.

    With their controls: the wrong learner, features of other outputs or of nobody, shuffled truths.
    """
    case, spoiled = problem(own), _spoiled(own, rng)
    mixed = shuffled(case.truth.T, case.present.T, SHUFFLES, rng)
    other = column._replace(learner=wrong(column.learner), column="")
    strange = spoiled["unrelated features"] * own.features[own.present].std()
    truth, final = _walked(own, own.features, column, step)
    return {
        "feature rehearsal, same steps": truth[-1],
        "same steps, wrong learner": _walked(own, own.features, other, step)[0][-1],
        "same steps, unrelated features": _walked(own, strange, column, step)[0][-1],
        "same steps, features shuffled": _walked(own, spoiled["features shuffled"], column, step)[0][-1],
        "same steps, truth shuffled": np.einsum("kps,bps->bk", final, mixed),
    }


def one_clock(own: Rollouts, column: Outcome, plan: Plan) -> Scores:
    """The same plain steps for all proxies, until the median proxy has diverged so far, however long the run was."""
    case = problem(own)
    step = plan.step * max(1.0, max(plan.horizons) / MOST_STEPS)
    parts = list(portions(case, np.arange(len(case.proxies))))
    paths = [states(some, own.features, column.learner, step, column.whitened) for _, some in parts]
    kl, truth = [], []
    for together in islice(zip(*paths, strict=True), MOST_CLOCK):
        kl.append(np.concatenate([state.kl for state in together]))
        truth.append(np.concatenate([state.truth for state in together]))
        if np.median(kl[-1]) >= max(MEDIANS.values()):
            break
    rows = np.array(kl), np.array(truth)
    return {f"feature rehearsal, one clock to median KL {name}": clocked(*rows, most) for name, most in MEDIANS.items()}


def _walked(own: Rollouts, features: npt.NDArray[np.float32], column: Outcome, step: float) -> tuple[Array, Array]:
    """The truth after each step, (t, k), and the last policies, (k, p, s)."""
    case, steps = problem(own), min(column.steps, MOST_STEPS)
    truth = np.zeros((steps + 1, len(case.proxies)))
    final = np.zeros((len(case.proxies), *case.truth.T.shape))
    for places, some in portions(case, np.arange(len(case.proxies))):
        path = states(some, features, column.learner, step * column.steps / steps, column.whitened)
        for number, state in enumerate(islice(path, steps + 1)):
            truth[number, places], final[places] = state.truth, state.prob
    return truth, final


def control_rows(own: Rollouts, learner: Path, right: Known, rng: Rng) -> Scores:
    """Spoiled features, each with cosine and rehearsal; shuffled truths."""
    rows: Scores = {}
    until = np.full(len(own.proxies), KL)
    for name, values in _spoiled(own, rng).items():
        found = ask(own, Features(_centred(own, values), name), learner, until)
        rows[f"cosine, {name}"] = known(found.cosine.values)
        rows[f"rehearsal KL .4, {name}"] = read_off(found.kl, found.truth, KL)
    case = right.cosine.case
    mixed = shuffled(case.truth.T, case.present.T, SHUFFLES, rng)
    outcome = np.zeros((SHUFFLES, len(until)))
    for places, run in _rehearsed(own, feature_set(own), learner, until):
        outcome[:, places] = np.einsum("ksp,bps->bk", np.exp(run.final), mixed)
    rows["cosine, truth shuffled"] = known(right.cosine.null(rng, SHUFFLES))
    rows["rehearsal KL .4, truth shuffled"] = outcome
    return rows


def shuffled_hacc(own: Rollouts, rng: Rng) -> Array:
    """HAcc against shuffled truths, (b, k)."""
    mixed = shuffled(np.where(own.present, own.truth, 0.0), own.present, SHUFFLES, rng)
    return np.stack([hacc(own.with_truth(np.where(own.present, truth, np.nan))) for truth in mixed])


def known(values: Array) -> Array:
    """A proxy without a gradient teaches nothing: 0."""
    return np.nan_to_num(values, nan=0.0)


def _spoiled(own: Rollouts, rng: Rng) -> dict[str, npt.NDArray[np.float32]]:
    values, dims = own.features, own.features.shape[-1]
    mixed = values.copy()
    mixed[own.present] = rng.permutation(values[own.present])
    sd = values[own.present].std()
    fresh = rng.standard_normal((2, *values.shape), dtype=np.float32)
    return {
        "noisy features": values + sd * fresh[0],
        "half of the dimensions": values @ rng.standard_normal((dims, dims // 2), dtype=np.float32),
        "unrelated features": fresh[1],
        "features shuffled": mixed,
    }


def _centred(own: Rollouts, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    found = features_of(replace(own, features=np.where(own.present[:, :, None], values, np.float32(0))), "policy")
    assert found is not None
    return found.values
