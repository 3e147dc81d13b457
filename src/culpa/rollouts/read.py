"""From anybody's files to the record: whole, or chunk by chunk."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike

from culpa.errors import InputError
from culpa.rollouts import columns as c
from culpa.rollouts.cut import CHUNK_ROWS, Part, check_scores, refuse_join
from culpa.rollouts.dense import from_frame
from culpa.rollouts.detect import Source, located, open_dump
from culpa.rollouts.dump import Options
from culpa.rollouts.join import joined
from culpa.rollouts.naming import Naming
from culpa.rollouts.record import Rollouts


def read(
    source: Source,
    *,
    truth: str | None = None,
    proxies: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    options: Options | None = None,
) -> Rollouts:
    """Rollouts from files of any known format.

    source   a path, a glob, a folder, or several of them
    truth    the score or column to take as the truth
    proxies  shell patterns of the scores to keep; none: all that are not the truth
    names    native name -> column of the file, where the convention does not make it plain

    Rows are brought together by prompt in order of first appearance. What the files could not tell is in `notes`.
    """
    options = options or Options()
    naming = Naming(truth, tuple(proxies), names or {})
    matched = bool(options.join)  # on the texts, which are dropped afterwards where none are wanted
    dump = open_dump(source, naming, replace(options, text=options.text or matched))
    frame = dump.whole()
    if frame.is_empty():
        raise no_rows(source)
    if matched:
        frame = joined(frame, options, naming, dump.notes)
        frame = frame.drop([] if options.text else c.TEXTS, strict=False)
    rollouts = from_frame(naming.apply(frame), dump.notes)
    check_scores(rollouts)
    return rollouts


def scan(
    source: Source,
    *,
    truth: str | None = None,
    proxies: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    options: Options | None = None,
    rows: int = CHUNK_ROWS,
) -> Iterator[Rollouts]:
    """The same rollouts in chunks of about `rows` rows; a prompt is never cut, and memory is bounded by the chunk.

    Text is left out unless `options` asks for it. The rows of a prompt must stand together (`convert` sorts).
    The last chunk's `notes` are complete.
    """
    options = options or Options(text=False)
    refuse_join(options)
    rollouts = None
    for rollouts in Part(located(source, options)[0], Naming(truth, tuple(proxies), names or {}), options).chunks(rows):
        yield rollouts
    if rollouts is None:
        raise no_rows(source)


def no_rows(source: Source) -> InputError:
    """What is said of files without rows."""
    place = source if isinstance(source, str | PathLike) else None
    return InputError("there are no rows.", path=place, remedy="Check that the run that wrote it got so far.")
