"""All that can be said of a proxy before training, side by side: every measure on the same rollouts, higher = better.

Outputs by themselves: accuracy and harm-aware accuracy (a tie 0 or 1/2; pairs weighed by the policy's log-probabilities
in four ways), variance, covariance, correlation, the tilted policy, rehearsal of every prompt by itself. Outputs that
share features: the cosine of the two policy gradients, rehearsal up to a divergence of .4 (`rehearsal`), or with one
clock for all proxies until the median one has diverged by 1 (`clock`), and the mean rank of cosine and rehearsal.

The panel is there to be judged against what training makes of each proxy (`culpa.predictors.agreement`).
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.dynamics.closed import policy
from culpa.dynamics.learner import Path, tilt
from culpa.dynamics.problem import Problem, problem, spread_within
from culpa.dynamics.shared import KL
from culpa.dynamics.simulate import Forecast, Horizon
from culpa.errors import InputError
from culpa.metrics import correlation, covariance, variance
from culpa.predictors.cosine import cosine, shuffled
from culpa.predictors.features import Features, needed
from culpa.predictors.ground import forecast, ground
from culpa.predictors.pairs import accuracies
from culpa.rollouts import Rollouts
from culpa.rollouts.columns import RESPONSE

Array = npt.NDArray[np.float64]
Values = dict[str, Array]

CLOCK = 1.0  # divergence of the median proxy at which a clock is stopped
SHUFFLES = 20  # shuffled truths of a control
_ETA = 1.0  # of the logits where every prompt is by itself: the horizon is a divergence, so the step is only a clock


class Panel(NamedTuple):
    """What each measure says of k proxies."""

    proxies: tuple[str, ...]
    values: Values  # measure -> (k,); NaN where it has nothing to say
    shuffled: Values  # measure -> (b, k), with truths that were shuffled within each prompt; empty without a generator


def panel(
    rollouts: Rollouts,
    learner: Path,
    *,
    hidden: int | None = None,
    rng: np.random.Generator | None = None,
    shuffles: int = SHUFFLES,
) -> Panel:
    """Every measure of every proxy of the rollouts; with `rng` the controls that must know nothing.

    hidden  how many of the record's features are the mean of hidden states; the others are a sketch of the gradient of
            the output layer. None: they are of one kind

    A proxy whose gradient is 0 teaches nothing: its cosine is 0. Every measure is unchanged by a constant added to a
    proxy's scores of a prompt, and all but variance and covariance by its scale.

    >>> import polars as pl
    >>> from culpa.dynamics.learner import reinforce
    >>> from culpa.rollouts.dense import from_frame
    >>> said = {"prompt_id": ["a", "a", "b", "b"], "response": ["yes", "no", "yes", "no"], "truth": [1.0, 0, 1, 0]}
    >>> scores = {"proxy.good": [1.0, 0.0, 1.0, 0.0], "proxy.bad": [0.0, 1.0, 0.0, 1.0]}
    >>> found = panel(from_frame(pl.DataFrame(said | scores)), reinforce()).values
    >>> found["HAcc"].tolist(), found["cosine, text"].round(6).tolist()
    ([1.0, 0.0], [1.0, -1.0])
    """
    case = problem(rollouts, missing="mean")
    sets = feature_sets(rollouts, hidden)
    runs = dict(_rehearsals(rollouts, case, sets, learner))
    values = accuracies(rollouts) | _moments(rollouts) | {"tilt b=1": _tilted(case)}
    values |= {name: run.outcome for name, run in runs.items()}
    null: Values = {}
    for name, one in sets.items():
        found = cosine(case, one.values[case.prompts], learner)
        values[f"cosine, {name}"] = np.nan_to_num(found.values)
        values[f"mean rank, {name}"] = mean_rank(values[f"cosine, {name}"], values[f"rehearsal, {name}"])
        if rng is not None:
            null[f"cosine, {name}"] = np.nan_to_num(found.null(rng, shuffles))
    if rng is not None:
        null |= _shuffled(rollouts, runs, rng, shuffles)
    return Panel(case.proxies, values, null)


def feature_sets(rollouts: Rollouts, hidden: int | None = None) -> dict[str, Features]:
    """The features of the record by name, alone and joined, each block with the same share of the mean square.

    "hidden", "sketch" and "hidden + sketch" where `hidden` says where the first ends, else "policy"; "text" where there
    are responses; what the policy has joined with the text as "hidden + text" and "all", or as "policy + text".

    >>> rollouts = Rollouts(
    ...     prompt_id=np.array(["a"], dtype=object),
    ...     present=np.array([[True, True]]),
    ...     weight=np.array([[0.5, 0.5]]),
    ...     features=np.array([[[3.0, 0.0], [5.0, 9.0]]], dtype=np.float32),
    ... )
    >>> {name: one.values.shape[-1] for name, one in feature_sets(rollouts, hidden=1).items()}
    {'hidden': 1, 'sketch': 1, 'hidden + sketch': 2}
    """
    texts = RESPONSE in rollouts.table.columns and rollouts.table[RESPONSE].null_count() < rollouts.size
    found = {"text": needed(rollouts, "text")} if texts else {}
    if rollouts.features is None:
        return found or {"none": needed(rollouts)}
    whole = rollouts.features.shape[-1]
    if hidden is None:
        first, everything = "policy", rollouts.features
        sets = {"policy": needed(rollouts, "policy")}
    else:
        if not 0 < hidden < whole:
            problem = f"the hidden mean is the first {hidden} of {whole} features."
            raise InputError(problem, remedy=f"Give a number from 1 to {whole - 1}, or None for features of one kind.")
        first = "hidden"
        blocks = {"hidden": rollouts.features[..., :hidden], "sketch": rollouts.features[..., hidden:]}
        sets = {name: needed(replace(rollouts, features=block), "policy") for name, block in blocks.items()}
        everything = np.concatenate([one.values for one in sets.values()], axis=-1)
        sets["hidden + sketch"] = needed(replace(rollouts, features=everything), "policy")
    sets |= found
    if texts:
        alone = rollouts.features if hidden is None else rollouts.features[..., :hidden]
        sets[f"{first} + text"] = needed(replace(rollouts, features=alone), "joined")
        sets |= {} if hidden is None else {"all": needed(replace(rollouts, features=everything), "joined")}
    return sets


def ranks(values: Array) -> Array:
    """Places from 0 (lowest) to 1 (highest) along the last axis; equal values share the middle of theirs.

    >>> ranks(np.array([5.0, 1.0, 5.0])).tolist()
    [0.75, 0.0, 0.75]
    """
    lower = (values[..., :, None] > values[..., None, :]).sum(axis=-1)
    equal = (values[..., :, None] == values[..., None, :]).sum(axis=-1)
    return np.asarray((lower + (equal - 1) / 2) / max(values.shape[-1] - 1, 1))


def _rehearsals(
    rollouts: Rollouts, case: Problem, sets: dict[str, Features], learner: Path
) -> Iterator[tuple[str, Forecast]]:
    alone = ground(rollouts, learner=learner, features="none")
    yield "tabular rehearsal", forecast(alone.case, None, learner, Horizon(kl=KL), eta=_ETA)
    for name, one in sets.items():
        values = one.values[case.prompts]
        yield f"rehearsal, {name}", forecast(case, values, learner, Horizon(kl=KL))
        yield f"clock, {name}", forecast(case, values, learner, Horizon(kl=CLOCK, together=True))


def _moments(rollouts: Rollouts) -> Values:
    """Means over prompts, and the correlation pooled; cells count where proxy and truth are known."""
    weight = rollouts.weight
    truth = np.full(rollouts.shape, np.nan) if rollouts.truth is None else rollouts.truth
    rows = [
        (
            np.nanmean(variance(score, weight)),
            np.nanmean(covariance(score, truth, weight)),
            correlation(score, truth, weight),
        )
        for score in rollouts.proxies.values()
    ]
    return dict(zip(("variance", "covariance", "correlation"), np.array(rows).T, strict=True))


def _tilted(case: Problem) -> Array:
    """The truth under pi0 exp(R) / Z, with R in the proxy's standard deviations within prompts, mean over prompts."""
    sd = spread_within(case, case.rewards)
    units = case.rewards / np.where(sd > 0, sd, 1.0)[:, None, None]
    ends = [policy(case.start, reward, tilt(1.0)) for reward in units]
    return np.array([(np.exp(end) * case.truth).sum(axis=0).mean() for end in ends])


def mean_rank(first: Array, second: Array) -> Array:
    """The mean of the places by two measures, from 0 (lowest by both) to 1.

    >>> mean_rank(np.array([1.0, 2.0, 3.0]), np.array([3.0, 9.0, 9.0])).tolist()
    [0.0, 0.625, 0.875]
    """
    return (ranks(first) + ranks(second)) / 2


def _shuffled(rollouts: Rollouts, runs: dict[str, Forecast], rng: np.random.Generator, count: int) -> Values:
    """HAcc and rehearsals against shuffled truths; a policy that learned from a proxy never saw the truth."""
    truth = np.full(rollouts.shape, np.nan) if rollouts.truth is None else rollouts.truth
    known = rollouts.present & ~np.isnan(truth)
    mixed = shuffled(np.where(known, truth, 0.0), known, count, rng)
    records = (rollouts.with_truth(np.where(known, one, np.nan)) for one in mixed)
    found: Values = {"HAcc": np.stack([accuracies(one, weighted=False)["HAcc"] for one in records])}
    for name, run in runs.items():
        case = run.problem
        draws = shuffled(case.truth.T, case.present.T, count, rng)
        found[name] = np.einsum("ksp,bps->bk", np.exp(run.final), draws) / len(case.prompts)
    return found
