"""`culpa advise`: partial credit or none, before anybody trains on either; or what mends a defect of a reward."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from culpa.advice import advise
from culpa.cli import source as s
from culpa.cli.defect import looked_up
from culpa.cli.rehearse import can_draw
from culpa.cli.screen import check_target, deliver, say
from culpa.cli.settings import Config, keep
from culpa.dynamics import learner
from culpa.dynamics.horizon import parse_horizon
from culpa.errors import InputError
from culpa.report.advice import advice_dict, advice_sections
from culpa.report.advice_plot import write_advice_plot
from culpa.report.atlas import Answer, defect_dict, defect_sections
from culpa.report.figure import check_plot
from culpa.report.markdown import sections_markdown
from culpa.report.terminal import print_sections, sections_text
from culpa.rollouts import read
from culpa.rollouts.limits import refuse_large

EXAMPLE = "Example: culpa advise rollouts.parquet --check 'check_*' --learner grpo:8 --horizon steps=1000"


class Format(StrEnum):
    """How the advice is written."""

    table = "table"
    json = "json"
    md = "md"


def command(
    context: typer.Context,
    files: Annotated[
        list[str] | None, typer.Argument(help="Files, folders or quoted globs.", show_default=False)
    ] = None,
    check: Annotated[
        list[str] | None,
        typer.Option(help="Checks that pass (1) or fail (0), two or more (shell pattern; repeat).", show_default=False),
    ] = None,
    defect: Annotated[
        str | None,
        typer.Option(
            help="Look a defect up in the atlas: NAME, NAME:SIZE, or NAME and files to measure it in; `measure`: all.",
            show_default=False,
        ),
    ] = None,
    truth: s.Truth = None,
    proxy: Annotated[
        str | None, typer.Option(help="With --defect: the score it is measured in.", show_default=False)
    ] = None,
    join: s.Join = None,
    prompt_id: s.PromptId = None,
    prompt: s.Prompt = None,
    response: s.Response = None,
    weight: s.Weight = None,
    logprob: s.Logprob = None,
    length: s.Length = None,
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

    With --defect, say instead which remedies help and which hurt when a reward has that defect, and how sure that is.
    """
    check_target(output)
    _check_together(files, check, defect, proxy, plot)
    named = {"prompt_id": prompt_id, "prompt": prompt, "response": response, "weight": weight}
    names = s.names_of(**named, logprob=logprob, length=length)
    options = s.options_of(join, reader, group_size, None)
    args = s.arguments(context)
    if defect is not None:
        chosen = [proxy] if proxy else ()
        rollouts = read(files, truth=truth, proxies=chosen, names=names, options=options) if files else None
        _tell_defect(looked_up(defect, rollouts, seed), format, output, args)
        return
    if plot is not None:
        check_target(plot)
        check_plot(plot)
    until, path = parse_horizon(horizon, max_steps), learner(learner_name).with_kl(kl)
    rollouts = refuse_large(read(files or [], truth=truth, proxies=check or (), names=names, options=options))
    found = advise(rollouts, learner=path, horizon=until, eta=eta, seed=seed)
    if plot is not None:
        say(f"drawn: {write_advice_plot(found, plot)}")
    writers = {
        Format.table: lambda: sections_text(advice_sections(found)),
        Format.md: lambda: sections_markdown("culpa advise", advice_sections(found), f"seed {seed}"),
        Format.json: lambda: _json(advice_dict(found, args)),
    }
    deliver(writers, format, output, lambda: print_sections(advice_sections(found, bars=can_draw())))
    if output is not None:
        say(f"written: {output}, {keep(args, output)}")


def _check_together(
    files: list[str] | None, check: list[str] | None, defect: str | None, proxy: str | None, plot: Path | None
) -> None:
    """Refuse what belongs to the one question with what belongs to the other."""
    if defect is None:
        if not files:
            raise InputError("there are no files.", remedy="Name rollouts with checks, or look up a --defect NAME.")
        if proxy is not None:
            raise InputError("--proxy belongs to --defect.", remedy="Name the checks by --check.")
    elif check or plot is not None:
        flag = "--check" if check else "--plot"
        raise InputError(f"{flag} belongs to the forecast of credits, not to --defect.", remedy="Leave it out.")


def _tell_defect(answer: Answer, format: Format, output: Path | None, args: dict[str, Any]) -> None:
    writers = {
        Format.table: lambda: sections_text(defect_sections(answer)),
        Format.md: lambda: sections_markdown(
            "culpa advise --defect", defect_sections(answer), f"recipe {answer.recipe['recipe']}"
        ),
        Format.json: lambda: _json(defect_dict(answer, args)),
    }
    deliver(writers, format, output, lambda: print_sections(defect_sections(answer)))
    if output is not None:
        say(f"written: {output}, {keep(args, output)}")


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
