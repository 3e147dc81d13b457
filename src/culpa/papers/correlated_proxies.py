"""Correlated Proxies: A New Definition and Improved Mitigation for Reward Hacking (2403.03185).

Claim: a proxy that correlates with the truth under a reference policy can lose to that policy once it is optimised; by
how much is bounded by the chi-squared distance gone for it. Held back by that distance, rare outputs that the proxy
overrates stay rare; held back by KL they do not.

Controlled experiment: the bound over random worlds and policies; the penalty's gradient against the derivative of the
objective; and 50 arms, one of them rare and overrated (truth -5, proxy +12, chance 1e-3 or 1e-4 under the reference),
with exact optima along the whole path of weights.

Departures: 1. the paper's four worlds and its language model are not reproduced. 2. occupancies are exact, no
discriminator is trained here. 3. of the distances there, chi-squared, its root and KL.
"""

from typing import Any

import numpy as np

from culpa.labs.mdp.gradient import softmax
from culpa.labs.mdp.hacking import hacking_bound, held_to
from culpa.labs.mdp.values import occupancy
from culpa.labs.mdp.world import Mdp
from culpa.metrics.arrays import Array
from culpa.metrics.means import mean_interval
from culpa.papers.outcome import Check, Outcome, Size
from culpa.signals import Group, apply
from culpa.signals.occupancy import occupancy_penalty

SYSTEM = 15
ARMS, NOISE, TRUTH, PROXY = 50, 0.3, -5.0, 12.0
RARE = (1e-3, 1e-4)
WEIGHTS = np.geomspace(1e-2, 1e3, 120)
WORLDS, POLICIES, STATES, ACTIONS = {"full": 400, "quick": 60}, 10, 5, 3
SEEDS = {"full": 20, "quick": 6}

# Half of the differences measured elsewhere: true return 1.10 v .15 (1.68 v .34 for the rarer arm), 1.07 with the
# weight of the theory, -4.3 unregularised; the gradient is required to 1e-10
BETTER, THEORY, HACKED, EXACT = {1e-3: 0.475, 1e-4: 0.67}, 0.46, -2.15, 1e-10


def experiment(rng: np.random.Generator, size: Size = "full") -> Outcome:
    """Violations of the bound, errors of the gradient, and what is best along each path."""
    bounds = [one for _ in range(WORLDS[size]) for one in _bounds(rng)]
    rows: list[dict[str, Any]] = [_arms(rng, rare) for rare in RARE for _ in range(SEEDS[size])]
    return Outcome(
        0,
        {
            "pairs": len(bounds),
            "violated": sum(gain < least - 1e-9 for gain, least, _ in bounds),
            "without": sum(gain < bare - 1e-9 for gain, _, bare in bounds),
            "gradient": _gradients(rng),
            "runs": rows,
        },
    )


