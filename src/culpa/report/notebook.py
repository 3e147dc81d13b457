"""The verdict in a notebook's cell: the answer, the ranking, the findings. No script, no style sheet, no picture."""

from collections.abc import Iterator
from html import escape

from culpa.audit import Verdict
from culpa.errors import shorten
from culpa.report.section import Section, Table
from culpa.report.view import sections

ROWS = 12  # of a table
LONGEST = 600  # characters of a sentence
SHOWN = frozenset({"", "Ranking", "Pairs that came with the data", "Scores", "Look at"})
_MARKS = {"error": "<b>error</b> ", "warning": "<b>warning</b> "}


def to_notebook(verdict: Verdict) -> str:
    """A short HTML fragment; whatever came from the data is escaped."""
    parts = [part for section in sections(verdict) if section.title in SHOWN for part in _section(section)]
    more = "The whole page, with figures and errors: verdict.to_html('verdict.html')."
    return "\n".join(["<div>", *parts, f"<p><small>{escape(more)}</small></p>", "</div>"])


def _section(section: Section) -> Iterator[str]:
    if section.title:
        yield f"<h4>{escape(section.title)}</h4>"
        if section.lines:
            items = "".join(f"<li>{_MARKS.get(level, '')}{_plain(line)}</li>" for level, line in section.lines[:ROWS])
            yield f"<ul>{items}{_rest(len(section.lines), 'li')}</ul>"
    else:
        yield from (f"<p><b>{_plain(line)}</b></p>" for _, line in section.lines)
    if section.table is not None:
        yield _table(section.table)


def _table(table: Table) -> str:
    """The first proxies of the ranking and, in lighter type, the rulers."""
    own = len(table.rows) if table.rulers_from is None else table.rulers_from
    head = "".join(f"<th>{_plain(header)}</th>" for header in table.headers)
    rows = [_row(row, "{}") for row in table.rows[: min(own, ROWS)]]
    rulers = [_row(row, "<i>{}</i>") for row in table.rows[own:]]
    more = [f"<tr><td>{_rest(own, 'i')}</td></tr>"] if own > ROWS else []
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join([*rows, *more, *rulers])}</tbody></table>"


def _row(cells: tuple[str, ...], form: str) -> str:
    return f"<tr>{''.join(f'<td>{form.format(_plain(cell))}</td>' for cell in cells)}</tr>"


def _plain(text: str) -> str:
    return escape(shorten(text, LONGEST))


def _rest(count: int, tag: str) -> str:
    """What is left out.

    >>> _rest(14, "li"), _rest(12, "li")
    ('<li>and 2 more</li>', '')
    """
    return f"<{tag}>and {count - ROWS} more</{tag}>" if count > ROWS else ""
