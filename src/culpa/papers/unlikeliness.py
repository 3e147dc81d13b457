"""Rewarding the Unlikely: Lifting GRPO Beyond Distribution Sharpening (2506.02355).

Claim: GRPO reinforces the outputs that are likely already, so that one try succeeds more often and many tries less;
a reward that is lower for the likelier outputs of a group keeps what many tries can solve, and still gains at one.

Controlled experiment: a policy over 40 strategies that 300 problems share; likely strategies solve more of them (25 %
down to 4 %). Groups of 16 for every problem, GRPO with ddof 1; pass at k tries is exact, from the policy's mass on
what solves each problem.

Departures: 1. no language model and no prover: nothing of miniF2F is reproduced. 2. one step to a batch; the effect of
more epochs is not tested. 3. no divergence in the loss. 4. ties of likelihood have the mean of their ranks.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from culpa.papers.outcome import Check, Outcome, Size
from culpa.signals import apply, center, chain, divide_std, equal_group, unlikeliness

SYSTEM = 7
Array = npt.NDArray[np.float64]

PROBLEMS, STRATEGIES, GROUP = 300, 40, 16
RATES = np.linspace(0.25, 0.04, STRATEGIES)  # of problems that a strategy solves
START = -np.arange(STRATEGIES) / 8.0  # logits
BETAS = (0.0, 0.25, 0.5, -0.5)
TRIES = (1, 16, 64)
UPDATES, ETA = {"full": 200, "quick": 200}, 1.5
SEEDS = {"full": 2, "quick": 1}

MARGIN = 0.03  # of pass at 16 tries, required of any implementation; set before the first run


def experiment(rng: np.random.Generator, size: Size = "full") -> Outcome:
    """What 1, 16 and 64 tries solve at the start, and after training with each beta."""
    rows: list[dict[str, Any]] = []
    for seed in range(SEEDS[size]):
        solves = rng.random((PROBLEMS, STRATEGIES)) < RATES
        rows.append({"seed": seed, "beta": None, "pass": solved(START, solves)})
        rows += [
            {"seed": seed, "beta": beta, "pass": solved(train(beta, solves, UPDATES[size], rng), solves)}
            for beta in BETAS
        ]
    return Outcome(0, {"tries": list(TRIES), "updates": UPDATES[size], "runs": rows})


def train(beta: float, solves: npt.NDArray[np.bool_], updates: int, rng: np.random.Generator) -> Array:
    """The logits after GRPO on the discounted reward; beta 0 is GRPO itself."""
    logits, cells = START.copy(), (PROBLEMS, GROUP)
    advantage = chain(unlikeliness(beta, per_token=False), center(), divide_std(ddof=1, eps=1e-6))
    for _ in range(updates):
        logp = logits - np.log(np.exp(logits).sum())
        drawn = np.searchsorted(np.cumsum(np.exp(logp))[:-1], rng.random(cells), side="right")
        reward = np.take_along_axis(solves, drawn, axis=1).astype(np.float64)
        value = apply(advantage, reward, equal_group(cells, logprob=logp[drawn]))
        push = np.bincount(drawn.ravel(), value.ravel(), minlength=STRATEGIES) / value.size
        logits = logits + ETA * push  # the advantages of a group add up to 0: the policy's own part drops out
    return logits


def solved(logits: Array, solves: npt.NDArray[np.bool_]) -> list[float]:
    """The share of problems that 1, 16 and 64 tries solve."""
    prob = np.exp(logits) / np.exp(logits).sum()
    hit = solves @ prob
    return [float(1.0 - ((1.0 - hit) ** tries).mean()) for tries in TRIES]


def holds(outcome: Outcome) -> list[Check]:
    """The claims by the mean over seeds, and the discount turned round, which must do the opposite."""
    found = {
        beta: np.mean([row["pass"] for row in outcome.data["runs"] if row["beta"] == beta], axis=0)
        for beta in (None, *BETAS)
    }
    base, plain, half, turned = (found[beta] for beta in (None, 0.0, 0.5, -0.5))
    gain, loss = half[1] - plain[1], base[1] - plain[1]
    return [
        Check("GRPO gains at one try and loses at 16", _text(base, plain), bool(plain[0] > base[0] and loss > MARGIN)),
        Check("beta .5 solves more in 16 tries than GRPO", _text(plain, half), bool(gain > MARGIN)),
        Check("and more in one try than the start", _text(base, half), bool(half[0] > base[0])),
        Check(
            "control: paying for likely outputs solves less in 16 tries",
            _text(plain, turned),
            bool(plain[1] - turned[1] > MARGIN),
            control=True,
        ),
    ]


def _text(before: Array, after: Array) -> str:
    return f"pass@1 {before[0]:.3f} v {after[0]:.3f}, pass@16 {before[1]:.3f} v {after[1]:.3f}"
