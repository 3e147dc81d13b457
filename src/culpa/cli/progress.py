"""Progress on stderr for work of more than two seconds; silent in pipes and CI."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PATIENCE = 2.0  # seconds before anything is said


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """What is being done, in a line on stderr that comes after two seconds and goes at the end; silent in pipes."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - not needed in pipes
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    start, doing = time.monotonic(), [""]

    def line() -> Text:
        seconds = time.monotonic() - start
        return Text(f"{doing[0]}, {seconds:,.0f} s" if seconds > _PATIENCE else "")

    with Live(console=Console(stderr=True), transient=True, refresh_per_second=4, get_renderable=line):
        yield lambda name: doing.__setitem__(0, name)


@contextmanager
def counting(unit: str = "parts") -> Iterator[Callable[[int, int], None]]:
    """The same for work in parts: how many of how many are done."""
    with telling() as tell:
        yield lambda done, total: tell(f"{done:,} of {total:,} {unit}")
