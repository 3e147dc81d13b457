"""`culpa rehearse`: the policy gradient on the outputs at hand, exactly, before anybody pays for it."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from culpa.cli import source as s
from culpa.cli.progress import counting
from culpa.cli.screen import check_target, deliver, say
from culpa.cli.settings import Config, keep
from culpa.dynamics import learner
from culpa.dynamics.horizon import parse_horizon
from culpa.dynamics.learner import ClosedForm, Learner
from culpa.dynamics.shared_effects import TOP
from culpa.dynamics.simulate import MAX_STEPS
from culpa.engines import Spread, spread
from culpa.engines import engine as engine_of
from culpa.predictors import Ground, Subsample, forecast, ground
from culpa.predictors.ground import ETA, Common
from culpa.predictors.spread import sample_of
from culpa.predictors.subsample import CELLS
from culpa.report.figure import check_plot
from culpa.report.markdown import sections_markdown
from culpa.report.plot import write_plot
from culpa.report.rehearsal import distinct_share, rehearsal_dict, rehearsal_sections
from culpa.report.rehearsed import BARE, NOTHING, Asked, Rehearsal, rehearsal
from culpa.report.section import Section
from culpa.report.terminal import print_sections, sections_text
from culpa.rollouts import Rollouts, read
from culpa.rollouts.columns import RESPONSE
from culpa.rollouts.components import mixed
from culpa.rollouts.limits import refuse_large
from culpa.rollouts.merge import merged
from culpa.signals import parse

EXAMPLE = "Example: culpa rehearse rollouts.parquet --truth gold --learner grpo:8 --plot curves.png"


class Format(StrEnum):
    """How the rehearsal is written."""

    table = "table"
    json = "json"
    md = "md"


class Right(StrEnum):
    """What a score would be if it were right."""

    auto = "auto"
    same = "same"
    matched = "matched"


class Features(StrEnum):
    """What outputs have in common."""

    auto = "auto"
    policy = "policy"
    text = "text"
    joined = "joined"
    none = "none"


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
    features: Annotated[
        Features | None,
        typer.Option(
            help="What outputs have in common across prompts. [default: auto; none with --merge-by]",
            show_default=False,
        ),
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
    max_steps: Annotated[int, typer.Option(min=1, help="The most steps that are walked.")] = MAX_STEPS,
    eta: Annotated[float, typer.Option(help="Step size of the logits.")] = ETA,
    right: Annotated[Right, typer.Option(help="Right scores: the truth itself, or on the proxy's scale.")] = Right.auto,
    errors: Annotated[int, typer.Option(min=0, help="Errors to list that hurt, and that help.")] = 5,
    stalls: Annotated[int, typer.Option(min=0, help="Prompts of longest plateau to list for each proxy.")] = 0,
    sampled: Annotated[int, typer.Option(min=0, help="Runs that draw their outputs, beside the exact one.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of those runs.")] = 0,
    stream: s.Stream = None,
    engine: s.Engine = s.Where.local,
    processes: s.Processes = None,
    address: s.Address = None,
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

    What the texts or features of outputs have in common is shared across prompts, as in `culpa audit`. Merged outputs
    (--merge-by), and enumerated ones without a text, are rehearsed every prompt by itself.
    """
    check_target(output)
    if plot is not None:
        check_target(plot)
        check_plot(plot)
    kind = features or (Features.auto if merge_by is None else Features.none)
    asked = s.arguments(context) | {"features": kind.value}
    until, learners = parse_horizon(horizon, max_steps), learners_of(learner_name, kl, signal or ())
    names = s.names_of(prompt_id=prompt_id, prompt=prompt, response=response, weight=weight, length=length)
    streamed = s.streams(files, stream, engine)
    how = s.Asked(
        truth=truth,
        proxies=proxy or (),
        names=names,
        options=s.options_of(join, reader, group_size, None, text=not streamed),
    )
    where = engine_of(engine.value, processes=processes, address=address)
    rollouts, over = _sample(spread(files, **how, engine=where)) if streamed else (refuse_large(read(files, **how)), 0)
    rollouts = mixed(rollouts if merge_by is None else merged(rollouts, by=merge_by), mix or ())
    found, notes = grounded(rollouts, learners[BARE], kind.value, merge=merge_by is None, over=over)
    if found.features is not None and (eta, max_steps) != (ETA, MAX_STEPS):
        notes.append("steps set themselves where outputs share features: --eta and --max-steps change nothing")
    walk = partial(forecast, found.case, found.values, horizon=until, eta=eta)
    drawn = {
        name: [walk(learner=one, rng=np.random.default_rng([seed, run])) for run in range(sampled)]
        for name, one in learners.items()
    }
    seen = rehearsal(
        {name: walk(learner=one) for name, one in learners.items()},
        drawn,
        Asked(right.value, stalls > 0, max(TOP, 2 * errors)),
        notes=notes,
        features=NOTHING if found.features is None else found.features.source,
    )
    if plot is not None:
        say(f"drawn: {write_plot(seen, plot, horizon)}")
    emit(seen, partial(rehearsal_sections, seen, errors, stalls), asked, format, output)


