"""`culpa papers`: published systems, each with its claim, its control and the verdict."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from culpa.cli.audit import Format
from culpa.cli.screen import check_target, say, show
from culpa.errors import InputError, shorten
from culpa.papers import names, second_check, second_checks, system, title
from culpa.papers.reproduce import Result, reproductions
from culpa.papers.table import reproduction_table
from culpa.rollouts import write_text

EXAMPLE = "Example: culpa papers run imperfect_rewards"
TABLE_EXAMPLE = "Example: culpa papers table --quick --output reproductions.md"

app = typer.Typer(help="Reproduce published systems: claim, control, numbers, verdict.", no_args_is_help=True)

CORES = os.cpu_count() or 1

Seed = Annotated[int, typer.Option(min=0, help="Seed of what is sampled.")]
Quick = Annotated[bool, typer.Option("--quick", help="Fewer steps: a look, not a reproduction.")]
Jobs = Annotated[
    int, typer.Option(min=1, help="Papers that run at the same time, where there are several.", show_default="cores")
]


@app.command("list")
def list_papers() -> None:
    """Print the papers there are: which of the eighteen systems, the name for `run`, and `--lm` for a second check."""
    for name in sorted(names(), key=lambda one: (system(one), one)):
        second = "--lm" if f"{name}_lm" in second_checks() else ""
        typer.echo(f"{system(name) or '':>2}  {name:<24} {second:<4}  {title(name)}")


@app.command("run", epilog=EXAMPLE)
def run(
    name: Annotated[str | None, typer.Argument(help="The paper; none with --all.", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Run all of them.")] = False,
    lm: Annotated[bool, typer.Option("--lm", help="The second check instead, on a tiny language model.")] = False,
    seed: Seed = 0,
    quick: Quick = False,
    jobs: Jobs = CORES,
    format: Annotated[Format, typer.Option(help="How to write the result.")] = Format.table,
) -> None:
    """Run a paper's experiment and hold its claims and controls against the figures. Exit code 1 if one fails."""
    if (name is None) != every:
        raise InputError("name one paper, or use --all.", remedy=f"Known: {', '.join(names())}.")
    several = second_checks() if lm else names()
    wanted = several if name is None else [second_check(name) if lm else name]
    results = []
    for one in reproductions(wanted, seed, "quick" if quick else "full", jobs=jobs):
        results.append(one)
        if format is not Format.json:
            _print(one, plain=format is Format.md)
    if format is Format.json:
        documents = [_document(one, seed) for one in results]
        typer.echo(json.dumps(documents if every else documents[0], indent=1, allow_nan=False))
    if not all(one.reproduced for one in results):
        raise typer.Exit(1)


@app.command("table", epilog=TABLE_EXAMPLE)
def table(
    output: Annotated[Path | None, typer.Option(help="The file to write; without one it is shown.")] = None,
    lm: Annotated[bool, typer.Option("--lm", help="With the second checks, on tiny language models.")] = False,
    seed: Seed = 0,
    quick: Quick = False,
    jobs: Jobs = CORES,
) -> None:
    """Run all papers and write the reproduction table: a row for each system, from these runs."""
    if output is not None:
        check_target(output)
    flags = [*(["--lm"] if lm else []), *([f"--seed {seed}"] if seed else []), *(["--quick"] if quick else [])]
    results = []
    for one in reproductions(
        [*names(), *(second_checks() if lm else ())], seed, "quick" if quick else "full", jobs=jobs
    ):
        results.append(one)
        say(f"{one.name}: {_verdict(one)}")
    page = reproduction_table(results, " ".join(["culpa papers table", *flags]))
    if output is None:
        show(page)
    else:
        write_text(page, output)


def _document(found: Result, seed: int) -> dict[str, object]:
    rows = [
        {"claim": one.claim, "control": one.control, "figure": one.figure, "holds": one.holds} for one in found.checks
    ]
    return {"schema": "culpa.paper/1", "paper": found.name, "seed": seed, "checks": rows, **found.data}


def _print(found: Result, *, plain: bool) -> None:
    rows = [(one.claim, one.figure, "holds" if one.holds else "FAILS") for one in found.checks]
    if plain:
        lines = [f"| {' | '.join(cells)} |" for cells in [("claim", "figure", "verdict"), ("---",) * 3, *rows]]
        typer.echo("\n".join([f"## {shorten(title(found.name), 200)}", "", *lines, ""]))
        return
    table = Table("claim or control", "figure", "verdict", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False, markup=False)
    console.print(title(found.name))
    console.print(table)
    console.print(_verdict(found))


def _verdict(found: Result) -> str:
    verdict = "reproduced" if found.reproduced else "NOT reproduced"
    return f"{verdict}: {sum(one.holds for one in found.checks)} of {len(found.checks)}, in {found.seconds:.1f} s"
