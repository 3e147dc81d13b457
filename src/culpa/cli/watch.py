"""`culpa watch`: a run's dump as it grows, step by step, with alarms."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from culpa.cli import source as s
from culpa.cli.screen import check_target, printing, say
from culpa.cli.settings import Config
from culpa.errors import InputError
from culpa.training.watch.alarm import Thresholds, calibrate
from culpa.training.watch.defaults import ROLES, default_thresholds
from culpa.training.watch.run import Run
from culpa.training.watch.sinks import JsonLines, Sink, TensorBoard, Terminal, Tracker, read_log
from culpa.training.watch.tail import Reading, Tail, follow

EXAMPLE = "Example: culpa watch outputs/completions --truth oracle --once --fail-on alarm"


class FailOn(StrEnum):
    """What makes the exit code 1."""

    never = "never"
    alarm = "alarm"


def command(
    run_folder: Annotated[Path, typer.Argument(help="Folder of the run's dump, or a log of --jsonl.")],
    truth: s.Truth = None,
    reward: Annotated[
        str | None,
        typer.Option(help="Score, or sum as 0.7*A + 0.3*B, that the policy is trained on.", show_default=False),
    ] = None,
    reader: s.Reader = None,
    group_size: s.GroupSize = None,
    healthy: Annotated[
        list[Path] | None,
        typer.Option(help="Log (--jsonl) of a healthy run to take limits from (repeat).", show_default=False),
    ] = None,
    rate: Annotated[float, typer.Option(help="Share of healthy runs that may raise an alarm.")] = 0.05,
    once: Annotated[bool, typer.Option("--once", help="Look once, instead of until interrupted.")] = False,
    poll: Annotated[float, typer.Option(min=0.1, help="Seconds between looks.")] = 2.0,
    jsonl: Annotated[Path | None, typer.Option(help="File to append a line a step to.", show_default=False)] = None,
    tensorboard: Annotated[Path | None, typer.Option(help="Folder for TensorBoard.", show_default=False)] = None,
    tracker: Annotated[
        str | None, typer.Option(help="trackio or wandb: log there as well.", show_default=False)
    ] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit with 1 if there was an alarm.")] = FailOn.never,
    config: Config = None,  # noqa: ARG001 - read before the others
) -> None:
    """Follow a run's dump: each step's groups, the proxy against the truth, alarms.

    Dumps of TRL (log_completions) and verl (rollout_data_dir), and rollouts in files of one step each.
    """
    check_target(jsonl)
    tail = Tail(run_folder, Reading(truth, reward, s.options_of(None, reader, group_size, None)))
    limits = limits_for(healthy or (), rate)
    run = Run(sinks_for(jsonl, tensorboard, tracker), limits)
    say(about(limits, len(healthy or ())))
    say(promise(truth is not None))
    try:
        with printing():
            attend(run, tail, once=once, poll=poll)
    except KeyboardInterrupt:
        pass
    finally:
        run.close()
    say(ending(run, tail))
    if fail_on is FailOn.alarm and run.alarms:
        raise typer.Exit(1)


def attend(run: Run, tail: Tail, *, once: bool, poll: float) -> None:
    """Hand every step of the tail to the run; what the files do not tell is said once."""
    said = 0
    for report in follow(tail, once=once, poll=poll):
        for note in tail.notes[said:]:
            say(note)
        said = len(tail.notes)
        run.take(report)
    if once and not run.reports:
        problem = "no step is there yet." if tail.waiting else "the folder holds no steps."
        remedy = "Files are named after their step: completions_00012.parquet, 12.jsonl."
        raise InputError(problem, path=tail.source, remedy=remedy)


def limits_for(healthy: Sequence[Path], rate: float) -> Thresholds:
    """Limits from logs of healthy runs, or the built-in ones."""
    for path in healthy:
        if not path.is_file():
            raise InputError("there is no such file.", path=path, remedy="Name a file that --jsonl wrote.")
    return calibrate([list(read_log(path)) for path in healthy], rate) if healthy else default_thresholds(rate)


def sinks_for(jsonl: Path | None, tensorboard: Path | None, tracker: str | None) -> list[Sink]:
    """The terminal, and what else was asked for."""
    if tracker not in (None, "trackio", "wandb"):
        raise InputError(f"no tracker is called {tracker!r}.", remedy="Known: trackio, wandb.")
    sinks: list[Sink] = [Terminal()]
    sinks += [JsonLines(jsonl)] if jsonl is not None else []
    sinks += [TensorBoard(tensorboard)] if tensorboard is not None else []
    return [*sinks, Tracker(tracker)] if tracker is not None else sinks


def about(limits: Thresholds, logs: int) -> str:
    """Where the limits come from, and what they promise.

    >>> about(Thresholds({}, 3, 50, 0.25, 1.0), 3)
    'limits from 3 healthy logs of up to 50 steps: 100% of such runs raise an alarm (25% at most by a given signal)'
    """
    where = f"{logs} healthy logs" if logs else f"{limits.runs} simulated healthy runs"
    return (
        f"limits from {where} of up to {limits.steps} steps: {limits.any:.0%} of such runs raise an alarm "
        f"({limits.each:.0%} at most by a given signal)"
    )


def promise(judged: bool) -> str:
    """Which signals have told a fall of the truth before it began, and which only afterwards: measured, in `defaults`.

    >>> promise(False)
    'without --truth no signal is known to tell a fall of the truth early, or half of the falls at all'
    """
    if not judged:
        return "without --truth no signal is known to tell a fall of the truth early, or half of the falls at all"
    named = {role: ", ".join(name for name, known in ROLES.items() if known == role) for role in ("warns", "audits")}
    return (
        f"on simulated runs half of the falls of the truth were told before they began by {named['warns']}, "
        f"later by {named['audits']}, by no other signal"
    )


def ending(run: Run, tail: Tail) -> str:
    """What there was, in a line."""
    parts = [f"{run.reports} steps, {len(run.alarms)} alarms"]
    parts += [f"{tail.repeats} batches were there again under a later step and are left out"] if tail.repeats else []
    longest = run.thresholds.steps
    if run.reports > longest:
        parts += [f"the limits are for runs of up to {longest} steps: in longer ones more are healthy and alarm"]
    parts += [f"{tail.waiting} files are not whole yet"] if tail.waiting else []
    return "; ".join(parts)
