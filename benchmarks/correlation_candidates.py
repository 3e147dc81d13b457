"""Candidates that try to beat the gradient cosine, each from the same rollouts and features. Worlds B and C only.

Notation: a(p) and b(p) are what prompt p adds to the gradient of the proxy and of the truth, a and b their sums.
"""

from dataclasses import replace
from itertools import islice

import numpy as np
import numpy.typing as npt
from correlation_rows import KL, Row, Scores, ranks, read_off
from correlation_shared import Known, gradients, known
from correlation_walk import portions, softmax, states

from culpa.dynamics import Path
from culpa.dynamics.advantage import Advantage
from culpa.dynamics.problem import Problem

Array = npt.NDArray[np.float64]
Rng = np.random.Generator

SPLITS = 20
MOST = 150  # steps of a walk
CANDIDATES = tuple(
    Row(name, "BC")
    for name in (
        "feature rehearsal, KL .1",
        "feature rehearsal, KL 1",
        "feature rehearsal, KL 1.6",
        "feature rehearsal, one clock to median KL .4",
        "feature rehearsal, one clock to median KL 1",
        "feature rehearsal, one clock to median KL 2",
        "mean rank of cosine and rehearsal KL .4",
        "mean rank of cosine and rehearsal KL 1",
        "mean rank of rehearsals KL .1, .4, 1.6",
        "cosine between halves",
        "cosine x √reliability",
        "cosine without own prompt",
        "cosine without own prompt, disattenuated",
        "cosine, shrunk by coordinate",
        "cosine, whitened",
        "cosine along the way to KL .2",
        "cosine along the way to KL 1",
        "mean rank of cosine along the way to KL 1 and rehearsal KL 1",
        "rehearsal KL .4 on held-out prompts",
        "rehearsal KL 1 on held-out prompts",
        "mean rank of cosine and held-out rehearsal KL 1",
    )
)


def candidate_rows(right: Known, rng: Rng) -> Scores:
    """All candidates for one learner that need no column."""
    one = right.cosine
    each = gradients(one)
    proxy, truth = each[:-1], each[-1]
    cosine = known(one.values)
    at = {name: read_off(right.kl, right.truth, kl) for name, kl in ((".1", 0.1), (".4", KL), ("1", 1.0), ("1.6", 1.6))}
    near, far = along(right, (0.2, 1.0))
    held = held_out(right, (KL, 1.0), rng)
    rows = {f"feature rehearsal, KL {name}": value for name, value in at.items()}
    rows |= _halves(proxy, truth, rng) | _without_own(proxy, truth)
    return rows | {
        "mean rank of cosine and rehearsal KL .4": ranks(cosine) + ranks(at[".4"]),
        "mean rank of cosine and rehearsal KL 1": ranks(cosine) + ranks(at["1"]),
        "mean rank of rehearsals KL .1, .4, 1.6": ranks(at[".1"]) + ranks(at[".4"]) + ranks(at["1.6"]),
        "cosine, shrunk by coordinate": shrunk(proxy, truth),
        "cosine, whitened": whitened(one.case, one.features, proxy, truth),
        "cosine along the way to KL .2": near,
        "cosine along the way to KL 1": far,
        "mean rank of cosine along the way to KL 1 and rehearsal KL 1": ranks(far) + ranks(at["1"]),
        "rehearsal KL .4 on held-out prompts": held[0],
        "rehearsal KL 1 on held-out prompts": held[1],
        "mean rank of cosine and held-out rehearsal KL 1": ranks(cosine) + ranks(held[1]),
    }


def cosines(proxy: Array, truth: Array) -> Array:
    """Row by row: (..., d) with (..., d)."""
    length = np.linalg.norm(proxy, axis=-1) * np.linalg.norm(truth, axis=-1)
    return np.einsum("...d,...d->...", proxy, truth) / np.where(length > 0, length, 1.0)


def _halves(proxy: Array, truth: Array, rng: Rng) -> Scores:
    """a of one half of the prompts with b of the other; and the reliability of a, by the correlation of its halves.

    Reliability of the whole: 2 r / (1 + r) of the cosine r between halves (Spearman and Brown), at least 0.
    """
    prompts = proxy.shape[1]
    across, within = np.zeros(len(proxy)), np.zeros(len(proxy))
    for _ in range(SPLITS):
        half = rng.permutation(prompts) < prompts // 2
        a = proxy[:, half].sum(axis=1), proxy[:, ~half].sum(axis=1)
        b = truth[half].sum(axis=0), truth[~half].sum(axis=0)
        across += (cosines(a[0], b[1]) + cosines(a[1], b[0])) / (2 * SPLITS)
        within += cosines(a[0], a[1]) / SPLITS
    reliability = np.clip(2 * within / (1 + np.maximum(within, 0)), 0, 1)
    whole = cosines(proxy.sum(axis=1), truth.sum(axis=0))
    return {"cosine between halves": across, "cosine x √reliability": whole * np.sqrt(reliability)}


