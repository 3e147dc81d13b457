"""Less reward for what the policy says anyway."""

import numpy as np

from culpa.errors import InputError
from culpa.metrics.arrays import Array
from culpa.signals.ranks import levels
from culpa.signals.transform import Group, Transform, known_field, stateless


def unlikeliness(beta: float = 0.25, *, per_token: bool = True, size: int | None = None) -> Transform:
    """Reward less for outputs that the policy gives anyway: r (1 - beta rank / G).

    rank: 0 for the least likely output of the group to G - 1 for the most likely, by the mean log-probability of its
    tokens (`per_token` false: of the whole output); ties have the mean of their ranks.        (..., p, s) to the like

    Scaling the signal scales. Meant for rewards of 0 and 1: a wrong output stays at 0; what is below 0 is raised. A
    constant beta (G - 1) / 2 G is lost on average. An output without a verdict has no rank and lifts none; nor has one
    of unknown log-probability or length, which becomes NaN. Where outputs are enumerated it is the expected value in
    groups of `size`, (1 - 1 / size) (P(less likely) + P(as likely) / 2); not given, in groups without end.
    Reference: He et al., arXiv 2506.02355 (beta .25; there ties are broken by their place in the batch).

    >>> from culpa.signals.transform import apply, equal_group
    >>> group = equal_group((1, 4), logprob=np.log([[0.1, 0.4, 0.3, 0.2]]))
    >>> apply(unlikeliness(0.5, per_token=False), [[1.0, 1.0, 1.0, 0.0]], group).tolist()
    [[1.0, 0.625, 0.75, 0.0]]
    """
    if not np.isfinite(beta):
        raise InputError(f"beta must be a finite number, got {beta}.", remedy="0 leaves the reward as it is.")
    if size is not None and size < 1:
        raise InputError(f"size must be 1 or more, got {size}.", remedy="It is the number of outputs of a group.")

    def act(signal: Array, group: Group) -> Array:
        likely = np.broadcast_to(known_field(group, "logprob", "unlikeliness"), signal.shape)
        if per_token:
            length = known_field(group, "length", "unlikeliness")
            likely = likely / np.where(length > 0, length, np.nan)
        cells = np.where(np.isnan(signal), np.nan, likely)
        found = levels(cells, group.weight)
        tied = found.mass if group.enumerated else found.mass - found.share
        rank = found.below + 0.5 * tied
        if group.enumerated and size is not None:
            rank = rank * (1.0 - 1.0 / size)
        return signal * (1.0 - beta * rank)

    return stateless(act)
