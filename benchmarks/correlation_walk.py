"""Policies with shared features on the way, for what a rehearsal does not record: gradients, weight vectors.

pi ~ pi0 exp(<w, phi>) over the sampled outputs, one w for all prompts and one for each of k proxies; w += pace a, where
a = mean over prompts of sum pi A phi is the learner's own gradient of the proxy.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from world_training import Adam

from culpa.dynamics import Path
from culpa.dynamics.advantage import Advantage
from culpa.dynamics.problem import Problem

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MOVE = 0.1  # root mean square by which a step moves the logits, where no step size is given


PORTION = 20  # proxies walked together: their arrays stay in the cache


def portions(case: Problem, order: npt.NDArray[np.int64]) -> Iterator[tuple[npt.NDArray[np.int64], Problem]]:
    """A few proxies at a time, in an order: their places, and the problem with these alone."""
    for first in range(0, len(order), PORTION):
        places = order[first : first + PORTION]
        names = tuple(case.proxies[place] for place in places)
        yield places, case._replace(rewards=case.rewards[places], proxies=names)


class State(NamedTuple):
    """Where k policies stand."""

    weights: Array  # (k, d)
    logp: Array  # (k, p, s)
    prob: Array
    gradient: Array  # (k, d) of the proxy
    case: Problem

    @property
    def kl(self) -> Array:
        """Divergence from the start, mean over prompts, (k,)."""
        gap = np.where(self.case.present.T, self.logp - np.where(self.case.present, self.case.start, 0.0).T, 0.0)
        return np.einsum("kps,kps->k", self.prob, gap) / len(self.case.prompts)

    @property
    def truth(self) -> Array:
        """Expected truth, mean over prompts, (k,)."""
        return np.einsum("kps,ps->k", self.prob, self.case.truth.T) / len(self.case.prompts)


def states(
    case: Problem, features: Array, learner: Path, step: float | None = None, whitened: bool = False, adam: bool = False
) -> Iterator[State]:
    """The start, and the policies after 1, 2, ... steps, without end.

    features: (p, s, d). Without a step size all proxies move the logits alike. `whitened` divides the rewards by their
    standard deviation over all prompts under the current policy, as the whitening of a large batch does. With `adam`
    the gradient goes through Adam, at the rate `step`.
    """
    start, rewards = case.start.T, case.rewards.transpose(0, 2, 1)
    flat = features.reshape(-1, features.shape[-1]).astype(np.float64)
    advantage = Advantage(replace(learner, kl=0.0), rewards, start)
    weights = np.zeros((len(rewards), flat.shape[1]))
    memory = Adam.fresh(weights.shape)
    while True:
        logp, prob = softmax(start, (weights @ flat.T).reshape(rewards.shape))
        gain = advantage(prob, logp)
        if whitened:
            gain /= _overall(prob, rewards)
        if learner.kl > 0:
            gain -= Advantage(learner, rewards, start).pull(prob, logp)
        gradient = (prob * gain).reshape(len(rewards), -1) @ flat / len(start)
        yield State(weights, logp, prob, gradient, case)
        if adam:
            memory = memory.seen(gradient)
            weights = weights + step * memory.step
            continue
        pace = np.full(len(rewards), step) if step else MOVE / np.maximum(_moves(gradient @ flat.T, case), 1e-12)
        weights = weights + pace[:, None] * gradient


def softmax(start: Array, change: Array) -> tuple[Array, Array]:
    """Log-probabilities and probabilities (k, p, s) after a change of the logits; start: (p, s), -inf on padding."""
    logits = start + change
    logits -= logits.max(axis=2, keepdims=True)
    prob = np.exp(logits)
    total = prob.sum(axis=2, keepdims=True)
    return logits - np.log(total), prob / total


def _overall(prob: Array, rewards: Array) -> Array:
    """Standard deviation of each proxy over the outputs of all prompts, (k, 1, 1)."""
    mass = prob / prob.shape[1]
    mean = (mass * rewards).sum(axis=(1, 2), keepdims=True)
    return np.sqrt((mass * (rewards - mean) ** 2).sum(axis=(1, 2), keepdims=True) + 1e-8)


def _moves(change: Array, case: Problem) -> Array:
    """Root mean square within prompts of a change of the logits, under the initial policy, (k,)."""
    mass = np.exp(case.start.T)
    shaped = change.reshape(len(change), *mass.shape)
    centred = shaped - (mass * shaped).sum(axis=2, keepdims=True)
    return np.sqrt((mass * centred**2).sum(axis=2).mean(axis=1))
