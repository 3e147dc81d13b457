"""Rewarding the Unlikely (2506.02355), on a language model: many tries after training, by what GRPO is paid for.

Claim: GRPO sharpens what is likely already, so that many tries solve less than before; a reward that is lower for the
likelier outputs of a group keeps more of what many tries can solve, and still gains at one try.

Experiment: a Llama-type model of 130,000 weights is taught to answer questions with one of 36 tactics, two letters,
the first far oftener than the last. Which tactics solve a question is a hash of both; likely tactics solve more, from
a quarter of all questions down to a twenty-fifth. GRPO with ddof 1, 24 prompts of 16 outputs a step. Pass at k tries is
exact: from the policy's chances of all 36 tactics on held-out prompts.

Departures: 1. a tiny model and no prover: nothing of miniF2F is reproduced. 2. one step to a batch, no divergence.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from culpa.papers import tiny_runs
from culpa.papers.outcome import Outcome, Size
from culpa.papers.tiny_runs import Course
from culpa.papers.unlikeliness import holds
from culpa.signals import center, chain, divide_std, unlikeliness

if TYPE_CHECKING:
    from culpa.labs.tinylm.tasks import Task
    from culpa.lm.model import LanguageModel

__all__ = ["experiment", "holds"]  # the claims and the margin are those of the first check

TACTICS, GROUP = 36, 16
RATES = np.linspace(0.25, 0.04, TACTICS).tolist()  # of questions that a tactic solves
TAUGHT = (np.exp(-np.arange(TACTICS) / 8.0) / np.exp(-np.arange(TACTICS) / 8.0).sum()).tolist()
BETAS = (0.0, 0.25, 0.5, -0.5)
TRIES = (1, 16, 64)
LESSONS = {"full": 150, "quick": 5}  # of pretraining
STEPS, SEEDS = {"full": 60, "quick": 2}, {"full": 3, "quick": 1}
HELD = {"full": 300, "quick": 20}  # held-out prompts


@tiny_runs.tiny()
def experiment(rng: np.random.Generator, size: Size = "full") -> Outcome:
    """What 1, 16 and 64 tries solve at the start, and after training with each beta."""
    from culpa.labs.tinylm.ask import graded  # noqa: PLC0415 - torch is an extra
    from culpa.labs.tinylm.tactics import tactics  # noqa: PLC0415

    task = tactics(RATES, TAUGHT)
    lm = tiny_runs.taught(task, LESSONS[size])
    rows: list[dict[str, Any]] = [{"beta": None, "pass": solved(lm, task, HELD[size])}]
    for _ in range(SEEDS[size]):
        course = Course(STEPS[size], group=GROUP, seed=int(rng.integers(1 << 31)))
        for beta in BETAS:
            advantage = chain(unlikeliness(beta), center(), divide_std(ddof=1, eps=1e-6))
            after = tiny_runs.trained(lm, task, graded(task), advantage, course)
            rows.append({"beta": beta, "pass": solved(after, task, HELD[size])})
    return Outcome(0, {"tries": list(TRIES), "steps": STEPS[size], "runs": rows})


def solved(lm: "LanguageModel", task: "Task", prompts: int) -> list[float]:
    """The share of held-out questions that so many tries solve: the mean of 1 - (1 - sum of pi over what solves)^k."""
    from culpa.labs.tinylm.tactics import chances, solving  # noqa: PLC0415 - torch is an extra

    asked = task.draw(np.random.default_rng(0), prompts, held_out=True)
    hit = (chances(lm, asked.prompts) * solving(task, asked.answers)).sum(axis=1)
    return [float(1.0 - ((1.0 - np.minimum(hit, 1.0)) ** tries).mean()) for tries in TRIES]
