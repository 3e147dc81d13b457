"""On which side of the boundary a policy stands, from its masses alone: is partial credit a step or a detour?

Two worlds give two answers, and data alone do not say which of them a training run is. Where every output has a logit
of its own, a likely half-right output takes the mass that the right one needs. Where checks are skills that all outputs
share, each of them is learnt by itself, and half a credit is half a lesson.

Plain policy gradient; p succeed, q pass some checks, r pass none, a partial output has credit c:

    tabular     dp/dt = p^2 ((1 - p)^2 + q^2 + r^2) under binary; partial adds  c p q (r^2 - q (1 - q) - p (1 - p))
                which is positive where  r + r^2 + p^2 + q^2 > 1
    skills      d w_i/dt = cov(b_i, R): under binary p (1 - rate_i), under partial sum_j cov(b_i, b_j) / c
                independent checks: partial / binary = 1 / (c prod of the others' rates)

Reference: arXiv 2604.25872, application II, which asks the question; the formulas are derived from the dynamics.
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]


def boundary(p: Array | float, q: Array | float) -> Array:
    """The boundary, r + r^2 + p^2 + q^2 - 1 with r = 1 - p - q: above 0 partial credit raises p faster at first.

    Tabular, one partial output of any credit. For small p: positive where more than half of the outputs pass nothing.

    >>> boundary(np.array([0.01, 0.01]), np.array([0.3, 0.6])).round(4).tolist()
    [0.2562, -0.0978]
    """
    r = 1.0 - np.asarray(p) - np.asarray(q)
    return np.asarray(r + r**2 + np.square(p) + np.square(q) - 1.0)


def early_gain(mass: Array, credit: Array, success: Array) -> Array:
    """How much faster the success rises at first under a credit than under binary, every prompt by itself, (...,).

    sum_z pi^2 A_success (A_credit - A_binary), the difference of dV/dt = sum pi^2 A_V A_R. mass: (..., z) of patterns;
    credit, success: (z,). With one partial pattern of credit c: c p q (r^2 - q (1 - q) - p (1 - p)), see `boundary`.

    >>> early_gain(np.array([0.69, 0.3, 0.01]), np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.0, 1.0])).round(6).tolist()
    0.000384
    """
    gap = credit - success
    ahead = gap - (mass @ gap)[..., None]
    good = success - (mass @ success)[..., None]
    return np.asarray((mass**2 * good * ahead).sum(axis=-1))


def levers(mass: Array, patterns: Bits) -> Array:
    """How many times faster each check is learnt at first under partial credit than under binary, as a skill, (c,).

    sum_j cov(b_i, b_j) / c  over  p (1 - rate_i), with the policy's mean mass (z,) on the patterns (z, c). NaN where no
    output succeeds or the check always passes. The check of lowest rate decides: it is what success waits for.

    >>> rates = np.array([0.9, 0.02])
    >>> both = np.array([[False, False], [True, False], [False, True], [True, True]])
    >>> levers(np.where(both, rates, 1 - rates).prod(axis=1), both).round(3).tolist()  # 1 / (2 x .02), 1 / (2 x .9)
    [25.0, 0.556]
    """
    bits = patterns.astype(np.float64)
    rates = mass @ bits
    both = (bits * mass[:, None]).T @ bits - np.outer(rates, rates)
    need = (mass * patterns.all(axis=1)).sum() * (1.0 - rates)
    return np.asarray(np.divide(both.mean(axis=1), need, out=np.full(len(rates), np.nan), where=need > 0))
