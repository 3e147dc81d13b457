"""Papers run one beside the other, and what is found."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from culpa.papers import paper
from culpa.papers.outcome import Check, Size


class Result(NamedTuple):
    """One paper's run."""

    name: str
    data: Mapping[str, Any]
    checks: tuple[Check, ...]
    seconds: float  # of wall time

    @property
    def reproduced(self) -> bool:
        """Whether every claim held, and every control failed as it must."""
        return all(one.holds for one in self.checks)


def reproduced(name: str, seed: int = 0, size: Size = "full") -> Result:
    """A paper's experiment, held against its claims and controls.

    >>> found = reproduced("gaussian_rank", size="quick")
    >>> found.name, found.reproduced
    ('gaussian_rank', True)
    """
    module, start = paper(name), time.perf_counter()
    outcome = module.experiment(np.random.default_rng(seed), size)
    checks = tuple(module.holds(outcome))
    return Result(name, outcome.data, checks, time.perf_counter() - start)


def reproductions(names: Sequence[str], seed: int = 0, size: Size = "full", *, jobs: int = 1) -> Iterator[Result]:
    """Every paper's run, in the order of the names, in so many processes of one thread each.

    A paper draws from a generator of its own, so that the numbers are those of running it alone.
    """
    if min(jobs, len(names)) <= 1:
        yield from (reproduced(name, seed, size) for name in names)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        runs = [pool.submit(reproduced, name, seed, size) for name in names]
        try:
            yield from (one.result() for one in runs)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _one_thread() -> None:
    threadpool_limits(1)
