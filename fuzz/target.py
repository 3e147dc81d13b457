"""What a target is."""

from collections.abc import Callable
from dataclasses import dataclass

from fuzz.mutate import Mutate, words

Run = Callable[[bytes], None]


@dataclass(frozen=True)
class Target:
    """Something that takes bytes of a stranger: `run` returns, or raises `InputError`."""

    name: str
    about: str
    run: Run
    seeds: Callable[[], list[bytes]]
    executions: int  # of a whole campaign
    mutate: Mutate = words
    size: int = 4096  # bytes of the largest input


def choice(data: bytes, count: int) -> int:
    """A number below `count` that the bytes decide."""
    return sum(data) % count
