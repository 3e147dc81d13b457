"""What goes to the screen: results to stdout, everything else to stderr, each said by its name."""

import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import typer

from culpa.errors import InputError, shorten
from culpa.rollouts import write_text

_Format = TypeVar("_Format", bound=StrEnum)


def say(text: object) -> None:
    """A line on stderr, safe to print whatever came from the data."""
    typer.echo(f"culpa: {shorten(text, 1000)}", err=True)


def show(text: str) -> None:
    """A whole document on stdout, in UTF-8 as in a file, whatever the terminal's encoding."""
    with printing():
        typer.get_binary_stream("stdout").write(f"{text.rstrip()}\n".encode())


def deliver(
    writers: Mapping[_Format, Callable[[], str]], format: _Format, output: Path | None, printed: Callable[[], None]
) -> None:
    """What was found, written to a file or shown; a table for the screen is `printed`, in its colours and width."""
    if output is None and format.value == "table":
        with printing():
            printed()
        return
    text = writers[format]()
    if output is None:
        show(text)
    else:
        write_text(text.rstrip("\n") + "\n", output)


@contextmanager
def printing() -> Iterator[None]:
    """What is printed inside leaves at once. A reader who has seen enough (`| head`) changes no exit code."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        _forget_stdout()
        if not isinstance(error, BrokenPipeError):
            problem = f"the output cannot be printed ({error.strerror})."
            raise InputError(problem, remedy="Write it to a file with --output.") from error


def tolerate_encodings() -> None:
    """Signs that the terminal's encoding lacks are printed as escapes instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def check_target(path: Path | None, *, folder: bool = False) -> None:
    """Refuse, before the work is done, an output that could not be written after it."""
    if path is None:
        return
    if path.exists() and path.is_dir() != folder:
        problem, remedy = ("is a file.", "Name a folder.") if folder else ("is a folder.", "Name a file in it.")
        raise InputError(problem, path=path, remedy=remedy)
    if not folder and not path.parent.is_dir():
        raise InputError("the folder does not exist.", path=path.parent, remedy="Make it, or choose another.")


def _forget_stdout() -> None:
    """What is still in the buffer goes nowhere, so that the interpreter does not complain of it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
