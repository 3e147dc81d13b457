"""OREAL: Exploring the Limit of Outcome Reward for Learning Mathematical Reasoning (2502.06781).

Claim: correct outputs taken from the best of n are, for every n, the policy's own correct outputs, so that cloning them
is all that can be learned from successes; a wrong output has to be pushed down with a strength that fits, p of success
against 1 - p of failure, and then both halves are the same gradient; a reward model of tokens that is fitted on
outcomes alone finds the tokens that decide.

Controlled experiment: policies over 12 outputs, 5 of them correct. 60,000 groups of 2, 8 and 32 at a success of
.5, one correct output taken from each. The exact gradients of the pairs at success rates of .05 to .95. Sequences of 8
tokens of which the fourth alone decides; scores by position and token, fitted on the mean of an output's scores.

Departures: 1. no language model: MATH-500 is not reproduced. 2. the code's strengths (leave-one-out advantage, .5 on
the wrong half) are not those of the theory tested here. 3. that the token gate makes learning faster is not claimed: it
did not in a toy; it is tested that the gate opens at the deciding token. 4. the divergence from the reference and
the weighting of prompts by pass rate are left out.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from culpa.dynamics.sampled import draw
from culpa.papers.outcome import Check, Outcome, Size
from culpa.signals import Group, apply, equal_group
from culpa.signals.draws import one_of
from culpa.signals.pairs import balanced_pairs
from culpa.signals.tokens import Tokens, token_gate

SYSTEM = 11
Array = npt.NDArray[np.float64]

OUTPUTS, RIGHT = 12, 5
GROUPS = {"full": 60_000, "quick": 20_000}
BEST_OF = (2, 8, 32)
RATES = (0.05, 0.3, 0.5, 0.8, 0.95)
PLACES, WORDS, DECIDES, GOOD = 8, 6, 3, 2  # tokens, vocabulary, the deciding place, its words that are right
SEQUENCES, FITS, SPEED = 4_000, 300, 8.0

# Thresholds, set before the first run: as measured elsewhere at 60,000 draws, doubled for the quick run and its chance;
# 19 times at .95 by theory; scores that tell the place apart by a factor
DISTANCE = {"full": 0.008, "quick": 0.016}
APART, TIMES, EXACT, FOUND = 0.1, 18.0, 1e-12, 2.0
SHUT, OPEN = 0.1, 0.5  # weights of the gate before and at the deciding token


def experiment(rng: Generator, size: Size = "full") -> Outcome:
    """Distances of selected outputs from the policy's own, sizes and angles of the halves, scores by place."""
    prob = policy(0.5, rng)
    best = [{"best of": n, **selected(prob, n, GROUPS[size], rng)} for n in BEST_OF]
    halves = [{"rate": rate, **balance(rate, rng)} for rate in RATES]
    places = {name: places_of(SEQUENCES, name == "shuffled", rng) for name in ("outcomes", "shuffled")}
    return Outcome(0, {"size": size, "best": best, "halves": halves, "places": places})


def policy(rate: float, rng: Generator) -> Array:
    """Random probabilities of the outputs, those of the correct ones adding up to the rate."""
    right, wrong = rng.dirichlet(np.ones(RIGHT)), rng.dirichlet(np.ones(OUTPUTS - RIGHT))
    return np.concatenate([rate * right, (1.0 - rate) * wrong])


def selected(prob: Array, n: int, groups: int, rng: Generator) -> dict[str, float]:
    """Total variation between the policy's correct outputs and one of each group: by chance, and the likeliest."""
    drawn = draw(np.broadcast_to(prob, (groups, OUTPUTS)), n, rng)
    right = drawn < RIGHT
    own = prob[:RIGHT] / prob[:RIGHT].sum()
    likeliest = np.where(right, prob[drawn], -1.0)
    ways = {
        "by chance": one_of(right, np.ones(drawn.shape), rng),
        "likeliest": right & (np.arange(n) == likeliest.argmax(axis=1)[:, None]),
    }
    return {
        name: 0.5 * float(np.abs(np.bincount(drawn[kept], minlength=RIGHT) / kept.sum() - own).sum())
        for name, kept in ways.items()
    }


