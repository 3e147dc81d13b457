"""Records of a small world, enumerated or sampled and all distinct, and what an audit makes of them."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from culpa.audit import Settings, Verdict, audit
from culpa.rollouts import Rollouts

WORDS = ("because", "seven", "the answer is", "perhaps", "never", "a plus b", "therefore", "sorry")
NAMES = ("honest", "noisy", "hacked")


def record(prompts=6, outputs=5, names=NAMES, *, seed=0, text="plain", **parts: Any) -> Rollouts:
    """Sampled outputs, all distinct: a truth, proxies of growing noise, short texts."""
    rng = np.random.default_rng(seed)
    shape = (prompts, outputs)
    truth = rng.random(shape).round(2)
    noise = np.linspace(0.1, 1.2, len(names))
    proxies = {name: (truth + n * rng.normal(size=shape)).round(3) for name, n in zip(names, noise, strict=True)}
    table = pl.DataFrame(
        {
            "prompt": np.repeat([f"{text} question {i}" for i in range(prompts)], outputs),
            "response": [f"{text} {' '.join(rng.choice(WORDS, 4))} {i}" for i in range(prompts * outputs)],
        }
    )
    ids = np.array([f"q{i}" for i in range(prompts)], dtype=object)
    mass = np.full(shape, 1 / outputs)
    return replace(Rollouts(ids, np.ones(shape, dtype=bool), mass, proxies, truth, table=table), **parts)


def enumerated(**how: Any) -> Rollouts:
    """The same with outputs of unequal mass and no texts: every prompt is walked by itself."""
    made = record(**how)
    mass = np.random.default_rng(9).dirichlet(np.ones(made.shape[1]), made.shape[0])
    return replace(made, weight=mass, table=pl.DataFrame())


def verdict(rollouts: Rollouts, **parts: Any) -> Verdict:
    return replace(audit(rollouts, settings=Settings(replicates=100)), **parts)
