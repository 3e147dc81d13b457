"""An additive split: how much of what a prompt's errors do together is owed to each of them.

The effects of single errors (`culpa.dynamics.effect`) do not add up: two errors may each be harmless beside the other,
or each disastrous alone. Here V(S) is the expected truth of a prompt at the horizon where only the errors in S stay and
the others are put right, and V(all) - V(none) is shared out:

    share(y) = mean over all orders of the errors of  V(those before y, and y) - V(those before y)        (Shapley 1953)

Every order hands out the total exactly, and so does any mean of orders: what sampling leaves open is whose it is, not
how much. Orders are drawn in pairs, each with its reverse (antithetic). The cheap rival walks the straight way from the
right scores to the proxy's, e = R - right, and needs derivatives only (integrated gradients, arXiv 1703.01365):

    share(y) = e(y) times the mean over points u in (0, 1) of dV/dR(y) at right + u e

It adds up only for short runs: the time at which the best output takes off moves like a step along the way, and a mean
over few points misses it. Its completeness error says by how much.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import factorial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.dynamics.errors import Scale, errors, right_scores
from culpa.dynamics.influence import adjoint
from culpa.dynamics.learner import Learner, Path
from culpa.dynamics.problem import Problem
from culpa.dynamics.scale import at_most_two
from culpa.dynamics.simulate import Forecast
from culpa.dynamics.walk import Columns, walk
from culpa.errors import InputError, shorten

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

PERMUTATIONS = 64
POINTS = 16  # of the straight way
_EXACT = 8  # errors of a prompt up to which all 2^n sets are walked
_CELLS = 1 << 21  # outputs times sets that are walked at once

SHARES = {"prompt_id": pl.String, "output": pl.Int64, "share": pl.Float64, "standard_error": pl.Float64}
PROMPTS = {"prompt_id": pl.String, "errors": pl.Int64, "total": pl.Float64, "completeness": pl.Float64}


@dataclass(frozen=True, eq=False)
class Split:
    """Shares of errors in what they do to their prompts together."""

    frame: pl.DataFrame  # one row per error: prompt_id, output, share, standard_error of the sampling (0: all orders)
    prompts: (
        pl.DataFrame
    )  # one row per prompt with errors: prompt_id, errors, total, completeness = sum of shares - total

    @property
    def completeness(self) -> float:
        """The largest error of any prompt's sum, in the truth's unit; 0 where no prompt has an error."""
        return float(np.abs(self.prompts["completeness"].to_numpy()).max(initial=0.0))


def split(
    forecast: Forecast,
    proxy: str,
    *,
    rng: np.random.Generator,
    scale: Scale = "same",
    permutations: int = PERMUTATIONS,
) -> Split:
    """Shapley shares of every error of one proxy, exact for prompts of up to 8 errors, else from sampled orders.

    A positive share means that the truth ends higher with the error. The total of a prompt is the expected truth at the
    proxy's horizon less the same with all its errors put right; scores within the tolerance of `errors` stay as they
    are. A prompt's shares sum to its total up to rounding, and a single error's share is its effect. A normalising
    learner takes its finite-group form where all sets of errors leave binary scores, else the limit of large groups.
    `permutations`: orders per prompt of more than 8 errors, an even number; each costs a walk per error but one.
    Reference: Mitchell et al., Sampling Permutations for Shapley Value Estimation, JMLR 23 (2022).

    >>> from culpa.dynamics import Horizon, reinforce, simulate
    >>> from culpa.rollouts import Rollouts
    >>> truth, proxy = np.array([[1.0, 0.8, -1.0]]), np.array([[1.0, -1.0, -0.5]])
    >>> mass = np.array([[0.05, 0.5, 0.45]])
    >>> rollouts = Rollouts(np.array(["a"], dtype=object), truth > -2, mass, {"rm": proxy}, truth)
    >>> run = simulate(rollouts, learner=reinforce(), horizon=Horizon(kl=None, steps=400))
    >>> found = split(run, "rm", rng=np.random.default_rng(0))
    >>> found.frame["share"].round(3).to_list(), found.prompts["total"].round(3).item()
    ([0.198, -0.006], 0.192)
    """
    if permutations < 4 or permutations % 2:
        problem = f"permutations must be an even number of at least 4, got {permutations}."
        raise InputError(problem, remedy=f"They come in pairs; {PERMUTATIONS} is usual.")
    game = _game(forecast, proxy, scale)
    plans, results = (_plan(game, prompt, permutations // 2, rng) for prompt in game.prompts), []
    for some in _batches(plans, len(game.wrong)):
        sizes = [len(plan.members) for plan in some]
        columns = np.repeat([plan.prompt for plan in some], sizes)
        kept = np.concatenate([_kept(game, plan) for plan in some], axis=1)
        values = _outcomes(game, columns, np.where(kept, game.wrong[:, columns], game.right[:, columns]))
        results += [_shared(plan, own) for plan, own in zip(some, np.split(values, np.cumsum(sizes)[:-1]), strict=True)]
    return _framed(game, results)


def integrated(forecast: Forecast, proxy: str, *, scale: Scale = "same", points: int = POINTS) -> Split:
    """Integrated gradients of every error of one proxy, by the midpoint rule on the straight way; they draw nothing.

    A backward pass per point for all prompts together. Trust the shares of a prompt only where its completeness error
    is small beside its total. A normalising learner takes the limit of large groups, in the total as well.
    """
    if points < 1:
        raise InputError(f"the straight way needs at least one point, got {points}.", remedy=f"{POINTS} is usual.")
    game = _game(forecast, proxy, scale)
    game = game._replace(learner=game.learner.in_the_limit())
    start, wrong, right = (values[:, game.prompts] for values in (game.case.start, game.wrong, game.right))
    ends = [_outcomes(game, game.prompts, reward) for reward in (right, wrong)]
    slope = np.zeros_like(wrong)
    for point in range(points):
        at = Columns(start, start, right + (point + 0.5) / points * (wrong - right))
        slope += adjoint(at, game.truth[:, game.prompts], game.learner, steps=game.steps, eta=game.eta) / points
    shares, total, results = (wrong - right) * slope, ends[1] - ends[0], []
    for number, prompt in enumerate(game.prompts):
        outputs = np.flatnonzero(game.mask[:, prompt])
        results.append(_Result(outputs, shares[outputs, number], np.zeros(len(outputs)), float(total[number])))
    return _framed(game, results)


class _Game(NamedTuple):
    case: Problem
    truth: Array  # (s, p) above the prompt's lowest
    wrong: Array  # (s, p) the proxy's scores
    right: Array  # (s, p) the same with every error put right
    mask: Mask  # (s, p) the errors
    prompts: Index  # those with errors
    binary: Mask  # (p,) whether every set of errors leaves at most two scores
    learner: Path
    eta: float
    steps: int


class _Plan(NamedTuple):
    """The sets that are walked for one prompt. orders: (m, n), none where the sets are all there are, by their bits;
    else the sets are none, all, and what stands before the second, third, .. of every order.
    """

    prompt: int
    outputs: Index  # (n,)
    members: Mask  # (sets, n)
    orders: Index | None


class _Result(NamedTuple):
    outputs: Index  # (n,)
    shares: Array  # (n,)
    error: Array  # (n,)
    total: float


def _game(forecast: Forecast, proxy: str, scale: Scale) -> _Game:
    if proxy not in forecast.proxies:
        known = ", ".join(map(shorten, forecast.proxies))
        raise InputError(f"the forecast has no proxy {shorten(proxy)!r}.", remedy=f"It has: {known}.")
    case, number = forecast.problem, forecast.proxies.index(proxy)
    learner, wrong = _plain(forecast.learner), case.rewards[number]
    true = right_scores(case, wrong, scale)
    mask = errors(case, wrong, true)
    right = np.where(mask, true, wrong)
    lowest = np.where(case.present, case.truth, np.inf).min(axis=0)
    truth = np.where(case.present, case.truth - lowest, 0.0)
    prompts, binary = np.flatnonzero(mask.any(axis=0)), _binary(case.present, wrong, right, mask)
    return _Game(case, truth, wrong, right, mask, prompts, binary, learner, forecast.eta, int(forecast.horizon[number]))


def _plain(learner: Learner) -> Path:
    if isinstance(learner, Path) and learner.plain:
        return learner
    problem = f"an additive split is not known for {learner.name}."
    raise InputError(problem, remedy="Take reinforce(), rloo(K) or grpo(K), without a signal or rounds.")


def _binary(present: Mask, wrong: Array, right: Array, mask: Mask) -> Mask:
    """Sets mix wrong and right scores: two errors and a third output leave two scores only if all are of the two."""
    pooled = at_most_two(np.concatenate([wrong, right]), np.concatenate([present, present]))
    apart = at_most_two(wrong, present) & at_most_two(right, present)
    return np.asarray(pooled | (apart & (mask.sum(axis=0) == 1)) | (present.sum(axis=0) <= 2))


def _plan(game: _Game, prompt: int, pairs: int, rng: np.random.Generator) -> _Plan:
    outputs = np.flatnonzero(game.mask[:, prompt])
    size = len(outputs)
    if size <= _EXACT:
        return _Plan(int(prompt), outputs, _bits(size), None)
    half = rng.permuted(np.tile(np.arange(size), (pairs, 1)), axis=1)
    orders = np.concatenate([half, half[:, ::-1]])
    before = np.argsort(orders, axis=1)[:, None, :] < np.arange(1, size)[:, None]
    ends = np.repeat([[False], [True]], size, axis=1)
    return _Plan(int(prompt), outputs, np.concatenate([ends, before.reshape(-1, size)]), orders)


def _bits(size: int) -> Mask:
    """All sets of so many, (2^n, n): set number m holds i where bit i of m is 1."""
    return np.asarray((np.arange(1 << size)[:, None] >> np.arange(size)) & 1 == 1)


def _batches(plans: Iterable[_Plan], outputs: int) -> Iterator[list[_Plan]]:
    """Plans whose columns are walked together; always at least one."""
    some: list[_Plan] = []
    cells = 0
    for plan in plans:
        more = outputs * len(plan.members)
        if some and cells + more > _CELLS:
            yield some
            some, cells = [], 0
        some.append(plan)
        cells += more
    if some:
        yield some


def _kept(game: _Game, plan: _Plan) -> Mask:
    """The outputs that keep the proxy's score in each set, (s, sets)."""
    kept = np.zeros((len(game.wrong), len(plan.members)), dtype=bool)
    kept[plan.outputs] = plan.members.T
    return kept


