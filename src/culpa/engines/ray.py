"""A Ray cluster: a pool of actors, each of which opens the work once; tasks are handed out as actors get free.

Actors rather than the operators of Ray Data: files are cut at prompts, where Ray Data cuts at rows, and results come in
the order of the tasks, few at a time. An actor that is lost with its node begins again on another.
"""

import logging
import math
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from culpa.engines.engine import Opening, Outcome, R, T, Work, outcome, result_of
from culpa.engines.local import cores
from culpa.errors import InputError, shorten

_TOKEN = Path.home() / ".ray" / "auth_token"
_MODE = "RAY_AUTH_MODE"
LOSSES = 3  # so often the same part may be lost with its worker
STARTS = 8  # so often in a row a worker may be lost while it starts
PATIENCE = 600  # seconds for a cluster without room
_SHORTEST, _LONGEST = 0.5, 8.0  # seconds until the next start after one that was lost
_TELLS = "_worker_logs_enabled"  # of ray._private.worker, which Ray itself turns off in breakpoints
_KNOCKING = 10  # seconds for whoever listens at an address
_WAITING = 2  # results that may wait for their turn, for each actor


@dataclass(frozen=True)
class Ray:
    """processes: actors, one processor and `gpus` GPUs each; address: the cluster's, or none for one on this machine.

    Files have to be where every node finds them under the same name, and culpa has to be installed on each.
    """

    processes: int | None = None
    address: str | None = None
    gpus: int = 0

    def __post_init__(self) -> None:
        """Refuse what does no work."""
        if self.processes is not None and self.processes < 1:
            raise InputError(f"got {self.processes} processes.", remedy="Use one or more.")

    def map(self, opening: Opening[T, R], tasks: Sequence[T]) -> Iterator[R]:
        """See `Engine.map`."""
        if not tasks:
            return
        with _cluster(self.address, self.processes) as ray:
            there = ray.cluster_resources()
            room = int(min(there.get("CPU", 1), there.get("GPU", 0) / self.gpus if self.gpus else math.inf))
            if self.gpus > there.get("GPU", 0):
                problem = f"a worker needs {self.gpus} GPU, and the cluster has {there.get('GPU', 0):g}."
                raise InputError(problem, remedy="--device cpu does without.")
            size = max(1, min(self.processes or len(tasks), room, len(tasks)))
            with closing(_Pool(ray, opening, size, self.gpus)) as pool:
                yield from (cast(R, result_of(found)) for found in pool.outcomes(tasks))


