"""Comprehensive Overview of Reward Engineering and Shaping in Advancing RL Applications (2408.10215): the canon.

Claim: pay that is the rise of a potential leaves the exact policy gradient as it is and may speed up what learns from
drawn steps; the same advice as a plain bonus is collected instead of the goal. A potential may also slow learning
down without end, and one that is not 0 at the end of an episode is none.

Controlled experiment: a chain of 12 states with its one reward at the end, 200 episodes of Q-learning of at most 60
steps each (random step .05, rate .1). Added are: the potential of the optimal values, of a landmark in the middle, the
landmark as a bonus each time it is reached, and the optimal values turned round.

Departures: 1. of a survey there is nothing to reproduce: these are the classic results behind it. 2. of what it lists,
here are potentials (of states, with time, of state and action), counts, prediction errors, difference rewards and
reward machines; advice learnt from arbitrary pay, rankings of returns and belief shaping are left out.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from culpa.labs.mdp.gradient import policy_gradient
from culpa.labs.mdp.learn import Habits, paid, q_learning
from culpa.labs.mdp.shaping import mean_pay, potential_of, potential_pay
from culpa.labs.mdp.values import optimal
from culpa.labs.mdp.worlds import chain
from culpa.metrics.arrays import Array
from culpa.metrics.means import mean_interval
from culpa.papers.outcome import Check, Outcome, Size
from culpa.signals import apply, center, equal_group
from culpa.signals.shaping import potential

SYSTEM = 14
LENGTH, GAMMA, MIDDLE, BONUS = 12, 0.95, 6, 0.5
EPISODES, CAP, ENDS = 200, 60, 50
SEEDS = {"full": 20, "quick": 5}

# Half of the differences measured elsewhere, in steps of the first 50 episodes: 23.1 none, 12.6 values, 13.7 landmark,
# 59.6 bonus, 60 turned round; and 12.2 at the end of those that learn
VALUES, LANDMARK, COLLECTED, RUINED = 5.2, 4.7, 18.0, 18.0
SAME = 1e-10


def experiment(rng: np.random.Generator, size: Size = "full") -> Outcome:
    """Steps of an episode in the first and last 50, by what is added; what an exact gradient sees of it."""
    world = chain(LENGTH, GAMMA)
    values = optimal(world).max(axis=1)
    bonus = np.zeros(world.transition.shape)
    bonus[:-1, :, MIDDLE] = BONUS
    added = {
        "nothing": np.zeros(world.transition.shape),
        "values": potential_pay(world, values),
        "landmark": potential_pay(world, BONUS * (np.arange(LENGTH) >= MIDDLE)),
        "landmark as a bonus": bonus,
        "values turned round": potential_pay(world, -values),
    }
    pay = np.repeat(np.stack([paid(world) + extra for extra in added.values()]), SEEDS[size], axis=0)
    learnt = q_learning(world, pay, EPISODES, rng, Habits(cap=CAP, every=EPISODES))
    length = learnt.length.reshape(len(added), SEEDS[size], EPISODES)
    rows: list[dict[str, Any]] = [
        {"name": name, "first": _mean(length[i, :, :ENDS]), "last": _mean(length[i, :, -ENDS:])}
        for i, name in enumerate(added)
    ]
    exact = {"potential": 0.0, "forgot the end": np.inf, "bonus": np.inf, "left": np.inf}
    for _ in range(10):
        logits, phi = rng.normal(size=world.reward.shape), rng.normal(size=LENGTH)
        forgot = potential_pay(world, phi, at_ends=phi)
        plain = policy_gradient(world, logits)
        for name, extra in (("potential", potential_pay(world, phi)), ("forgot the end", forgot), ("bonus", bonus)):
            off = float(np.abs(policy_gradient(world, logits, world.reward + mean_pay(world, extra)) - plain).max())
            exact[name] = max(exact[name], off) if name == "potential" else min(exact[name], off)
        exact["left"] = min(exact["left"], potential_of(world, forgot).left)
    return Outcome(0, {"runs": rows, "exact": exact, "centred": _centred(rng)})


def _mean(length: npt.NDArray[np.int64]) -> list[float]:
    return [float(one) for one in length.mean(axis=-1)]


def _centred(rng: np.random.Generator) -> float:
    """The most that any potential moves the centred sums of the steps of outputs of one prompt."""
    cells = 7, 3, 5  # steps, prompts, outputs
    reward = rng.normal(size=cells)
    reward[rng.integers(2, 8, size=cells[1:]) <= np.arange(7)[:, None, None]] = np.nan
    phi = rng.normal(size=cells)
    phi[0] = phi[0, :, :1]  # all outputs start in the prompt
    sums = [np.nansum(signal, axis=0) for signal in (reward, apply(potential(phi), reward))]
    advantage = [apply(center(), signal, equal_group(cells[1:])) for signal in sums]
    return float(np.abs(advantage[1] - advantage[0]).max())


def holds(outcome: Outcome) -> list[Check]:
    """Speed and harm against nothing added, and what the exact gradient sees."""
    runs = {row["name"]: {key: np.array(row[key]) for key in ("first", "last")} for row in outcome.data["runs"]}
    first = {name: run["first"] for name, run in runs.items()}
    exact = outcome.data["exact"]
    sooner = [
        Check(f"the potential of the {name} saves steps", _text(first, name), bool(_gap(first, name) < -margin))
        for name, margin in (("values", VALUES), ("landmark", LANDMARK))
    ]
    last = runs["landmark"]["last"].mean() - runs["nothing"]["last"].mean()
    return [
        *sooner,
        Check("and what is learnt in the end is the same", f"{last:+.2f} steps at the end", bool(abs(last) < 1.0)),
        Check(
            "any potential leaves the exact gradient and centred outputs as they are",
            f"differences up to {exact['potential']:.0e} and {outcome.data['centred']:.0e}",
            bool(max(exact["potential"], outcome.data["centred"]) < SAME),
        ),
        Check(
            "control: the landmark as a bonus is collected",
            _text(first, "landmark as a bonus"),
            bool(_gap(first, "landmark as a bonus") > COLLECTED and exact["bonus"] > SAME),
            control=True,
        ),
        Check(
            "control: a potential turned round is as ruinous, though it is one",
            _text(first, "values turned round"),
            bool(_gap(first, "values turned round") > RUINED),
            control=True,
        ),
        Check(
            "control: one that is not 0 at the end moves the gradient, and is found out",
            f"differences from {exact['forgot the end']:.1e}, pay left unexplained from {exact['left']:.1e}",
            bool(min(exact["forgot the end"], exact["left"]) > SAME),
            control=True,
        ),
    ]


def _gap(first: dict[str, Array], name: str) -> float:
    return float(first[name].mean() - first["nothing"].mean())


def _text(first: dict[str, Array], name: str) -> str:
    return f"{mean_interval(first[name])} steps v {mean_interval(first['nothing'])} with nothing added"
