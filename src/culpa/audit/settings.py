"""How thoroughly an audit is done: what one seldom changes."""

from dataclasses import dataclass
from typing import Any

from culpa.errors import InputError
from culpa.predictors.ground import Common


@dataclass(frozen=True)
class Settings:
    """The defaults are those of `culpa audit`."""

    replicates: int = 2000  # of the bootstrap over prompts
    level: float = 0.95  # of the intervals
    budget: int = 10  # outputs of unknown truth to name for judging
    features: Common = "auto"  # what outputs have in common: the policy's features, n-grams of the text, both, or none
    repeat: int = 12  # errors of each proxy that are put right in turn; the others have their effect from derivatives

    def __post_init__(self) -> None:
        """Refuse what gives no interval."""
        if not 0.5 <= self.level < 1 or self.replicates < 100:
            problem = f"got level {self.level} and {self.replicates} replicates."
            raise InputError(problem, remedy="Use .5 <= level < 1, and >= 100.")
        if self.budget < 0 or self.repeat < 0:
            problem = f"got a budget of {self.budget} and {self.repeat} errors to repeat."
            raise InputError(problem, remedy="Use zero or more.")

    def asked(self) -> dict[str, Any]:
        """What is written into the verdict."""
        return {"replicates": self.replicates, "level": self.level, "budget": self.budget}
