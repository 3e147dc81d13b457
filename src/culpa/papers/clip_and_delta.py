"""On Designing Effective RL Reward at Training Time for LLM Reasoning (2410.15115): clip and delta.

Claim: the sum of a process reward model's scores pays for repeating easy correct steps instead of solving the problem.
Clipped from above the scores cannot be collected, and as differences they cannot be either; clipped and then
differenced they train as well as success alone.

Controlled experiment: three productive steps solve a problem, at most twelve are allowed. A step is productive,
redundant or wrong, which the model scores .9, .85 and .1; the policy is a table over progress and step, REINFORCE with
the return from each step on: alpha times the shaped scores, plus 1 for success.

Departures: 1. no language model: the paper's benchmarks, and that the scores help there beyond success alone, are not
reproduced. 2. eta of the clip is the batch's mean, alpha 1 but where said; the paper's values are not known.
3. sum and delta with alpha .2 are run and shown in the data, but nothing is claimed of them: to collect is still best
for the sum there, and how far a run has gone to it differs by its length.
"""

from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.papers.outcome import Check, Outcome, Size
from culpa.signals import Transform, apply, chain, clip_steps, delta_steps, equal_group, scale, weighted_sum

SYSTEM = 4
Array = npt.NDArray[np.float64]

NEEDED, MOST = 3, 12
SCORES = np.array([0.9, 0.85, 0.1])  # productive, redundant, wrong
SHAPES: dict[str, tuple[Transform, float]] = {  # and alpha
    "success alone": (scale(0.0), 1.0),
    "sum": (chain(), 1.0),
    "sum, alpha .2": (chain(), 0.2),
    "clip": (clip_steps(), 1.0),
    "delta": (delta_steps(), 1.0),
    "delta, alpha .2": (delta_steps(), 0.2),
    "clip and delta": (chain(clip_steps(), delta_steps()), 1.0),
}
UPDATES = {"full": 300, "quick": 200}
SEEDS, DRAWN, ETA = 3, 64, 0.5

# Thresholds, set before the first run: half of the differences measured elsewhere (.99 v .00 and .41; 3 steps v 12)
BETTER, SHORT, CONTINUES = 0.5, 7.5, 0.29


class Episodes(NamedTuple):
    """Drawn outputs: (t, shapes, seeds, 1, s); of steps after the end, the progress is that of the end."""

    progress: npt.NDArray[np.int64]
    action: npt.NDArray[np.int64]
    score: Array  # NaN after the end
    solved: npt.NDArray[np.bool_]  # without t


def experiment(rng: np.random.Generator, size: Size = "full") -> Outcome:
    """Success and length after training on each shape of the scores, and the most that a sequence can earn."""
    logits = np.zeros((len(SHAPES), SEEDS, NEEDED, len(SCORES)))
    for _ in range(UPDATES[size]):
        logits = logits + ETA * _gradient(logits, draw(logits, DRAWN, rng))
    found = draw(logits, 4 * DRAWN, rng)
    length = (~np.isnan(found.score)).sum(axis=0).mean(axis=(-2, -1))
    success = found.solved.mean(axis=(-2, -1))
    rows = [
        {"name": name, "success": success[i].tolist(), "length": length[i].tolist()} for i, name in enumerate(SHAPES)
    ]
    return Outcome(0, {"updates": UPDATES[size], "runs": rows, "most": _most()})


def draw(logits: Array, number: int, rng: np.random.Generator) -> Episodes:
    """So many outputs of the policy of every shape and seed."""
    prob = np.exp(logits - logits.max(axis=-1, keepdims=True))
    upto = np.cumsum(prob / prob.sum(axis=-1, keepdims=True), axis=-1)
    cells = (*logits.shape[:2], 1, number)
    now = np.zeros(cells, dtype=np.int64)
    shape, seed = np.ogrid[: cells[0], : cells[1]]
    at = shape[..., None, None], seed[..., None, None]
    progress, action, score = [], [], []
    for _ in range(MOST):
        state = np.minimum(now, NEEDED - 1)
        taken = (rng.random(cells)[..., None] > upto[(*at, state)][..., :-1]).sum(axis=-1)
        progress.append(state)
        action.append(taken)
        score.append(np.where(now < NEEDED, SCORES[taken], np.nan))
        now = np.where(now < NEEDED, now + (taken == 0), now)
    return Episodes(np.stack(progress), np.stack(action), np.stack(score), now == NEEDED)


