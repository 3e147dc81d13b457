"""The texts of a sample, read in a second pass: a first one over large files does without."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from culpa.engines.spread import Spread
from culpa.rollouts import Rollouts
from culpa.rollouts.cut import Part
from culpa.rollouts.select import concat, select


def with_texts(samples: Sequence[Rollouts | None], source: Spread) -> list[Rollouts | None]:
    """The same samples of the source, with the texts of their outputs where the files have any."""
    there = [record for record in samples if record is not None]
    if not there or not any(part.unread for part in source.parts):
        return list(samples)
    wanted = frozenset(name for record in there for name in record.prompt_id)
    whole = concat([chunk for chunks in source.map(partial(_chosen, wanted)) for chunk in chunks])
    place = {name: row for row, name in enumerate(whole.prompt_id)}
    return [record and select(whole, np.array([place[name] for name in record.prompt_id])) for record in samples]


def _chosen(wanted: frozenset[str], part: Part) -> list[Rollouts]:
    return list(part.with_text().chunks(only=wanted))
