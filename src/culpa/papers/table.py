"""The reproduction table: what was claimed and measured, what the control did, and the verdict, from real runs."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from culpa.papers import paper, second_checks, system, title
from culpa.papers.outcome import Check
from culpa.papers.reproduce import Result

HEADERS = ("", "system", "claim", "figure", "control", "verdict", "s")
OWN = 0  # the number of the paper that the library grew from


def reproduction_table(results: Sequence[Result], command: str) -> str:
    """A page in Markdown: a row for each system, with the first claim and control of each paper; all of them below.

    Several papers of one system share its row. A verdict is "reproduced" if every claim held and every control failed
    as it must.
    """
    second = [one for one in results if one.name in second_checks()]
    first = [one for one in results if one not in second]
    systems = [one for one in first if system(one.name) != OWN]
    parts = [
        "# Reproductions",
        f"Written by `{command}`; none of it by hand. A control is a run that must not show the claim: where it shows "
        "it, or a claim does not hold, the verdict is that the system was not reproduced, and names what failed. How "
        "each experiment departs from its paper is the docstring of its file in `src/culpa/papers/`. Seconds are of "
        f"wall time of one thread: {_seconds(first)} for all papers{_beside(second)}.",
    ]
    for heading, some in (
        ("The paper", [one for one in first if one not in systems]),
        ("The systems", systems),
        ("Second checks, on a language model", second),
    ):
        if some:
            parts += [f"## {heading}", _rows(some)]
    parts.append("## Every claim and control")
    parts += [f"### `{one.name}`: {_plain(title(one.name))}\n\n{_checks(one.checks)}" for one in (*first, *second)]
    return "\n\n".join(parts) + "\n"


def claim(name: str) -> str:
    """What a paper's docstring says that it claims, in one paragraph.

    >>> claim("unlikeliness").split(",")[0]
    'GRPO reinforces the outputs that are likely already'
    """
    for part in (paper(name).__doc__ or "").split("\n\n"):
        if part.startswith("Claim: "):
            return " ".join(part.removeprefix("Claim: ").split())
    return ""


def _rows(results: Sequence[Result]) -> str:
    ordered = sorted(results, key=lambda one: (system(one.name), one.name))
    grouped = [list(some) for _, some in groupby(ordered, key=lambda one: system(one.name))]
    return _table(HEADERS, [_row(some) for some in grouped])


def _row(some: Sequence[Result]) -> tuple[str, ...]:
    number = system(some[0].name)
    checks = [check for one in some for check in one.checks]
    held = sum(check.holds for check in checks)
    verdict = "reproduced" if held == len(checks) else "**not reproduced**"
    return (
        str(number or ""),
        _lines(f"{_plain(title(one.name))} `{one.name}`" for one in some),
        _lines(_plain(claim(one.name)) for one in some),
        _lines(_first(one.checks, control=False) for one in some),
        _lines(_first(one.checks, control=True) for one in some),
        _lines(
            [f"{verdict}: {held} of {len(checks)}", *(f"fails: {_plain(one.claim)}" for one in checks if not one.holds)]
        ),
        f"{sum(one.seconds for one in some):.0f}",
    )


def _seconds(results: Sequence[Result]) -> str:
    return f"{sum(one.seconds for one in results):.0f}"


def _beside(second: Sequence[Result]) -> str:
    return f", {_seconds(second)} for the second checks" if second else ""


def _first(checks: Sequence[Check], *, control: bool) -> str:
    found = [one for one in checks if one.control == control]
    return _plain(f"{found[0].claim.removeprefix('control: ')}: {found[0].figure}") if found else ""


def _checks(checks: Sequence[Check]) -> str:
    rows = [(_plain(one.claim), _plain(one.figure), "holds" if one.holds else "**fails**") for one in checks]
    return _table(("claim or control", "figure", "verdict"), rows)


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (headers, ["---"] * len(headers), *rows)]
    return "\n".join(lines)


def _lines(texts: Iterable[str]) -> str:
    return "<br>".join(texts)


def _plain(text: str) -> str:
    """Nothing that Markdown or a table takes for its own."""
    for sign in "\\|<>*_`":
        text = text.replace(sign, f"\\{sign}")
    return text
