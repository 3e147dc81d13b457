"""`culpa demo`: the whole job on bundled rollouts of a tiny language model, offline, in seconds."""

from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer

from culpa.audit import audit
from culpa.cli.audit import Format, emit
from culpa.cli.screen import check_target, printing, say
from culpa.cli.source import traced
from culpa.errors import InputError
from culpa.rollouts import inputs_of, read

EXAMPLE = "Example: culpa demo --output demo-report"
ROLLOUTS = "demo.parquet"

_ABOUT = """\
culpa demo: 260 questions to a tiny language model, 8-16 answers each, sixteen reward proxies with planted defects.
The same on your own files: culpa audit FILE --truth COLUMN --proxy 'PATTERN'
"""


def command(
    format: Annotated[Format, typer.Option(help="How to write the verdict.")] = Format.table,
    output: Annotated[
        Path | None, typer.Option(help="Folder for verdict.json, verdict.md and verdict.html.", show_default=False)
    ] = None,
) -> None:
    """Audit the bundled rollouts."""
    check_target(output, folder=True)
    with as_file(files("culpa.cli") / ROLLOUTS) as path:
        rollouts = read(path)
        inputs = tuple(one._replace(path=ROLLOUTS) for one in inputs_of(path))
    verdict = traced(audit(rollouts), {}, inputs)
    if format is Format.table:
        with printing():
            typer.echo(_ABOUT)
    emit(verdict, format, None)
    if output is not None:
        make_folder(output)
        verdict.to_json(output / "verdict.json")
        verdict.to_markdown(output / "verdict.md")
        verdict.to_html(output / "verdict.html")
        say(f"written: {', '.join(str(output / f'verdict.{kind}') for kind in ('json', 'md', 'html'))}")


def make_folder(path: Path) -> None:
    """The folder, with those it is in."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"the folder cannot be made ({error.strerror})."
        raise InputError(problem, path=path, remedy="Choose another.") from error
