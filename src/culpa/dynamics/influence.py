"""How the truth at the end of a walk changes with every single score: derivatives, exact and cheap ones.

Exact, by one backward pass over theta_{t+1} = theta_t + eta u(theta_t, R), u = pi A: with l = dV_G(T) / d theta_{t+1},

    dV / dR  +=  eta (du/dR)' l,        l  <-  l + eta (du/d theta)' l,        first l = pi (G - V_G) at T.

Write d = R - V_R, c = scale, h = l - pi.l, w = pi h, and for the divergence e = log(pi / pi0) - KL of weight b:

    (du/dR)' l      = c w - 2 q pi d
    (du/d theta)' l = w (c d - b e - b) - pi (c w.d - b w.e + q (d^2 - v))        q = w.d c^2 / (2 std), v = std^2

with q = 0 where the learner does not normalise: it is what the group's spread adds. A derivative is no label: a finite
error can have an effect of the other sign (`culpa.dynamics.effect`).
"""

from math import ceil, sqrt

import numpy as np
import numpy.typing as npt

from culpa.dynamics.learner import Learner, Path
from culpa.dynamics.walk import Columns, blocks, states, walk
from culpa.errors import InputError

Array = npt.NDArray[np.float64]

_TINY = 1e-300  # what has less mass than this has no part in any sum


def adjoint(columns: Columns, truth: Array, path: Learner, *, steps: int, eta: float) -> Array:
    """Derivative of the expected truth of each column after so many steps by each of its scores, (s, m).

    Exact for the walk of `path`, a normalising learner in the limit of large groups: a derivative leaves the binary
    rewards for which the finite-group form is known. truth: (s, m); absent outputs have 0. The derivatives of a column
    sum to 0, since a constant added to its scores changes nothing; one added to the truth changes nothing either.
    Memory: the square root of the steps, twice, for a block of columns.

    >>> even = np.log(np.full((2, 1), 0.5))
    >>> truth = np.array([[1.0], [0.0]])
    >>> adjoint(Columns(even, even, truth), truth, Path("reinforce"), steps=1, eta=0.1).ravel().round(4).tolist()
    [0.0125, -0.0125]
    """
    path = _differentiable(path)
    learner = path.in_the_limit() if path.normalise else path
    result = np.empty_like(columns.logp)
    for place, block in blocks(columns):
        result[:, place] = _adjoint_block(block, truth[:, place], learner, steps, eta)
    return result


def first_order(columns: Columns, truth: Array, path: Learner, *, steps: int, eta: float) -> Array:
    """The derivative as if the policy stayed where it is, (s, m): eta T (du/dR)' g, g = pi (G - V_G).

    Without normalisation eta T pi (g - pi.g): the speed at which training on the truth would raise each output. Of use
    for the first steps; it cannot see a plateau ahead. Of the divergence it knows nothing.

    >>> even = np.log(np.full((2, 1), 0.5))
    >>> truth = np.array([[1.0], [0.0]])
    >>> first_order(Columns(even, even, truth), truth, Path("reinforce"), steps=1, eta=0.1).ravel().round(4).tolist()
    [0.0125, -0.0125]
    """
    path = _differentiable(path)
    prob, reward, values = _plain(columns, truth)
    step = Step(prob, reward, columns.start, path)
    by_score, _ = step.back(_gradient(prob, values))
    return eta * steps * by_score


def second_order(columns: Columns, truth: Array, path: Learner, *, steps: int, eta: float) -> Array:
    """The derivative of the expansion to second order in eta, (s, m), for learners that do not normalise.

    V(T) = V + eta T g.u + eta^2 ( T^2 / 2 u'Hu + T (T - 1) / 2 g'Ju ),        u = pi (R - V_R), g = pi (G - V_G)

    H and J: derivatives of g and of u by the logits. With T (T - 1) in place of the flow's T^2 one step is exact to its
    order. Without divergence; for such learners, and beyond eta T of about 1, take `adjoint`.

    >>> even = np.log(np.full((2, 1), 0.5))
    >>> truth = np.array([[1.0], [0.0]])
    >>> second_order(Columns(even, even, truth), truth, Path("reinforce"), steps=1, eta=0.1).ravel().round(4).tolist()
    [0.0125, -0.0125]
    """
    path = _differentiable(path)
    if path.normalise or path.kl > 0.0:
        problem = f"no second order is known for {path.name} with kl={path.kl}."
        raise InputError(problem, remedy="Take `adjoint`, which is exact.")
    prob, reward, values = _plain(columns, truth)
    u, g = _gradient(prob, reward), _gradient(prob, values)
    centred_u, centred_g = u - (prob * u).sum(axis=0), g - (prob * g).sum(axis=0)

    def by_score(l_: Array) -> Array:
        return np.asarray(prob * (l_ - (prob * l_).sum(axis=0)))

    bend = by_score(centred_g * centred_u)
    flow = 2.0 * by_score(_bent(prob, g, u)) * steps**2 / 2
    return eta * steps * by_score(g) + eta**2 * (flow + (by_score(_bent(prob, u, g)) + bend) * steps * (steps - 1) / 2)


