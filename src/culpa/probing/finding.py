"""One thing that a reward does and should not, or should know that it does."""

from typing import NamedTuple

from culpa.audit.warn import LEVELS, Level

__all__ = ["LEVELS", "Finding", "Level", "gravest_first"]


class Finding(NamedTuple):
    """`code` is stable, for filters; `example` is one output on which it was seen, "" where there is none."""

    level: Level
    code: str
    probe: str
    message: str
    example: str = ""


def gravest_first(findings: list[Finding]) -> list[Finding]:
    """In order of level; within a level as they were found."""
    return sorted(findings, key=lambda one: -LEVELS.index(one.level))
