"""`culpa check`: what a reward function does that it should not, and what that would do to the policy."""

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from culpa._version import __version__
from culpa.cli import source as s
from culpa.cli.audit import FailOn
from culpa.cli.progress import telling
from culpa.cli.screen import check_target, deliver, say
from culpa.cli.settings import Config, keep
from culpa.dynamics import learner
from culpa.dynamics.horizon import parse_horizon
from culpa.probing import Report, Settings, check, parse_target
from culpa.probing.consequence import Rehearsal
from culpa.probing.finding import LEVELS
from culpa.probing.load import load
from culpa.probing.page import sections
from culpa.report.markdown import sections_markdown
from culpa.report.terminal import print_sections, sections_text
from culpa.verifiers.process import Limits

EXAMPLE = "Example: culpa check culpa.verifiers:exact --timeout 5"


class Format(StrEnum):
    """How the report is written."""

    table = "table"
    json = "json"
    md = "md"


Reward = Annotated[str, typer.Argument(help="module:function or file.py:function.", show_default=False)]
Some = Annotated[list[str] | None, typer.Argument(help="Rollouts to score; without, small cases.", show_default=False)]


def command(
    context: typer.Context,
    reward: Reward,
    files: Some = None,
    truth: s.Truth = None,
    answer: Annotated[str | None, typer.Option(help="Column of the reference answer.", show_default=False)] = None,
    join: s.Join = None,
    prompt_id: s.PromptId = None,
    prompt: s.Prompt = None,
    response: s.Response = None,
    weight: s.Weight = None,
    reader: s.Reader = None,
    group_size: s.GroupSize = None,
    style: Annotated[
        str | None,
        typer.Option(help="trl, trl-chat, verl, openrlhf, verifiers, verifiers-chat or plain.", show_default=False),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that a call may take.")] = 10.0,
    memory: Annotated[int, typer.Option(help="MiB that a process may take; 0: no limit.")] = 4096,
    processes: Annotated[int, typer.Option(min=2, help="Processes, and threads, at a time.")] = 2,
    prompts: Annotated[int, typer.Option(min=1, help="Prompts of the rollouts to score, from all over.")] = 100,
    merge_by: Annotated[str, typer.Option(help="Column by which outputs count as the same.")] = "response",
    learner_name: s.Learner = "grpo:8",
    horizon: s.Horizon = "kl=0.4",
    format: Annotated[Format, typer.Option(help="How to write the result.")] = Format.table,
    output: Annotated[
        Path | None, typer.Option(help="File to write to, instead of the screen.", show_default=False)
    ] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit with 1 from this finding on.")] = FailOn.never,
    config: Config = None,  # noqa: ARG001 - read before the others
) -> None:
    """Run a reward function in a process of its own, and see what it does that it should not.

    With rollouts and a truth, every wrong score is weighed by what it would do to their policy.
    """
    check_target(output)
    rehearsal = Rehearsal(learner(learner_name), parse_horizon(horizon), merge_by)
    settings = Settings(style, Limits(timeout, memory), processes, prompts, answer, rehearsal)
    target = parse_target(reward)
    names = s.names_of(prompt_id=prompt_id, prompt=prompt, response=response, weight=weight)
    rollouts = load(files, truth, names, s.options_of(join, reader, group_size, None)) if files else None
    with telling() as tell:
        report = check(target, rollouts, settings, tell=tell)
    report.args.update(s.arguments(context))
    emit(report, reward, format, output)
    if output is not None:
        say(f"written: {output}, {keep(s.arguments(context), output)}")
    if reached(report, fail_on):
        raise typer.Exit(1)


def emit(report: Report, name: str, format: Format, output: Path | None) -> None:
    """Write the report to the screen or to a file."""
    page = list(sections(report, name))
    writers: dict[Format, Callable[[], str]] = {
        Format.table: lambda: sections_text(page),
        Format.md: lambda: sections_markdown("culpa check", page, f"culpa {__version__}"),
        Format.json: lambda: json.dumps(report.to_dict(), indent=1, ensure_ascii=False, allow_nan=False),
    }
    deliver(writers, format, output, lambda: print_sections(page))


def reached(report: Report, fail_on: FailOn) -> bool:
    """Whether a finding is as grave as asked, or graver."""
    worst = report.worst()
    if fail_on is FailOn.never or worst is None:
        return False
    return LEVELS.index(worst) >= LEVELS.index(fail_on.value)
