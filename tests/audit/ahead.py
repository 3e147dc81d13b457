"""Small worlds to look ahead in: outputs that share features, outputs that are enumerated."""

import numpy as np
import polars as pl
from tests.audit.world import NAN, record

import culpa
from culpa.audit import Settings
from culpa.dynamics.problem import problem
from culpa.dynamics.shared import rehearse
from culpa.predictors import features_of

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


def feature_rehearsal(world, *, learner, features=None, kl=0.4):
    """The run on a record's features, put together by hand."""
    case = problem(world, missing="mean")
    known = features_of(world) if features is None else features
    return rehearse(case, known.values[case.prompts], learner, kl=kl)


def swayed():
    """Two prompts in which the proxy is right, one for each feature, and an indifferent one on which it is not.

    There the truth is .5 whatever is said; the proxy pays what is bad in the first and good in the second: the two
    features part, and the policy spends its divergence where nothing is to be had.
    """
    x = np.array([[[1.0, 0.0], [-1.0, 0.0]], [[0.0, 1.0], [0.0, -1.0]], [[1.0, -1.0], [-1.0, 1.0]]])
    truth = np.array([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]])
    score = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    return record({"rm": score}, truth, features=x.astype(np.float32))


def unknown(values, places):
    """Values with NaN at some places."""
    copy = np.array(values, dtype=float)
    for place in places:
        copy[place] = NAN
    return copy
