"""The `culpa` command: the list of verbs, and how errors end."""

import sys
import traceback
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from culpa._version import __version__
from culpa.cli import advise, audit, check, convert, demo, papers, rehearse, sample, score, train, watch
from culpa.cli.screen import say, tolerate_encodings
from culpa.errors import InputError, shorten

app = typer.Typer(
    name="culpa",
    help="Which errors of a reward will hurt your policy-gradient run, which will not matter, and which will help.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _verb in (
    ("demo", demo),
    ("audit", audit),
    ("rehearse", rehearse),
    ("advise", advise),
    ("check", check),
    ("sample", sample),
    ("score", score),
    ("train", train),
    ("watch", watch),
    ("convert", convert),
):
    app.command(_name, epilog=_verb.EXAMPLE)(_verb.command)

app.add_typer(papers.app, name="papers")


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"culpa {__version__}")
        raise typer.Exit


def main() -> None:
    """Run a verb. Exit code 0: fine, 1: a finding as grave as `--fail-on`, 2: no verdict.

    There is no verdict where the input or the usage is at fault, or where culpa is.
    """
    tolerate_encodings()
    try:
        with _one_thread(), _no_remarks():
            app()
    except InputError as error:
        say(error)
        sys.exit(2)
    except OSError as error:  # the system's word on a path: too long, not allowed, no room
        say(_refused(error))
        sys.exit(2)
    except KeyboardInterrupt:
        say("stopped")
        sys.exit(130)
    except SystemExit:
        raise
    except BaseException as error:  # polars' panics are no Exception
        say(_fault(error))
        sys.exit(2)


def _one_thread() -> AbstractContextManager[object]:
    """Matrix products on one thread: on busy cores two are slower, and the last digits differ with their number."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - after numpy, whose threads it limits

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def _no_remarks() -> AbstractContextManager[object]:
    """What is larger than a number can be is infinite or unknown in the result; NumPy says nothing of it on its own."""
    import numpy as np  # noqa: PLC0415 - the verbs have it

    return np.errstate(over="ignore", invalid="ignore")


def _refused(error: OSError) -> str:
    where = "" if error.filename is None else f"{shorten(error.filename, 200)}: "
    return f"{where}{error.strerror or error}."


def _fault(error: BaseException) -> str:
    """One line that says enough to report what should not have happened."""
    if isinstance(error, MemoryError):
        return "there is not enough memory. Try --stream, or fewer proxies."
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "culpa" in Path(frame.filename).parts]
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    text = f"{type(error).__name__}{place}: {str(error).strip(' .')}"
    return f"unexpected {text}. This is a fault of culpa {__version__}: please report this line and your command."


if __name__ == "__main__":
    main()
