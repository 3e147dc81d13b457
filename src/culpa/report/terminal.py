"""The verdict for a terminal, or for a pipe: the same words, without colour and without cutting lines."""

import io
import sys
from collections.abc import Iterable
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from culpa.audit import Verdict
from culpa.report.section import Section, Table
from culpa.report.view import sections

_PIPE_WIDTH = 1000  # a pipe has no edge; nothing is cut there
_LEAST = 4  # columns are always shown
_MARKS = {"error": ("✗", "bold red"), "warning": ("!", "yellow"), "note": ("·", "dim"), "": ("", "")}


def print_verdict(verdict: Verdict, file: TextIO | None = None) -> None:
    """Print to a stream, in colour where it is a terminal; all at once, so that what fails is the stream's affair."""
    print_sections(sections(verdict), file)


def print_sections(page: Iterable[Section], file: TextIO | None = None) -> None:
    """Print any page that is made of sections."""
    stream = file or sys.stdout
    stream.write(_text(page, terminal=stream.isatty()))
    stream.flush()


def to_text(verdict: Verdict) -> str:
    """The same as plain text."""
    return sections_text(sections(verdict))


def sections_text(page: Iterable[Section]) -> str:
    """Any page as plain text."""
    return _text(page, terminal=False)


def _text(content: Iterable[Section], *, terminal: bool) -> str:
    page = io.StringIO()
    width = None if terminal else _PIPE_WIDTH
    console = Console(file=page, force_terminal=terminal, width=width, color_system="auto" if terminal else None,
                      highlight=False)  # fmt: skip
    for section in content:
        _print(section, console)
    return "".join(f"{line.rstrip()}\n" for line in page.getvalue().splitlines())


def _print(section: Section, console: Console) -> None:
    if section.title:
        console.print()
        console.print(Text(section.title, style="bold"))
    for level, line in section.lines:
        console.print(_line(*_MARKS[level], line))
    if section.table is not None:
        fitting, left_out = _fitting(section.table, console.width)
        console.print(_table(fitting))
        if left_out:
            console.print(Text(f"A wider terminal, md or json also has: {', '.join(left_out)}.", style="dim"))
    for line in section.below:
        console.print(Text(line, style="dim"))


def _line(mark: str, style: str, line: str) -> RenderableType:
    """A sentence; behind a mark its further lines stand under its first."""
    if not mark:
        return Text(line)
    grid = RichTable.grid(padding=(0, 1, 0, 0))
    grid.add_row(Text(mark, style=style), Text(line))
    return grid


def _fitting(table: Table, width: int) -> tuple[Table, tuple[str, ...]]:
    """As many columns as the terminal has room for, from the left, and the headers of the others."""
    needed, kept = 0, 0
    for number, header in enumerate(table.headers):
        needed += max(map(cell_len, (header, *(row[number] for row in table.rows)))) + (2 if number else 0)
        if needed <= width or number < _LEAST:
            kept = number + 1
    rows = tuple(row[:kept] for row in table.rows)
    return Table(table.headers[:kept], rows, table.rulers_from), table.headers[kept:]


def _table(table: Table) -> RichTable:
    rich = RichTable(box=None, pad_edge=False, header_style="bold")
    texts = _text_columns(table)
    for number, header in enumerate(table.headers):
        rich.add_column(Text(header), justify="left" if number in texts else "right", no_wrap=number not in texts)
    for number, row in enumerate(table.rows):
        ruler = table.rulers_from is not None and number >= table.rulers_from
        if number == table.rulers_from:
            rich.add_section()
        rich.add_row(*(Text(cell) for cell in row), style="dim" if ruler else None)
    return rich


def _text_columns(table: Table) -> set[int]:
    """Columns of words stand left, columns of numbers right."""
    words = {"proxy", "signal", "set", "other", "prompt", "response", "reason", "for example", "what the policy says"}
    words |= {"ranked high by", "ranked low by", "remedy", "defect", "how sure", "price", "what it is", "counted in"}
    return {number for number, header in enumerate(table.headers) if header in words}
