"""What a rehearsal stands on: the outputs with their masses, and what they have in common across prompts, if anything.

Equal texts of a prompt are one output: what a policy says twice it says with twice the mass. Where outputs have
features, the policy is one weight vector for all prompts (`culpa.dynamics.shared`); where they are enumerated, with the
policy's mass on each, every prompt is walked by itself. A learner that only chooses among outputs shares nothing.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from culpa.dynamics.horizon import parse_horizon
from culpa.dynamics.learner import ClosedForm, Learner, reinforce
from culpa.dynamics.problem import Problem, problem
from culpa.dynamics.shared import rehearse as rehearse_shared
from culpa.dynamics.simulate import Forecast, Horizon
from culpa.dynamics.simulate import run as walk
from culpa.errors import InputError, shorten
from culpa.predictors.features import Features, Floats, Kind, features_of
from culpa.rollouts import Rollouts
from culpa.rollouts.columns import RESPONSE
from culpa.rollouts.merge import merged

ETA = 0.1  # step of the logits where every prompt is walked by itself
SHARED, ALONE = "shared features", "every prompt by itself"
Common = Literal[Kind, "none"]


class Ground(NamedTuple):
    """A record as a rehearsal sees it."""

    record: Rollouts  # with equal texts merged
    case: Problem
    features: Features | None  # None: every prompt by itself

    @property
    def values(self) -> Floats | None:
        """The features of the problem's prompts, (p, s, d)."""
        return None if self.features is None else self.features.values[self.case.prompts]

    @property
    def mode(self) -> str:
        """Whether prompts share anything, in words."""
        return ALONE if self.features is None else SHARED

    @property
    def unjudged(self) -> int:
        """Outputs of the problem's prompts whose truth is unknown: they are left out."""
        rows, truth = self.case.prompts, self.record.truth
        return 0 if truth is None else int((np.isnan(truth[rows]) & (self.record.weight[rows] > 0)).sum())

    @property
    def unsaid(self) -> int:
        """Missing verdicts of all proxies on the outputs that are left: they push nowhere at first."""
        scores = [self.record.proxies[name][self.case.prompts] for name in self.case.proxies]
        return int(sum((np.isnan(score) & self.case.present.T).sum() for score in scores))


def ground(
    rollouts: Rollouts,
    proxies: Sequence[str] = (),
    *,
    learner: Learner,
    features: Common | Features = "auto",
    merge: bool = True,
) -> Ground:
    """What the rollouts give to rehearse on; all proxies if none is named.

    A missing verdict pushes nowhere at first; an output of unknown truth is left out.

    features  a kind of `features_of`, or "none": every prompt by itself, whatever its outputs share; or the features
              themselves, (p, s, d) of the record's own cells, none of which are merged then
    merge     whether equal texts of a prompt are one output; False where something else has said what is one

    >>> import polars as pl
    >>> from culpa.rollouts.dense import from_frame
    >>> said = {"prompt_id": ["a", "a", "a"], "response": ["yes", "yes", "no"], "proxy.rm": [1.0, 1.0, 0.0]}
    >>> found = ground(from_frame(pl.DataFrame(said | {"truth": [1.0, 1.0, 0.0]})), learner=reinforce())
    >>> found.mode, np.exp(found.case.start).ravel().round(3).tolist()
    ('shared features', [0.667, 0.333])
    """
    given = isinstance(features, Features)
    record = _merged(rollouts) if merge and not given else rollouts
    known = _checked(record, features)
    found = None if known == "none" or isinstance(learner, ClosedForm) else known
    if found is not None and not isinstance(found, Features):
        found = features_of(record, found)
    case = problem(record, tuple(proxies), missing="mean")
    return Ground(record, case, None if found is None or found.alike else found)


def enumerated(record: Rollouts) -> bool:
    """Whether some prompt gives its outputs unequal mass, as enumerated and merged ones have; samples have equal."""
    own = record.weight > 0
    low = np.where(own, record.weight, np.inf).min(axis=1)
    return bool((record.weight.max(axis=1) > low * (1 + 1e-9)).any())


