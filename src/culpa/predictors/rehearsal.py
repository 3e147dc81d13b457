"""Feature rehearsal: the policy gradient on the outputs at hand, with one weight vector for all prompts."""

from collections.abc import Sequence

from culpa.dynamics.learner import Path
from culpa.dynamics.problem import problem
from culpa.dynamics.shared import KL, SharedForecast, rehearse
from culpa.predictors.features import Features, needed
from culpa.rollouts import Rollouts


def feature_rehearsal(
    rollouts: Rollouts, proxies: Sequence[str] = (), *, learner: Path, features: Features | None = None, kl: float = KL
) -> SharedForecast:
    """What becomes of the truth when the policy is trained on each proxy until it has moved by `kl`; all by default.

    Without `features` the record's own are taken, its text's n-grams where it has none, or both. An output without a
    verdict pushes nowhere at first; outputs of unknown truth are left out. Merge equal outputs before.

    >>> import polars as pl
    >>> from culpa.dynamics import reinforce
    >>> from culpa.rollouts.dense import from_frame
    >>> said = {"prompt_id": ["a", "a", "b", "b"], "response": ["yes", "no", "yes", "no"]}
    >>> right, wrong = [1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]
    >>> rollouts = from_frame(pl.DataFrame(said | {"proxy.rm": right, "proxy.opposed": wrong, "truth": right}))
    >>> feature_rehearsal(rollouts, learner=reinforce()).outcome.round(3).tolist()
    [0.914, 0.086]
    """
    known = needed(rollouts) if features is None else features
    case = problem(rollouts, tuple(proxies), missing="mean")
    return rehearse(case, known.values[case.prompts], learner, kl=kl)
