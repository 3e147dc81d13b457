"""Likelihood-Based Reward Designs for General LLM Reasoning (2602.03979).

Claim: how likely the model makes the reference answer after its reasoning can train the reasoning without a verifier.
The log-probability does so for answers of any length; the probability, and with it the verdict on a sampled answer,
has nothing to say once the answer is long. For short answers the probability is the sampled verdict with less noise.

Controlled experiment: 16 chains of thought, after each of which every token of the answer has one probability between
.3 and .9; a table of logits over the chains, groups of 8, the mean of the others as baseline, 600 steps. Answers of 60
tokens, and of one. 32 prompts stand for seeds; intervals are over prompts. What counts is the mean log-probability of
an answer's token.

Departures: 1. no language model: MATH, DeepScaleR and Alpaca are not reproduced, nor that reasoning gets shorter.
2. the model of the answer is fixed, so the second half of the gradient, `answer_weights`, is 0 here; it is tested by
differences. 3. `marginal_gain` is JEPO's difference times G; without that factor (shown in the data, not claimed) it
gets less far on short answers in the same steps, which is a matter of the step size. 4. chains have one length, so
NOVER's factor for length does nothing. 5. noise is told of chains whose probabilities fill 0 to 1: by theory the
probability's variance is then a third of the sampled verdict's, and less where chains are more alike.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from culpa.dynamics.sampled import draw
from culpa.dynamics.walk import log_softmax
from culpa.papers.outcome import Check, Outcome, Size
from culpa.signals import Group, Transform, apply, chain, equal_group, leave_one_out, scale
from culpa.signals.draws import drawn
from culpa.signals.likelihood import answer_likelihood, marginal_gain, perplexity_rank
from culpa.signals.transform import merges

SYSTEM = 2
Array = npt.NDArray[np.float64]

PROMPTS, CHAINS, GROUP, ETA = 32, 16, 8, 0.5
LENGTHS = (60, 1)
STEPS = {"full": 600, "quick": 300}
NOISE = {"full": 20_000, "quick": 5_000}  # groups for the variance of a gradient

# Thresholds, set before the first run: half of the way gone elsewhere (.96 and .94 of what is possible), and a tenth of
# that; half of the fall of the variance measured there (from .0322 to .0103)
GONE, STILL, QUIETER = 0.47, 0.05, 0.66


def rewards() -> dict[str, Transform]:
    """Advantages by name, from the log-probabilities of an answer's tokens (t, p, s)."""
    alone = leave_one_out()
    return {
        "log-probability": chain(answer_likelihood("logprob"), alone),
        "mean log-probability": chain(answer_likelihood("mean_logprob"), alone),
        "perplexity rank": chain(perplexity_rank(), alone),
        "marginal": marginal_gain(),
        "marginal / G": chain(marginal_gain(), scale(1.0 / GROUP)),
        "probability": chain(answer_likelihood("probability"), alone),
        "sampled answer": chain(_sampled(), alone),
    }


def _sampled() -> Transform:
    """1 where an answer drawn from the model is the reference, else 0: what a verifier would see."""

    def act(signal: Array, _group: Group, rng: Generator) -> Array:
        return np.asarray(rng.random(signal.shape[1:]) < np.exp(signal.sum(axis=0)), dtype=np.float64)

    return drawn(act, "a sampled answer")._replace(output=merges)


def experiment(rng: Generator, size: Size = "full") -> Outcome:
    """Where each reward brings the answer's tokens, for long and short answers; the noise of two that agree."""
    logq = np.log(rng.uniform(0.3, 0.9, (PROMPTS, CHAINS)))
    rows: list[dict[str, Any]] = []
    for length in LENGTHS:
        for name, advantage in rewards().items():
            end = train(advantage, logq, length, STEPS[size], rng)
            rows.append({"length": length, "name": name, "end": end.tolist()})
    data = {"start": logq.mean(axis=1).tolist(), "best": logq.max(axis=1).tolist(), "runs": rows}
    return Outcome(0, {**data, "steps": STEPS[size], "noise": noise(NOISE[size], rng)})