def forecast(
    case: Problem,
    values: Floats | None,
    learner: Learner,
    horizon: Horizon,
    *,
    eta: float = ETA,
    rng: np.random.Generator | None = None,
) -> Forecast:
    """The run of all proxies of a problem: with shared features where there are any, else of every prompt by itself.

    eta: step of the logits where every prompt is walked by itself; with shared features steps set themselves. With
    `rng` each step is that of groups drawn from the policy, which is known of prompts by themselves.

    >>> scores = np.array([[1.0, 0.0]])
    >>> rollouts = Rollouts(np.array(["a"], dtype=object), scores >= 0, np.array([[0.2, 0.8]]), {"rm": scores}, scores)
    >>> case, both = problem(rollouts), np.array([[[0.8], [-0.2]]])
    >>> [forecast(case, values, reinforce(), Horizon()).outcome.round(3).item() for values in (both, None)]
    [0.61, 0.611]
    """
    if values is None or isinstance(learner, ClosedForm):
        if horizon.together:
            problem = f"the horizon {said(horizon)} is of policies that share features."
            raise InputError(problem, remedy="Every prompt by itself: use steps=NUMBER, the same time for all proxies.")
        return walk(case, learner, horizon, eta, rng)
    if rng is not None:
        problem = "runs that draw their outputs are known of prompts by themselves, and these outputs share features."
        raise InputError(problem, remedy=_LEAVE_OUT)
    if horizon.kl is None:
        problem = f"the horizon {said(horizon)} does not fit policies that share features."
        raise InputError(problem, remedy=_USE_KL)
    return rehearse_shared(case, values, learner, kl=horizon.kl, together=horizon.together)


_LEAVE_OUT = 'Leave them out, or take every prompt by itself: --features none, in Python features="none".'
_USE_KL = 'Use kl=VALUE: how far the policy moves; or features "none", which takes every prompt by itself.'


def rehearse(
    rollouts: Rollouts,
    proxy: str | Sequence[str] = (),
    *,
    learner: Learner | None = None,
    horizon: str | Horizon = "kl=0.4",
    features: Common | Features = "auto",
    eta: float = ETA,
) -> Forecast:
    """What becomes of the truth when a policy is trained on each proxy (all of them if none is named).

    learner   the algorithm; REINFORCE if not given
    horizon   "kl=0.4", "clock=1", "steps=500" or "gain=0.5": how far it trains
    features  what outputs have in common: "auto", "policy" (the policy's own features), "text" (n-grams of the text),
              "joined" (both) or "none" (every prompt by itself); or features of your own, as `features_of` gives them
    eta       step of the logits where every prompt is by itself

    >>> scores = np.array([[1.0, 0.0]])
    >>> rollouts = Rollouts(np.array(["a"], dtype=object), scores >= 0, np.array([[0.2, 0.8]]), {"rm": scores}, scores)
    >>> rehearse(rollouts, "rm", horizon="kl=0.4").outcome.round(3).tolist()
    [0.611]
    """
    how = learner or reinforce()
    until = parse_horizon(horizon) if isinstance(horizon, str) else horizon
    names = (proxy,) if isinstance(proxy, str) else tuple(proxy)
    found = ground(rollouts, names, learner=how, features=features)
    return forecast(found.case, found.values, how, until, eta=eta)


def said(horizon: Horizon) -> str:
    """A horizon as it is written.

    >>> said(Horizon()), said(Horizon(kl=None, steps=50))
    ('kl=0.4', 'steps=50')
    """
    if horizon.gain is not None:
        return f"gain={horizon.gain:g}"
    name = "clock" if horizon.together else "kl"
    return f"steps={horizon.steps}" if horizon.kl is None else f"{name}={horizon.kl:g}"


def _checked(record: Rollouts, features: Common | Features) -> Common | Features:
    """Features that fit the record, or the name of a kind."""
    if isinstance(features, Features):
        if features.values.ndim != 3 or features.values.shape[:2] != record.shape:
            problem = f"the features are {features.values.shape}, the record's outputs {record.shape}."
            raise InputError(problem, remedy="Take those of this record: features_of(rollouts).")
    elif features not in (*get_args(Kind), "none"):
        known = ", ".join((*get_args(Kind), "none"))
        raise InputError(f"no features are of the kind {shorten(repr(features))}.", remedy=f"Known: {known}.")
    return features


def _merged(rollouts: Rollouts) -> Rollouts:
    if RESPONSE not in rollouts.table.columns or rollouts.table[RESPONSE].null_count() == rollouts.size:
        return rollouts
    found = merged(rollouts, by=RESPONSE)
    return found if found.size < rollouts.size else rollouts
