"""What the verbs that read rollouts have in common: flags that say where the files are and what their columns mean."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypedDict

import typer

from culpa.audit import Verdict
from culpa.errors import InputError
from culpa.rollouts import Input, Options, expand

STREAM_BYTES = 1 << 30  # larger files are read part by part


class Where(StrEnum):
    """Where the work runs."""

    local = "local"
    ray = "ray"


Files = Annotated[list[str], typer.Argument(help="Files, folders or quoted globs.", show_default=False)]
Truth = Annotated[str | None, typer.Option(help="Score or column that is the truth.", show_default=False)]
Proxy = Annotated[list[str] | None, typer.Option(help="Scores to judge (shell pattern; repeat).", show_default=False)]
Join = Annotated[list[str] | None, typer.Option(help="More scores of the same outputs (repeat).", show_default=False)]
PromptId = Annotated[str | None, typer.Option(help="Column with the prompt's id.", show_default=False)]
Prompt = Annotated[str | None, typer.Option(help="Column with the prompt.", show_default=False)]
Response = Annotated[str | None, typer.Option(help="Column with the response.", show_default=False)]
Weight = Annotated[str | None, typer.Option(help="Column with the policy's mass of the output.", show_default=False)]
Logprob = Annotated[str | None, typer.Option(help="Column with the summed log-probability.", show_default=False)]
Length = Annotated[str | None, typer.Option(help="Column with the number of tokens.", show_default=False)]
Reader = Annotated[str | None, typer.Option(help="Format, where it is not recognised.", show_default=False)]
GroupSize = Annotated[int | None, typer.Option(min=1, help="Outputs per prompt, where no id says.", show_default=False)]
Tokenizer = Annotated[str | None, typer.Option(help="Tokenizer of dumps without text.", show_default=False)]

Learner = Annotated[
    str, typer.Option("--learner", help="reinforce, rloo:K, grpo:K, ppo:EPOCHS, best_of_n:N or tilt:BETA.")
]
KlWeight = Annotated[float, typer.Option("--kl", min=0.0, help="Weight of KL to the initial policy in the objective.")]
Horizon = Annotated[str, typer.Option(help="kl=VALUE, clock=VALUE, gain=VALUE or steps=NUMBER.")]
Stream = Annotated[
    bool | None,
    typer.Option(
        "--stream/--whole",
        help="Part by part, texts for a sample only. [default: files over 1 GB, and on Ray]",
        show_default=False,
    ),
]
Engine = Annotated[Where, typer.Option("--engine", help="Where the work runs: this machine, or a Ray cluster.")]
Processes = Annotated[
    int | None, typer.Option(min=1, help="Processes of the engine. [default: one for each core]", show_default=False)
]
Address = Annotated[
    str | None, typer.Option(help="Of the Ray cluster; none: a small one on this machine.", show_default=False)
]


class Asked(TypedDict):
    """How `read` and `scan` are to understand the files."""

    truth: str | None
    proxies: Sequence[str]
    names: Mapping[str, str]
    options: Options


def names_of(**columns: str | None) -> dict[str, str]:
    """The columns that were named, by native name."""
    return {native: column for native, column in columns.items() if column is not None}


def options_of(
    join: list[str] | None, reader: str | None, group_size: int | None, tokenizer: str | None, text: bool = True
) -> Options:
    """What the flags say of the dump."""
    return Options(text=text, group=group_size, tokenizer=tokenizer, reader=reader, join=tuple(join or ()))


def size_of(paths: tuple[Path, ...]) -> int:
    """Bytes of the files, folders included."""
    inside = [inner for path in paths if path.is_dir() for inner in path.rglob("*") if inner.is_file()]
    return sum(path.stat().st_size for path in [*inside, *(path for path in paths if path.is_file())])


def streams(files: list[str], asked: bool | None, where: Where) -> bool:
    """Whether files are read part by part: as asked, else where they are large or read on a cluster."""
    if asked is None:
        return where is Where.ray or size_of(expand(files)) > STREAM_BYTES
    if where is Where.ray and not asked:
        raise InputError("a cluster reads files part by part.", remedy="Leave --whole out, or say --engine local.")
    return asked


def arguments(context: typer.Context) -> dict[str, Any]:
    """All settings of a verb as they were resolved from flags, the settings file and defaults, in a fixed order."""
    names = [str(parameter.name) for parameter in context.command.params if parameter.name != "config"]
    given = {name: value for name in names if (value := context.params.get(name)) not in (None, [], ())}
    return {name: _plain(value) for name, value in given.items()}


def deciding(args: dict[str, Any]) -> dict[str, Any]:
    """The settings that have a say in the result: where the work ran has none."""
    return {name: value for name, value in args.items() if name not in ("engine", "processes", "address")}


def traced(verdict: Verdict, args: dict[str, Any], inputs: tuple[Input, ...]) -> Verdict:
    """The verdict with the flags and the files that it came from."""
    told = deciding(args) | verdict.args
    return replace(verdict, provenance=replace(verdict.provenance, args=told, inputs=inputs))


def _plain(value: Any) -> Any:
    """What JSON and YAML hold; bytes of a file name that are no text become escapes."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, bool | int | float):
        return value
    return str(value).encode("utf-8", "backslashreplace").decode()
