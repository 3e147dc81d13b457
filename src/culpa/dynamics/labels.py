"""The errors of any forecast with their effects: each prompt by itself, or outputs that share features."""

import polars as pl

from culpa.dynamics.effect import TOLERANCE, effects
from culpa.dynamics.errors import Scale
from culpa.dynamics.shared import SharedForecast
from culpa.dynamics.shared_effects import TOP, Slopes, shared_effects
from culpa.dynamics.simulate import Forecast


def labelled(
    forecast: Forecast,
    *,
    scale: Scale = "auto",
    tolerance: float = TOLERANCE,
    top: int = TOP,
    slopes: Slopes | None = None,
) -> pl.DataFrame:
    """One row per error of every proxy: `effects`, or `shared_effects` where features are shared, with the `method`.

    Where every prompt is run by itself all errors are put right in turn, whatever `top`.

    >>> import numpy as np
    >>> from culpa.dynamics import reinforce, simulate
    >>> from culpa.rollouts import Rollouts
    >>> truth, proxy = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    >>> rollouts = Rollouts(np.array(["a"], dtype=object), truth >= 0, truth * 0 + 0.5, {"rm": proxy}, truth)
    >>> labelled(simulate(rollouts, learner=reinforce()))["method"].unique().to_list()
    ['counterfactual']
    """
    if isinstance(forecast, SharedForecast):
        return shared_effects(forecast, scale=scale, tolerance=tolerance, top=top, slopes=slopes)
    found = effects(forecast, scale=scale, tolerance=tolerance)
    return found.with_columns(pl.lit("counterfactual").alias("method"))
