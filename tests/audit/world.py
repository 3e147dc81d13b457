"""Small records for the tests of the audit: made, cut into chunks, cut into explicit pairs; and the bundled one."""

from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

import culpa
from culpa.rollouts import Rollouts

NAN = np.nan
DEMO = Path(culpa.__file__).parent / "cli" / "demo.parquet"


@cache
def demo():
    """The bundled rollouts and their verdict, as `culpa demo` has it; for all tests once."""
    rollouts = culpa.read(DEMO)
    with threadpool_limits(1):
        return rollouts, culpa.audit(rollouts)


def record(proxies, truth=None, weight=None, present=None, **fields):
    """A record of proxies (p, s): everything present and of equal weight if not said otherwise; padding becomes NaN."""
    proxies = {name: np.array(score, dtype=np.float64) for name, score in proxies.items()}
    shape = next(iter(proxies.values())).shape
    present = np.ones(shape, dtype=bool) if present is None else np.asarray(present)
    if weight is None:
        weight = present / present.sum(axis=1, keepdims=True)
    return Rollouts(
        prompt_id=np.array([f"prompt {number}" for number in range(shape[0])], dtype=object),
        present=present,
        weight=np.asarray(weight, dtype=np.float64),
        proxies={name: np.where(present, score, NAN) for name, score in proxies.items()},
        truth=None if truth is None else np.where(present, np.array(truth, dtype=np.float64), NAN),
        **fields,
    )


def drawn(seed, prompts=40, samples=6, missing=0.1, unknown=0.0, text=True):
    """A good proxy with missing verdicts, noise, and a constant; groups of 1 to `samples` outputs; texts."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, (prompts, samples)).astype(float)
    present = np.arange(samples) < rng.integers(1, samples + 1, prompts)[:, None]
    good = np.where(rng.random(truth.shape) < missing, NAN, truth + rng.normal(0, 0.5, truth.shape))
    proxies = {"good": good, "noise": rng.normal(size=truth.shape), "constant": np.full(truth.shape, 0.1)}
    truth = np.where(rng.random(truth.shape) < unknown, NAN, truth)
    size = int(present.sum())
    words = ["**" + "a" * int(n) + "**" for n in rng.integers(1, 30, size)]
    table = pl.DataFrame({"prompt": ["?"] * size, "response": words}) if text else pl.DataFrame()
    length = np.where(present, rng.integers(1, 50, truth.shape).astype(float), NAN) if text else None
    return record(proxies, truth, present=present, length=length, table=table)


def cut(whole, *places):
    """The record in chunks that begin at the given prompts, padded no further than each needs."""
    rows = np.repeat(np.arange(whole.shape[0]), whole.present.sum(axis=1))
    result = []
    for start, end in zip((0, *places), (*places, whole.shape[0]), strict=True):
        wide = int(np.flatnonzero(whole.present[start:end].any(axis=0)).max()) + 1

        def part(array, start=start, end=end, wide=wide):
            return None if array is None else array[start:end, :wide].copy()

        table = whole.table.filter(pl.Series((rows >= start) & (rows < end))) if whole.table.width else whole.table
        result.append(
            Rollouts(
                prompt_id=whole.prompt_id[start:end],
                present=part(whole.present),
                weight=part(whole.weight),
                proxies={name: part(score) for name, score in whole.proxies.items()},
                truth=part(whole.truth),
                logprob=part(whole.logprob),
                length=part(whole.length),
                features=part(whole.features),
                table=table,
            )
        )
    return result


def explicit_pairs(score, truth, weight):
    """Every pair of the policy's outputs that both judge differently ordered in truth: (row, better, worse, mass)."""
    pairs = []
    for row in range(len(truth)):
        for i, j in combinations(range(truth.shape[1]), 2):
            cells = [score[row, i], score[row, j], truth[row, i], truth[row, j]]
            if not np.isnan(cells).any() and weight[row, i] * weight[row, j] > 0 and truth[row, i] != truth[row, j]:
                better, worse = (i, j) if truth[row, i] > truth[row, j] else (j, i)
                pairs.append((row, better, worse, weight[row, i] * weight[row, j]))
    return pairs


def value(verdict, proxy, metric):
    rows = verdict.metrics.filter((pl.col("proxy") == proxy) & (pl.col("metric") == metric))
    assert rows.height == 1, (proxy, metric)
    return rows["value"][0]


def codes(verdict):
    return {(finding.code, finding.proxy) for finding in verdict.warnings}


def pairs_only(truth=None, own=0.0):
    """One chosen and one rejected output a prompt; with `own` both are also the policy's."""
    rng = np.random.default_rng(0)
    good = np.stack([rng.normal(1, 1, 40), rng.normal(0, 1, 40)], axis=1)
    table = pl.DataFrame({"chosen": [True, False] * 40})
    weight = np.full((40, 2), own)
    return record({"good": good, "flat": np.full((40, 2), 0.1)}, truth, weight=weight, table=table)