def _outcomes(game: _Game, prompts: Index, reward: Array) -> Array:
    """Expected truth at the horizon of some columns (m,), each a prompt under its own scores (s, m)."""
    start, end, binary = game.case.start[:, prompts], np.empty_like(reward), game.binary[prompts]
    for form, chosen in ((game.learner, binary), (game.learner.in_the_limit(), ~binary)):
        at = Columns(start[:, chosen], start[:, chosen], reward[:, chosen])
        if chosen.any():
            end[:, chosen] = walk(at, form, steps=game.steps, eta=game.eta)
    return np.asarray((np.exp(end) * game.truth[:, prompts]).sum(axis=0))


def _shared(plan: _Plan, values: Array) -> _Result:
    size = len(plan.outputs)
    if plan.orders is None:
        number = plan.members.sum(axis=1)
        weight = np.array([factorial(k) * factorial(size - k - 1) / factorial(size) for k in range(size)] + [0.0])
        gain = np.where(plan.members, weight[number - 1][:, None], -weight[number][:, None])
        return _Result(plan.outputs, values @ gain, np.zeros(size), float(values[-1] - values[0]))
    none, all_, inner = values[0], values[1], values[2:].reshape(len(plan.orders), size - 1)
    ends = np.pad(inner, ((0, 0), (1, 1)), constant_values=((0, 0), (none, all_)))
    gains = np.take_along_axis(np.diff(ends, axis=1), np.argsort(plan.orders, axis=1), axis=1)
    pairs = gains.reshape(2, -1, size).mean(axis=0)
    spread = pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs))
    return _Result(plan.outputs, pairs.mean(axis=0), spread, float(all_ - none))


def _framed(game: _Game, results: Sequence[_Result]) -> Split:
    names, sizes = game.case.prompt_id[game.prompts], [len(one.outputs) for one in results]
    columns = zip(*((one.outputs, one.shares, one.error) for one in results), strict=True) if results else [[]] * 3
    places, shares, spread = (list(chain.from_iterable(parts)) for parts in columns)
    frame = {
        "prompt_id": np.repeat(names, sizes).tolist(),
        "output": places,
        "share": shares,
        "standard_error": spread,
    }
    prompts = {
        "prompt_id": names.tolist(),
        "errors": sizes,
        "total": [one.total for one in results],
        "completeness": [float(one.shares.sum()) - one.total for one in results],
    }
    return Split(pl.DataFrame(frame, schema=SHARES), pl.DataFrame(prompts, schema=PROMPTS))
