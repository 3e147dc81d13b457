"""What a weak policy might have said, without a policy."""

import numpy as np
import polars as pl

from culpa import Rollouts
from culpa.labs.tinylm.constraints import instructions
from culpa.labs.tinylm.tasks import add, brackets, reverse, sort

TASKS = {"sort": sort(), "reverse": reverse(5, 6), "brackets": brackets(), "add": add()}
TASKS |= {name: instructions(name) for name in ("moderate", "easy_hard")}


def rollouts(task, prompts=60, samples=6, seed=0):
    """Right (or a teacher's) responses with some letters replaced, and some of them one letter longer or shorter."""
    rng = np.random.default_rng(seed)
    asked = dict(zip(*task.draw(rng, 2 * prompts), strict=True))
    rows = [(p, a, spoil(task, a, rng)) for p, a in list(asked.items())[:prompts] for _ in range(samples)]
    shape = (len(rows) // samples, samples)
    return Rollouts(
        prompt_id=np.array([f"{i}" for i in range(shape[0])], dtype=object),
        present=np.ones(shape, dtype=bool),
        weight=np.full(shape, 1 / samples),
        table=pl.DataFrame(rows, schema=["prompt", "answer", "response"], orient="row"),
    )


def spoil(task, answer, rng):
    text = list(answer if task.demonstrate is None else task.demonstrate(rng, answer))
    for _ in range(int(rng.integers(7))):
        text[int(rng.integers(len(text)))] = task.letters[int(rng.integers(len(task.letters)))]
    return "".join(text)[: len(text) - (rng.random() < 0.1)] + ("" if rng.random() < 0.9 else task.letters[0])
