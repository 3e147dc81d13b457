"""`culpa audit`: how well each proxy says what the truth says, for the policy that wrote these outputs."""

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast

import typer

from culpa.audit import LEVELS, Level, Settings, Verdict, audit
from culpa.cli import source as s
from culpa.cli.progress import counting
from culpa.cli.screen import check_target, deliver, say
from culpa.cli.settings import Config, keep
from culpa.dynamics import learner as learner_of
from culpa.engines import engine as engine_of
from culpa.engines import spread
from culpa.report import print_verdict, to_card, to_junit, to_sarif, to_text
from culpa.rollouts import Rollouts, inputs_of, read

EXAMPLE = "Example: culpa audit rollouts.parquet --truth gold --proxy 'rm_*' --fail-on error"


class Format(StrEnum):
    """How the verdict is written."""

    table = "table"
    json = "json"
    md = "md"
    html = "html"
    sarif = "sarif"
    junit = "junit"
    card = "card"


ENDINGS = {
    ".sarif.json": Format.sarif,
    ".sarif": Format.sarif,
    ".json": Format.json,
    ".md": Format.md,
    ".html": Format.html,
    ".htm": Format.html,
    ".xml": Format.junit,
    ".yaml": Format.card,
    ".yml": Format.card,
}  # of a file's name; the first that fits


class FeatureKind(StrEnum):
    """Features that outputs share."""

    auto = "auto"
    policy = "policy"
    text = "text"
    joined = "joined"


class FailOn(StrEnum):
    """The finding from which on the exit code is 1."""

    never = "never"
    error = "error"
    warning = "warning"
    note = "note"


def command(
    context: typer.Context,
    files: s.Files,
    truth: s.Truth = None,
    proxy: s.Proxy = None,
    join: s.Join = None,
    prompt_id: s.PromptId = None,
    prompt: s.Prompt = None,
    response: s.Response = None,
    weight: s.Weight = None,
    logprob: s.Logprob = None,
    length: s.Length = None,
    reader: s.Reader = None,
    group_size: s.GroupSize = None,
    tokenizer: s.Tokenizer = None,
    learner: s.Learner = "reinforce",
    kl: s.KlWeight = 0.0,
    horizon: s.Horizon = "kl=0.4",
    features: Annotated[FeatureKind, typer.Option(help="What outputs have in common.")] = FeatureKind.auto,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Metrics to show (repeat); what they do not need is not computed. [default: all]"),
    ] = None,
    budget: Annotated[int, typer.Option(min=0, help="Outputs of unknown truth to name for judging.")] = 10,
    replicates: Annotated[int, typer.Option(min=100, help="Bootstrap replicates over prompts.")] = 2000,
    level: Annotated[float, typer.Option(min=0.5, max=0.999, help="Level of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    stream: s.Stream = None,
    engine: s.Engine = s.Where.local,
    processes: s.Processes = None,
    address: s.Address = None,
    format: Annotated[
        Format | None, typer.Option(help="How to write the verdict. [default: by the ending of --output, else table]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="File to write to, instead of the screen.", show_default=False)
    ] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit with 1 from this finding on.")] = FailOn.never,
    config: Config = None,  # noqa: ARG001 - read before the others
) -> None:
    """Judge reward proxies against the truth on a policy's own outputs."""
    check_target(output)
    names = s.names_of(
        prompt_id=prompt_id, prompt=prompt, response=response, weight=weight, logprob=logprob, length=length
    )
    where = engine_of(engine.value, processes=processes, address=address)
    streamed = s.streams(files, stream, engine)
    options = s.options_of(join, reader, group_size, tokenizer, text=not streamed)
    how = s.Asked(truth=truth, proxies=proxy or (), names=names, options=options)
    rollouts = None if streamed else read(files, **how)
    with counting() as tell:
        verdict = audit(
            replace(spread(files, **how, engine=where), tell=tell) if rollouts is None else rollouts,
            learner=learner_of(learner).with_kl(kl),
            horizon=horizon,
            metrics=metric or (),
            seed=seed,
            settings=Settings(replicates, level, budget, features.value),
        )
    verdict = s.traced(verdict, s.arguments(context), inputs_of(files, options))
    emit(verdict, format or format_of(output), output, fail_on, rollouts)
    if output is not None:
        say(f"written: {output}, {keep(s.arguments(context), output)}")
    if reached(verdict, fail_on):
        raise typer.Exit(1)


def format_of(output: Path | None) -> Format:
    """The format that a file's name asks for; the table where it asks for none.

    >>> format_of(Path("verdict.HTML")).value, format_of(Path("notes.txt")).value
    ('html', 'table')
    """
    name = "" if output is None else output.name.lower()
    return next((kind for ending, kind in ENDINGS.items() if name.endswith(ending)), Format.table)


def emit(
    verdict: Verdict,
    format: Format,
    output: Path | None,
    fail_on: FailOn = FailOn.never,
    rollouts: Rollouts | None = None,
) -> None:
    """Write the verdict to the screen or to a file; a failed test of JUnit is an error where no level is asked for."""
    grave = "error" if fail_on is FailOn.never else fail_on.value
    writers: dict[Format, Callable[[], str]] = {
        Format.table: lambda: to_text(verdict),
        Format.json: verdict.to_json,
        Format.md: verdict.to_markdown,
        Format.html: lambda: verdict.to_html(rollouts=rollouts),
        Format.sarif: lambda: to_sarif(verdict),
        Format.junit: lambda: to_junit(verdict, cast(Level, grave)),
        Format.card: lambda: to_card(verdict),
    }
    deliver(writers, format, output, lambda: print_verdict(verdict))


def reached(verdict: Verdict, fail_on: FailOn) -> bool:
    """Whether a finding is as grave as asked, or graver."""
    if fail_on is FailOn.never:
        return False
    return any(LEVELS.index(finding.level) >= LEVELS.index(fail_on.value) for finding in verdict.warnings)
