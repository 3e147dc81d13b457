"""The sample that predictors look at, of files that are worked on part by part."""

from functools import partial

import numpy as np
import numpy.typing as npt

from culpa.engines import Spread
from culpa.engines.texts import with_texts
from culpa.predictors.subsample import CELLS, Subsample
from culpa.rollouts import Rollouts
from culpa.rollouts.cut import Part
from culpa.rollouts.limits import refuse_large
from culpa.rollouts.order import Passed, keys_of

Keys = npt.NDArray[np.uint64]


def sample_of(source: Spread, cells: int = CELLS) -> tuple[Rollouts, int]:
    """The sample of all prompts, with texts where the files have any, and how many prompts it leaves out.

    The same as `subsample(read(files))`, whatever the engine.
    """
    sample, passed, seen = Subsample(cells), Passed(), 0
    for part, keys in source.map(partial(_of, cells)):
        passed.add(keys)
        sample.join(part)
        seen += len(keys)
    passed.finish()
    if not seen:
        raise source.empty()
    (sample.record,) = with_texts([sample.record], source)
    record = sample.found()
    return record, seen - record.shape[0]


def _of(cells: int, part: Part) -> tuple[Subsample, Keys]:
    sample, keys = Subsample(cells), [np.empty(0, dtype=np.uint64)]
    for chunk in part.chunks():
        sample.add(refuse_large(chunk))
        keys.append(keys_of(chunk.prompt_id))
    return sample, np.concatenate(keys)
