"""What a report is made of, before it is shown: sentences and tables of strings under headings."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """Headers and rows of equal length; rows from `rulers_from` on are the null rulers."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    rulers_from: int | None = None


@dataclass(frozen=True)
class Section:
    """A heading with sentences, each a (level, text), and perhaps a table."""

    title: str
    lines: tuple[tuple[str, str], ...] = ()
    table: Table | None = None
    below: tuple[str, ...] = field(default=())
