"""A record as a problem for the simulator: columns of outputs, samples first, one column per prompt."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, NoReturn, get_args

import numpy as np
import numpy.typing as npt

from culpa.dynamics.walk import log_softmax
from culpa.errors import InputError, shorten
from culpa.rollouts import Rollouts

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Missing = Literal["drop", "mean"]


class Problem(NamedTuple):
    """Prompts whose outputs all have a truth and a score. Arrays are (s, p); padding has log-probability -inf."""

    prompt_id: npt.NDArray[np.object_]  # (p,)
    prompts: npt.NDArray[np.int64]  # (p,) their rows in the record
    start: Array  # log of the policy's mass
    truth: Array  # 0 on padding
    rewards: Array  # (k, s, p)
    proxies: tuple[str, ...]
    length: Array | None = None  # tokens; NaN where unknown

    @property
    def present(self) -> Mask:
        """The policy's own outputs, (s, p)."""
        return np.isfinite(self.start)

    @property
    def best(self) -> Mask:
        """The outputs that the truth puts first in their prompt, (s, p); several where they are tied."""
        known = np.where(self.present, self.truth, -np.inf)
        return np.asarray(self.present & (known == known.max(axis=0)))

    @property
    def truth_range(self) -> float:
        """Highest minus lowest truth over all prompts."""
        known = self.truth[self.present]
        return float(known.max() - known.min())


def problem(rollouts: Rollouts, proxies: Sequence[str] = (), *, missing: Missing = "drop") -> Problem:
    """The policy's outputs with mass as an exact problem; proxies default to all.

    Outputs of mass 0 are not the policy's and can never become so. missing="drop": a prompt with an unknown truth or a
    missing verdict among its outputs is left out: its future is not known. missing="mean": a missing verdict takes the
    mean of that proxy's known scores in the prompt, by mass, and so is not pushed at the start (0 where it has none);
    an output of unknown truth is left out and the others take its mass, and a prompt without two others is left out.

    >>> cells = np.array([[1.0, 3.0, np.nan]])
    >>> own, mass = np.ones((1, 3), dtype=bool), np.full((1, 3), 1 / 3)
    >>> rollouts = Rollouts(np.array(["a"], dtype=object), own, mass, {"rm": cells}, cells)
    >>> problem(rollouts, missing="mean").present.ravel().tolist()
    [True, True, False]
    """
    names, truth = _known(rollouts, proxies)
    if missing not in get_args(Missing):
        raise InputError(f"missing must be one of {', '.join(get_args(Missing))}, got {missing!r}.", remedy=_LEAVE)
    own = rollouts.weight > 0
    scores = np.stack([rollouts.proxies[name] for name in names])
    if missing == "drop":
        rows = np.flatnonzero(own.any(axis=1) & ~((np.isnan(truth) | np.isnan(scores).any(axis=0)) & own).any(axis=1))
    else:
        own = own & ~np.isnan(truth)
        rows = np.flatnonzero(own.sum(axis=1) >= 2)
    if not len(rows):
        _refuse_empty(missing)
    kept, mass = own[rows], np.where(own, rollouts.weight, 0.0)[rows]
    with np.errstate(divide="ignore"):
        start = log_softmax(np.log(mass.T))
    rewards = _with_means(np.where(kept, scores[:, rows], 0.0), mass)
    return Problem(
        rollouts.prompt_id[rows],
        rows,
        np.ascontiguousarray(start),
        np.ascontiguousarray(np.where(kept, truth[rows], 0.0).T),
        np.ascontiguousarray(rewards.transpose(0, 2, 1)),
        names,
        None if rollouts.length is None else np.ascontiguousarray(rollouts.length[rows].T.astype(np.float64)),
    )


def spread_within(case: Problem, values: Array) -> Array:
    """Standard deviation of values (..., s, p) within prompts under the policy's mass, pooled over prompts, (...).

    Counted from the lowest of each prompt, so that equal values have a spread of 0 and not of a rounding error.

    >>> scores = np.array([[1.0, 0.0]])
    >>> rollouts = Rollouts(np.array(["a"], dtype=object), scores >= 0, np.array([[0.2, 0.8]]), {"rm": scores}, scores)
    >>> spread_within(problem(rollouts), scores.T).round(3).item()
    0.4
    """
    mass, low = np.exp(case.start), np.where(case.present, values, np.inf).min(axis=-2, keepdims=True)
    above = np.where(case.present, values - low, 0.0)
    gap = above - (mass * above).sum(axis=-2, keepdims=True)
    return np.asarray(np.sqrt((mass * gap**2).sum(axis=-2).mean(axis=-1)))


_LEAVE = "drop leaves the prompt out, mean gives a missing verdict the mean of the prompt's others."


def _known(rollouts: Rollouts, proxies: Sequence[str]) -> tuple[tuple[str, ...], Array]:
    names = tuple(proxies) or tuple(rollouts.proxies)
    unknown = [name for name in names if name not in rollouts.proxies]
    if unknown:
        found = ", ".join(map(shorten, rollouts.proxies)) or "none"
        raise InputError(f"no proxy is called {shorten(unknown[0])!r}.", remedy=f"Found: {found}.")
    if rollouts.truth is None:
        raise InputError("the rollouts have no truth.", remedy="Name it: read(..., truth=COLUMN).")
    if not names:
        raise InputError("the rollouts have no proxy.", remedy="Name them: read(..., proxies=[COLUMN, ...]).")
    return names, rollouts.truth


def _refuse_empty(missing: Missing) -> NoReturn:
    if missing == "mean":
        problem = "no prompt has two of the policy's own outputs with a truth."
        raise InputError(problem, remedy="Label more outputs of the same prompts.")
    problem = "no prompt has the policy's own outputs, all with a truth and a verdict."
    raise InputError(problem, remedy="Leave out the proxies without a verdict: proxies=[...].")


def _with_means(scores: Array, mass: Array) -> Array:
    """Scores (k, p, s) whose gaps hold the prompt's mean under the mass (p, s), 0 where it has none."""
    gap = np.isnan(scores)
    known = np.where(gap, 0.0, mass)
    whole = known.sum(axis=-1, keepdims=True)
    low = np.where(known > 0, scores, np.inf).min(axis=-1, keepdims=True)  # so that the mean of equal scores is theirs
    low = np.where(np.isfinite(low), low, 0.0)
    above = (known * np.where(gap, 0.0, scores - low)).sum(axis=-1, keepdims=True)
    return np.where(gap, low + above / np.where(whole > 0, whole, 1.0), scores)
