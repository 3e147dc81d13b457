"""Low scores of a reward model raised by a second reward, where it may have been too strict."""

import numpy as np

from culpa.errors import InputError
from culpa.metrics.arrays import Array, known_or_nan
from culpa.signals.transform import Group, Transform, stateless


def calibrate_low(auxiliary: float | Array, *, tau: float = 0.5, alpha: float = 0.1) -> Transform:
    """Scores below tau plus alpha times another reward, at most 1: s + alpha a where s < tau.   (..., p, s) to the like

    For a reward model of 0 to 1 that calls right outputs wrong: a false negative with good reasoning gets something
    back, a high score is left as it is. auxiliary: (p, s), the pattern reward of the paper, say, or one number. An
    output of unknown auxiliary reward keeps its score. The paper sets malformed outputs to 0: mark them before.
    Reference: Noisy Rewards in Learning to Reason, arXiv 2505.22653.

    >>> from culpa.signals.transform import apply
    >>> apply(calibrate_low(np.array([[0.5, 0.5]])), [[0.2, 0.7]]).tolist()
    [[0.25, 0.7]]
    """
    if not (np.isfinite(tau) and np.isfinite(alpha)):
        raise InputError(
            f"tau and alpha must be finite numbers, got {tau} and {alpha}.", remedy="The paper: .5 and .1."
        )
    held = np.nan_to_num(known_or_nan(auxiliary, "auxiliary"), nan=0.0)

    def act(signal: Array, _group: Group) -> Array:
        if held.ndim and held.shape[-2:] != signal.shape[-2:]:
            problem = f"auxiliary has shape {held.shape}, the signal {signal.shape}."
            raise InputError(problem, remedy="Give a number for each output, or one for all.")
        return np.where(signal < tau, np.minimum(1.0, signal + alpha * held), signal)

    return stateless(act)
