"""What the first scores show by themselves: calls that fail, values that are none, and what is not told apart."""

from collections.abc import Iterator

import numpy as np

from culpa.errors import shorten
from culpa.probing.finding import Finding, Level
from culpa.probing.seen import LEAST, Seen

_SAID: dict[str, tuple[Level, str, str]] = {
    "raised": ("error", "exception", "an exception instead of a score: {text}"),
    "time-out": ("error", "time-out", "{text}"),
    "ended": ("error", "crash", "{text}"),
    "skipped": ("error", "skipped", "{text}"),
    "type": ("error", "type", "{text}"),
    "length": ("error", "length", "{text}"),
    "nan": ("error", "nan", "NaN instead of a score: one is enough to spoil the update of its whole batch"),
    "infinite": ("error", "infinite", "an infinite score"),
    "none": ("note", "none", "None: the reward abstains; trainers other than TRL may not take it"),
}


def failures(seen: Seen) -> Iterator[Finding]:
    """One finding for each way in which there is no score."""
    for reason, (level, code, said) in _SAID.items():
        places = [number for number, one in enumerate(seen.scores) if one.reason == reason]
        if not places:
            continue
        first = places[0]
        grave: Level = "error" if len(places) == len(seen.scores) else level
        text = said.format(text=shorten(seen.scores[first].text, 300))
        count = f"{len(places)} of {len(seen.scores)} outputs"
        yield Finding(grave, code, "scores", f"{count}: {text}", seen.example(seen.cases[first]))


def discrimination(seen: Seen) -> Iterator[Finding]:
    """Whether the scores differ at all, and whether right responses get the higher ones."""
    values = np.array([one.value for one in seen.scores if one.known])
    if len(values) > 1 and values.max() == values.min():
        text = f"one score, {values[0]:.6g}, for all {len(values)} outputs: nothing can be learned from it"
        yield Finding("error", "constant", "scores", text)
        return
    right, wrong = seen.mean(True), seen.mean(False)
    if seen.gap < -LEAST:
        text = f"right responses score {right:.3g} in the mean, wrong ones {wrong:.3g}: is the sign turned?"
        yield Finding("error", "sign", "scores", text)
    elif abs(seen.gap) <= LEAST:
        text = f"right responses score {right:.3g} in the mean, wrong ones {wrong:.3g}: it hardly looks at the answer"
        yield Finding("warning", "no-separation", "scores", text)


def manners(seen: Seen, printed: int, left_processes: bool) -> Iterator[Finding]:
    """What the process did beside scoring."""
    if printed:
        text = f"it prints ({printed:,} characters here): in a trainer that floods the log"
        yield Finding("note", "prints", "process", text)
    if left_processes:
        text = "it leaves processes behind: over a run they fill the machine"
        yield Finding("warning", "left-processes", "process", text)
    if seen.bench.style.name.endswith("-chat"):
        text = "it takes lists of messages and fails on plain text: use it with conversational data"
        yield Finding("note", "chat-only", "process", text)
