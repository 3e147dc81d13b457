"""The gradient cosine: how much of what a policy learns from a proxy is what it would learn from the truth.

    g_R = sum over prompts and outputs of w A_R phi,        score = <g_R, g_G> / (|g_R| |g_G|)

w is the policy's mass, A_R the learner's own advantage of the proxy, A_G the same of the truth, phi the features of an
output, centred within its prompt. It is the rise of the true reward per unit of policy movement at the start: no
simulation, no horizon. The scale of a reward leaves it, and so does a constant added to the scores of a prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from culpa.dynamics.closed import Learner, advantages
from culpa.dynamics.learner import Path
from culpa.dynamics.problem import Problem, problem
from culpa.predictors.features import Features, needed
from culpa.rollouts import Rollouts

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float32] | npt.NDArray[np.float64]  # features (p, s, d)

_CELLS = 4_000_000  # shuffled truths worked on together


@dataclass(frozen=True, eq=False)
class Cosine:
    """Of k proxies, with what a bootstrap and a null band need."""

    proxies: tuple[str, ...]
    values: Array  # (k,); NaN where a proxy or the truth has no gradient
    pushes: Array  # (k + 1, p, s) mass times advantage of every output; the truth's last
    case: Problem
    features: Values
    learner: Learner

    def replicates(self, rng: np.random.Generator, count: int = 500) -> Array:
        """The cosines with prompts drawn with replacement, (b, k), all proxies from the same draws.

        A prompt that is drawn twice adds its own square twice: replicates lie higher than the value, for every proxy
        alike. They are moved back so that their mean is the value.
        """
        prompts = self.pushes.shape[1]
        if prompts < 2:
            return np.full((count, len(self.proxies)), np.nan)
        draws = rng.multinomial(prompts, np.full(prompts, 1.0 / prompts), size=count).astype(self.features.dtype)
        *proxies, truth = (np.matmul(draws, by_prompt(push, self.features)) for push in self.pushes)
        found = np.stack([_row_cosines(one, truth) for one in proxies], axis=1)
        return np.asarray(found - found.mean(axis=0) + self.values)

    def null(self, rng: np.random.Generator, count: int = 200) -> Array:
        """The cosines with truths that were shuffled within each prompt, (b, k): what a proxy gets that knows nothing.

        Shuffles are within the outputs of a prompt, so ties, spreads and dead groups of the truth stay as they are.
        """
        case, proxies = self.case, totals(self.pushes[:-1], self.features)
        size, parts = max(1, _CELLS // case.truth.size), []
        for first in range(0, count, size):
            mixed = shuffled(case.truth.T, case.present.T, min(size, count - first), rng)
            parts.append(cosines(proxies, totals(pushes_of(case, mixed, self.learner), self.features)))
        return np.concatenate(parts)


def gradient_cosine(
    rollouts: Rollouts, proxies: Sequence[str] = (), *, learner: Learner, features: Features | None = None
) -> Cosine:
    """The cosine of each proxy's policy gradient with that of the truth; all proxies by default.

    Without `features` the record's own are taken, its text's n-grams where it has none, or both. An output without a
    verdict pushes nowhere; outputs of unknown truth are left out.

    >>> from culpa.dynamics.learner import reinforce
    >>> scores, vectors = np.array([[1.0, 0.0]]), np.array([[[1.0], [-1.0]]], dtype=np.float32)
    >>> names, mass = np.array(["a"], dtype=object), np.array([[0.5, 0.5]])
    >>> rollouts = Rollouts(names, mass > 0, mass, {"same": scores * 7, "opposite": -scores}, scores, features=vectors)
    >>> gradient_cosine(rollouts, learner=reinforce()).values.round(6).tolist()
    [1.0, -1.0]
    """
    known = needed(rollouts) if features is None else features
    case = problem(rollouts, tuple(proxies), missing="mean")
    return cosine(case, known.values[case.prompts], learner)


def cosine(case: Problem, features: Values, learner: Learner) -> Cosine:
    """`gradient_cosine` for a problem that is already made; features: (p, s, d) of its prompts.

    >>> from culpa.dynamics.learner import reinforce
    >>> scores = np.array([[1.0, 0.0]])
    >>> both = {"same": scores * 7, "opposite": 3 - scores}
    >>> case = problem(Rollouts(np.array(["a"], dtype=object), scores >= 0, scores * 0 + 0.5, both, scores))
    >>> cosine(case, np.array([[[1.0], [-1.0]]]), reinforce()).values.round(6).tolist()
    [1.0, -1.0]
    """
    rewards = np.concatenate([case.rewards.transpose(0, 2, 1), case.truth.T[None]])
    pushes = pushes_of(case, rewards, learner)
    *proxies, truth = totals(pushes, features)
    return Cosine(case.proxies, cosines(np.array(proxies), truth[None])[0], pushes, case, features, learner)


def pushes_of(case: Problem, rewards: Array, learner: Learner) -> Array:
    """Mass times advantage of every output at the initial policy, (k, p, s). rewards: (k, p, s)."""
    length = None if case.length is None else case.length.T
    push = np.exp(case.start.T) * advantages(learner, rewards, case.start.T, length=length)
    if not isinstance(learner, Path) or learner.signal is None:
        push[_level(rewards, case.present.T)] = 0.0
    return push


def by_prompt(push: Array, features: Values) -> Values:
    """What each prompt adds to a gradient, (p, s) to (p, d). features: (p, s, d)."""
    added: Values = np.matmul(push[:, None].astype(features.dtype, copy=False), features)[:, 0]
    return added


def totals(pushes: Array, features: Values) -> Array:
    """The gradients of k rewards, (k, p, s) to (k, d)."""
    flat = pushes.reshape(len(pushes), -1).astype(features.dtype, copy=False)
    return np.asarray(np.matmul(flat, features.reshape(-1, features.shape[-1])), dtype=np.float64)


def _level(rewards: Array, present: Mask) -> Mask:
    """Prompts (k, p) whose scores differ by rounding at most: a cosine would take the push of that for any other."""
    low, high = np.where(present, rewards, np.inf).min(axis=-1), np.where(present, rewards, -np.inf).max(axis=-1)
    rounding = np.finfo(np.float64).eps * present.shape[-1]
    return np.asarray(high - low <= rounding * np.abs(high))


def cosines(proxies: Array, truths: Array) -> Array:
    """Of every truth's gradient (b, d) with every proxy's (k, d): (b, k); NaN where one of the two is 0."""
    lengths = np.linalg.norm(truths, axis=-1)[:, None] * np.linalg.norm(proxies, axis=-1)
    products = truths @ proxies.T
    return np.asarray(np.divide(products, lengths, out=np.full(lengths.shape, np.nan), where=lengths > 0))


def _row_cosines(first: Values, second: Values) -> Array:
    """Of each row with the same row of the other, (b, d) and (b, d) to (b,); NaN where one of the two is 0."""
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    products = np.einsum("bd,bd->b", first, second)
    return np.asarray(np.divide(products, lengths, out=np.full(lengths.shape, np.nan), where=lengths > 0))


def shuffled(values: Array, present: Mask, count: int, rng: np.random.Generator) -> Array:
    """Values (p, s) shuffled within each row, among the cells that are present, so many times: (count, p, s)."""
    order = np.where(present, rng.random((count, *values.shape)), 2.0).argsort(axis=-1)
    places = np.broadcast_to((~present).argsort(axis=-1, kind="stable"), order.shape)
    mixed = np.empty(order.shape)
    np.put_along_axis(mixed, places, np.take_along_axis(values[None], order, axis=-1), axis=-1)
    return mixed