def _bounds(rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Gain, its floor, and what the floor were without the distance, for policies of one random world."""
    world = Mdp(
        rng.dirichlet(np.full(STATES, 0.5), size=(STATES, ACTIONS)),
        rng.normal(size=(STATES, ACTIONS)),
        0.9,
        rng.dirichlet(np.ones(STATES)),
    )
    proxy = world.reward + rng.exponential() * rng.normal(size=world.reward.shape)
    logits = rng.normal(size=(POLICIES + 1, STATES, ACTIONS)) * rng.exponential(2.0, size=(POLICIES + 1, 1, 1))
    reference, *masses = occupancy(world, softmax(logits))
    rows = []
    for mass in masses:
        found = hacking_bound(world.reward, proxy, mass, reference)
        if found.correlation > 0:
            far = np.sqrt((1.0 - found.correlation**2) * found.chi2) / found.correlation
            rows.append((found.gain, found.least, float(found.least + far)))
    return rows


def _arms(rng: np.random.Generator, rare: float) -> dict[str, Any]:
    """The best true return on each path, at the weight of the theory, and of the proxy's own best."""
    reference = np.append((1.0 - rare) * rng.dirichlet(np.ones(ARMS - 1)), rare)
    truth = rng.normal(size=ARMS)
    proxy = truth + NOISE * rng.normal(size=ARMS)
    truth[-1], proxy[-1] = TRUTH, PROXY
    truth -= reference @ truth
    known = hacking_bound(truth, proxy, reference, reference)
    paths = {kind: max(held_to(reference, proxy, w, kind) @ truth for w in WEIGHTS) for kind in ("chi2", "kl")}
    theory = float(held_to(reference, proxy, known.weight) @ truth)
    return {"rare": rare, "r": known.correlation, **paths, "theory": theory, "proxy": float(truth[proxy.argmax()])}


def _gradients(rng: np.random.Generator) -> dict[str, float]:
    """How far the penalty's policy gradient is from the derivative of J - weight D, by kind; and at half of it."""
    reference, pay, logits = rng.dirichlet(np.ones(12)), rng.normal(size=12), rng.normal(size=12)
    result = {}
    for kind in ("sqrt_chi2", "chi2", "kl"):
        for share in (1.0, 0.5):
            penalty = occupancy_penalty(0.7 * share, kind)
            true = np.array([_objective(logits, i, reference, pay, kind) for i in range(12)])
            error = np.abs(_pushed(logits, reference, pay, penalty) - true).max() / np.abs(true).max()
            result[kind if share == 1.0 else f"{kind}, half"] = float(error)
    return result


def _pushed(logits: Array, reference: Array, pay: Array, penalty: Any) -> Array:
    prob = softmax(logits)
    group = Group(
        weight=prob[None],
        present=np.ones((1, 12), dtype=np.bool_),
        logprob=np.log(prob)[None],
        reference=np.log(reference)[None],
        enumerated=True,
    )
    signal = apply(penalty, pay[None], group)[0]
    return np.asarray(prob * (signal - prob @ signal))


def _objective(logits: Array, i: int, reference: Array, pay: Array, kind: str) -> float:
    """Derivative dJ / dlogit_i - 0.7 dD / dlogit_i, by a complex step: exact up to rounding."""
    moved = logits.astype(np.complex128)
    moved[i] += 1e-30j
    prob = np.exp(moved) / np.exp(moved).sum()
    chi2 = (prob * prob / reference).sum() - 1.0
    far = {"sqrt_chi2": np.sqrt(chi2), "chi2": chi2, "kl": (prob * np.log(prob / reference)).sum()}[kind]
    return float((prob @ pay - 0.7 * far).imag / 1e-30)


def holds(outcome: Outcome) -> list[Check]:
    """The bound, the gradient, and chi-squared against KL."""
    data = outcome.data
    worst = max(data["gradient"][kind] for kind in ("sqrt_chi2", "chi2", "kl"))
    halved = min(data["gradient"][f"{kind}, half"] for kind in ("sqrt_chi2", "chi2", "kl"))
    text = f"{data['violated']} of {data['pairs']} pairs of policies below it"
    checks = [
        Check("the truth never gains less than the bound", text, data["violated"] == 0),
        Check("the penalty has the objective's gradient", f"relative error {worst:.0e}", worst < EXACT),
    ]
    for rare in RARE:
        runs = [row for row in data["runs"] if row["rare"] == rare]
        gap = np.array([row["chi2"] - row["kl"] for row in runs])
        claim = f"an overrated arm of chance {rare:g}: chi-squared finds more truth than KL, every time"
        figure = f"true return higher by {mean_interval(gap)}, at least by {gap.min():.2f}"
        checks.append(Check(claim, figure, bool(gap.mean() > BETTER[rare] and gap.min() > 0.0)))
    runs = [row for row in data["runs"] if row["rare"] == RARE[0]]
    theory, best = (np.array([row[name] for row in runs]) for name in ("theory", "kl"))
    free = np.array([row["proxy"] for row in runs])
    checks.append(
        Check(
            "the weight of the theory needs no search",
            f"true return {mean_interval(theory)} v {mean_interval(best)} for the best KL",
            bool((theory - best).mean() > THEORY),
        )
    )
    return [
        *checks,
        Check(
            "control: the proxy alone is hacked, though it correlates",
            f"true return {mean_interval(free)}, r {np.mean([row['r'] for row in runs]):.2f}",
            bool(free.mean() < HACKED),
            control=True,
        ),
        Check(
            "control: without the distance the bound is none, and half the penalty has another gradient",
            f"{data['without']} pairs below it; relative error from {halved:.2f}",
            bool(data["without"] > 0 and halved > 0.01),
            control=True,
        ),
    ]
