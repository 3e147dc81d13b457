"""A step in figures, under the names that trackers know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from culpa.training.watch.batch import CHARACTERS, TOKENS, Batch
from culpa.training.watch.health import Health, health
from culpa.training.watch.probe import Probe, probe


@dataclass(frozen=True)
class StepReport:
    """What was seen of one step. `probe` is None where no output was judged."""

    step: int
    health: Health
    probe: Probe | None = None
    counted: str = TOKENS  # what the mean length counts
    more: Mapping[str, float] = field(default_factory=dict)  # figures of the trainer, under its own names

    def metrics(self) -> dict[str, float]:
        """All figures by name: TRL's names where the meaning is TRL's, else under `group/` and `harm/`. No NaN.

        >>> scores = np.array([[0.0, 0.0], [0.0, 1.0]])
        >>> step_report(Batch(0, scores, np.ones((2, 2), dtype=bool))).metrics()["group/dead"]
        0.5
        """
        seen = {"reward": self.health.reward, _length(self.counted): self.health.length, _CLIPPED: self.health.clipped}
        named = self.health._asdict()
        seen |= {f"group/{name}": named[name] for name in _GROUP}
        if self.probe is not None:
            seen |= {f"harm/{name}": value for name, value in self.probe._asdict().items()}
        seen |= {name: float(value) for name, value in self.more.items()}
        return {name: value for name, value in seen.items() if np.isfinite(value)}


def report_of(step: int, values: Mapping[str, float]) -> StepReport:
    """The report that such figures came from: `report_of(report.step, report.metrics())` is the report.

    >>> report_of(3, {"reward": 0.5, "group/dead": 1.0, "kl": 0.1}).more
    {'kl': 0.1}
    """
    counted = next((what for what in (TOKENS, CHARACTERS) if _length(what) in values), TOKENS)
    places = {f"group/{name}": name for name in _GROUP}
    places |= {"reward": "reward", _length(counted): "length", _CLIPPED: "clipped"}
    seen = Health(**_fields(Health._fields, places, values))
    judged = {f"harm/{name}": name for name in Probe._fields}
    known = Probe(**_fields(Probe._fields, judged, values)) if values.keys() & judged.keys() else None
    more = {name: value for name, value in values.items() if name not in places and name not in judged}
    return StepReport(step, seen, known, counted, more)


def _fields(names: Sequence[str], places: Mapping[str, str], values: Mapping[str, float]) -> dict[str, Any]:
    """The figures by field; counts are whole, and what is not there is not known."""
    found = {name: values.get(place, np.nan) for place, name in places.items()}
    return {name: int(np.nan_to_num(found[name])) if name in _COUNTS else float(found[name]) for name in names}


def _length(counted: str) -> str:
    return "completions/mean_length" if counted == TOKENS else f"completions/mean_{counted}"


_CLIPPED = "completions/clipped_ratio"
_COUNTS = ("prompts", "outputs")
_GROUP = ("prompts", "outputs", "spread", "missing", "dead", "all_wrong", "all_right", "ties", "kl")


def step_report(batch: Batch, more: Mapping[str, float] | None = None) -> StepReport:
    """The figures of one step.

    >>> scores = np.array([[0.0, 1.0]])
    >>> step_report(Batch(4, scores, np.ones((1, 2), dtype=bool), truth=scores)).probe.accuracy
    1.0
    """
    return StepReport(batch.step, health(batch), probe(batch), batch.counted, dict(more or {}))