def _differentiable(learner: Learner) -> Path:
    if isinstance(learner, Path) and learner.plain:
        return learner
    problem = f"no derivative is known for {learner.name}: counterfactual only."
    raise InputError(problem, remedy="Take `effects`, which puts every error right in turn and runs again.")


def _adjoint_block(columns: Columns, truth: Array, path: Path, steps: int, eta: float) -> Array:
    stride = max(1, ceil(sqrt(steps)))
    starts = range(0, steps, stride)
    at = [columns]
    for first in starts:
        at.append(columns._replace(logp=walk(at[-1], path, steps=min(stride, steps - first), eta=eta)))
    last, reward, values = _plain(at[-1], truth)
    back = _gradient(last, values)
    result = np.zeros_like(back)
    for number in reversed(range(len(starts))):
        path_states = states(at[number], path, steps=min(stride, steps - starts[number]), eta=eta)
        for prob in path_states[::-1]:
            by_score, by_logit = Step(prob, reward, columns.start, path).back(back)
            result += by_score
            by_logit *= eta
            back += by_logit
    result *= eta
    return result


class Step:
    """One step's transposed derivatives, in the letters of the module's text. Rewards are 0 on absent outputs."""

    def __init__(self, prob: Array, reward: Array, start: Array, path: Path) -> None:
        self.prob, self.path = prob, path
        self.gap = reward - np.einsum("sm,sm->m", prob, reward)
        if path.normalise:
            self.variance = np.einsum("sm,sm,sm->m", prob, self.gap, self.gap)
            some = self.variance > 0
            self.std = np.sqrt(np.where(some, self.variance, 1.0))
            self.scale = np.where(some, 1.0 / (self.std + path.eps), 0.0)
        if path.kl > 0.0:
            ratio = np.where(prob > _TINY, np.log(np.maximum(prob, _TINY)) - np.where(prob > _TINY, start, 0.0), 0.0)
            self.ratio = ratio - np.einsum("sm,sm->m", prob, ratio)

    def push(self) -> Array:
        """The step itself, u = pi A, (s, m)."""
        advantage = self.scale * self.gap if self.path.normalise else self.gap
        if self.path.kl > 0.0:
            advantage = advantage - self.path.kl * self.ratio
        return np.asarray(self.prob * advantage)

    def back(self, l_: Array) -> tuple[Array, Array]:
        """(du/dR)' l and (du/d theta)' l."""
        prob, gap = self.prob, self.gap
        w = l_ - np.einsum("sm,sm->m", prob, l_)
        w *= prob
        drag = np.einsum("sm,sm->m", w, gap)
        if not self.path.normalise:
            by_score, by_logit = w, w * gap
            common = prob * drag
        else:
            q = drag * self.scale**2 / (2.0 * self.std)
            by_score = self.scale * w - 2.0 * q * prob * gap
            by_logit = self.scale * w * gap
            common = prob * (self.scale * drag + q * (gap * gap - self.variance))
        if self.path.kl > 0.0:
            by_logit -= self.path.kl * w * (self.ratio + 1.0)
            common -= self.path.kl * prob * np.einsum("sm,sm->m", w, self.ratio)
        by_logit -= common
        return by_score, by_logit


def _plain(columns: Columns, truth: Array) -> tuple[Array, Array, Array]:
    """Probabilities, and scores and truth counted from the lowest: a large constant costs no digits."""
    present = np.isfinite(columns.start)
    lows = (np.where(present, values, np.inf).min(axis=0) for values in (columns.reward, truth))
    reward, value = (
        np.where(present, values - low, 0.0) for values, low in zip((columns.reward, truth), lows, strict=True)
    )
    prob = np.where(present, np.exp(columns.logp), 0.0)
    return prob / prob.sum(axis=0), reward, value


def _gradient(prob: Array, values: Array) -> Array:
    """Of the policy's mean of the values by the logits: pi (F - V_F)."""
    return np.asarray(prob * (values - (prob * values).sum(axis=0)))


def _bent(prob: Array, gradient: Array, along: Array) -> Array:
    """The second derivative of a mean along a direction: pi A (x - pi.x) - pi ((pi A).x)."""
    centred = along - (prob * along).sum(axis=0)
    return np.asarray(gradient * centred - prob * (gradient * along).sum(axis=0))
