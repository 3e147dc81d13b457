"""What an engine is: it does the same work on many tasks, somewhere, and gives the results in the tasks' order.

Nothing that is computed may hang on the engine: tasks are cut by what the input is, and results are put together in the
order of the tasks. So one process, several, and a cluster give the same bytes.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from culpa.errors import InputError

T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[T], R]
Opening = Callable[[], AbstractContextManager[Work[T, R]]]


class Engine(Protocol):
    """Where work runs."""

    def map(self, opening: Opening[T, R], tasks: Sequence[T]) -> Iterator[R]:
        """`work(task)` for every task, in order, where each worker does `with opening() as work` once.

        opening  a function of a module, or a `partial` of one: it travels to the workers, as tasks and results do.
                 Whatever is dear to make, a model for example, is made there and kept from task to task
        tasks    small: paths and numbers rather than data

        A worker that dies takes nothing with it: its task is done again. An `InputError` of a task is raised here.
        Only few results wait at a time, however many tasks there are. Close the iterator to stop early.
        """
        ...


def plain(work: Work[T, R]) -> Opening[T, R]:
    """The opening of work that needs nothing made beforehand.

    >>> with plain(abs)() as work:
    ...     work(-2)
    2
    """
    return partial(_kept, work)


@contextmanager
def _kept(work: Work[T, R]) -> Generator[Work[T, R]]:
    yield work


class Outcome(NamedTuple):
    """What a task came to: a result, or what is wrong with the input. Other errors are ours and travel as they are."""

    result: object = None
    refused: str | None = None


def outcome(work: Callable[[T], object], task: T) -> Outcome:
    """The result of the work, or why the input cannot be used."""
    try:
        return Outcome(work(task))
    except InputError as error:
        return Outcome(refused=str(error))


def result_of(found: Outcome) -> object:
    """The result; raises what the worker would have raised."""
    if found.refused is not None:
        raise InputError(found.refused)
    return found.result