class _Pool:
    """Actors, and who works on what. One that is lost is replaced where there is room; meanwhile the others go on."""

    def __init__(self, ray: Any, opening: Opening[Any, Any], size: int, gpus: int = 0) -> None:
        self.ray, self.size = ray, size
        self.actor = ray.remote(_Worker).options(num_cpus=1, num_gpus=gpus, scheduling_strategy="SPREAD")
        self.opening = opening
        self.free: list[Any] = []
        self.busy: dict[Any, tuple[Any, int]] = {}  # promise -> the actor, and the task's number; -1: it is starting
        self.lost: Counter[int] = Counter()  # how often each task was lost
        self.again: list[int] = []  # tasks to hand out again
        self.due: list[float] = []  # when actors are to be hired; a cluster takes seconds to see that a node is gone
        for _ in range(size):
            self._hire()

    def outcomes(self, tasks: Sequence[object]) -> Iterator[Outcome]:
        """Of every task in order; others are worked on ahead, so far that everybody has something to do."""
        done: dict[int, Outcome] = {}
        handed = 0
        for number in range(len(tasks)):
            while number not in done:
                end = min(len(tasks), number + (1 + _WAITING) * self.size)
                while self.free and (self.again or handed < end):
                    mine = self.again.pop() if self.again else handed
                    handed = max(handed, mine + 1)
                    actor = self.free.pop()
                    self.busy[actor.do.remote(tasks[mine])] = actor, mine
                done |= self._next(len(tasks))
            yield done.pop(number)

    def close(self) -> None:
        """Lets everybody go."""
        for actor in [*self.free, *(actor for actor, _ in self.busy.values())]:
            self.ray.kill(actor)

    def _hire(self) -> None:
        actor = self.actor.remote(self.opening)
        self.busy[actor.ready.remote()] = actor, -1

    def _next(self, total: int) -> dict[int, Outcome]:
        """What the next one that is ready has done."""
        while self.due and self.due[0] <= time.monotonic():
            self.due.pop(0)
            self._hire()
        working = any(number >= 0 for _, number in self.busy.values())
        pause = max(0.0, self.due[0] - time.monotonic()) if self.due else None if working else PATIENCE
        if not self.busy:
            time.sleep(pause or 0.0)
            return {}
        ready, _ = self.ray.wait(list(self.busy), num_returns=1, timeout=pause)
        if ready:
            return self._done(ready[0], total)
        if not self.due:
            problem = f"no worker could be started on the cluster for {PATIENCE} seconds."
            raise InputError(problem, remedy="Look at `ray status`: are processors free?")
        return {}

    def _done(self, promise: Any, total: int) -> dict[int, Outcome]:
        actor, number = self.busy.pop(promise)
        try:
            found = self.ray.get(promise)
        except (self.ray.exceptions.RayActorError, self.ray.exceptions.ObjectLostError) as error:
            self._replace(actor, number, total, error)
            return {}
        self.free.append(actor)
        if number < 0:
            self.lost[number] = 0  # a start that fails counts with those right before it
        return {} if number < 0 else {number: found}

    def _replace(self, actor: Any, number: int, total: int, error: Exception) -> None:
        self.lost[number] += 1
        if self.lost[number] >= (LOSSES if number >= 0 else STARTS):
            what = "a worker that was starting" if number < 0 else f"part {number + 1} of {total}"
            problem = f"{what} was lost {self.lost[number]} times ({shorten(error, 120)})."
            remedy = "Often memory has run out: use fewer --processes."
            if number < 0 and os.environ.get(_MODE) == "token":
                remedy = f"Where the cluster takes no tokens, set {_MODE}=disabled; else memory may have run out."
            raise InputError(problem, remedy=remedy) from error
        self.again += [number] if number >= 0 else []
        self.ray.kill(actor)
        wait = 0.0 if number >= 0 else min(_LONGEST, _SHORTEST * 2 ** (self.lost[number] - 1))
        self.due = sorted([*self.due, time.monotonic() + wait])


class _Worker:
    """An actor: opens the work with its first task, and keeps it."""

    def __init__(self, opening: Opening[Any, Any]) -> None:
        self.opening = opening
        self.stack = ExitStack()
        self.opened: list[Work[Any, Any]] = []

    def ready(self) -> None:
        """Says that it is there."""

    def do(self, task: object) -> Outcome:
        """The outcome of one task."""
        return outcome(self._work, task)

    def _work(self, task: object) -> object:
        if not self.opened:
            self.opened.append(self.stack.enter_context(self.opening()))
        return self.opened[0](task)


@contextmanager
def _cluster(address: str | None, processes: int | None) -> Iterator[Any]:
    """Ray, connected and quiet; what was connected before stays so."""
    if address and _TOKEN.is_file():
        os.environ.setdefault(_MODE, "token")  # a cluster asks for it, and clients send none unless told to
    try:
        import ray  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError("Ray is not installed.", remedy="pip install 'culpa[ray]'") from error
    if ray.is_initialized():
        yield ray
        return
    with _hushed(ray):
        _connect(ray, address, processes)
        try:
            yield ray
        finally:
            ray.shutdown()


@contextmanager
def _hushed(ray: Any) -> Iterator[None]:
    """Nothing of Ray's on stdout, where results go: it tells there of lost nodes. Ray has no setting for it."""
    inside = getattr(getattr(ray, "_private", None), "worker", None)
    before = getattr(inside, _TELLS, None)
    if before is None:
        yield
        return
    setattr(inside, _TELLS, False)
    try:
        yield
    finally:
        setattr(inside, _TELLS, before)


def _connect(ray: Any, address: str | None, processes: int | None) -> None:
    here = {} if address else {"num_cpus": max(processes or 0, cores()), "include_dashboard": False}
    try:
        _knock(address)
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **here)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        problem = f"no Ray cluster answers at {shorten(address or 'this machine')} ({shorten(error, 120)})."
        raise InputError(problem, remedy="Start one with `ray start --head`, and give its address.") from error


def _knock(address: str | None) -> None:
    """Raise where nobody listens: Ray itself would go on trying for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_KNOCKING).close()
