"""A report in words, as sections for the terminal and for Markdown."""

from collections.abc import Iterator
from typing import Any

from culpa.errors import shorten
from culpa.probing.finding import LEVELS
from culpa.probing.report import Report
from culpa.report.section import Section, Table

_WORST = 5  # wrong scores that are listed
_MOST = 300  # characters of a finding


def sections(report: Report, name: str) -> Iterator[Section]:
    """In reading order: what was scored, the findings, the probes, and the wrong scores that hurt."""
    yield Section("", lines=(("", _headline(report, name)),))
    if report.findings:
        lines: list[tuple[str, str]] = []
        for one in report.findings:
            lines.append((one.level, f"{one.probe}: {shorten(one.message, _MOST)}"))
            lines += [("", f"    {shorten(one.example, _MOST)}")] if one.example else []
        yield Section("Findings", lines=tuple(lines))
    yield Section("Probes", lines=tuple(_probes(report)), below=(_LIMITS,))
    yield from _ahead(report)
    if report.notes:
        yield Section("What is left out", lines=tuple(("note", shorten(note, _MOST)) for note in report.notes))


def _headline(report: Report, name: str) -> str:
    facts = report.facts()
    levels = [one.level for one in report.findings]
    counts = [_counted(levels.count(level), level) for level in reversed(LEVELS) if level in levels]
    where = f"{facts['scored']} of {facts['outputs']} outputs of {facts['prompts']} prompts have a score"
    made = f", answers written as {facts['format']}" if facts["format"] else ""
    pairs = (("right", facts["right_mean"]), ("wrong", facts["wrong_mean"]))
    means = [f"{word} ones {value:.3g}" for word, value in pairs if value is not None]
    told = f" Mean score: {', '.join(means)}." if means else ""
    return f"{shorten(name, 80)} ({facts['style']}): {', '.join(counts) or 'no findings'}. {where}{made}.{told}"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _probes(report: Report) -> Iterator[tuple[str, str]]:
    """One line for each outcome that there was."""
    for outcome, word in (("ok", "ok"), ("found", "with findings"), ("not run", "not run")):
        rows = [row for row in report.probes if _kind(row["outcome"]) == outcome]
        if rows:
            said = [f"{row['probe']} ({shorten(row['why'] or row['about'], 120)})" for row in rows]
            yield "", f"{word}: {', '.join(said)}"


def _ahead(report: Report) -> Iterator[Section]:
    found = report.to_dict()["rehearsal"]
    if found is None:
        return
    cut = "" if found["reached"] else " (cut)"
    where = f"{found['learner']}, {found['steps']:,} steps to KL {found['kl']:.2g}{cut}"
    goes = f"the truth goes from {found['true_before']:.3f} to {found['true_after']:.3f}"
    said = f"On {found['prompts']} prompts, {where}: {goes}."
    worst = sorted(
        (row for row in report.to_dict()["errors"] if row["kind"] == "harmful"), key=lambda row: row["effect"]
    )
    table = Table(("prompt", "effect", "mass", "score", "right", "reason"), tuple(map(_row, worst[:_WORST])))
    yield Section("Training on it", lines=(("", said),), table=table if worst else None, below=(_ALONE,))


def _kind(outcome: str) -> str:
    return "found" if outcome in LEVELS else outcome


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    numbers = (f"{row['effect']:+.3f}", f"{row['mass']:.3f}", f"{row['score']:.3g}", f"{row['right']:.3g}")
    return (shorten(row["prompt_id"], 24), *numbers, str(row["reason"]))


_LIMITS = (
    "The reward runs in processes of its own, with limits of time, memory and file size. "
    "They guard against accidents, not against malice; the network is not shut off."
)
_ALONE = "Each wrong score is put right alone; every prompt is trained by itself, nothing is shared between prompts."
