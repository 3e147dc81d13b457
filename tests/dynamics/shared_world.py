"""Small worlds whose outputs share features, and the same walks as loops over one weight vector."""

import numpy as np
from tests.dynamics.slow import group_step, kl, softmax

from culpa.dynamics.problem import problem
from culpa.rollouts import Rollouts


def world(seed=0, prompts=6, samples=5, dims=4, *, padded=True, hack=1.0):
    """A problem and its features: a truth linear in them up to noise, a proxy with a hack, one that errs."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((prompts, samples, dims))
    truth = x @ rng.standard_normal(dims) + 0.5 * rng.standard_normal((prompts, samples))
    proxies = {
        "hack": truth + hack * 2.0 * x @ rng.standard_normal(dims),
        "noise": truth + 1.5 * rng.standard_normal((prompts, samples)),
    }
    present = np.ones(truth.shape, dtype=bool)
    if padded:
        present[0, 3:] = present[2, 4:] = False
    weight = np.where(present, rng.dirichlet(np.ones(samples) * 3, prompts), 0.0)
    weight /= weight.sum(axis=1, keepdims=True)
    return case_of(weight, truth, **proxies), centred(x, weight)


def case_of(weight, truth, **proxies):
    """A problem from (p, s) values; what has no weight is not there."""
    present = weight > 0
    return problem(
        Rollouts(
            np.array([f"p{number}" for number in range(len(weight))], dtype=object),
            present,
            weight,
            {name: np.where(present, values, np.nan) for name, values in proxies.items()},
            np.where(present, truth, np.nan),
        )
    )


def centred(x, weight):
    gap = x - (weight[..., None] * x).sum(axis=1, keepdims=True)
    return np.where((weight > 0)[..., None], gap, 0.0)


def one_hot(case):
    """Features by which no two outputs have anything in common, (p, s, p s)."""
    samples, prompts = case.start.shape
    return np.eye(prompts * samples).reshape(prompts, samples, -1)


def slow_push(prob, start, reward, learner):
    """pi A of one prompt, every term of it written out."""
    gap = reward - prob @ reward
    if learner.normalise and learner.group is not None and len(set(reward)) <= 2:
        options = {"eps": learner.eps, "sample_std": learner.sample_std}
        push = group_step(prob, reward, learner.group, **options)
    else:
        std = np.sqrt(prob @ gap**2)
        push = prob * gap / (std + learner.eps if learner.normalise and std > 0 else 1.0)
    ratio = np.log(prob / start)
    return push - learner.kl * prob * (ratio - prob @ ratio)


def slow_shared(case, features, reward, learner, paces, part=None):
    """Probabilities (s,) of each prompt after so many steps of one weight vector. reward: (s, p); part: (p,)."""
    there = [case.present[:, number] for number in range(len(case.prompts))]
    starts = [np.exp(case.start[own, number]) for number, own in enumerate(there)]
    phis = [features[number, own].astype(float) for number, own in enumerate(there)]
    w, part = np.zeros(features.shape[-1]), np.ones(len(there)) if part is None else part
    for pace in [*paces, 0.0]:
        probs = [softmax(np.log(start) + phi @ w) for start, phi in zip(starts, phis, strict=True)]
        step = np.zeros_like(w)
        for number, own in enumerate(there):
            push = slow_push(probs[number], starts[number], reward[own, number], learner)
            step += part[number] * phis[number].T @ push / len(there)
        w = w + pace * step
    return probs


def slow_mean(case, probs, values):
    """The mean over prompts of an expectation; values: (s, p)."""
    own = [values[case.present[:, number], number] for number in range(len(probs))]
    return float(np.mean([prob @ value for prob, value in zip(probs, own, strict=True)]))


def slow_kl(case, probs):
    starts = [np.exp(case.start[case.present[:, number], number]) for number in range(len(probs))]
    return float(np.mean([kl(prob, start) for prob, start in zip(probs, starts, strict=True)]))
