"""The walk that takes every learner, all prompts together, step by step: signals, rounds with a clip, drawn groups.

A round begins with the advantages of the policy as it is; its steps follow, from then on,

    sum_y pi_old(y) min(r A, clip(r) A) - kl KL(pi || pi0),        r = pi / pi_old

whose gradient is that of the outputs which have not yet gone too far. A round of one step is the plain walk. The
divergence is pulled by from where the policy stands at each step.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from culpa.dynamics.advantage import Advantage
from culpa.dynamics.learner import Path
from culpa.dynamics.sampled import MOST, Drawn, uncut
from culpa.dynamics.walk import Columns

Array = npt.NDArray[np.float64]


def stepwise(
    columns: Columns,
    path: Path,
    *,
    eta: float,
    length: Array | None = None,
    apart: bool = False,
    rng: np.random.Generator | None = None,
) -> Iterator[Array]:
    """Log-probabilities (s, m) after 0, 1, 2, .. steps, for ever.

    The columns are the prompts of one batch for the learner's signal, or with `apart` each is a batch of its own. With
    a generator the steps are those of drawn groups. Starts where the columns stand, with a signal that knows nothing.
    length: (s, m) tokens, for signals that ask.

    >>> even = np.log(np.full((2, 1), 0.5))
    >>> run = stepwise(Columns(even, even, np.array([[1.0], [0.0]])), Path("reinforce"), eta=1.0)
    >>> [round(float(np.exp(next(run)[0, 0])), 6) for _ in range(2)]
    [0.5, 0.622459]
    """
    shape = (columns.logp.shape[1], 1, -1) if apart else (columns.logp.shape[1], -1)
    logp, start, reward = (array.T.reshape(shape) for array in columns)
    advantage = Advantage(path, reward, start, None if length is None else length.T.reshape(shape))
    steps = Expected(advantage) if rng is None else Drawn(advantage, rng)
    logp = _normalised(logp)
    while True:
        for inner in range(path.epochs):
            yield np.ascontiguousarray(logp.reshape(columns.logp.shape[::-1]).T)
            if inner == 0:
                steps.begin(np.exp(logp), logp)
            logp = _normalised(logp + eta * steps.step(logp))


class Expected:
    """The expected steps of a round, (..., p, s)."""

    def __init__(self, advantage: Advantage) -> None:
        self._advantage, self._path = advantage, advantage.path

    def begin(self, prob: Array, logp: Array) -> None:
        """Holds the advantages of the round."""
        self._gap, self._old = self._advantage.of_rewards(prob, logp), np.where(self._advantage.present, logp, 0.0)

    def step(self, logp: Array) -> Array:
        """Where the logits move, per unit of step size."""
        prob = np.exp(logp)
        ratio = np.exp(np.minimum(np.where(self._advantage.present, logp, 0.0) - self._old, MOST))
        push = uncut(self._gap, ratio, self._path.clip)
        push = push - (prob * push).sum(axis=-1, keepdims=True)
        if self._path.kl > 0.0:
            push = push - self._advantage.pull(prob, logp)
        return np.where(self._advantage.present, prob * push, 0.0)


def _normalised(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result
