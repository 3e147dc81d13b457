"""A policy trained on a credit: its success and its divergence, step by step, for many draws of prompts at once.

    z = z0 + Phi w,   w <- w + eta sum_x share_x sum_y pi A phi        features shared by all outputs and prompts
    z <- z + eta pi A                                                  every prompt by itself

Steps of the learner that move no logit by more than `move` in all are taken together: n times the update of where the
policy is half-way, after (n - 1) / 2 of them, which is right to second order and for n = 1 the step itself. With
move = 0 each is taken by itself and the course is the learner's own, exactly.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.advice.credit import Credit
from culpa.advice.groups import MOST, LevelAdvantage, exact, level_advantage
from culpa.dynamics.learner import Path
from culpa.dynamics.shared import spread

Array = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32] | Array
Index = npt.NDArray[np.int64]

MOVE = 0.1  # of a logit, between two evaluations of the policy
_CAREFUL = 0.25  # of `move`, while a staged credit has yet to change
_BRAKE = 0.5  # steps taken together times the weight of the divergence: beyond 2 the pull would overshoot


class World(NamedTuple):
    """Where the policy starts and what its outputs share: d draws of prompts, u kinds of prompts, z outputs each."""

    start: Array  # (d, u, z) log mass, -inf where there is no output
    share: Array  # (d, u) of the prompts, rows sum to 1
    pattern: Index | None  # (u, z) pattern of each output; None: output z has pattern z
    value: Array  # (z,) or (u, z) success of an output
    features: Features | None  # (z, f) or (u, z, f) shared by all prompts; None: every prompt by itself


class Course(NamedTuple):
    """What became of it. Rows are the points at which the policy was looked at, the first of them the start."""

    step: Array  # (t, d)
    success: Array  # (t, d) mean over prompts
    kl: Array  # (t, d) KL(pi || pi0), mean over prompts
    by_prompt: Array  # (t, u) success of each kind of prompt in the first draw
    switch: Array  # (d,) step at which a staged credit became binary; inf = never


class Run(NamedTuple):
    """How a course is walked."""

    learner: Path
    eta: float
    steps: int  # the most
    kl: float | None = None  # a course ends where it has diverged so far
    group: int = 8  # a staged credit changes where success times this is 1
    move: float = MOVE
    most: int = MOST  # ways of a group to fall that are counted through


def walk_credit(world: World, credit: Credit, run: Run) -> Course:
    """Train on a credit until the steps are taken or the divergence is reached.

    >>> from culpa.dynamics.learner import reinforce
    >>> two = World(np.log([[[0.5, 0.5]]]), np.ones((1, 1)), None, np.array([0.0, 1.0]), None)
    >>> one = walk_credit(two, Credit("binary", np.array([0.0, 1.0])), Run(reinforce(), 1.0, 1))
    >>> one.success[:, 0].round(6).tolist()  # logits move by 1/4 and -1/4
    [0.5, 0.622459]
    """
    policy = _Policy(world, credit, run)
    done, rows = np.zeros(len(world.start)), [policy.seen()]
    steps = [done]
    while True:
        live = done < run.steps
        if run.kl is not None:
            live &= rows[-1][1] < run.kl
        if not live.any():
            break
        policy.ripen(done)
        way = policy.way(policy.logp)
        speed = run.eta * np.abs(way).max(axis=(1, 2))
        room = np.minimum(run.steps - done, np.inf if not run.learner.kl else _BRAKE / (run.eta * run.learner.kl))
        move = np.where(policy.unripe, run.move * _CAREFUL, run.move)
        count = np.clip(np.floor(move / np.maximum(speed, 1e-300)), 1.0, np.maximum(np.floor(room), 1.0))
        count = np.where(live, count, 0.0)
        if (count > 1).any():
            half = run.eta * np.maximum(count - 1.0, 0.0) / 2.0
            way = policy.way(policy.after(way * half[:, None, None]))
        policy.logp = policy.after(way * (run.eta * count)[:, None, None])
        done = done + count
        steps.append(done)
        rows.append(policy.seen())
    success, kl, by_prompt = (np.stack(column) for column in zip(*rows, strict=True))
    return Course(np.stack(steps), success, kl, by_prompt, policy.switch)


class _Policy:
    """The policies of all draws, (d, u, z)."""

    def __init__(self, world: World, credit: Credit, run: Run) -> None:
        self._world, self._run = world, run
        self._present = np.isfinite(world.start)
        self._start = np.where(self._present, world.start, 0.0)
        self.logp = world.start
        self._now = _Advantage(credit.reward, world, run)
        self._then = None if credit.then is None else _Advantage(credit.then, world, run)
        self.switch = np.full(len(world.start), np.inf)

    @property
    def unripe(self) -> npt.NDArray[np.bool_]:
        """Draws whose credit will be another one, (d,): it is not to be stepped over."""
        return np.asarray(np.isinf(self.switch) & (self._then is not None))

    def ripen(self, done: Array) -> None:
        """A staged credit is another one from the step on at which a group is expected to hold one success."""
        if self._then is not None:
            mean = (self._world.share * self._then.mean(np.exp(self.logp))).sum(axis=1)
            self.switch = np.where(self.unripe & (mean * self._run.group >= 1.0), done, self.switch)

    def way(self, logp: Array) -> Array:
        """Where the logits go from here, per unit of step size."""
        prob = np.exp(logp)
        push = prob * self._advantage(logp, prob)
        features = self._world.features
        if features is None:
            return push
        push = push * self._world.share[:, :, None]
        if features.ndim == 2:
            return np.asarray(((push.sum(axis=1) @ features) @ features.T)[:, None, :])
        return spread(push, features.reshape(-1, features.shape[-1]))

    def after(self, change: Array) -> Array:
        """Log-probabilities after a change of the logits."""
        logits = self.logp + np.where(self._present, change, 0.0)
        logits = logits - logits.max(axis=-1, keepdims=True)
        return np.asarray(logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True)))

    def seen(self) -> tuple[Array, Array, Array]:
        """Success and divergence of each draw, and success of each kind of prompt in the first."""
        prob = np.exp(self.logp)
        success = (prob * self._world.value).sum(axis=-1)
        kl = (prob * (np.where(self._present, self.logp, 0.0) - self._start)).sum(axis=-1)
        share = self._world.share
        return np.asarray((share * success).sum(axis=1)), np.asarray((share * kl).sum(axis=1)), np.asarray(success[0])

    def _advantage(self, logp: Array, prob: Array) -> Array:
        found = self._now(prob)
        if self._then is not None:
            found = np.where(np.isfinite(self.switch)[:, None, None], self._then(prob), found)
        if not self._run.learner.kl:
            return found
        ratio = np.where(self._present, logp, 0.0) - self._start
        pull = ratio - (prob * ratio).sum(axis=-1, keepdims=True)
        return np.asarray(found - self._run.learner.kl * pull)


class _Advantage:
    """A reward of patterns as the learner's expected advantage of every output."""

    def __init__(self, reward: Array, world: World, run: Run) -> None:
        levels, level = np.unique(reward.round(12), return_inverse=True)
        self._reward = reward if world.pattern is None else reward[world.pattern]
        self._each = not (run.learner.normalise and exact(len(levels), run.learner, most=run.most))
        if self._each:  # every output is a level of its own: no group is counted through
            self._of_levels: LevelAdvantage = level_advantage(self._reward, run.learner, most=0)
            return
        self._of_levels = level_advantage(levels, run.learner, most=run.most)
        self._level = level.ravel() if world.pattern is None else level.ravel()[world.pattern]
        self._one = (self._level[..., None] == np.arange(len(levels))).astype(np.float64)

    def __call__(self, prob: Array) -> Array:
        if self._each:
            return self._of_levels(prob)
        if self._level.ndim == 1:
            return np.asarray(self._of_levels(prob @ self._one)[..., self._level])
        found = self._of_levels(np.einsum("duz,uzl->dul", prob, self._one))
        return np.asarray(np.take_along_axis(found, np.broadcast_to(self._level, prob.shape), axis=-1))

    def mean(self, prob: Array) -> Array:
        """The mean reward of each kind of prompt, (d, u)."""
        return np.asarray((prob * self._reward).sum(axis=-1))
