"""One noisy step instead of the expected one: a group is drawn for every prompt, and the advantages are the group's.

    theta  <-  theta + eta / k sum_i A_i (onehot(y_i) - pi)        y_1 .. y_k drawn from pi

In expectation such a step is the exact one: for REINFORCE and RLOO always, for GRPO in the form of finite groups. The
mean of whole runs is not the exact run.
"""

import numpy as np
import numpy.typing as npt

from culpa.dynamics.advantage import Advantage
from culpa.errors import InputError
from culpa.signals import Group

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MOST = 700.0  # the log of a ratio; its exponential is still a number


class Drawn:
    """The learner's steps from drawn groups, (p, s), on the rewards of its `Advantage`.

    Baselines: the mean of the others of the group; with `critic` the policy's own; without a group a single output is
    drawn, and there is none. A signal acts on the group's k outputs, each of weight 1 / k. The divergence from the
    initial policy is a term of its own, with the mean of the others as its baseline: in expectation its gradient.
    """

    def __init__(self, advantage: Advantage, rng: np.random.Generator) -> None:
        self.path, self._exact, self._rng = advantage.path, advantage, rng
        if self.path.normalise and self.path.group is None:
            problem = f"{self.path.name} in the limit of large groups cannot be sampled."
            raise InputError(problem, remedy="Give it a group: grpo(8).")
        self.size = self.path.group or 1
        self._rewards, self._length = advantage.rewards, advantage.length
        if self.path.signal is not None:
            self._state = self.path.signal.init((*self._rewards.shape[:-1], self.size), rng)

    def begin(self, prob: Array, logp: Array) -> None:
        """Draws the groups of a round and finds their advantages."""
        self._drawn, self._old = draw(prob, self.size, self._rng), logp
        self._held = _pick(self._exact.start, self._drawn)
        values = self._signal(logp)
        known = np.isfinite(values)
        low = np.where(known, values, np.inf).min(axis=-1, keepdims=True)
        low = np.where(np.isfinite(low), low, 0.0)
        count = known.sum(axis=-1, keepdims=True)
        above = np.where(known, values - low, 0.0)
        mean = above.sum(axis=-1, keepdims=True) / np.maximum(count, 1)
        self._gap = np.where(known, self._advantage(above, (mean, low), known, (prob, logp)), 0.0)

    def step(self, logp: Array) -> Array:
        """Where the logits move, per unit of step size, (p, s)."""
        now = _pick(logp, self._drawn)
        ratio = np.exp(np.minimum(now - _pick(self._old, self._drawn), MOST))
        push = uncut(self._gap, ratio, self.path.clip)
        if self.path.kl > 0.0:
            away = ratio * (now - self._held)
            others = (away.sum(axis=-1, keepdims=True) - away) / max(self.size - 1, 1)
            push = push - self.path.kl * (now - self._held - others)
        push = push * ratio / self.size
        here = np.exp(logp) * push.sum(axis=-1, keepdims=True)
        return np.asarray(_gather(push, self._drawn, logp.shape) - here)

    def _advantage(self, above: Array, of: tuple[Array, Array], known: Mask, at: tuple[Array, Array]) -> Array:
        """Of the outputs with a verdict; what stands elsewhere is not used. `of`: mean and lowest."""
        mean, low = of
        count = known.sum(axis=-1, keepdims=True)
        if self.path.critic:
            values = self._exact.signal(*at)
            weight = np.where(np.isfinite(values), at[0], 0.0)
            total = (weight * np.where(np.isfinite(values), values - low, 0.0)).sum(axis=-1, keepdims=True)
            return np.asarray(above - total / np.maximum(weight.sum(axis=-1, keepdims=True), 1e-300))
        if self.path.group is None:
            return above + low
        if not self.path.normalise:
            return np.asarray((above - mean) * (count / np.maximum(count - 1, 1)))
        freedom = np.maximum(count - int(self.path.sample_std), 1)
        away = np.where(known, above - mean, 0.0)
        spread = np.sqrt(np.square(away).sum(axis=-1, keepdims=True) / freedom)
        live = spread > 0
        return np.where(live, (above - mean) / np.where(live, spread + self.path.eps, 1.0), 0.0)

    def _signal(self, logp: Array) -> Array:
        rewards = _pick(self._rewards, self._drawn)
        if self.path.signal is None:
            return rewards
        group = Group(
            weight=np.full(rewards.shape, 1.0 / self.size),
            present=np.ones(rewards.shape, dtype=np.bool_),
            length=None if self._length is None else _pick(self._length, self._drawn),
            logprob=_pick(logp, self._drawn),
            reference=self._held,
        )
        values, self._state = self.path.signal.apply(rewards, group, self._state)
        return values


def draw(prob: Array, size: int, rng: np.random.Generator) -> Index:
    """So many outputs of each prompt, with replacement: (..., s) probabilities to (..., k) places.

    >>> draw(np.array([[0.0, 1.0, 0.0]]), 3, np.random.default_rng(0)).tolist()
    [[1, 1, 1]]
    """
    upto = np.cumsum(prob, axis=-1)
    spots = rng.random((*prob.shape[:-1], size)) * upto[..., -1:]
    return np.asarray((upto[..., None, :] <= spots[..., None]).sum(axis=-1))


def uncut(advantage: Array, ratio: Array, clip: float | None) -> Array:
    """The advantages that still push: min(r A, clip(r) A) is flat where r has gone further than 1 -+ clip with A.

    >>> uncut(np.array([1.0, 1.0, -1.0, -1.0]), np.array([1.3, 0.7, 1.3, 0.7]), 0.2).tolist()
    [0.0, 1.0, -1.0, 0.0]
    """
    if clip is None:
        return advantage
    gone = ((advantage > 0) & (ratio > 1.0 + clip)) | ((advantage < 0) & (ratio < 1.0 - clip))
    return np.where(gone, 0.0, advantage)


def _pick(values: Array, drawn: Index) -> Array:
    return np.take_along_axis(values, drawn, axis=-1)


def _gather(values: Array, drawn: Index, shape: tuple[int, ...]) -> Array:
    """The sum of the values at each place, (..., k) to (..., s)."""
    rows = np.arange(drawn[..., 0].size).reshape(*drawn.shape[:-1], 1) * shape[-1]
    total = np.bincount((rows + drawn).ravel(), values.ravel(), minlength=int(np.prod(shape)))
    return total.astype(np.float64).reshape(shape)
