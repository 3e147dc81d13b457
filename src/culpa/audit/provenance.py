"""How a verdict came to be: what was asked, on which files, with which seed and software."""

import platform
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from culpa._version import __version__
from culpa.rollouts import Input


@dataclass(frozen=True)
class Provenance:
    """All that it takes to have the same audit again."""

    args: dict[str, Any]  # how the audit was asked for
    seed: int  # of the bootstrap and the shuffles
    inputs: tuple[Input, ...] = ()  # files by name, size and hash; empty for records that were made in Python

    def to_dict(self) -> dict[str, Any]:
        """As plain dictionaries, with the software that runs.

        >>> sorted(Provenance({"level": 0.95}, seed=3).to_dict())
        ['args', 'inputs', 'numpy', 'platform', 'polars', 'python', 'seed', 'version']
        """
        return {
            "version": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "polars": pl.__version__,
            "platform": f"{platform.system()} {platform.machine()}",
            "seed": self.seed,
            "args": self.args,
            "inputs": [one._asdict() for one in self.inputs],
        }
