"""What a learner multiplies the score function by: its own expected advantage under the current policy."""

import numpy as np
import numpy.typing as npt

from culpa.dynamics.learner import Path
from culpa.dynamics.scale import Scale, scale_rule
from culpa.errors import InputError
from culpa.signals import Group

Array = npt.NDArray[np.float64]


class Advantage:
    """A learner's expected advantage on given rewards, policy by policy.

    A = scale (S - sum pi S) - kl (log(pi / pi0) - sum pi log(pi / pi0)),    S = signal(R), or R without one

    rewards: (..., p, s), NaN = no verdict; start: (p, s) log-probabilities of the initial policy, -inf = an output that
    is not there; length: (p, s) tokens, for signals that ask. The scale is that of the learner: exact for its group
    size where a prompt has signals of two levels, else the limit of large groups. A signal with a memory keeps it
    here, from call to call; one that draws by chance draws anew at each, from a fixed seed. Outputs without a verdict
    take the mean of the others: they are not pushed.

    >>> even = np.log(np.full((1, 2), 0.5))
    >>> Advantage(Path("reinforce"), np.array([[1.0, 0.0]]), even)(np.exp(even), even).tolist()
    [[0.5, -0.5]]
    """

    def __init__(self, path: Path, rewards: Array, start: Array, length: Array | None = None) -> None:
        self.path, self.start, self.length = path, start, length
        self.present = np.isfinite(start)
        self._held = np.where(self.present, start, 0.0)
        self.rewards = np.where(self.present, rewards, np.nan)
        shape = self.rewards.shape
        self._fixed: tuple[Array, Scale | None] | None = None
        if path.signal is None:
            if not (np.isnan(self.rewards) & self.present).any():
                self._fixed = self._ready(self.rewards)
            return
        if path.signal.output(shape) != shape:
            problem = f"a learner's signal keeps the shape of its rewards, this one makes {path.signal.output(shape)}"
            raise InputError(f"{problem} of {shape}.", remedy="Merge several rewards into one before the learner.")
        self._state = path.signal.init(shape, np.random.default_rng(0))

    def __call__(self, prob: Array, logp: Array) -> Array:
        """The advantage (..., p, s): sum_s prob A = 0 in every prompt, and 0 where there is no output."""
        gap = self.of_rewards(prob, logp)
        return gap - self.pull(prob, logp) if self.path.kl > 0.0 else gap

    def of_rewards(self, prob: Array, logp: Array) -> Array:
        """The part of the advantage that comes from the rewards, (..., p, s)."""
        values, scale = self._fixed or self._ready(self.signal(prob, logp), prob)
        mean = (prob * values).sum(axis=-1, keepdims=True)
        gap = np.where(self.present, values - mean, 0.0)
        if scale is not None:
            across = np.broadcast_to(prob, gap.shape).reshape(-1, gap.shape[-1]).T
            factor = scale(across, gap.reshape(across.T.shape).T, mean.ravel(), np.ones(mean.size))
            gap *= factor.reshape(mean.shape)
        return gap

    def pull(self, prob: Array, logp: Array) -> Array:
        """What the divergence from the initial policy takes from the advantage, (..., p, s)."""
        ratio = np.where(self.present, logp, 0.0) - self._held
        return np.where(self.present, self.path.kl * (ratio - (prob * ratio).sum(axis=-1, keepdims=True)), 0.0)

    def signal(self, prob: Array, logp: Array) -> Array:
        """The rewards after the learner's signal, (..., p, s); NaN = no verdict. A signal with a memory moves on."""
        if self.path.signal is None:
            return self.rewards
        shape = self.rewards.shape
        group = Group(
            weight=np.broadcast_to(prob, shape),
            present=np.broadcast_to(self.present, shape),
            length=_to(shape, self.length),
            logprob=np.broadcast_to(logp, shape),
            reference=np.broadcast_to(self.start, shape),
            enumerated=True,
        )
        values, self._state = self.path.signal.apply(self.rewards, group, self._state)
        return np.where(self.present, values, np.nan)

    def _ready(self, values: Array, prob: Array | None = None) -> tuple[Array, Scale | None]:
        """The signal counted from the lowest of its prompt, with 0 where there is none, and the rule of its scale."""
        known = np.isfinite(values)
        low = np.where(known, values, np.inf).min(axis=-1, keepdims=True)
        above = np.where(known, values - np.where(np.isfinite(low), low, 0.0), 0.0)
        if prob is not None:
            weight = np.where(known, prob, 0.0)
            whole = weight.sum(axis=-1, keepdims=True)
            mean = (weight * above).sum(axis=-1, keepdims=True) / np.where(whole > 0, whole, 1.0)
            above = np.where(self.present & ~known, mean, above)
        columns = above.reshape(-1, above.shape[-1]).T
        present = np.broadcast_to(self.present, above.shape).reshape(columns.T.shape).T
        return above, scale_rule(self.path, columns, present)


def _to(shape: tuple[int, ...], values: Array | None) -> Array | None:
    return None if values is None else np.broadcast_to(values, shape)
