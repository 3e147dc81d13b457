"""Rehearsals of small problems, and forecasts made by hand."""

import numpy as np
import polars as pl
from tests.audit.ahead import sharing as shared_world

from culpa.dynamics import Horizon, reinforce, simulate
from culpa.predictors import rehearse
from culpa.report.rehearsed import BARE, Asked, rehearsal
from culpa.rollouts import Rollouts

TRUTH = np.array([[1.0, 0.8, -1.0, -1.0], [1.0, 0.8, -1.0, np.nan]])
MASS = np.array([[0.1, 0.5, 0.2, 0.2], [0.05, 0.6, 0.35, 0.0]])


def record(**proxies):
    """Two prompts, of four outputs and of three."""
    present = ~np.isnan(TRUTH)
    cells = {name: np.where(present, rows, np.nan) for name, rows in proxies.items()}
    return Rollouts(np.array(["p1", "p2"], dtype=object), present, MASS, cells, TRUTH)


def known(**proxies):
    """Three proxies: the truth, one that punishes the likely mediocre output, one that loves a bad one."""
    harsh, hacked = np.where(TRUTH == 1, 1.0, -1.0), TRUTH.copy()
    hacked[:, 2] = 3.0
    return record(**({"fair": TRUTH, "harsh": harsh, "hacked": hacked} | proxies))


def rehearsed(steps=300, signals=(), *, rollouts=None, notes=(), **asked):
    """A rehearsal of the bare rewards, and of the same ones under other names."""
    run = simulate(rollouts or known(), learner=reinforce(), horizon=Horizon(kl=None, steps=steps))
    return rehearsal(dict.fromkeys([BARE, *signals], run), asked=Asked(**asked), notes=notes)


def sharing(**asked):
    """A rehearsal of outputs that have three features in common across prompts."""
    return rehearsal({BARE: rehearse(shared_world())}, asked=Asked(**asked), features="three things")


def rows(found, *columns):
    return {(row["proxy"], row["signal"]): tuple(row[name] for name in columns) for row in found.to_dicts()}


def peaked(*truths, also=None, rollouts=None):
    """A rehearsal whose first proxy's true reward takes these values at steps 0, 1, 2, ..., and the second's `also`."""
    found = rehearsed(steps=len(truths) - 1, rollouts=rollouts)
    forecast = found.first
    frame = forecast.curves
    for proxy, values in (("fair", truths), ("harsh", also)):
        if values is not None:
            given = pl.Series(np.resize(values, frame.height))
            chosen = pl.when(pl.col("proxy") == proxy).then(given).otherwise(pl.col("true_reward"))
            frame = frame.with_columns(chosen.alias("true_reward"))
    object.__setattr__(forecast, "curves", frame)
    return found