def _sample(source: Spread) -> tuple[Rollouts, int]:
    with counting() as tell:
        return sample_of(replace(source, tell=tell))


def emit(
    found: Rehearsal, page: Callable[..., Iterator[Section]], asked: dict[str, Any], format: Format, output: Path | None
) -> None:
    """Write the rehearsal to the screen or to a file, with its settings beside it."""
    how = f"features: {found.features}" if found.shared else f"eta {found.first.eta:g}"
    writers = {
        Format.table: lambda: sections_text(page()),
        Format.md: lambda: sections_markdown(
            "culpa rehearse", page(), f"{asked['learner_name']}, {asked['horizon']}, {how}"
        ),
        Format.json: lambda: json.dumps(
            rehearsal_dict(found, s.deciding(asked)), indent=1, ensure_ascii=False, allow_nan=False
        ),
    }
    deliver(writers, format, output, lambda: print_sections(page(bars=can_draw())))
    if output is not None:
        say(f"written: {output}, {keep(asked, output)}")


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


def grounded(rollouts: Rollouts, one: Learner, kind: Common, *, merge: bool, over: int = 0) -> tuple[Ground, list[str]]:
    """What is rehearsed on, and what of the rollouts is not: where outputs may share features, the audit's sample.

    over: prompts that have been left out before.
    """
    record, now = rollouts, 0
    if (
        kind != "none"
        and not isinstance(one, ClosedForm)
        and (rollouts.features is not None or RESPONSE in rollouts.table.columns)
    ):
        sample = Subsample()
        sample.add(rollouts)
        record = sample.record or rollouts
        now = sample.seen - record.shape[0]
    found = ground(record, learner=one, features=kind, merge=merge)
    return found, notes_of(found, rollouts, over + now, now)


def notes_of(found: Ground, rollouts: Rollouts, over: int = 0, dropped: int = 0) -> list[str]:
    """What the rehearsal cannot say, and what the file could not tell.

    over: prompts that a sample has no room for, and how many of them are dropped from these rollouts.
    """
    notes = list(found.record.notes)
    left = rollouts.shape[0] - dropped - len(found.case.prompts)
    if over:
        notes.append(f"{over} prompts are not rehearsed: the others are a fixed sample of at most {CELLS:,} outputs")
    if left:
        notes.append(f"{left} prompts have no two outputs of the policy's whose truth is known and are left out")
    if found.unjudged:
        notes.append(
            f"{found.unjudged} outputs have an unknown truth and are left out: others of their prompts stand in"
        )
    if found.unsaid:
        notes.append(f"{found.unsaid} verdicts are missing: they push nowhere at first")
    if found.features is None and distinct_share(found.record.weight) > 0.5:
        notes.append(
            "most prompts have outputs of equal mass, as samples have: merge those that count as the same "
            "(--merge-by), or read this as a first look; outputs share nothing here"
        )
    return notes
