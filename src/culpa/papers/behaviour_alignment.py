"""Behavior Alignment via Reward Function Optimization (2310.19007): BARFI.

Claim: a designer's heuristic added to the true reward ruins the policy where the heuristic is wrong. Mixed by weights
that follow the derivative of the true return at the policy learnt from the mixture, it helps where it is right, and is
undone where it is wrong.

Controlled experiment: eight arms, one of which pays 1. The heuristic pays 1 for that arm, or 2 for a wrong one. The
learner is the exact policy gradient with its logits drawn back to 0 (decay .02), settled anew before each of 300 steps
of the mixture.

Departures: 1. arms instead of the paper's control tasks, none of which is reproduced. 2. no discount is learnt, and the
policy is settled by Newton's method, not moved by a few steps from data. 3. the weights' step, .5, is ours; the free
term of the mixture is a single one for every arm. 4. nothing is drawn: there are no seeds and no interval.
"""

from typing import Any

import numpy as np

from culpa.labs.mdp.align import Lower, align, hypergradient, settle, single_cells
from culpa.labs.mdp.gradient import softmax
from culpa.labs.mdp.values import expected_return
from culpa.labs.mdp.worlds import bandit
from culpa.metrics.arrays import Array
from culpa.papers.outcome import Check, Outcome, Size

SYSTEM = 5
ARMS, DECAY, RATE = 8, 0.02, 0.5
HEURISTICS = {"helpful": np.eye(ARMS)[0], "misleading": 2.0 * np.eye(ARMS)[1]}
STEPS = {"full": 300, "quick": 200}

# Half of the effects measured elsewhere: .970 v .009 where misleading, .977 v .954 where helpful; 1e-5 is required
RESCUED, HELPED, EXACT = 0.48, 0.0115, 1e-5


def experiment(rng: np.random.Generator, size: Size = "full") -> Outcome:
    """The true return of the plain sum, of the true reward alone, and along the steps of the mixture."""
    world = bandit(np.eye(ARMS)[0])
    alone = settle(Lower(world, world.reward[None], DECAY), [1.0], np.zeros(world.reward.shape))
    rows: list[dict[str, Any]] = []
    for name, pays in HEURISTICS.items():
        parts = np.concatenate([[world.reward, [pays, np.zeros(ARMS)]], single_cells(world)[:ARMS]])
        lower, start = Lower(world, parts, DECAY), np.array([1.0, 1.0, *np.zeros(ARMS)])
        found = align(lower, start, rate=RATE, steps=STEPS[size])
        rows.append({
            "name": name,
            "sum": float(found.returns[0]),
            "mixed": float(found.returns[-1]),
            "weights": found.phi[:2].tolist(),
            "error": _error(lower, start + 0.1 * rng.normal(size=len(start))),
        })  # fmt: skip
    return Outcome(0, {"alone": float(expected_return(world, softmax(alone))), "runs": rows})


def _error(lower: Lower, phi: Array, half: float = 1e-4) -> float:
    """How far the derivative is from that of central differences, relative to its size."""
    rest = settle(lower, phi, np.zeros(lower.world.reward.shape))

    def reached(mixture: Array) -> float:
        return float(expected_return(lower.world, softmax(settle(lower, mixture, rest))))

    slopes = [(reached(phi + move) - reached(phi - move)) / (2.0 * half) for move in half * np.eye(len(phi))]
    return float(np.abs(hypergradient(lower, phi, rest) - slopes).max() / np.abs(slopes).max())


def holds(outcome: Outcome) -> list[Check]:
    """The mixture against the sum, with either heuristic."""
    runs, alone = {row["name"]: row for row in outcome.data["runs"]}, outcome.data["alone"]
    good, bad = runs["helpful"], runs["misleading"]
    worst = max(row["error"] for row in runs.values())
    return [
        Check("a misleading heuristic is undone", _text(bad), bool(bad["mixed"] - bad["sum"] > RESCUED)),
        Check("its weight falls", f"1 to {bad['weights'][1]:.2f}", bool(bad["weights"][1] < 1.0)),
        Check("a helpful one helps more than in the sum", _text(good), bool(good["mixed"] - good["sum"] > HELPED)),
        Check(
            "both end above the true reward alone",
            f"{bad['mixed']:.3f}, {good['mixed']:.3f} v {alone:.3f}",
            bool(min(bad["mixed"], good["mixed"]) > alone),
        ),
        Check("the derivative is that of differences", f"relative error {worst:.1e}", bool(worst <= EXACT)),
        Check(
            "control: with weights that stay, the misleading heuristic ruins the policy",
            f"{bad['sum']:.3f} v {alone:.3f} without it",
            bool(alone - bad["sum"] > RESCUED),
            control=True,
        ),
    ]


def _text(row: dict[str, Any]) -> str:
    return f"true return {row['sum']:.3f} for the sum, {row['mixed']:.3f} mixed"
