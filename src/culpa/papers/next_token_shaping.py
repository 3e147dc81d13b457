"""Diversity or Precision? A Deep Dive into Next Token Prediction (2512.22955).

Claim: cross-entropy is a policy gradient on a reward of 1 / pi for the right token. Shaped, the same gradient makes the
policy more or less peaked than the data, or takes mass from the tail, and stays close to the data.

Controlled experiment: one context, 200 tokens by Zipf's law (exponent 1.1); the place where the expected gradient
over the data vanishes, for each setting of the paper.

Departures: 1. no language model is trained: that a run of reinforcement learning from these starts ends higher is not
reproduced. 2. the head is of 10 tokens here, 100 in the paper. 3. expectations are exact: no seeds and no interval.
"""

from typing import Any

import numpy as np

from culpa.labs.mdp.gradient import softmax
from culpa.metrics.arrays import Array
from culpa.papers.outcome import Check, Outcome, Size
from culpa.signals.next_token import next_token_reward

SYSTEM = 13
TOKENS, HEAD = 200, 10
DATA = np.arange(1, TOKENS + 1) ** -1.1 / (np.arange(1, TOKENS + 1) ** -1.1).sum()
SETTINGS: dict[str, dict[str, float]] = {
    "cross-entropy": {},
    "beta -0.25": {"beta": -0.25},
    "beta -1": {"beta": -1.0},
    "beta 0.5": {"beta": 0.5},
    "tail -0.1": {"tail": -0.1},
    "head 0.1": {"head": 0.1},
}
STEPS, RATE = {"full": 150, "quick": 60}, 0.5

# Half of the effects measured elsewhere: entropy 3.859 -> 3.822, 3.672, 3.921; mass of the tail .430 -> .406, .408
SHARPER, SHARPEST, WIDER, TAIL = 0.0185, 0.0935, 0.031, 0.011
CLOSE, SAME = 0.0024, 1e-12


def experiment(rng: np.random.Generator, size: Size = "full") -> Outcome:
    """Entropy, mass of the tail and distance to the data where each setting comes to rest."""
    logits = rng.normal(size=TOKENS)
    plain = float(np.abs(push(logits) - (DATA - softmax(logits))).max())
    rows: list[dict[str, Any]] = []
    for name, setting in SETTINGS.items():
        now = np.log(DATA)
        for _ in range(STEPS[size]):
            move = push(now, **setting)
            now = now + RATE * move / softmax(now)  # the natural gradient: the same place, sooner
        prob = softmax(now)
        rows.append({
            "name": name,
            "entropy": float(-(prob * np.log(prob)).sum()),
            "tail": float(prob[HEAD:].sum()),
            "kl": float((DATA * np.log(DATA / prob)).sum()),
            "moves": float(np.abs(move).max()),
        })  # fmt: skip
    entropy = float(-(DATA * np.log(DATA)).sum())
    return Outcome(0, {"entropy": entropy, "tail": float(DATA[HEAD:].sum()), "plain": plain, "runs": rows})


def push(logits: Array, **setting: float) -> Array:
    """The expected policy gradient over targets drawn from the data, (v,)."""
    prob = softmax(logits)
    everywhere = np.broadcast_to(prob, (TOKENS, TOKENS))
    mass = prob * next_token_reward(everywhere, np.arange(TOKENS), count=HEAD, **setting)
    return np.asarray(DATA @ mass - prob * (DATA @ mass).sum())


def holds(outcome: Outcome) -> list[Check]:
    """Each setting against the data's own entropy and tail."""
    data, runs = outcome.data, {row["name"]: row for row in outcome.data["runs"]}
    rise = {name: row["entropy"] - data["entropy"] for name, row in runs.items()}
    tail = {name: row["tail"] - data["tail"] for name, row in runs.items()}
    far = max(row["kl"] for name, row in runs.items() if name != "beta -1")
    checks = [
        Check("with nothing shaped it is cross-entropy", f"difference {data['plain']:.0e}", data["plain"] < SAME),
        Check(
            "beta -0.25 is sharper than the data", f"entropy {rise['beta -0.25']:+.3f}", rise["beta -0.25"] < -SHARPER
        ),
        Check("beta -1 more so", f"entropy {rise['beta -1']:+.3f}", rise["beta -1"] < -SHARPEST),
        Check("beta 0.5 is wider", f"entropy {rise['beta 0.5']:+.3f}", rise["beta 0.5"] > WIDER),
    ]
    checks += [
        Check(f"{name} takes from the tail", f"mass {tail[name]:+.3f}", tail[name] < -TAIL)
        for name in ("tail -0.1", "head 0.1")
    ]
    stays = f"entropy {rise['cross-entropy']:+.1e}, tail {tail['cross-entropy']:+.1e}"
    return [
        *checks,
        Check("the paper's settings stay close to the data", f"KL up to {far:.4f}", far < CLOSE),
        Check(
            "control: cross-entropy moves neither",
            stays,
            max(abs(rise["cross-entropy"]), abs(tail["cross-entropy"])) < 0.001,
            control=True,
        ),
    ]
