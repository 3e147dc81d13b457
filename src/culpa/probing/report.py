"""What a check found, as data: probes, findings, null answers, and what wrong scores would do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from culpa._version import __version__
from culpa.probing.answers import Tried
from culpa.probing.consequence import Cost, Outlook, Rehearsal
from culpa.probing.finding import LEVELS, Finding, Level
from culpa.probing.probes import SAMENESS
from culpa.probing.seen import Seen

SCHEMA = "culpa.check/1"
ABOUT = {
    "scores": "every output once",
    **{one.name: one.about for one in SAMENESS},
    "null answers": "answers that deserve nothing, and inputs that are hard to read",
    "consequence": "the policy trained on the scores, in rehearsal",
    "process": "what it does beside scoring",
}


@dataclass(eq=False)
class Report:
    """Filled probe by probe; then read."""

    seen: Seen
    form: str | None  # how answers are written, where the outputs were made here
    findings: list[Finding] = field(default_factory=list)
    probes: list[dict[str, str]] = field(default_factory=list)
    nulls: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ahead: Outlook | None = None
    how: Rehearsal | None = None
    args: dict[str, Any] = field(default_factory=dict)

    def add(self, probe: str, found: Sequence[Finding]) -> None:
        """The outcome of a probe: the level of its gravest finding, or ok."""
        level = max((one.level for one in found), key=LEVELS.index, default="ok")
        self.findings.extend(found)
        self.probes.append({"probe": probe, "about": ABOUT[probe], "outcome": level, "why": ""})

    def skip(self, probe: str, why: str) -> None:
        """A probe that was not run, and why."""
        self.probes.append({"probe": probe, "about": ABOUT[probe], "outcome": "not run", "why": why})

    def worst(self) -> Level | None:
        """The level of the gravest finding."""
        return max((one.level for one in self.findings), key=LEVELS.index, default=None)

    def facts(self) -> dict[str, Any]:
        """How much was scored, and how the scores lie."""
        seen = self.seen
        return {
            "style": seen.bench.style.name,
            "outputs": len(seen.cases),
            "prompts": len({case.prompt_id for case in seen.cases}),
            "scored": sum(one.known for one in seen.scores),
            "format": self.form,
            "right_mean": _number(seen.mean(True)),
            "wrong_mean": _number(seen.mean(False)),
            "bar": _number(seen.bar),
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain lists and dictionaries; what is no number is null."""
        return {
            "schema": SCHEMA,
            "version": __version__,
            "args": self.args,
            "facts": self.facts(),
            "probes": self.probes,
            "findings": [one._asdict() for one in self.findings],
            "nulls": self.nulls,
            "rehearsal": None if self.ahead is None or self.how is None else _rehearsal(self.ahead, self.how),
            "errors": [] if self.ahead is None else self.ahead.errors,
            "notes": self.notes,
        }


def null_row(one: Tried, cost: Cost | None = None) -> dict[str, Any]:
    """A null answer as data."""
    known = [score.value for score in one.scores if score.known]
    return {
        "name": one.null.name,
        "about": one.null.about,
        "odd": one.null.odd,
        "prompts": len(one.scores),
        "scored": len(known),
        "rewarded": len(one.rewarded),
        "mean": sum(known) / len(known) if known else None,
        "cost": None if cost is None else cost.cost,
        "mass": None if cost is None else cost.mass,
    }


def _rehearsal(ahead: Outlook, how: Rehearsal) -> dict[str, Any]:
    last = ahead.forecast.curves.row(-1, named=True)
    return {
        "learner": how.learner.name,
        "merge_by": how.merge_by,
        "prompts": len(ahead.forecast.problem.prompts),
        "steps": int(ahead.forecast.horizon[0]),
        "reached": bool(ahead.forecast.reached[0]),
        "kl": last["kl"],
        "true_before": ahead.forecast.curves.row(0, named=True)["true_reward"],
        "true_after": last["true_reward"],
        "right": ahead.scale,
        "cost_too_high": ahead.costs["too high"].cost,
        "cost_too_low": ahead.costs["too low"].cost,
        "null_mass": how.null_mass,
    }


def _number(value: float) -> float | None:
    return value if isfinite(value) else None
