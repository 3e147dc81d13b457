"""Rewards designed by a teacher who knows the best policy: sparse, bounded, and quick to learn from.

A design keeps the target policy best by at least the gaps that it has under the world's own reward, and among such
rewards is the one whose gaps already show within a few steps. Both are linear in the reward: a linear programme.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog

from culpa.errors import InputError
from culpa.labs.mdp.values import advantages, best_actions, optimal, visits
from culpa.labs.mdp.world import Mdp
from culpa.metrics.arrays import Array, Mask, finite, same_shape

HORIZONS = (1, 4, 8, 16, 32)
Indices = NDArray[np.intp]
_SLACK = 1e-6  # of the largest reward: late programmes fail without it


class Target(NamedTuple):
    """The policy that a design has to keep best, and by how much."""

    policy: Array  # (x, a), deterministic
    worse: Mask  # (x, a) the actions that are not best
    margin: Array  # (x,) the smallest gap of the state under the world's own reward; 0 where all actions are best


def target_of(world: Mdp, policy: ArrayLike | None = None) -> Target:
    """The first best action of every state, or the given policy, which must be deterministic and optimal.

    margin(x) = min over actions that are not best of Q(x, pi(x)) - Q(x, a)
    """
    value = optimal(world)
    best = best_actions(value) | world.ends[:, None]
    chosen = np.eye(world.actions)[best.argmax(axis=1)] if policy is None else finite(policy, "policy")
    same_shape("policy", chosen.shape, (best.shape,), "Its axes are states and actions.")
    if not ((chosen == 0.0) | (chosen == 1.0)).all() or not best[chosen == 1.0].all():
        raise InputError("the policy is not a deterministic optimal one.", remedy="greedy(optimal(world)) is.")
    gap = value.max(axis=1, keepdims=True) - value
    margin = np.where(best.all(axis=1), 0.0, np.where(best, np.inf, gap).min(axis=1))
    return Target(np.asarray(chosen, dtype=np.float64), ~best, margin)


def gap_rows(world: Mdp, target: Target, steps: int | None = None) -> tuple[Array, Indices]:
    """The gap of every worse action, linear in the reward: rows (n, x, a), and the states (n,) that they are of.

    gap(x, a) = Q(x, pi(x)) - Q(x, a),   Q = sum_{h <= steps} gamma^h P_pi^h R        (steps not given: all)
    """
    inner = np.where(world.ends, 0.0, world.transition)
    onto = (target.policy[:, :, None] * inner).sum(axis=1)  # P_pi
    if steps is None:
        later = np.linalg.inv(np.eye(world.states) - world.gamma * onto)
    else:
        later = np.zeros_like(onto)
        for _ in range(steps):
            later = np.eye(world.states) + world.gamma * (onto @ later)
    value = world.gamma * (inner @ later)[..., None] * target.policy
    value = value.reshape(world.states, world.actions, -1)
    value += np.eye(world.reward.size).reshape(value.shape)
    gap = (target.policy[:, :, None] * value).sum(axis=1, keepdims=True) - value
    where = np.nonzero(target.worse)[0]
    return gap[target.worse].reshape(-1, world.states, world.actions), where


def informativeness(
    world: Mdp, reward: ArrayLike, target: Target | None = None, horizons: Sequence[int] = HORIZONS
) -> float:
    """How much of the target's lead shows within few steps: 0 at best, below 0 else.

    I(R) = - 1 / (|H| |X|) sum_{h, x} max_a max(margin(x) - gap_{R, h}(x, a), 0)

    The world's own reward plus the potential-based shaping by its optimal values has I = 0.
    Reference: Devidze et al., NeurIPS 2021.
    """
    given = finite(reward, "reward")
    same_shape("reward", given.shape, (world.reward.shape,), "Give every action of every state its pay.")
    aim = target_of(world) if target is None else target
    lost = 0.0
    for steps in horizons:
        rows, state = gap_rows(world, aim, steps)
        short = np.zeros(world.states)
        np.maximum.at(short, state, aim.margin[state] - np.tensordot(rows, given, 2))
        lost += float(short.sum())
    return -lost / (len(horizons) * world.states)


def keeps(world: Mdp, reward: ArrayLike, target: Target, tolerance: float = 1e-5) -> bool:
    """Whether the target leads by its margins under the reward, everywhere. `tolerance` is relative to the rewards."""
    given = finite(reward, "reward")
    rows, state = gap_rows(world, target)
    slack = tolerance * max(1.0, float(np.abs(world.reward).max()))
    return bool((np.tensordot(rows, given, 2) >= target.margin[state] - slack).all())


def exprd(
    world: Mdp,
    target: Target | None = None,
    *,
    active: ArrayLike | None = None,
    horizons: Sequence[int] = HORIZONS,
    most: float | None = None,
) -> Array:
    """The most informative reward (x, a) that keeps the target, 0 outside the active states, |R| <= most.

    max_R I(R)   such that   gap_R(x, a) >= margin(x) for every worse action

    active: (x,) truth values or the indices of states; none given, all. most: the largest |R| of the world's own.
    Raises where no such reward exists. Reference: ExpRD, Devidze et al., NeurIPS 2021.
    """
    aim = target_of(world) if target is None else target
    program = _program(world, aim, active, most)
    short, levels = [], []
    for place, steps in enumerate(horizons):
        rows, state = gap_rows(world, aim, steps)
        picked = np.eye(len(horizons) * world.states)[place * world.states + state]
        short.append(np.hstack([-program.seen(rows), -picked]))
        levels.append(-aim.margin[state])
    free = np.zeros(len(program.free))
    return program.solve(free, np.vstack(short), np.concatenate(levels))


def sparsest(world: Mdp, target: Target | None = None, *, most: float | None = None) -> Array:
    """The reward of the smallest sum of |R| that keeps the target: invariance alone, whatever it takes to learn."""
    program = _program(world, target_of(world) if target is None else target, None, most)
    count = len(program.free)
    bounds = np.vstack([np.hstack([sign * np.eye(count), -np.eye(count)]) for sign in (1.0, -1.0)])
    return program.solve(np.zeros(count), bounds, np.zeros(2 * count))


def expadard(
    world: Mdp,
    learner: ArrayLike,
    target: Target | None = None,
    *,
    explore: float = 0.1,
    most: float | None = None,
) -> Array:
    """The reward (x, a) from which this learner gains most with its next step, among those that keep the target.

    max_R  sum_{x, a} mu_T(x) mu_L(x, a) pi_L(a | x) (A_T(x, a) - A_T(x, pi_L)) (R(x, a) - R(x, pi_L))

    learner: its policy pi_L (x, a), with visits mu_L; mu_T: the visits of the target that takes any action with chance
    `explore`; A_T: the target's advantage under the world's own reward; f(x, pi) = sum_a pi(a | x) f(x, a).
    Reference: ExpAdaRD, arXiv 2402.07019 (the form for one step; explore is ours).
    """
    aim = target_of(world) if target is None else target
    policy = np.asarray(finite(learner, "learner"), dtype=np.float64)
    around = (1.0 - explore) * aim.policy + explore / world.actions
    taught = advantages(world, aim.policy)
    lead = taught - (policy * taught).sum(axis=1, keepdims=True)
    weight = visits(world, around).sum(axis=1, keepdims=True) * visits(world, policy) * policy * lead
    gain = weight - policy * weight.sum(axis=1, keepdims=True)
    program = _program(world, aim, None, most)
    count = len(program.free)
    return program.solve(-gain.ravel()[program.free], np.zeros((0, count)), np.zeros(0))


def grow(world: Mdp, budget: int, score: Callable[[Array], float], target: Target | None = None) -> Indices:
    """A set of so many active states (n,), grown one by one: each the state whose best design scores highest.

    score: of a design, `informativeness` say. It starts from the states where the world's own reward pays. A state that
    allows no design is passed over; ties go to the first state.
    """
    aim = target_of(world) if target is None else target
    active = [int(x) for x in np.nonzero((world.reward != 0.0).any(axis=1))[0]]
    while len(active) < budget:
        found = []
        for x in (x for x in range(world.states) if x not in active and not world.ends[x]):
            try:
                found.append((score(exprd(world, aim, active=np.array([*active, x]))), -x))
            except InputError:
                continue
        if not found:
            raise InputError("no further state allows a design.", remedy="Give a smaller budget.")
        active.append(-max(found)[1])
    return np.array(active)


class _Program(NamedTuple):
    """What all designs share: the free entries of the reward, their bound, and the rows that keep the target."""

    shape: tuple[int, ...]
    free: Indices  # flat indices of (x, a)
    most: float
    rows: Array  # (n, free)
    levels: Array  # (n,)

    def seen(self, rows: Array) -> Array:
        """Rows over all rewards (n, x, a) as rows over the free ones."""
        return rows.reshape(len(rows), -1)[:, self.free]

    def solve(self, cost: Array, upper: Array, levels: Array) -> Array:
        """Minimise cost R + mean t over upper (R, t) <= levels, |R| <= most, t >= 0, with the target kept."""
        count, extra = len(self.free), upper.shape[1] - len(self.free)
        scale = float(np.abs(cost).max(initial=0.0)) or 1.0
        found = linprog(
            np.concatenate([cost / scale, np.full(extra, 1.0 / max(extra, 1))]),
            A_ub=np.vstack([np.hstack([-self.rows, np.zeros((len(self.rows), extra))]), upper]),
            b_ub=np.concatenate([_SLACK * self.most - self.levels, levels]),
            bounds=[(-self.most, self.most)] * count + [(0.0, None)] * extra,
            method="highs",
        )
        if not found.success:
            raise InputError(
                f"no reward up to {self.most:g} keeps the target best.", remedy="Allow larger rewards or more states."
            )
        reward = np.zeros(self.shape)
        reward.flat[self.free] = found.x[:count]
        return reward


def _program(world: Mdp, target: Target, active: ArrayLike | None, most: float | None) -> _Program:
    chosen = ~world.ends
    if active is not None:
        given = np.asarray(active)
        chosen = chosen & (given if given.dtype == np.bool_ else np.isin(np.arange(world.states), given))
    free = np.nonzero(np.broadcast_to(chosen[:, None], world.reward.shape).ravel())[0]
    bound = float(np.abs(world.reward).max()) if most is None else most
    rows, state = gap_rows(world, target)
    return _Program(world.reward.shape, free, bound, rows.reshape(len(rows), -1)[:, free], target.margin[state])
