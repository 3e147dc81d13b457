"""Sampled outputs with texts, log-probabilities, lengths and two blocks of features; proxies good and bad."""

import numpy as np
import polars as pl

from culpa.rollouts import Rollouts

HIDDEN = 3


def world(seed=0, prompts=10, samples=6, *, texts=True):
    rng = np.random.default_rng(seed)
    shape = (prompts, samples)
    x = rng.standard_normal((*shape, HIDDEN + 2)).astype(np.float32) * np.float32([1, 1, 1, 9, 9])
    truth = x[..., 0] + 0.3 * x[..., 3] + 0.5 * rng.standard_normal(shape)
    proxies = {
        "good": truth + 0.5 * rng.standard_normal(shape),
        "hack": truth + 4.0 * x[..., 1],
        "opposite": -truth,
        "binary": (truth > 0.5).astype(float),
    }
    said = ["".join(rng.choice(list("abc"), 2)) for _ in range(truth.size)]
    table = pl.DataFrame({"prompt": np.repeat([f"p{i}" for i in range(prompts)], samples), "response": said})
    return Rollouts(
        np.array([f"p{i}" for i in range(prompts)], dtype=object),
        np.ones(shape, dtype=bool),
        np.full(shape, 1.0 / samples),
        {name: value.astype(np.float64) for name, value in proxies.items()},
        truth.astype(np.float64),
        logprob=rng.normal(-6.0, 2.0, shape),
        length=rng.integers(1, 9, shape).astype(np.float64),
        features=x,
        table=table if texts else table.drop("response"),
    )
