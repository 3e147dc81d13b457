"""The probes: each asks for scores in one other way, in which they should be the same, and says where they are not."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from culpa.probing.case import Case
from culpa.probing.finding import Finding, Level
from culpa.probing.score import Score, differing
from culpa.probing.seen import Seen


class Probe(NamedTuple):
    """A name, what is done, and the rule that gives findings."""

    name: str
    about: str
    rule: Callable[[Seen], Iterator[Finding]]
    needs_stable: bool = True


def _compared(
    seen: Seen, cases: Sequence[Case], runs: tuple[Sequence[Score], Sequence[Score]], finding: Finding
) -> Iterator[Finding]:
    """The finding with its count and an example, where two runs over the same cases differ."""
    places = differing(*runs)
    if places:
        first = places[0]
        example = seen.example(cases[first], runs[0][first], runs[1][first])
        text = f"{finding.message} ({len(places)} of {len(cases)} outputs)"
        yield finding._replace(message=text, example=example)


def _again(seen: Seen) -> Iterator[Finding]:
    """The same call twice more."""
    first = seen.bench.score(seen.few)
    for _ in range(2):
        message = "the same outputs get other scores from call to call: seed its randomness, or keep no state"
        found = list(
            _compared(
                seen, seen.few, (first, seen.bench.score(seen.few)), Finding("error", "random", "repeat", message)
            )
        )
        if found:
            seen.stable = False
            yield from found
            return
    before = [seen.scores[number] for number in seen.few_numbers]
    if len(seen.few) == len(seen.cases):
        message = "the scores of the first call differ from those of later calls: it keeps state"
        for one in _compared(seen, seen.few, (before, first), Finding("error", "state", "repeat", message)):
            seen.stable = False
            yield one


def _fresh(seen: Seen) -> Iterator[Finding]:
    """A fresh process with another hash seed, as the next run of a trainer is."""
    with seen.bench.another(seen.few[0], hash_seed=1) as other:
        message = "a fresh process gives other scores: they depend on the hash seed, the time or what ran before"
        runs = (seen.bench.score(seen.few), other.score(seen.few))
        yield from _compared(seen, seen.few, runs, Finding("error", "process", "fresh process", message))


def _processes(seen: Seen) -> Iterator[Finding]:
    """Several processes at the same time, as data loaders and reward workers are."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - only here

    benches = [seen.bench.another(seen.few[0], hash_seed=0) for _ in range(seen.processes)]
    try:
        with ThreadPoolExecutor(len(benches)) as pool:
            runs = list(pool.map(lambda one: [one.score(seen.few) for _ in range(3)], benches))
    finally:
        for one in benches:
            one.worker.close()
    base = seen.bench.score(seen.few)
    message = f"{seen.processes} processes at a time get other scores than one: they share a file, a port or a cache"
    for run in (one for runs_of in runs for one in runs_of):
        found = list(_compared(seen, seen.few, (base, run), Finding("error", "processes", "processes", message)))
        if found:
            yield from found
            return


def _threads(seen: Seen) -> Iterator[Finding]:
    """Several threads at the same time, off the main thread: alarms and shared variables do not survive that."""
    started = time.monotonic()
    base = seen.bench.score(seen.few)
    threads = max(2, seen.processes)
    patience = seen.bench.limits.seconds + 4 * threads * (time.monotonic() - started)
    runs = seen.bench.at_once(seen.few, threads, patience)
    message = f"{threads} threads at a time get other scores than one: trainers that score in threads train on these"
    for run in runs:
        found = list(_compared(seen, seen.few, (base, run), Finding("error", "threads", "threads", message)))
        if found:
            yield from found
            return


def _order(seen: Seen) -> Iterator[Finding]:
    """The outputs in reverse order."""
    turned = seen.bench.score(seen.few[::-1])[::-1]
    message = "the score of an output depends on its place among the others"
    yield from _compared(
        seen, seen.few, (seen.bench.score(seen.few), turned), Finding("error", "order", "order", message)
    )


def _batches(seen: Seen) -> Iterator[Finding]:
    """Batches of one and of three, where the reward is given batches."""
    if not seen.bench.style.batched:
        return
    whole = seen.bench.score(seen.few)
    for size in (1, 3):
        parts = seen.bench.score(seen.few, batch=size)
        message = f"the score of an output depends on the others in its batch (batches of {size} against all at once)"
        found = list(_compared(seen, seen.few, (whole, parts), Finding("warning", "batch", "batch size", message)))
        if found:
            yield from found
            return


_BLANKS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("a line break at the end", lambda text: text + "\n"),
    ("a space at the end", lambda text: text + " "),
    ("a line break at the start", lambda text: "\n" + text),
    ("line breaks of Windows", lambda text: text.replace("\n", "\r\n")),
)


def _white_space(seen: Seen) -> Iterator[Finding]:
    """White space at the ends, and line breaks of another system."""
    base = seen.bench.score(seen.few)
    for name, change in _BLANKS:
        cases = [case._replace(response=change(case.response)) for case in seen.few]
        scores = seen.bench.score(cases)
        lost = [place for place in differing(base, scores) if _crosses(base[place], scores[place], seen.bar)]
        level: Level = "warning" if lost else "note"
        message = f"{name} changes the score" + (" from rewarded to not, or back" if lost else "")
        yield from _compared(seen, cases, (base, scores), Finding(level, "white-space", "white space", message))


def _crosses(one: Score, other: Score, bar: float) -> bool:
    return not (one.known and other.known) or (one.value > bar) != (other.value > bar)


SAMENESS: tuple[Probe, ...] = (
    Probe("repeat", "the same outputs three times", _again, needs_stable=False),
    Probe("fresh process", "another process with another hash seed", _fresh),
    Probe("processes", "several processes at a time", _processes),
    Probe("threads", "several threads at a time", _threads),
    Probe("order", "the outputs in reverse", _order),
    Probe("batch size", "batches of one, of three and of all", _batches),
    Probe("white space", "line breaks and spaces at the ends", _white_space),
)
