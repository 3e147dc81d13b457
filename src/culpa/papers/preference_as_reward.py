"""Reward Shaping to Mitigate Reward Hacking in RLHF (2502.18770): preference as reward (PAR).

Claim: a reward that is bounded, grows fast at first and then saturates, in the distance from reference outputs, keeps a
policy from hacking an unbounded reward model; centring, standardising and clipping by running statistics do not.

Controlled experiment: the policy is a Gaussian of mean theta and deviation 1, from theta = 0; the reward model says a,
the truth is a - .15 a^2, which is best at theta = 10 / 3. REINFORCE on drawn groups, with a divergence from the start
of weight .02. 16 prompts, which differ in their reference outputs alone: draws of the policy at the start.

Departures: 1. no language model: win rates, length and the paper's reward models are not reproduced. 2. plain
REINFORCE instead of PPO with a critic. 3. of the rivals those that need a second reward model (ODIN, WARM,
regularised training) are left out, and so are tanh, arctan and the fitted polynomial, which follow the sigmoid.
"""

import numpy as np
import numpy.typing as npt

from culpa.papers.outcome import Check, Outcome, Size
from culpa.signals import (
    Group,
    Transform,
    chain,
    clip,
    clip_running,
    equal_group,
    minmax_running,
    normalise_running,
    par,
    scale,
    squash,
)
from culpa.signals import apply as apply_signal

SYSTEM = 9
Array = npt.NDArray[np.float64]

BEND, KL = 0.15, 0.02
SEEDS, PROMPTS, DRAWN, ETA = 3, 16, 8, 0.1
STEPS = {"full": 1_500, "quick": 1_000}
ALIKE = 10  # reference outputs of a prompt
PEAK, START = 1.0 / (4.0 * BEND) - BEND, -BEND  # the best truth there is; the truth at the start
PLACES = (0.0, 4.0, 6.0)  # of the policy, for the variance of its reward

# Thresholds, set before the first run: the first two are required of any implementation, the rest is half of an effect
NEAR = 0.05  # below the peak
SLOW = 0.27  # what a slow start loses
FADED = 8.0  # by which the variance of the reward has fallen


def experiment(rng: np.random.Generator, size: Size = "full") -> Outcome:
    """The truth at the end of a run on each shape of the reward, and how the variance of PAR fades."""
    references = rng.normal(size=(PROMPTS, ALIKE))
    rows = []
    for name, shape in shapes(references).items():
        mean = train(shape, STEPS[size], rng)
        truth = mean - BEND * (np.square(mean) + 1.0)
        rows.append({"name": name, "truth": truth.tolist(), "mean": mean.tolist()})
    return Outcome(0, {"steps": STEPS[size], "peak": PEAK, "runs": rows, "variance": _variances()})


def shapes(references: Array) -> dict[str, Transform]:
    """What is done to the reward in each run, by name."""
    return {
        "vanilla": scale(1.0),
        "centred": squash("identity", reference=references),
        "meanstd": normalise_running(),
        "clip": clip_running(),
        "ceil": clip(-np.inf, 3.0),
        "minmax": minmax_running(),
        "LSC": squash("log_sigmoid", reference=references, quantile=0.85),
        "sigmoid": squash("sigmoid"),
        "SgFc": par(references, shift=3.0),
        "PAR, one reference each": par(references[:, :1]),
        "PAR": par(references),
    }


def train(shape: Transform, steps: int, rng: np.random.Generator) -> Array:
    """The policy's mean after training, one for each seed."""
    mean, cells = np.zeros((SEEDS, 1, 1)), (SEEDS, PROMPTS, DRAWN)
    group, state = equal_group(cells), shape.init(cells, rng)
    for _ in range(steps):
        noise = rng.normal(size=cells)
        value, state = shape.apply(mean + noise, group, state)
        value = value - value.mean(axis=-1, keepdims=True)
        push = (value * noise).mean(axis=(-2, -1), keepdims=True) * DRAWN / (DRAWN - 1)
        mean = mean + ETA * (push - KL * mean)
    return mean[:, 0, 0]


def _variances() -> list[dict[str, float]]:
    """The variance of a reward under the policy, by quadrature."""
    nodes, weight = np.polynomial.hermite_e.hermegauss(80)
    group = Group(weight=weight[None], present=np.ones((1, nodes.size), dtype=np.bool_), enumerated=True)
    rows = []
    for place in PLACES:
        value = apply_signal(chain(par(0.0)), (place + nodes)[None], group)[0]
        share = weight / weight.sum()
        rows.append({"mean": place, "par": float(share @ np.square(value - share @ value))})
    return rows


def holds(outcome: Outcome) -> list[Check]:
    """The claims, each beside the shape that must not show it."""
    runs = {row["name"]: np.array(row["truth"]) for row in outcome.data["runs"]}

    def near(name: str) -> Check:
        return Check(f"{name} ends near the best", _text(runs[name]), bool((runs[name] > PEAK - NEAR).all()))

    def hacked(name: str) -> Check:
        claim = f"control: {name} ends below its start"
        return Check(claim, _text(runs[name]), bool((runs[name] < START).all()), control=True)

    slow = runs["PAR"].mean() - runs["SgFc"].mean()
    faded = [row["par"] for row in outcome.data["variance"]]
    text = ", ".join(f"{value:.4f}" for value in faded)
    return [
        near("PAR"),
        near("PAR, one reference each"),
        *(hacked(name) for name in ("vanilla", "centred", "meanstd", "clip")),
        Check("control: a slow start loses", f"{slow:.2f} below PAR", bool(slow > SLOW), control=True),
        Check(
            "the reward's variance fades as the policy rises", text, faded[0] > FADED * faded[1] > FADED**2 * faded[2]
        ),
    ]


def _text(values: Array) -> str:
    return f"true reward {values.min():.2f} to {values.max():.2f}, of {PEAK:.2f} at best"
