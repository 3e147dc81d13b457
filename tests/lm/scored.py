"""A record to be scored, and scorers whose scores are plain."""

import numpy as np
import polars as pl

from culpa.lm.score import Scores
from culpa.rollouts.dense import from_frame

LENGTHS = [float(len(text)) for text in ("a", "bb", "ccc", "d", "ee", "f")]


def record(**columns):
    """Three prompts with 3, 2 and 1 outputs."""
    table = {
        "prompt_id": ["p", "p", "p", "q", "q", "r"],
        "prompt": ["P"] * 3 + ["Q"] * 2 + ["R"],
        "response": ["a", "bb", "ccc", "d", "ee", "f"],
        "answer": ["1", "2", "3", "4", None, "6"],
        "truth": [1.0, 0.0, None, 1.0, 0.0, 1.0],
    }
    return from_frame(pl.DataFrame(table | columns), ["a note"])


class Lengths:
    """The length of the response; remembers what it was shown."""

    def __init__(self, reasons=()):
        self.seen, self.reasons = [], dict(reasons)

    def __call__(self, prompts, responses, columns):
        assert columns.height == len(prompts) == len(responses)
        self.seen.append((list(prompts), list(responses), columns.to_dicts()))
        values = np.array([np.nan if one in self.reasons else len(one) for one in responses], dtype=float)
        return Scores(values, [self.reasons.get(one) for one in responses], tokens=10 * len(responses))
