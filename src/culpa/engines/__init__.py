"""Where work runs: this process, several on this machine, or a Ray cluster. The results are the same bytes."""

from culpa.engines.choose import engine
from culpa.engines.engine import Engine, Opening, plain
from culpa.engines.local import Local
from culpa.engines.ray import Ray
from culpa.engines.spread import Spread, spread

__all__ = ["Engine", "Local", "Opening", "Ray", "Spread", "engine", "plain", "spread"]