def _without_own(proxy: Array, truth: Array) -> Scores:
    """<a, b> less sum_p <a(p), b(p)>, over |a| |b|; disattenuated: |a| without own prompts too."""
    a, b = proxy.sum(axis=1), truth.sum(axis=0)

    def across(x: Array, y: Array) -> Array:
        return np.einsum("kd,kd->k", x.sum(axis=1), y.sum(axis=1)) - np.einsum("kpd,kpd->k", x, y)

    top = across(proxy, np.broadcast_to(truth, proxy.shape))
    plain = top / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b), 1e-300)
    square = np.maximum(across(proxy, proxy), 0.1 * np.einsum("kd,kd->k", a, a))
    return {
        "cosine without own prompt": plain,
        "cosine without own prompt, disattenuated": top / np.sqrt(np.maximum(square, 1e-300)),
    }


def shrunk(proxy: Array, truth: Array) -> Array:
    """Each coordinate of a and b times t / (t + v): t its variance over proxies and the truth, v that of its error.

    v is the variance of a(p) over prompts, times their number; t what is left of the mean square of a over proxies.
    """
    prompts = proxy.shape[1]
    every = np.concatenate([proxy, truth[None]])
    total, error = every.sum(axis=1), every.var(axis=1, ddof=1) * prompts
    signal = np.maximum((total**2 - error).mean(axis=0), 0.0)
    kept = total * signal / np.maximum(signal + error, 1e-300)
    return cosines(kept[:-1], kept[-1])


def whitened(case: Problem, features: Array, proxy: Array, truth: Array) -> Array:
    """The cosine in the metric of the inverse covariance of the features, a tenth of its mean eigenvalue added."""
    mass = np.exp(case.start.T)
    covariance = np.einsum("ps,psd,pse->de", mass, features, features, optimize=True).astype(np.float64) / len(mass)
    values, vectors = np.linalg.eigh(covariance)
    turn = vectors / np.sqrt(values + 0.1 * values.mean())
    return cosines(proxy.sum(axis=1) @ turn, truth.sum(axis=0) @ turn)


def along(right: Known, limits: tuple[float, ...]) -> Array:
    """Mean over the steps of a proxy's own rehearsal, up to each divergence, of the cosine of a and b there, (n, k)."""
    case, features, learner = right.cosine.case, right.cosine.features, right.cosine.learner
    flat = features.reshape(-1, features.shape[-1])
    total, number = np.zeros((2, len(limits), len(case.proxies)))
    for places, some in portions(case, np.arange(len(case.proxies))):
        shape = some.rewards.transpose(0, 2, 1).shape
        truth = Advantage(replace(learner, kl=0.0), np.broadcast_to(case.truth.T, shape).copy(), case.start.T)
        for state in islice(states(some, features, learner), MOST):
            live = state.kl < np.array(limits)[:, None]
            if not live.any():
                break
            b = (state.prob * truth(state.prob, state.logp)).reshape(shape[0], -1) @ flat
            total[:, places] += live * cosines(state.gradient, b)
            number[:, places] += live
    return total / number


def held_out(right: Known, limits: tuple[float, ...], rng: Rng) -> Array:
    """Rehearsed on one half of the prompts up to each divergence, judged on the other half, both ways, (n, k)."""
    case, features = right.cosine.case, right.cosine.features
    half = rng.permutation(len(case.prompts)) < len(case.prompts) // 2
    total = np.zeros((len(limits), len(case.proxies)))
    for places, some in portions(case, np.arange(len(case.proxies))):
        for here in (half, ~half):
            there = part(some, ~here)
            ends = _ends(part(some, here), features[here], right.cosine.learner, limits)
            for place, weights in enumerate(ends):
                _, prob = softmax(there.start.T, np.einsum("kd,psd->kps", weights, features[~here], optimize=True))
                value = np.einsum("kps,ps->k", prob, there.truth.T) / len(there.prompts)
                total[place, places] += value / 2
    return total


def _ends(case: Problem, features: Array, learner: Path, limits: tuple[float, ...]) -> Array:
    """Weight vectors where each divergence is first reached, (n, k, d)."""
    ends = np.zeros((len(limits), len(case.proxies), features.shape[-1]))
    open_ = np.ones(ends.shape[:2], dtype=bool)
    for state in islice(states(case, features, learner), MOST):
        ends = np.where(open_[:, :, None], state.weights, ends)
        open_ &= state.kl < np.array(limits)[:, None]
        if not open_.any():
            break
    return ends


def part(case: Problem, rows: npt.NDArray[np.bool_]) -> Problem:
    """Some prompts of a problem."""
    return case._replace(
        prompt_id=case.prompt_id[rows],
        prompts=case.prompts[rows],
        start=case.start[:, rows],
        truth=case.truth[:, rows],
        rewards=case.rewards[:, :, rows],
    )
