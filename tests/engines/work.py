"""Work for engines to do, in a module that their workers can import."""

import os
import signal
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from culpa.engines import plain
from culpa.errors import InputError


def square(number):
    return number * number


def pid(_):
    return os.getpid()


def late_first(number):
    """The earlier, the slower."""
    time.sleep(0.3 if number == 0 else 0.0)
    return number


def refuse(number):
    if number == 3:
        raise InputError("the third is odd.", path="in.parquet", row=7, remedy="Leave it out.")
    return number


def crash(number):
    raise ValueError(f"ours {number}")


def sleep(folder, _):
    (folder / f"{os.getpid()}.pid").touch()
    time.sleep(60)


def sleep_later(number):
    """All but the first."""
    time.sleep(60 if number else 0)
    return number


def die_odd(folder, number):
    """The worker is killed on every second task, once each."""
    marker = folder / f"{number}.died"
    if number % 2 and not marker.exists():
        time.sleep(0.3)  # so that the results before it are there
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_once(folder, number):
    """The worker is killed on the second task, the first time."""
    marker = folder / "died"
    if number == 1 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die(folder, number):
    """The worker is killed on the second task whenever it comes."""
    if number == 1:
        with (folder / "deaths").open("a") as file:
            file.write(".")
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@contextmanager
def noting(folder):
    """Opened and closed, with the process that did it."""
    note = Path(folder) / f"{os.getpid()}.opened"
    with note.open("a") as file:
        file.write("opened\n")
    yield square
    with note.open("a") as file:
        file.write("closed\n")


@contextmanager
def unopened():
    raise InputError("the model is not there.", remedy="Look for it.")
    yield square


def noted(folder):
    return partial(noting, folder)


def on(work, folder):
    return plain(partial(work, folder))


def gone(pid):
    """Whether a process has ended, or is a dead one that nobody has asked about."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def all_gone(pids, seconds=20.0):
    """Whether they all end within some time."""
    deadline = time.monotonic() + seconds
    while not all(map(gone, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
