"""What the page says: the answer, its facts, its tables, and what could not be known."""

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from culpa.audit import Outlook, Verdict
from culpa.errors import shorten
from culpa.report.section import Table
from culpa.report.view import headline

CELL = 120  # characters of a text in a table
NAME = 40
_COSINE = ("cosine", "cosine_low", "cosine_high")
_OUTCOME = ("outcome", "low", "high")


def answer(verdict: Verdict, outlook: Outlook | None) -> str:
    """The whole page in one sentence."""
    if outlook is None or outlook.prediction.is_empty():
        return headline(verdict)
    rows = ordered(verdict, outlook)
    best, count = rows[0], len(rows)
    ends = f"from {figure(best['start'])} to {figure(best['outcome'])}{_between(best['low'], best['high'])}"
    name = shorten(best["proxy"], NAME)
    if count == 1:
        return f"Trained on {name}, the truth is expected to go {ends}."
    if best["outcome"] is not None and best["start"] is not None and best["outcome"] <= best["start"]:
        return f"None of {count} proxies is expected to raise the truth: with the best, {name}, it goes {ends}."
    return f"Of {count} proxies train on {name}: the truth is expected to go {ends}."


def beside(verdict: Verdict, outlook: Outlook | None) -> str:
    """Who else might be the best: said under the answer, where the answer does not say so itself."""
    tied = tied_with_best(verdict)
    if outlook is None or not tied:
        return ""
    return f"Not told apart from it: {_listed(tied, len(tied))}."


def ordered(verdict: Verdict, outlook: Outlook) -> list[dict[str, Any]]:
    """The rows of the prediction in the order of the ranking; proxies that it lacks stand last."""
    rows = {row["proxy"]: row for row in outlook.prediction.to_dicts()}
    names = [name for name in verdict.ranking["proxy"] if name in rows] if verdict.ranking.height else []
    return [rows[name] for name in dict.fromkeys([*names, *rows])]


def tied_with_best(verdict: Verdict) -> list[str]:
    """Proxies that cannot be told apart from the first of the ranking."""
    if verdict.ranking.is_empty():
        return []
    best = verdict.ranking.row(0, named=True)
    return [name for name in best["tied_with"] or [] if name != best["proxy"]]


def standing(verdict: Verdict, row: dict[str, Any], best: str) -> str:
    """Where a proxy stands: with the best, above the start, or not above it."""
    if row["outcome"] is not None and row["start"] is not None and row["outcome"] <= row["start"]:
        return "not above the start"
    return "best, or tied with the best" if row["proxy"] in (best, *tied_with_best(verdict)) else "above the start"


def facts(verdict: Verdict, outlook: Outlook | None) -> list[tuple[str, str]]:
    """How the answer was got, as names and values."""
    amount = f"{verdict.facts['prompts']:,} prompts, {verdict.facts['outputs']:,} outputs"
    if verdict.facts["truths"] != verdict.facts["outputs"]:
        amount += f", {verdict.facts['truths']:,} with a truth"
    found = [("Data", amount)]
    if outlook is not None:
        known = outlook.facts
        names = (("Algorithm", "learner"), ("Read off at", "horizon"), ("Features", "features"), ("Prompts", "mode"))
        found += [(title, str(known[name]).replace("kl=", "KL ")) for title, name in names if known.get(name)]
        if known.get("prompts") and known["prompts"] != verdict.facts["prompts"]:
            found.append(("Computed on", f"{known['prompts']:,} prompts, {known['outputs']:,} outputs"))
    return found


def prediction_table(verdict: Verdict, rows: Sequence[dict[str, Any]]) -> Table:
    """The ranking with its intervals, its tied sets and the errors by kind."""
    ties = dict(verdict.ranking.select("proxy", "tied_with").iter_rows()) if verdict.ranking.height else {}
    level = f"{verdict.args.get('level', 0.95):.0%}"
    headers = ("proxy", "truth after", level, "gradient cosine", level, "chance gives", "steps", "harmful", "benign",
               "beneficial", "not told apart from")  # fmt: skip
    body = []
    for row in rows:
        tied = [name for name in ties.get(row["proxy"]) or [] if name != row["proxy"]]
        steps = "–" if row["steps"] is None else f"{row['steps']:,}" + ("" if row["reached"] else " (cut)")
        counts = (f"{row[kind]:,}" if row[kind] is not None else "–" for kind in ("harmful", "benign", "beneficial"))
        figures = (*_with_interval(row, _OUTCOME), *_with_interval(row, _COSINE))
        band = interval(row["null_low"], row["null_high"])
        body.append((shorten(row["proxy"], NAME), *figures, band, steps, *counts, _listed(tied, 2) or "–"))
    return _known(Table(headers, tuple(body)))


