"""Small worlds to look ahead in: outputs that share features, outputs that are enumerated."""

import numpy as np
import polars as pl
from tests.audit.world import NAN, record

import culpa
from culpa.audit import Settings

QUICK = Settings(replicates=100)


def sharing(seed=0, prompts=24, samples=5, dims=3, **changes):
    """Truth linear in features that all prompts share. Proxies: near it, against it, and deaf to it."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((prompts, samples, dims))
    truth = x @ rng.standard_normal(dims)
    proxies = {
        "near": truth + 0.4 * rng.standard_normal(truth.shape),
        "against": -truth + 0.4 * rng.standard_normal(truth.shape),
        "deaf": rng.standard_normal(truth.shape),
    }
    given = {"proxies": proxies, "truth": truth, "features": x.astype(np.float32)} | changes
    return record(given.pop("proxies"), **given)


def enumerated(seed=0, prompts=12, samples=4):
    """Masses that differ, and nothing that outputs of different prompts have in common."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, (prompts, samples)).astype(float)
    proxies = {"near": truth + 0.4 * rng.standard_normal(truth.shape), "verifier": (truth == 2).astype(float)}
    return record(proxies, truth, weight=rng.dirichlet(np.ones(samples), prompts))


def said(world, texts):
    """The same world with these responses, row by row, and no other features."""
    table = pl.DataFrame({"response": list(texts)})
    fields = {name: getattr(world, name) for name in world.__dataclass_fields__}
    return culpa.Rollouts(**fields | {"table": table, "features": None})


def ahead(world, settings=QUICK, **options):
    found = culpa.audit(world, settings=settings, **options).outlook
    assert found is not None
    return found


def swayed():
    """Four prompts in which the proxy is right, and one that is indifferent and on which it is not.

    There the truth is .5 whatever is said; the proxy pays what is like the bad outputs of the other four.
    """
    x = np.tile([[[1.0], [-1.0]]], (5, 1, 1)).astype(np.float32)
    truth = np.array([[1.0, 0.0]] * 4 + [[0.5, 0.5]])
    score = np.array([[1.0, 0.0]] * 4 + [[0.0, 1.0]])
    return record({"rm": score}, truth, features=x)


def unknown(values, places):
    """Values with NaN at some places."""
    copy = np.array(values, dtype=float)
    for place in places:
        copy[place] = NAN
    return copy
