"""The advantages that a learner takes from drawn groups, as a signal: what a trainer computes from its rewards."""

from culpa.dynamics.learner import Path
from culpa.signals import Transform, center, chain, divide_std, leave_one_out


def advantage_of(path: Path) -> Transform:
    """The learner's own signal, then its advantage on the outputs drawn for each prompt, (..., p, s).

    reinforce   the reward
    rloo        the reward minus the mean of the others
    grpo        (r - mean) / (std + eps), with the learner's ddof and eps; 0 where all are equal
    ppo         as rloo: in expectation this is the advantage over an exact critic, r - V

    In expectation over groups of the learner's size its step is the simulated one. With `center` in place of the mean
    of the others it would be (s - 1) / s of it. The weight of the KL is the objective's.

    >>> from culpa.dynamics import grpo
    >>> from culpa.signals import apply
    >>> apply(advantage_of(grpo(4)), [[1.0, 0.0, 0.0, 1.0]]).tolist()
    [[1.0, -1.0, -1.0, 1.0]]
    """
    before = () if path.signal is None else (path.signal,)
    if path.normalise:
        return chain(*before, center(), divide_std(ddof=int(path.sample_std), eps=path.eps))
    if path.group is None and not path.critic:
        return chain(*before)
    return chain(*before, leave_one_out())
