"""One machine: the work is done in this process, or in several beside it."""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize
from types import ModuleType
from typing import Any, cast

from culpa.engines.engine import Opening, Outcome, R, T, Work, outcome, result_of
from culpa.errors import InputError

DEATHS = 3  # so often in a row a worker may die before the work is given up
_WAITING = 2  # results that may wait for their turn, for each process


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Local:
    """processes: how many; 1 is this one alone.

    >>> from culpa.engines import plain
    >>> list(Local().map(plain(abs), [-1, 2, -3]))
    [1, 2, 3]
    """

    processes: int = 1

    def __post_init__(self) -> None:
        """Refuse what does no work."""
        if self.processes < 1:
            raise InputError(f"got {self.processes} processes.", remedy="Use one or more.")

    def map(self, opening: Opening[T, R], tasks: Sequence[T]) -> Iterator[R]:
        """See `Engine.map`."""
        workers = min(self.processes, len(tasks))
        return _beside(opening, tasks, workers) if workers > 1 else _here(opening, tasks)


def _here(opening: Opening[T, R], tasks: Sequence[T]) -> Iterator[R]:
    with opening() as work:
        for task in tasks:
            yield work(task)


def _beside(opening: Opening[T, R], tasks: Sequence[T], workers: int) -> Iterator[R]:
    """Pools one after another, the next one as soon as a worker has died, from the first task without a result on."""
    done, deaths = 0, 0
    while done < len(tasks):
        try:
            for result in _pooled(opening, tasks[done:], workers):
                yield result
                done, deaths = done + 1, 0
        except BrokenProcessPool as error:
            deaths += 1
            if deaths >= DEATHS:
                problem = f"a worker process was killed {deaths} times in a row on part {done + 1} of {len(tasks)}."
                remedy = "Often memory has run out: use fewer --processes."
                raise InputError(problem, remedy=remedy) from error


def _pooled(opening: Opening[T, R], tasks: Sequence[T], workers: int) -> Iterator[R]:
    # "spawn": a forked child would inherit the locks of the threads that polars and numpy keep.
    context = multiprocessing.get_context("spawn")
    leash, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(opening, leash))
    waiting: deque[Future[Outcome]] = deque()
    try:
        for task in tasks:
            with _main_left_alone():  # processes start when there is something to do
                waiting.append(pool.submit(_do, task))
            if len(waiting) > _WAITING * workers:
                yield cast(R, result_of(waiting.popleft().result()))
        while waiting:
            yield cast(R, result_of(waiting.popleft().result()))
        pool.shutdown()
    finally:
        held.close()  # whoever is still at work now is not wanted any more
        pool.shutdown(cancel_futures=True)
        leash.close()


@contextmanager
def _main_left_alone() -> Generator[None]:
    """Processes that start now do not run the user's script again, as they would where it has no `if __name__ == ...`.

    Nothing of that script travels to them: what is opened and what is worked on are of modules that they can import.
    """
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


_opening: list[Opening[Any, Any]] = []  # of a worker process: how it opens its work
_work: list[Work[Any, Any]] = []  # of a worker process: what it opened


def _begin(opening: Opening[Any, Any], leash: Connection) -> None:
    """Makes a worker process ready. It ends with the process that started it, however that one ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that asked
    _opening[:] = [opening]
    threading.Thread(target=_let_go, args=(leash,), daemon=True).start()


def _let_go(leash: Connection) -> None:
    wait([leash])
    os._exit(1)


def _do(task: object) -> Outcome:
    return outcome(_opened, task)


def _opened(task: object) -> object:
    """The work on a task, opened with the first one: what is wrong there is told like what is wrong with a task."""
    if not _work:
        stack = ExitStack()
        _work.append(stack.enter_context(_opening[0]()))
        Finalize(None, stack.close, exitpriority=10)
    return _work[0](task)
