"""What an execution may do: give a result, or refuse with one clear message. Everything else is a finding."""

import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from culpa.errors import InputError

SECONDS = 10.0  # of processor time for one execution
MEGABYTES = 2048  # resident, of the whole process
LONGEST = 4000  # characters of a message
_ROOT = Path(__file__).resolve().parents[1]
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "shutil.rmtree", "os.link", "os.symlink", "os.chmod"}
_FORBIDDEN = {
    "socket.connect",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "pickle.find_class",
}


class Finding(NamedTuple):
    """What went wrong: a key under which the same fault is found once, and the whole story."""

    key: str
    story: str


class HangError(BaseException):
    """The time of an execution is over; no `Exception`, so that nobody catches it on its way."""


class WrongError(Exception):
    """A target's own check failed."""


class Judge:
    """Runs a target on one input after the other and says what was not allowed."""

    def __init__(self, run: Callable[[bytes], None], workplace: Path) -> None:
        self._run, self._place = run, str(workplace)
        self._on, self._seen, self._late = False, list[str](), False
        signal.signal(signal.SIGVTALRM, self._ring)
        warnings.simplefilter("error", RuntimeWarning)
        sys.addaudithook(self._watch)

    def __call__(self, data: bytes) -> Finding | None:
        """None where all was as promised."""
        self._seen, self._late, self._on = [], False, True
        before = os.fstat(2).st_size
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            self._run(data)
        except InputError as error:
            found = self._message(str(error))
        except BaseException as error:  # polars' panics and `HangError` are no Exception
            found = Finding(_key(error), "".join(traceback.format_exception(error))[-6000:])
        else:
            found = None
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            self._on = False
        if self._late:
            return Finding(f"hang {found.key if found else ''}", found.story if found else "more than 10 s")
        if self._seen:
            return Finding(self._seen[0], "\n".join(self._seen))
        if found is None and os.fstat(2).st_size != before:
            return Finding("written to stderr behind Python's back", "see the end of the log")
        return found

    def _message(self, text: str) -> Finding | None:
        odd = sorted({sign for sign in text if not sign.isprintable()})
        if not text.strip() or odd or len(text) > LONGEST:
            what = f"signs {odd}" if odd else f"{len(text)} characters"
            words = re.sub(r"\W+", " ", re.sub(r"'.*'|\d+", "", text.replace(self._place, "")))[-60:]
            return Finding(f"message: {what if odd else 'length'} {words}", text[:5000])
        return None

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        self._late = True
        raise HangError

    def _watch(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event in _FORBIDDEN:
            self._refuse(f"{event} {str(args)[:200]}")
        elif event == "open":
            path, mode, flags = args
            writing = bool(flags & _WRITES) if isinstance(flags, int) else "r" not in str(mode)
            if writing and isinstance(path, str | bytes) and not self._inside(path):
                self._refuse(f"open for writing: {path!r}")
        elif event in _CHANGES and isinstance(args[0], str | bytes) and not self._inside(args[0]):
            self._refuse(f"{event} {args[0]!r}")

    def _inside(self, path: str | bytes) -> bool:
        full = os.path.abspath(os.fsdecode(path))
        return full.startswith(self._place) or full == os.devnull

    def _refuse(self, what: str) -> None:
        self._seen.append(what)
        raise PermissionError(what)


def _key(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if "culpa" in Path(one.filename).parts] or list(frames)
    place = f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "nowhere"
    text = re.sub(r"\d+", "N", str(error))[:60] if isinstance(error, WrongError) else ""
    return f"{type(error).__name__} in {place} {text}".strip()


def save(folder: Path, target: str, found: Finding, data: bytes) -> Path:
    """The input and the story, in files of their own; returns the input's."""
    name = re.sub(r"[^\w.-]+", "_", f"{target}_{found.key}")[:120]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.bin"
    if not path.exists() or len(data) < path.stat().st_size:
        path.write_bytes(data)
        with suppress(ValueError):
            path = path.relative_to(_ROOT)
        story = found.story.encode("utf-8", "backslashreplace").decode()
        (folder / f"{name}.txt").write_text(
            f"{found.key}\n{story}\nAgain: python -m fuzz.child {target} --input {path}\n", encoding="utf-8"
        )
    return path
