"""`culpa rehearse`: the policy gradient on the outputs at hand, exactly, before anybody pays for it."""

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from culpa.cli import source as s
from culpa.cli.screen import check_target, printing, say, show
from culpa.cli.settings import Config, keep
from culpa.dynamics import learner, simulate
from culpa.dynamics.horizon import parse_horizon
from culpa.dynamics.learner import Learner
from culpa.report.markdown import sections_markdown
from culpa.report.plot import check_plot, write_plot
from culpa.report.rehearsal import distinct_share, rehearsal_dict, rehearsal_sections
from culpa.report.rehearsed import BARE, rehearsal
from culpa.report.terminal import print_sections, sections_text
from culpa.rollouts import Rollouts, read, write_text
from culpa.rollouts.components import mixed
from culpa.rollouts.merge import merged
from culpa.signals import parse

EXAMPLE = "Example: culpa rehearse rollouts.parquet --truth gold --merge-by response --learner grpo:8 --plot curves.png"


class Format(StrEnum):
    """How the rehearsal is written."""

    table = "table"
    json = "json"
    md = "md"


class Right(StrEnum):
    """What a score would be if it were right."""

    same = "same"
    matched = "matched"


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
    length: s.Length = None,
    reader: s.Reader = None,
    group_size: s.GroupSize = None,
    merge_by: Annotated[
        str | None, typer.Option(help="Column by which outputs count as the same.", show_default=False)
    ] = None,
    mix: Annotated[
        list[str] | None,
        typer.Option(
            help='Weighted sum of scores to judge beside them: "0.7*rm_a + 0.3*rm_b", or "name = ..." (repeat).',
            show_default=False,
        ),
    ] = None,
    signal: Annotated[
        list[str] | None,
        typer.Option(
            help='What is done to the rewards first, beside the bare ones: "center | clip:3" (repeat).',
            show_default=False,
        ),
    ] = None,
    learner_name: s.Learner = "reinforce",
    kl: s.KlWeight = 0.0,
    horizon: s.Horizon = "kl=0.4",
    max_steps: Annotated[int, typer.Option(min=1, help="The most steps that are walked.")] = 10_000,
    eta: Annotated[float, typer.Option(help="Step size of the logits.")] = 0.1,
    right: Annotated[
        Right, typer.Option(help="Right scores: the truth itself, or on the proxy's scale.")
    ] = Right.matched,
    errors: Annotated[int, typer.Option(min=0, help="Errors to list that hurt, and that help.")] = 5,
    stalls: Annotated[int, typer.Option(min=0, help="Prompts of longest plateau to list for each proxy.")] = 0,
    sampled: Annotated[int, typer.Option(min=0, help="Runs that draw their outputs, beside the exact one.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of those runs.")] = 0,
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
    """Train on each proxy from the policy of these outputs, and say which errors hurt, help or do not matter.

    Every prompt is rehearsed by itself: right for outputs that are enumerated or merged, too coarse for samples that
    are all distinct, whose shared features decide real runs.
    """
    check_target(output)
    if plot is not None:
        check_target(plot)
        check_plot(plot)
    until, learners = parse_horizon(horizon, max_steps), learners_of(learner_name, kl, signal or ())
    names = s.names_of(prompt_id=prompt_id, prompt=prompt, response=response, weight=weight, length=length)
    options = s.options_of(join, reader, group_size, None)
    rollouts = read(files, truth=truth, proxies=proxy or (), names=names, options=options)
    rollouts = rollouts if merge_by is None else merged(rollouts, by=merge_by)
    rollouts = mixed(rollouts, mix or ())
    walk = partial(simulate, rollouts, horizon=until, eta=eta)
    exact = {name: walk(learner=one) for name, one in learners.items()}
    seeds = [[seed, run] for run in range(sampled)]
    drawn = {
        name: [walk(learner=one, rng=np.random.default_rng(numbers)) for numbers in seeds]
        for name, one in learners.items()
    }
    notes = notes_of(rollouts, len(exact[BARE].problem.prompts))
    found = rehearsal(exact, drawn, scale=right.value, stalled=stalls > 0, notes=notes)
    if plot is not None:
        say(f"drawn: {write_plot(found, plot, horizon)}")
    page = partial(rehearsal_sections, found, errors, stalls)
    if format is Format.table and output is None:
        with printing():
            print_sections(page(bars=can_draw()))
        return
    writers = {
        Format.table: lambda: sections_text(page()),
        Format.md: lambda: sections_markdown("culpa rehearse", page(), f"{learner_name}, {horizon}, eta {eta}"),
        Format.json: lambda: json.dumps(
            rehearsal_dict(found, s.arguments(context)), indent=1, ensure_ascii=False, allow_nan=False
        ),
    }
    text = writers[format]()
    if output is None:
        show(text)
    else:
        write_text(text.rstrip("\n") + "\n", output)
        say(f"written: {output}, {keep(s.arguments(context), output)}")


def learners_of(name: str, kl: float, signals: Sequence[str]) -> dict[str, Learner]:
    """The learner on the bare reward, and on each signal.

    >>> [one.name for one in learners_of("grpo:8", 0.0, ["center | clip:3"]).values()]
    ['grpo:8', 'center | clip:3 > grpo:8']
    """
    bare = learner(name).with_kl(kl)
    texts = dict.fromkeys(" ".join(text.split()) for text in signals)
    return {BARE: bare} | {text: bare.with_signal(parse(text), text) for text in texts}


def can_draw() -> bool:
    """Whether the screen has the signs that curves are drawn with."""
    return "utf" in (getattr(sys.stdout, "encoding", None) or "").lower()


def notes_of(rollouts: Rollouts, used: int) -> list[str]:
    """What the rehearsal cannot say, and what the file could not tell."""
    notes = list(rollouts.notes)
    if used < rollouts.shape[0]:
        notes.append(f"{rollouts.shape[0] - used} prompts have an unknown truth or a missing verdict and are left out")
    if distinct_share(rollouts.weight) > 0.5:
        notes.append(
            "most prompts have outputs of equal mass, as samples have: merge those that count as the same "
            "(--merge-by), or read this as a first look; outputs share nothing here"
        )
    return notes