def balance(rate: float, rng: Generator) -> dict[str, float]:
    """The two halves of a pair's mean gradient, with and without the scale: how large, and how far from grad p / 2."""
    prob = policy(rate, rng)
    reward = (np.arange(OUTPUTS) < RIGHT).astype(np.float64)
    group = Group(weight=prob[None], present=np.ones((1, OUTPUTS), dtype=np.bool_), enumerated=True)
    whole = prob * (reward - rate)
    found: dict[str, float] = {}
    for name, scaled in (("scaled", True), ("bare", False)):
        value = apply(balanced_pairs(scaled=scaled), reward[None], group, rng=rng)[0]
        up, down = (gradient(prob, np.where(side, value, 0.0)) for side in (reward > 0, reward == 0))
        found[name] = float(np.linalg.norm(down) / np.linalg.norm(up))
        found[f"{name}, off"] = float(np.abs(up - 0.5 * whole).max() + np.abs(down - 0.5 * whole).max())
    return found


def gradient(prob: Array, advantage: Array) -> Array:
    """The exact policy gradient of a table of logits: pi (A - sum pi A)."""
    return np.asarray(prob * (advantage - prob @ advantage))


def places_of(number: int, shuffled: bool, rng: Generator) -> dict[str, list[float]]:
    """The mean size of scores, and of the gate's weights, at each place, fitted on outcomes; or on shuffled ones."""
    words = rng.integers(WORDS, size=(number, PLACES))
    right = (words[:, DECIDES] < GOOD).astype(np.float64)
    if shuffled:
        right = rng.permutation(right)
    score = fit(words, right)
    score = score - score.mean(axis=1, keepdims=True)  # a constant of a place is a matter of the intercept
    told = score[np.arange(PLACES), words].T[:, None, :]
    tokens = Tokens(np.ones(told.shape, dtype=np.bool_), score=told)
    praise = np.where(words[:, DECIDES] < GOOD, 1.0, -1.0)[None]
    weight = np.abs(apply(token_gate(), praise, equal_group(praise.shape, tokens=tokens)))
    return {"score": np.abs(score).mean(axis=1).tolist(), "gate": weight.mean(axis=(1, 2)).tolist()}


def fit(words: npt.NDArray[np.int64], right: Array) -> Array:
    """Scores (places, words) by gradient ascent on the likelihood of outcomes under sigma(mean of the scores)."""
    score = np.zeros((PLACES, WORDS))
    places = np.arange(PLACES)
    for _ in range(FITS):
        told = 1.0 / (1.0 + np.exp(-score[places, words].mean(axis=1)))
        gap = np.repeat(right - told, PLACES)
        cell = (places * WORDS + words).ravel()
        score = score + SPEED * np.bincount(cell, gap, minlength=score.size).reshape(score.shape) / len(words)
    return score


def holds(outcome: Outcome) -> list[Check]:
    """The claims, each beside what must not show it."""
    data = outcome.data
    near = DISTANCE[data["size"]]
    away, likeliest = ([row[way] for row in data["best"]] for way in ("by chance", "likeliest"))
    checks = [
        Check("correct ones of the best of n are the policy's own", f"at most {max(away):.4f} off", max(away) < near),
        Check("control: not if the likeliest is taken", _off(likeliest), likeliest[-1] > APART, control=True),
    ]
    scaled = max(row["scaled, off"] for row in data["halves"])
    last = data["halves"][-1]
    theory = max(abs(row["bare"] * (1.0 - row["rate"]) / row["rate"] - 1.0) for row in data["halves"])
    checks += [
        Check("scaled, each half is half of the gradient of success", f"gap {scaled:.1e}", scaled < EXACT),
        Check("without it the wrong half is p / (1 - p) as large", f"gap {theory:.1e}", theory < 1e-9),
        Check(
            "control: at a success of .95 it drowns the other",
            f"{last['bare']:.1f} times as large",
            last["bare"] > TIMES,
            control=True,
        ),
    ]
    ratio, mixed = (_ratio(data["places"][name]["score"]) for name in ("outcomes", "shuffled"))
    gate = data["places"]["outcomes"]["gate"]
    before, there = max(gate[:DECIDES]), gate[DECIDES]
    return [
        *checks,
        Check("the token that decides has the largest score", f"{ratio:.1f} times the next", ratio > FOUND),
        Check("and the gate opens there", f"{before:.2f} before, {there:.2f} there", before < SHUT and there > OPEN),
        Check("control: not with outcomes of other outputs", f"{mixed:.1f} times", mixed < FOUND, control=True),
    ]


def _off(values: list[float]) -> str:
    return ", ".join(f"{one:.3f}" for one in values) + " off"


def _ratio(sizes: list[Any]) -> float:
    return float(sizes[DECIDES] / max(one for place, one in enumerate(sizes) if place != DECIDES))
