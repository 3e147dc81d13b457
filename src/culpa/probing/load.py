"""Rollouts for a check: prompts and responses are enough, no score is needed."""

from collections.abc import Mapping, Sequence

from culpa.errors import InputError
from culpa.rollouts import Options, Rollouts
from culpa.rollouts.dense import from_frame
from culpa.rollouts.detect import open_dump
from culpa.rollouts.join import joined
from culpa.rollouts.naming import Naming


def load(
    files: Sequence[str],
    truth: str | None = None,
    names: Mapping[str, str] | None = None,
    options: Options | None = None,
) -> Rollouts:
    """`rollouts.read` for files that may have no score at all; those they have are kept as columns or proxies."""
    options = options or Options()
    naming = Naming(truth, (), names or {})
    dump = open_dump(list(files), naming, options)
    frame = dump.whole()
    if frame.is_empty():
        raise InputError("there are no rows.", remedy="Check that the run that wrote them got so far.")
    frame = joined(frame, options, naming, dump.notes) if options.join else frame
    return from_frame(naming.apply(frame), dump.notes)
