"""Files whose parts are worked on wherever an engine puts them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from culpa.engines.engine import Engine, plain
from culpa.engines.local import Local
from culpa.errors import InputError
from culpa.rollouts import Options
from culpa.rollouts.cut import Part, cut
from culpa.rollouts.detect import Source
from culpa.rollouts.read import no_rows

R = TypeVar("R")
HERE = Local()


def _nobody(done: int, total: int) -> None:
    """Nobody asks how far it is."""


@dataclass(frozen=True)
class Spread:
    """Parts of files in order, and the engine that works on them."""

    parts: Sequence[Part]
    engine: Engine = HERE
    tell: Callable[[int, int], None] = _nobody  # is told how many of how many parts are done

    def map(self, work: Callable[[Part], R]) -> Iterator[R]:
        """The result of every part, in order. work: a function of a module, or a `partial` of one."""
        for number, result in enumerate(self.engine.map(plain(work), self.parts), start=1):
            self.tell(number, len(self.parts))
            yield result

    def empty(self) -> InputError:
        """What is said where all parts together have no rows."""
        paths = [path for part in self.parts for path in part.paths]
        return no_rows(paths[0] if len(paths) == 1 else paths)


def spread(
    source: Source,
    *,
    truth: str | None = None,
    proxies: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    options: Options | None = None,
    engine: Engine = HERE,
) -> Spread:
    """Files for `audit`, larger than memory, on several processes or a cluster; the arguments are those of `read`.

    Text is read only where it is needed, for a sample of the prompts. The rows of a prompt must stand together
    (`convert` sorts). What is found does not hang on the engine: it is the same to the last bit.
    """
    return Spread(cut(source, truth=truth, proxies=proxies, names=names, options=options), engine)