def _known(table: Table) -> Table:
    """The table without columns that know nothing."""
    kept = [place for place in range(len(table.headers)) if any(row[place] != "–" for row in table.rows)]
    headers, *rows = (tuple(row[place] for place in kept) for row in (table.headers, *table.rows))
    return Table(headers, tuple(rows))


def ranking_table(verdict: Verdict) -> Table:
    """The ranking by measured figures alone."""
    headers = ("proxy", "score", f"{verdict.args.get('level', 0.95):.0%}", "not told apart from")
    rows = tuple(
        (
            shorten(row["proxy"], NAME),
            figure(row["score"]),
            interval(row["low"], row["high"]),
            _listed([name for name in row["tied_with"] or [] if name != row["proxy"]], 2) or "–",
        )
        for row in verdict.ranking.to_dicts()
    )
    return Table(headers, rows)


def frame_table(frame: pl.DataFrame, headers: dict[str, str]) -> Table:
    """Columns of a frame under these headers; those that it lacks, or knows nothing of, are left out."""
    kept = [name for name in headers if name in frame.columns and frame[name].count()]
    rows = tuple(tuple(cell(value) for value in row) for row in frame.select(kept).iter_rows())
    return Table(tuple(headers[name] for name in kept), rows)


def relabel_table(frame: pl.DataFrame) -> Table:
    """The outputs to have judged first; columns that it does not know stand under their own names."""
    known = {"prompt_id": "prompt", "gain": "gain", "expected": "expected truth", "spread": "±", "score": "score",
             "response": "response", "prompt": "text", "highest": "ranked high by",
             "lowest": "ranked low by"}  # fmt: skip
    names = [*known, *(name for name in frame.columns if name not in known and not frame.schema[name].is_nested())]
    return frame_table(frame, {name: known.get(name, name.replace("_", " ")) for name in names})


def unknowns(verdict: Verdict, outlook: Outlook | None) -> Iterator[tuple[str, str]]:
    """What to look at before believing a number, and what could not be known: (level, sentence)."""
    for one in verdict.warnings:
        yield one.level, f"{shorten(one.proxy, NAME)}: {one.message}" if one.proxy else one.message
    if outlook is None:
        yield "note", "There is no forecast: it takes a truth for the outputs of some prompts."
    else:
        cut = [row["proxy"] for row in outlook.prediction.iter_rows(named=True) if row["reached"] is False]
        if cut:
            yield "note", f"The run ended before the divergence was reached, for {_listed(cut)}."
        unsimulated = outlook.errors.filter(pl.col("method") == "adjoint").height
        if unsimulated:
            text = f"{unsimulated:,} of {outlook.errors.height:,} errors carry a first-order estimate (adjoint)"
            yield "note", f"{text}: no run without them was simulated, so they have no reason."
    for note in verdict.notes:
        yield "note", shorten(note, 300)


def cell(value: object) -> str:
    """A value in a table.

    >>> cell(0.25), cell(1200), cell(None), cell(True)
    ('0.250', '1,200', '–', 'yes')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return figure(value) if isinstance(value, float) else shorten(value, CELL)


def figure(value: float | None) -> str:
    """Three decimals, or three digits where these say more; a dash for what is not known.

    >>> figure(0.5), figure(1234.5), figure(0.00012), figure(None)
    ('0.500', '1.23e+03', '0.00012', '–')
    """
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return "–"
    return f"{value:.3g}" if abs(value) >= 1000 or 0 < abs(value) < 1e-3 else f"{value:.3f}"


def interval(low: float | None, high: float | None) -> str:
    """An interval.

    >>> interval(-0.25, 1.0), interval(None, 1.0)
    ('-0.250 to 1.000', '–')
    """
    return "–" if low is None or high is None else f"{figure(low)} to {figure(high)}"


def _with_interval(row: dict[str, Any], names: tuple[str, str, str]) -> tuple[str, str]:
    value, low, high = (row[name] for name in names)
    return figure(value), interval(low, high)


def _between(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({interval(low, high)})"


def _listed(names: Sequence[str], most: int = 4) -> str:
    """Names with commas, not too many.

    >>> _listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    shown = ", ".join(shorten(name, NAME) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
