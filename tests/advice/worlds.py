"""Records of checks, made by hand or drawn."""

import numpy as np

from culpa.rollouts import Rollouts

BOTH = np.array([[False, False], [True, False], [False, True], [True, True]])


def record(weight=None, truth=None, **checks):
    """One row for each prompt; NaN = no verdict."""
    cells = {name: np.array(rows, dtype=np.float64) for name, rows in checks.items()}
    shape = next(iter(cells.values())).shape
    names = np.array([f"q{number}" for number in range(shape[0])], dtype=object)
    weight = np.full(shape, 1.0 / shape[1]) if weight is None else np.array(weight, dtype=np.float64)
    truth = None if truth is None else np.array(truth, dtype=np.float64)
    return Rollouts(names, np.ones(shape, dtype=bool), weight, cells, truth)


def drawn(*rates, prompts=40, samples=16, seed=0, spread=0.0):
    """Checks that are passed by chance, independently; with `spread` prompts are hard and easy (sd of the log odds)."""
    rng = np.random.default_rng(seed)
    checks = {}
    for number, rate in enumerate(rates):
        odds = np.log(rate / (1 - rate)) + spread * rng.normal(size=(prompts, 1))
        checks[f"check_{number}"] = (rng.random((prompts, samples)) < 1 / (1 + np.exp(-odds))).astype(float)
    return record(**checks)


def product(*rates):
    """Masses of the four patterns of two independent checks."""
    return np.where(BOTH, rates, 1 - np.array(rates)).prod(axis=1)