def train(advantage: Transform, logq: Array, length: int, steps: int, rng: Generator) -> Array:
    """The policy's mean log-probability of an answer's token after training, (p,)."""
    logits, cells = np.zeros_like(logq), (len(logq), GROUP)
    group, state = equal_group(cells, length=np.full(cells, 10.0)), advantage.init((length, *cells), rng)
    for _ in range(steps):
        prob = np.exp(log_softmax(logits.T).T)
        chosen = draw(prob, GROUP, rng)
        told = np.broadcast_to(np.take_along_axis(logq, chosen, axis=1), (length, *cells))
        value, state = advantage.apply(told, group, state)
        logits = logits + ETA * gradient(value, chosen, prob)
    prob = np.exp(log_softmax(logits.T).T)
    return np.asarray((prob * logq).sum(axis=1))


def gradient(value: Array, chosen: npt.NDArray[np.int64], prob: Array) -> Array:
    """The mean over a group of A (onehot(y) - pi), (p, s) to (p, chains)."""
    hot = (chosen[..., None] == np.arange(prob.shape[-1])).astype(np.float64)
    return np.asarray(np.einsum("ps,psz->pz", value, hot - prob[:, None, :]) / value.shape[-1])


def noise(groups: int, rng: Generator) -> dict[str, Any]:
    """Mean and variance of the first step's gradient by probability and by sampled answer, of one token."""
    logq = np.log((np.arange(CHAINS) + 0.5) / CHAINS)
    prob = np.full((groups, CHAINS), 1.0 / CHAINS)
    chosen = draw(prob, GROUP, rng)
    told = logq[chosen][None]
    found: dict[str, Any] = {}
    for name in ("probability", "sampled answer"):
        each = gradient(apply(rewards()[name], told, rng=rng), chosen, prob)
        found[name] = {"mean": each.mean(axis=0).tolist(), "variance": float(each.var(axis=0).sum())}
    exact = (np.exp(logq) - np.exp(logq).mean()) / CHAINS
    return {**found, "exact": exact.tolist(), "groups": groups}


def holds(outcome: Outcome) -> list[Check]:
    """The claims, each beside the reward that must not show it."""
    data = outcome.data
    start, best = np.array(data["start"]), np.array(data["best"])
    gone = {
        (row["length"], row["name"]): (np.array(row["end"]) - start) / (best - start).mean() for row in data["runs"]
    }
    long, short = LENGTHS
    checks = []
    for name in ("log-probability", "mean log-probability", "perplexity rank", "marginal"):
        part = gone[long, name]
        checks.append(Check(f"{long} tokens: {name} trains", _text(part), bool(part.mean() > GONE)))
    for name in ("probability", "sampled answer"):
        part, one = gone[long, name], gone[short, name]
        claim = f"control: at {long} tokens {name} does not"
        checks.append(Check(claim, _text(part), bool(abs(part.mean()) < STILL), control=True))
        checks.append(Check(f"at one token {name} does", _text(one), bool(one.mean() > GONE)))
    return [*checks, *_agree(data["noise"])]


def _agree(found: dict[str, Any]) -> list[Check]:
    wide, calm = found["sampled answer"], found["probability"]
    spread = np.sqrt(np.array([calm["variance"], wide["variance"]]) / found["groups"])
    away = [float(np.linalg.norm(np.array(one["mean"]) - found["exact"])) for one in (calm, wide)]
    ratio = calm["variance"] / wide["variance"]
    return [
        Check(
            "probability and sampled answer have the gradient of the mean probability",
            f"off by {away[0] / spread[0]:.1f} and {away[1] / spread[1]:.1f} standard errors",
            bool((np.array(away) < 2.0 * spread).all()),
        ),
        Check(
            "the probability's is the calmer",
            f"variance {calm['variance']:.4f} v {wide['variance']:.4f}",
            ratio < QUIETER,
        ),
    ]


def _text(part: Array) -> str:
    half = 1.96 * part.std(ddof=1) / np.sqrt(part.size)
    return f"{part.mean():.2f} +- {half:.2f} of the way"
