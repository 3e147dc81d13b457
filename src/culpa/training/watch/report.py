"""A step in figures, under the names that trackers know."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from culpa.training.watch.batch import TOKENS, Batch
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
        length = "completions/mean_length" if self.counted == TOKENS else f"completions/mean_{self.counted}"
        seen = {"reward": self.health.reward, length: self.health.length}
        seen["completions/clipped_ratio"] = self.health.clipped
        named = self.health._asdict()
        seen |= {f"group/{name}": named[name] for name in _GROUP}
        if self.probe is not None:
            seen |= {f"harm/{name}": value for name, value in self.probe._asdict().items()}
        seen |= {name: float(value) for name, value in self.more.items()}
        return {name: value for name, value in seen.items() if np.isfinite(value)}


_GROUP = ("prompts", "outputs", "spread", "missing", "dead", "all_wrong", "all_right", "ties", "kl")


def step_report(batch: Batch, more: Mapping[str, float] | None = None) -> StepReport:
    """The figures of one step.

    >>> scores = np.array([[0.0, 1.0]])
    >>> step_report(Batch(4, scores, np.ones((1, 2), dtype=bool), truth=scores)).probe.accuracy
    1.0
    """
    return StepReport(batch.step, health(batch), probe(batch), batch.counted, dict(more or {}))
