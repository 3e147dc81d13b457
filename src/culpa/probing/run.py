"""The way from a reward's name to a report."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from culpa.dynamics.effect import TOLERANCE
from culpa.errors import InputError
from culpa.probing import answers, basics
from culpa.probing.bench import Bench
from culpa.probing.case import FORMATS, Case, bundled, from_rollouts
from culpa.probing.consequence import (
    Cost,
    Outlook,
    Rehearsal,
    error_findings,
    null_cost,
    null_finding,
    outlook,
    scored,
)
from culpa.probing.finding import Finding, gravest_first
from culpa.probing.probes import SAMENESS
from culpa.probing.report import Report, null_row
from culpa.probing.score import Score
from culpa.probing.seen import Seen
from culpa.probing.style import known_style
from culpa.rollouts import Rollouts
from culpa.rollouts.select import select
from culpa.verifiers.process import Limits, Target

_LATE = ("null answers", "consequence")


@dataclass(frozen=True)
class Settings:
    """How a reward is checked."""

    style: str | None = None  # of `STYLES`; None: told by the parameters
    limits: Limits = field(default_factory=Limits)
    processes: int = 2  # processes, and threads, at a time
    prompts: int = 100  # of the rollouts, from all over them
    answer: str | None = None  # column of the reference
    rehearsal: Rehearsal = field(default_factory=Rehearsal)

    def __post_init__(self) -> None:
        """Refuse what could not be run."""
        if self.style is not None:
            known_style(self.style)
        if self.processes < 2 or self.prompts < 1:
            problem = f"processes is {self.processes} and prompts {self.prompts}."
            raise InputError(problem, remedy="Take at least 2 processes and 1 prompt.")


def check(
    target: Target,
    rollouts: Rollouts | None = None,
    settings: Settings = Settings(),
    *,
    tell: Callable[[str], None] = lambda _: None,
) -> Report:
    """Run a reward on outputs, probe it, and say what its wrong scores would do to the policy of the rollouts.

    Without rollouts the outputs are made here, in the way of writing answers that the reward tells apart best, and
    there are no consequences. `tell` hears the name of each probe before it is run.
    """
    part = None if rollouts is None else _some(rollouts, settings.prompts)
    cases = bundled(next(iter(FORMATS))) if part is None else from_rollouts(part, settings.answer)
    style = None if settings.style is None else known_style(settings.style)
    with Bench(target, settings.limits, cases[0], style) as bench:
        tell("scores")
        form, cases, scores = _best_format(bench) if part is None else (None, cases, bench.score_each(cases))
        seen = Seen(bench, cases, scores, settings.processes)
        report = Report(seen, form)
        report.add("scores", [*basics.failures(seen), *_if_known(seen, basics.discrimination(seen))])
        if any(one.known for one in scores):
            _probe(report, tell)
            _answers(report, part, settings.rehearsal, tell)
        else:
            for name in (*(one.name for one in SAMENESS), *_LATE):
                report.skip(name, "no output has a score")
    report.add("process", list(basics.manners(seen, bench.worker.printed, bench.worker.left_processes)))
    if part is not None and rollouts is not None and part.shape[0] < rollouts.shape[0]:
        report.notes.append(f"{part.shape[0]} of {rollouts.shape[0]} prompts were scored (--prompts)")
    report.findings[:] = gravest_first(report.findings)
    return report


def _some(rollouts: Rollouts, most: int) -> Rollouts:
    count = len(rollouts.prompt_id)
    if count <= most:
        return rollouts
    return select(rollouts, sorted({int(place) for place in np.linspace(0, count - 1, most)}))


def _best_format(bench: Bench) -> tuple[str, list[Case], list[Score]]:
    """The way of writing an answer in which right responses score highest above wrong ones."""
    best: tuple[float, str, list[Case], list[Score]] | None = None
    for form in FORMATS:
        cases = bundled(form)
        scores = bench.score_each(cases)
        seen = Seen(bench, cases, scores)
        gap = seen.mean(True) - seen.mean(False)
        gap = -np.inf if np.isnan(gap) else gap
        if best is None or gap > best[0] + 1e-12:
            best = (gap, form, cases, scores)
        if not any(one.known for one in scores) and scores[0].reason in ("time-out", "ended"):
            break  # it would be the same in every format, and take as long
    assert best is not None
    return best[1:]


def _if_known(seen: Seen, found: Iterator[Finding]) -> Iterator[Finding]:
    if any(one.known for one in seen.scores):
        yield from found


def _probe(report: Report, tell: Callable[[str], None]) -> None:
    for probe in SAMENESS:
        if probe.needs_stable and not report.seen.stable:
            report.skip(probe.name, "scores differ from call to call")
            continue
        if probe.name == "batch size" and not report.seen.bench.style.batched:
            report.skip(probe.name, "it scores one output at a time")
            continue
        tell(probe.name)
        report.add(probe.name, list(probe.rule(report.seen)))


def _answers(report: Report, part: Rollouts | None, how: Rehearsal, tell: Callable[[str], None]) -> None:
    """Null answers, and what they and the wrong scores of the data would do."""
    seen = report.seen
    tell("null answers")
    tried = list(answers.tried(seen))
    ahead = _outlook(report, part, how, tell)
    costs = {} if ahead is None or part is None else _costs(scored(part, seen.scores), tried, how)
    found = list(answers.broken(tried))
    for number, one in enumerate(tried):
        report.nulls.append(null_row(one, costs.get(number)))
        if one.rewarded:
            finding = answers.rewarded(seen, one)
            if ahead is not None and number in costs:
                limit = TOLERANCE * ahead.forecast.problem.truth_range
                finding = null_finding(finding, costs[number], how, limit)
            found.append(finding)
    report.add("null answers", [*found, *answers.bare(seen)])


def _costs(record: Rollouts, tried: Sequence[answers.Tried], how: Rehearsal) -> dict[int, Cost]:
    """The cost of each rewarded null answer by its number; equal scores on the same prompts are rehearsed once."""
    known: dict[object, Cost] = {}
    costs: dict[int, Cost] = {}
    for number, one in enumerate(tried):
        if not one.rewarded or not one.null.answer:
            continue
        key = tuple((case.prompt_id, str(score.value)) for case, score in zip(one.cases, one.scores, strict=True))
        if key not in known:
            try:
                known[key] = null_cost(record, one, how)
            except InputError:
                continue  # none of its prompts can be rehearsed
        costs[number] = known[key]
    return costs


def _outlook(report: Report, part: Rollouts | None, how: Rehearsal, tell: Callable[[str], None]) -> Outlook | None:
    if part is None or part.truth is None:
        why = "no rollouts were given" if part is None else "the rollouts have no truth"
        report.skip("consequence", why)
        return None
    tell("consequence")
    try:
        ahead = outlook(scored(part, report.seen.scores), how)
    except InputError as error:
        report.skip("consequence", str(error))
        return None
    report.add("consequence", list(error_findings(ahead, how)))
    report.ahead, report.how = ahead, how
    return ahead
