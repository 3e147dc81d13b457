"""The exact policy gradient on finite outputs, step by step, for many independent columns at once.

A column is one prompt under one reward vector: with one logit per output, prompts never touch each other. Columns stand
samples first, (s, m), and are walked in blocks that stay in the cache for all their steps: a step is eight passes over
a quarter of a megabyte, without a temporary. Logits are kept as log-probabilities: 1e-300 is one like others.

    log pi  <-  log pi + eta pi (A - sum pi A) + const,    A = scale (R - sum pi R) - kl log(pi / pi0)
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.dynamics.learner import Path
from culpa.dynamics.scale import scale_rule
from culpa.errors import InputError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

BLOCK_CELLS = 1 << 15
_ABSENT = -1e300  # the log-probability of padding: finite, so that it can be subtracted, and its exponential is 0
_SAFE = 500.0  # logits that grow by less than this between normalisations cannot overflow
_KEEP = 64  # steps between normalisations, where that is safe


class Columns(NamedTuple):
    """Where the walk stands and what drives it, all (s, m). An output that is not there has log-probability -inf."""

    logp: Array
    start: Array  # log-probabilities of the initial policy
    reward: Array

    def at(self, place: slice | Mask | npt.NDArray[np.int64]) -> "Columns":
        """Some of the columns."""
        return Columns(self.logp[:, place], self.start[:, place], self.reward[:, place])


Look = Callable[[int, Array, Array, Array], None]  # step, prob, log prob (both up to a factor), 1 / sum prob


def walk(columns: Columns, path: Path, *, steps: int, eta: float) -> Array:
    """Log-probabilities (s, m) after so many steps of size eta. A constant added to a column's reward changes nothing.

    >>> even = np.log(np.full((2, 1), 0.5))
    >>> after = walk(Columns(even, even, np.array([[1.0], [0.0]])), Path("reinforce"), steps=1, eta=1.0)
    >>> round(float(np.exp(after[0, 0])), 6)  # one logit moves by 1/4, the other by -1/4
    0.622459
    """
    result = np.empty_like(columns.logp)
    for place, block in blocks(columns):
        result[:, place] = _walk_block(block, path, steps, eta)
    return result


def expectations(columns: Columns, path: Path, values: Array, *, steps: int, eta: float) -> tuple[Array, Array]:
    """The walk's end (s, m), and the policy's mean of j values (j, s, m) after 0, 1, .. steps, (j, steps + 1, m).

    >>> even = np.log(np.full((2, 1), 0.5))
    >>> reward = np.array([[1.0], [0.0]])
    >>> _, means = expectations(Columns(even, even, reward), Path("reinforce"), reward[None], steps=1, eta=1.0)
    >>> means.ravel().round(6).tolist()
    [0.5, 0.622459]
    """
    result, means = np.empty_like(columns.logp), np.empty((len(values), steps + 1, columns.logp.shape[1]))
    for place, block in blocks(columns):
        here, there = values[:, :, place], means[:, :, place]

        def look(step: int, prob: Array, _: Array, share: Array, here: Array = here, there: Array = there) -> None:
            for value, mean in zip(here, there, strict=True):
                np.multiply(np.einsum("sm,sm->m", prob, value), share, out=mean[step])

        result[:, place] = _walk_block(block, path, steps, eta, look)
    return result, means


def divergences(columns: Columns, path: Path, *, steps: int, eta: float) -> tuple[Array, Array]:
    """The walk's end (s, m), and the mean over columns of KL(pi || pi0) after 0, 1, .. steps, (steps + 1,).

    >>> even = np.log(np.full((2, 1), 0.5))
    >>> _, kl = divergences(Columns(even, even, np.array([[1.0], [0.0]])), Path("reinforce"), steps=1, eta=1.0)
    >>> kl.round(6).tolist()
    [0.0, 0.0303]
    """
    result, total = np.empty_like(columns.logp), np.zeros(steps + 1)
    for place, block in blocks(columns):
        start = np.where(np.isfinite(block.start), block.start, _ABSENT)

        def look(step: int, prob: Array, logp: Array, share: Array, start: Array = start) -> None:
            total[step] += (np.einsum("sm,sm->m", prob, logp - start) * share + np.log(share)).sum()

        result[:, place] = _walk_block(block, path, steps, eta, look)
    return result, total / columns.logp.shape[1]


def gains(columns: Columns, path: Path, value: Array, *, steps: int, eta: float) -> tuple[Array, Array]:
    """The walk's end (s, m), and the mean over columns of the policy's mean of the value after 0, 1, .. steps.

    >>> even = np.log(np.full((2, 1), 0.5))
    >>> reward = np.array([[1.0], [0.0]])
    >>> gains(Columns(even, even, reward), Path("reinforce"), reward, steps=1, eta=1.0)[1].round(6).tolist()
    [0.5, 0.622459]
    """
    result, total = np.empty_like(columns.logp), np.zeros(steps + 1)
    for place, block in blocks(columns):
        here = value[:, place]

        def look(step: int, prob: Array, _: Array, share: Array, here: Array = here) -> None:
            total[step] += (np.einsum("sm,sm->m", prob, here) * share).sum()

        result[:, place] = _walk_block(block, path, steps, eta, look)
    return result, total / columns.logp.shape[1]


def states(columns: Columns, path: Path, *, steps: int, eta: float) -> Array:
    """Probabilities before each of so many steps, (steps, s, m): for few columns, since all of them are kept.

    >>> even = np.log(np.full((2, 1), 0.5))
    >>> states(Columns(even, even, np.array([[1.0], [0.0]])), Path("reinforce"), steps=2, eta=1.0)[:, 0].round(3)
    array([[0.5  ],
           [0.622]])
    """
    kept = np.empty((steps + 1, *columns.logp.shape))
    for place, block in blocks(columns):

        def look(step: int, prob: Array, _: Array, share: Array, place: slice = place) -> None:
            np.multiply(prob, share, out=kept[step, :, place])

        _walk_block(block, path, steps, eta, look)
    return kept[:steps]


def blocks(columns: Columns, cells: int = 0) -> Iterator[tuple[slice, Columns]]:
    """The columns in portions of so many cells, or of those that stay in the cache."""
    width = max(1, (cells or BLOCK_CELLS) // columns.logp.shape[0])
    for first in range(0, columns.logp.shape[1], width):
        place = slice(first, first + width)
        yield place, columns.at(place)


def log_softmax(logits: Array) -> Array:
    """Log-probabilities along the first axis, (s, ...). Exact for logits of any size; -inf stays -inf.

    >>> np.exp(log_softmax(np.array([[1e6], [1e6]]))).ravel().tolist()
    [0.5, 0.5]
    """
    shifted = logits - logits.max(axis=0)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=0))
    return result


def _walk_block(columns: Columns, path: Path, steps: int, eta: float, look: Look | None = None) -> Array:
    if not path.plain:
        problem = f"{path.name} has no fast walk."
        raise InputError(problem, remedy="simulate, effects and stalls take it: culpa.dynamics.courses.")
    present = np.isfinite(columns.start)
    logp, start, reward = filled(columns, present)
    scale = scale_rule(path, reward, present)
    prob, work, other = np.empty_like(logp), np.empty_like(logp), np.empty_like(logp)
    every = _normalise_every(path, float(reward.max(initial=0.0)), start[present], eta)
    for step in range(steps):
        if step % every == 0:
            _normalise(logp)
        np.exp(logp, out=prob)
        share = 1.0 / np.add.reduce(prob, axis=0)
        if look is not None:
            look(step, prob, logp, share)
        np.multiply(prob, reward, out=work)
        mean = np.add.reduce(work, axis=0) * share
        np.subtract(reward, mean, out=work)
        if scale is not None:
            work *= scale(prob, work, mean, share)
        if path.kl > 0.0:
            np.subtract(logp, start, out=other)
            other -= np.einsum("sm,sm->m", prob, other) * share
            other *= path.kl
            work -= other
        work *= prob
        work *= eta * share
        logp += work
    _normalise(logp)
    if look is not None:
        look(steps, np.exp(logp), logp, np.ones(logp.shape[1]))
    return np.where(present, logp, -np.inf)


def filled(columns: Columns, present: Mask) -> Columns:
    """Copies that can be computed with everywhere. A constant is no reward: with the lowest taken away, a large offset
    costs no digits later.
    """
    low = np.where(present, columns.reward, np.inf).min(axis=0)
    return Columns(
        np.where(present, columns.logp, _ABSENT),
        np.where(present, columns.start, _ABSENT),
        np.where(present, columns.reward, low) - low,
    )


def _normalise(logp: Array) -> None:
    logp -= logp.max(axis=0)
    logp -= np.log(np.exp(logp).sum(axis=0))


def _normalise_every(path: Path, largest: float, start: Array, eta: float) -> int:
    """Steps that cannot overflow. A logit moves by eta pi |A|: at most eta times the reward's range, or eta if scaled
    (pi |R - V| / std <= sqrt(pi)), and the divergence pulls by at most eta kl (1 + |log pi0|).
    """
    move = eta * (1.0 if path.normalise else largest)
    move += eta * path.kl * (1.0 + float(np.abs(start).max(initial=0.0)))
    return int(np.clip(_SAFE / max(move, 1e-300), 1, _KEEP))