def _gradient(logits: Array, drawn: Episodes) -> Array:
    """REINFORCE with the return from each step on, less the mean return of that progress."""
    known = ~np.isnan(drawn.score)
    shaped = np.stack(
        [alpha * apply(shape, drawn.score[:, i]) for i, (shape, alpha) in enumerate(SHAPES.values())], axis=1
    )
    future = np.cumsum(np.where(known, shaped, 0.0)[::-1], axis=0)[::-1] + drawn.solved
    prob = np.exp(logits - logits.max(axis=-1, keepdims=True))
    prob /= prob.sum(axis=-1, keepdims=True)
    result = np.zeros_like(logits)
    for state in range(NEEDED):
        here = known & (drawn.progress == state)
        count = here.sum(axis=(0, -2, -1))
        mean = np.where(here, future, 0.0).sum(axis=(0, -2, -1)) / np.maximum(count, 1)
        gap = np.where(here, future - mean[..., None, None], 0.0)
        for one in range(len(SCORES)):  # the gaps of a state add up to 0, so the policy's own part drops out
            result[:, :, state, one] = np.where(drawn.action == one, gap, 0.0).sum(axis=(0, -2, -1))
    return np.asarray(result / drawn.solved.shape[-1])


def _most() -> list[dict[str, float]]:
    """The most that any sequence of steps of a length can earn in all."""
    rows = []
    for steps in (2, 4, 8):
        every = np.array(list(product(SCORES, repeat=steps))).T[:, None, :]
        row: dict[str, float] = {"steps": steps}
        for name, shape in (("sum", chain()), ("clip", clip_steps(0.8)), ("delta", delta_steps())):
            row[name] = float(apply(chain(shape, weighted_sum()), every, equal_group(every.shape[1:])).max())
        rows.append(row)
    return rows


def holds(outcome: Outcome) -> list[Check]:
    """The claims, each beside the shape that must not show it."""
    runs = {row["name"]: (np.mean(row["success"]), np.mean(row["length"])) for row in outcome.data["runs"]}
    (lost, _), (right, long) = runs["sum"], runs["success alone"]
    checks = [Check("success alone solves it", _text(runs["success alone"]), bool(right > BETTER and long < SHORT))]
    for name in ("clip", "clip and delta"):
        solved, length = runs[name]
        claim = f"{name}: more is solved than with the sum, in few steps"
        checks.append(Check(claim, _text(runs[name]), bool(solved - lost > BETTER and length < SHORT)))
    fails = bool(lost < BETTER and runs["sum"][1] > SHORT)
    checks.append(Check("control: the sum is collected, nothing is solved", _text(runs["sum"]), fails, control=True))
    gap = runs["clip and delta"][0] - runs["delta"][0]
    claim = "control: delta alone still pays for going on"
    checks.append(Check(claim, _text(runs["delta"]), bool(gap > CONTINUES), control=True))
    first, last = outcome.data["most"][0], outcome.data["most"][-1]
    text = ", ".join(f"{name} {first[name]:.2f} to {last[name]:.2f}" for name in ("clip", "delta", "sum"))
    bounded = last["clip"] <= 0.0 and last["delta"] <= SCORES.max() and last["sum"] > 3 * first["sum"]
    return [*checks, Check("what 2 to 8 steps can earn is bounded, but for the sum", text, bounded)]


def _text(run: tuple[float, float]) -> str:
    return f"success {run[0]:.2f}, {run[1]:.1f} steps"
