"""The parent's side of a worker: time-outs, restarts, and everything that a child can do wrong as a plain answer."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from culpa.errors import InputError, shorten

WORKER = Path(__file__).with_name("worker.py")
MOST_RESTARTS = 3  # of one request; what is left of it is then skipped
_LOADING = 60.0  # seconds that an import may take at least
_KEPT = 4000  # characters of what the child printed last
_LONGEST = 32 << 20  # bytes of one answer

FaultKind = Literal["raised", "time-out", "ended", "skipped"]


@dataclass(frozen=True)
class Target:
    """A function to be loaded: of a module, or of a file."""

    module: str
    file: Path | None
    function: str


@dataclass(frozen=True)
class Limits:
    """What a call may use. The network is not shut off: that takes rights that a user does not have."""

    seconds: float = 10.0  # of the clock, for one call
    memory: int = 4096  # MiB of address space; 0: no limit

    def __post_init__(self) -> None:
        """Refuse limits under which nothing can run."""
        if not 0 < self.seconds < float("inf"):
            raise InputError(f"the time-out is {self.seconds} seconds.", remedy="10 is usual.")
        if self.memory < 0 or 0 < self.memory < 64:
            raise InputError(f"the memory limit is {self.memory} MiB.", remedy="Take 64 or more, or 0 for none.")


class Fault(NamedTuple):
    """Why a call has no value."""

    kind: FaultKind
    text: str


class Outcome(NamedTuple):
    """What a call gave: a value of JSON, or a fault."""

    value: object = None
    fault: Fault | None = None


class Call(NamedTuple):
    """The arguments of one call, all of JSON."""

    args: list[object]
    named: dict[str, object]


class Worker:
    """A child process that has loaded one function. Not for several threads at once.

    The child leads a session of its own, which is ended as a whole: by a time-out, and when the worker is closed.
    Its limits hold for every process that it starts, each for itself. A process that leaves the session (`setsid`)
    gets away; this guards against accidents, not against malice.
    """

    def __init__(self, target: Target, limits: Limits = Limits(), *, hash_seed: int = 0) -> None:
        self.target, self.limits, self.hash_seed = target, limits, hash_seed
        self.parameters: list[list[Any]] = []
        self.printed = 0  # characters of the function's own output
        self.left_processes = False  # whether it left any behind
        self._last = ""
        self._number = 0
        self._start()

    def __enter__(self) -> Self:
        """The worker itself, closed at the end of the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Close, whatever happened."""
        self.close()

    def calls(self, calls: Sequence[Call]) -> list[Outcome]:
        """One outcome per call. A child that hangs or ends is replaced, and the next call goes to the new one."""
        found: list[Outcome] = []
        restarts = 0
        while len(found) < len(calls):
            rest = [list(call) for call in calls[len(found) :]]
            try:
                for reply in self._ask({"op": "calls", "calls": rest}, len(rest), self.limits.seconds):
                    found.append(_outcome(reply))
            except _GoneError as gone:
                found.append(Outcome(fault=gone.fault))
                restarts += 1
                self._restart()
            if restarts > MOST_RESTARTS:
                skipped = Outcome(fault=Fault("skipped", "not called: the calls before it failed too often"))
                found += [skipped] * (len(calls) - len(found))
        return found

    def at_once(self, calls: Sequence[Call], threads: int, seconds: float) -> list[list[Outcome]]:
        """All calls in each of several threads at the same time, within so many seconds together."""
        request = {"op": "threads", "calls": [list(call) for call in calls], "threads": threads}
        try:
            reply = next(self._ask(request, 1, seconds))
        except _GoneError as gone:
            self._restart()
            return [[Outcome(fault=gone.fault)] * len(calls)] * threads
        return [[_outcome(one) for one in run] for run in reply["value"]]

    def close(self) -> None:
        """End the child and everything in its session."""
        with suppress(OSError):
            self._stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout=0.5)
        self._kill()

    def _start(self) -> None:
        command = [sys.executable, "-P", "-u", str(WORKER)]
        environment = {**os.environ, "PYTHONHASHSEED": str(self.hash_seed)}
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment, start_new_session=True, bufsize=0,
        )  # fmt: skip
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._stdin, self._stdout, self._pending = self._child.stdin, self._child.stdout, b""
        os.set_blocking(self._stdin.fileno(), False)
        self._reader = threading.Thread(target=self._drain, args=(self._child.stderr,), daemon=True)
        self._reader.start()
        self._load()

    def _load(self) -> None:
        place = self.target.file
        folder = str(Path.cwd() if place is None else place.resolve().parent)
        named = {
            "file": None if place is None else str(place.resolve()),
            "module": self.target.module,
            "function": self.target.function,
            "paths": [folder],
        }
        try:
            self._send(json.dumps({"memory": self.limits.memory}), time.monotonic() + self.limits.seconds)
            patience = max(_LOADING, self.limits.seconds)
            reply = next(self._ask({"op": "load", **named}, 1, patience))
        except _GoneError as gone:
            self.close()
            raise InputError(f"the reward cannot be loaded: {gone.fault.text}.", remedy=_REMEDY) from gone
        found = _outcome(reply)
        if found.fault is not None:
            self.close()
            raise InputError(f"the reward cannot be loaded: {found.fault.text}.", remedy=_REMEDY)
        self.parameters = reply["value"]["parameters"]

    def _restart(self) -> None:
        self._kill()
        self._start()

    def _kill(self) -> None:
        """End the session. Whoever is still in it after its leader has left was left behind."""
        if self._child.poll() is not None and running(self._child.pid):
            self.left_processes = True
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._reader.join(timeout=1.0)
        for stream in (self._child.stdin, self._child.stdout, self._child.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _ask(self, request: dict[str, Any], answers: int, seconds: float) -> Iterator[dict[str, Any]]:
        """So many answers to a request, each within its own time."""
        self._number += 1
        line = json.dumps({"id": self._number, "seconds": seconds, **request})
        self._send(line, time.monotonic() + seconds)
        for number in range(answers):
            reply = self._receive(time.monotonic() + seconds, seconds)
            if (reply.get("id"), reply.get("number")) != (self._number, number):
                raise _GoneError(Fault("ended", "its answers are not the worker's own"))
            yield reply

    def _send(self, line: str, deadline: float) -> None:
        data = memoryview(line.encode() + b"\n")
        while data:
            _, ready, _ = select.select([], [self._stdin], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise _GoneError(Fault("time-out", "it took no input"))
            try:
                data = data[os.write(self._stdin.fileno(), data) :]
            except BrokenPipeError:
                raise _GoneError(self._ended()) from None

    def _receive(self, deadline: float, seconds: float) -> dict[str, Any]:
        while b"\n" not in self._pending:
            ready, _, _ = select.select([self._stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise _GoneError(Fault("time-out", f"no answer within {seconds:g} s"))
            data = os.read(self._stdout.fileno(), 1 << 16)
            if not data or len(self._pending) > _LONGEST:
                raise _GoneError(self._ended())
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        try:
            reply = json.loads(line)
        except ValueError:
            reply = None
        if not isinstance(reply, dict):
            raise _GoneError(Fault("ended", "its answers are not the worker's own"))
        return reply

    def _ended(self) -> Fault:
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout=0.5)
        self._reader.join(timeout=0.2)
        code = self._child.poll()
        why = "closed its answers" if code is None else f"ended with exit code {code}"
        if code is not None and code < 0:
            why = f"was ended by {signal.Signals(-code).name}"
        last = self._last.strip().rpartition("\n")[2]
        return Fault("ended", f"the process {why}" + (f" ({shorten(last, 160)})" if last else ""))

    def _drain(self, stream: Any) -> None:
        with suppress(OSError, ValueError):
            while data := os.read(stream.fileno(), 1 << 16):
                text = data.decode("utf-8", "replace")
                self.printed += len(text)
                self._last = (self._last + text)[-_KEPT:]


def running(group: int) -> bool:
    """Whether a process of the group still runs; one that has ended and that nobody has asked about does not."""
    if not Path("/proc/self/stat").exists():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, 0)
            return True
        return False
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, its_group = entry.read_text(errors="replace").rpartition(")")[2].split()[:3]
            if its_group == str(group) and state not in "ZX":
                return True
    return False


_REMEDY = "Write module:function or file.py:function; what it imports may need more memory (--memory)."


class _GoneError(Exception):
    """The child cannot be asked any more."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault


def _outcome(reply: dict[str, Any]) -> Outcome:
    if "error" not in reply:
        return Outcome(reply["value"])
    kind, message, place = reply["error"]
    where = f" ({shorten(place)})" if place else ""
    said = f": {shorten(message, 160)}" if message else ""
    return Outcome(fault=Fault("raised", f"{kind}{said}{where}"))
