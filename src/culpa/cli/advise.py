"""`culpa advise`: partial credit or none, before anybody trains on either."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from culpa.advice import advise
from culpa.cli import source as s
from culpa.cli.rehearse import can_draw
from culpa.cli.screen import check_target, deliver, say
from culpa.cli.settings import Config, keep
from culpa.dynamics import learner
from culpa.dynamics.horizon import parse_horizon
from culpa.report.advice import advice_dict, advice_sections
from culpa.report.advice_plot import write_advice_plot
from culpa.report.figure import check_plot
from culpa.report.markdown import sections_markdown
from culpa.report.terminal import print_sections, sections_text
from culpa.rollouts import read

EXAMPLE = "Example: culpa advise rollouts.parquet --check 'check_*' --learner grpo:8 --horizon steps=1000"


class Format(StrEnum):
    """How the advice is written."""

    table = "table"
    json = "json"
    md = "md"


def command(
    context: typer.Context,
    files: s.Files,
    check: Annotated[
        list[str] | None,
        typer.Option(help="Checks that pass (1) or fail (0), two or more (shell pattern; repeat).", show_default=False),
    ] = None,
    truth: s.Truth = None,
    join: s.Join = None,
    prompt_id: s.PromptId = None,
    prompt: s.Prompt = None,
    response: s.Response = None,
    weight: s.Weight = None,
    reader: s.Reader = None,
    group_size: s.GroupSize = None,
    learner_name: Annotated[str, typer.Option("--learner", help="reinforce, rloo:K or grpo:K.")] = "grpo:8",
    kl: s.KlWeight = 0.0,
    horizon: Annotated[str, typer.Option(help="steps=NUMBER or kl=VALUE.")] = "steps=1000",
    max_steps: Annotated[int, typer.Option(min=1, help="The most steps that are walked to a KL.")] = 10_000,
    eta: Annotated[float, typer.Option(help="Step size of the logits.")] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws of prompts.")] = 0,
    plot: Annotated[
        Path | None,
        typer.Option(help="File for the curves: .svg, .png, .html or .json (Vega-Lite).", show_default=False),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to write the result.")] = Format.table,
    output: Annotated[
        Path | None, typer.Option(help="File to write to, instead of the screen.", show_default=False)
    ] = None,
    config: Config = None,  # noqa: ARG001 - read before the others
) -> None:
    """Forecast success under binary, partial, weighted and staged credit, and recommend one, or say what is missing.

    Success is passing all checks, or the truth where one is named. Outputs may share nothing, the checks as skills, or
    features: a credit is recommended where all of these agree.
    """
    check_target(output)
    if plot is not None:
        check_target(plot)
        check_plot(plot)
    until, path = parse_horizon(horizon, max_steps), learner(learner_name).with_kl(kl)
    names = s.names_of(prompt_id=prompt_id, prompt=prompt, response=response, weight=weight)
    options = s.options_of(join, reader, group_size, None)
    rollouts = read(files, truth=truth, proxies=check or (), names=names, options=options)
    found = advise(rollouts, learner=path, horizon=until, eta=eta, seed=seed)
    if plot is not None:
        say(f"drawn: {write_advice_plot(found, plot)}")
    writers = {
        Format.table: lambda: sections_text(advice_sections(found)),
        Format.md: lambda: sections_markdown("culpa advise", advice_sections(found), f"seed {seed}"),
        Format.json: lambda: json.dumps(
            advice_dict(found, s.arguments(context)), indent=1, ensure_ascii=False, allow_nan=False
        ),
    }
    deliver(writers, format, output, lambda: print_sections(advice_sections(found, bars=can_draw())))
    if output is not None:
        say(f"written: {output}, {keep(s.arguments(context), output)}")
