"""The verdict as Markdown, for an issue, a pull request or a notebook."""

from collections.abc import Iterable

from culpa.audit import Verdict
from culpa.report.section import Section, Table
from culpa.report.view import sections

_MARKS = {"error": "**error** ", "warning": "**warning** ", "note": "", "": ""}


def to_markdown(verdict: Verdict) -> str:
    """Headings, tables and lists; whatever came from the data is escaped."""
    foot = f"culpa {verdict.to_dict()['version']}, seed {verdict.seed}, {verdict.args['replicates']} replicates"
    return sections_markdown("culpa audit", sections(verdict), foot)


def sections_markdown(title: str, page: Iterable[Section], foot: str) -> str:
    """Any page that is made of sections."""
    parts = [f"# {title}"]
    for section in page:
        if section.title:
            parts.append(f"## {section.title}")
        if section.lines:
            bullet = "- " if section.title else ""
            parts.append("\n".join(f"{bullet}{_MARKS[level]}{_plain(line)}" for level, line in section.lines))
        if section.table is not None:
            parts.append(_table(section.table))
        parts += [f"_{_plain(line)}_" for line in section.below]
    parts.append(f"_{foot}_")
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    lines = [_row(table.headers), _row(tuple("---" for _ in table.headers)), *map(_row, table.rows)]
    return "\n".join(lines)


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell if cell == '---' else _plain(cell) for cell in cells)} |"


def _plain(text: str) -> str:
    r"""Text that Markdown and the HTML inside it leave alone.

    >>> _plain("a|b <script>")
    'a\\|b &lt;script&gt;'
    """
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{c}" if c in "\\`*_[]|#" else c for c in safe)
