"""Which figures a verdict has, each with its table and a sentence that says how to read it."""

from typing import Any, NamedTuple

import numpy as np
import polars as pl

from culpa.audit import BY_NAME, Outlook, Verdict
from culpa.errors import shorten
from culpa.report.page import charts, data, words
from culpa.report.section import Table

LINES = 18  # proxies in a figure of lines
ROWS = 40  # proxies in a figure of rows
TABLE = 60  # rows in the table of errors
WIDEST = 0.98  # quantile of the effects from which on marks grow no more: one giant would make dust of the rest

_CURVES = {"proxy": "proxy", "step": "step", "kl": "KL", "true_reward": "true reward", "proxy_reward": "proxy reward",
           "entropy": "entropy"}  # fmt: skip
_LEARNERS = {"learner": "algorithm", "proxy": "proxy", "rank": "rank", "score": "score"}


class Figure(NamedTuple):
    """A specification with what is said of it."""

    name: str
    spec: charts.Spec
    about: str
    table: Table


class Figures(NamedTuple):
    """All of them, the errors that are drawn, and what is left out."""

    figures: list[Figure]
    errors: pl.DataFrame
    rows: list[dict[str, Any]]  # the errors as the page holds them, worst first
    left_out: tuple[str, ...] = ()


def figures(verdict: Verdict, outlook: Outlook | None) -> Figures:
    """The figures in the order of the page."""
    nothing = pl.DataFrame(schema={"prompt_id": pl.String, "proxy": pl.String, "output": pl.Int64, "right": pl.Float64})
    if outlook is None:
        return Figures(_measured(verdict), nothing, [])
    rows = words.ordered(verdict, outlook)
    names = [row["proxy"] for row in rows]
    left_out = [f"Figures show the first {LINES} of {len(names)} proxies."] if len(names) > LINES else []
    found = [_outcomes(verdict, rows, outlook.facts.get("ceiling")), *_cosines(rows), *_curves(outlook, names[:LINES])]
    shown = data.shown_errors(outlook.errors)
    if shown.height < outlook.errors.height:
        count = outlook.errors.height
        left_out.append(
            f"The map shows {shown.height:,} of {count:,} errors: the greatest, and an even choice of the rest."
        )
    points, figure = _errors(outlook, shown)
    if figure is not None:
        found.append(figure)
    if outlook.learners.height and outlook.learners["learner"].n_unique() > 1:
        found.append(_ranks(outlook.learners, names[:LINES]))
    return Figures(found, shown, points, tuple(left_out))


def _measured(verdict: Verdict) -> list[Figure]:
    """Without a forecast: the measure that ranks."""
    ranked = verdict.ranking.drop_nulls("score").head(ROWS).to_dicts()
    if not ranked:
        return []
    measure = BY_NAME[ranked[0]["measure"]].title if ranked[0]["measure"] in BY_NAME else str(ranked[0]["measure"])
    tied = {ranked[0]["proxy"], *words.tied_with_best(verdict)}
    rows = [
        {"proxy": row["proxy"], "value": row["score"], "low": row["low"], "high": row["high"], "start": None,
         "standing": charts.STANDING[0 if row["proxy"] in tied else 1]}
        for row in ranked
    ]  # fmt: skip
    about = f"{measure} of each proxy with its interval. Colour: told apart from the best, or not."
    return [Figure("outcomes", charts.outcomes(rows, measure), about, words.ranking_table(verdict))]


def _outcomes(verdict: Verdict, rows: list[dict[str, Any]], ceiling: float | None) -> Figure:
    drawn = [
        {"proxy": row["proxy"], "value": row["outcome"], "low": row["low"], "high": row["high"], "start": row["start"],
         "standing": words.standing(verdict, row, rows[0]["proxy"])}
        for row in rows[:ROWS]
    ]  # fmt: skip
    about = "Expected true reward after training on each proxy; bars are intervals from resampled prompts."
    spec = charts.outcomes(drawn, "true reward after training", ceiling=data.number(ceiling))
    return Figure("outcomes", spec, about, words.prediction_table(verdict, rows))


def _cosines(rows: list[dict[str, Any]]) -> list[Figure]:
    if all(row["cosine"] is None for row in rows):
        return []
    about = (
        "How far the first step on each proxy goes the truth's way: 1 the same way, 0 across, -1 against. "
        "The grey band is where a proxy that knows nothing lands."
    )
    names = ("cosine", "cosine_low", "cosine_high", "null_low", "null_high")
    table = words.frame_table(pl.DataFrame(rows), {"proxy": "proxy"} | {name: name.replace("_", " ") for name in names})
    spec = charts.cosines([{name: row[name] for name in ("proxy", *names)} for row in rows[:ROWS]])
    return [Figure("cosines", spec, about, table)]


def _curves(outlook: Outlook, names: list[str]) -> list[Figure]:
    frame = outlook.curves
    if frame.drop_nulls(["kl", "true_reward"]).is_empty():
        return []
    about = (
        "What the truth does while the policy moves away from today's. A line that turns down is a reward that is "
        "being exploited: stop before, or take another."
    )
    thinned = frame.filter(pl.int_range(pl.len()).over("proxy") % 4 == 0)
    thinned = pl.concat(thinned.filter(proxy=name) for name in names)
    return [Figure("curves", charts.curves(frame, names), about, words.frame_table(thinned, _CURVES))]


def _ranks(learners: pl.DataFrame, names: list[str]) -> Figure:
    about = "The same scores under other algorithms. Lines that cross are proxies whose order hangs on the algorithm."
    table = words.frame_table(learners, _LEARNERS)
    return Figure("learners", charts.ranks(learners, names), about, table)


def _errors(outlook: Outlook, shown: pl.DataFrame) -> tuple[list[dict[str, Any]], Figure | None]:
    if shown.is_empty():
        return [], None
    across, mass = "mass of the output under the policy", shown["mass"].to_numpy()
    if data.distinct(outlook.sample):
        near = data.neighbourhoods(outlook.sample, shown)
        if near is not None:
            across, mass = "mass of what resembles the output in its prompt", near
    spread = data.spreads(outlook.sample)
    unit = np.array([spread.get(name) or np.nan for name in shown["proxy"]])
    error = (shown["score"].to_numpy() - shown["right"].to_numpy()) / np.where(np.isfinite(unit), unit, 1.0)
    effect = np.abs(shown["effect"].fill_null(0.0).to_numpy())
    size = np.minimum(effect, np.quantile(effect, WIDEST))
    rows = [
        {"id": i, "proxy": row["proxy"], "prompt_id": shorten(row["prompt_id"], 60), "mass": data.number(mass[i]),
         "error": data.number(error[i]), "size": float(size[i]), "kind": row["kind"], "effect": row["effect"],
         "reason": row["reason"] or "not simulated"}
        for i, row in enumerate(shown.iter_rows(named=True))
    ]  # fmt: skip
    drawn = [row for row in rows if row["mass"] is not None and row["error"] is not None]
    log = bool(drawn) and min(row["mass"] for row in drawn) > 0 and _wide([row["mass"] for row in drawn])
    about = (
        "Each mark is a wrong score: to the right where the policy writes such outputs often, above the line where it "
        "is too high. Large marks change the truth most. A rare error can matter and a frequent one may not."
    )
    held = [_held(row, point) for row, point in zip(shown.iter_rows(named=True), rows, strict=True)]
    return held, Figure("errors", charts.errors(drawn, across, log=log), about, _error_table(shown))


def _held(row: dict[str, Any], point: dict[str, Any]) -> dict[str, Any]:
    """An error as the dialog tells it."""
    told = ("output", "crossing", "horizon", "learner", "method", "kind", "reason", "proxy")
    numbers = ("mass", "score", "right", "truth", "effect")
    held = {"prompt_id": point["prompt_id"]} | {name: row.get(name) for name in told}
    return held | {name: data.number(row[name]) for name in numbers}


def _error_table(shown: pl.DataFrame) -> Table:
    """The errors that hurt most and those that help most; the first cell is the number of the error on the page."""
    worst = shown.with_row_index("number")
    half = TABLE // 2
    kept = worst if worst.height <= TABLE else pl.concat([worst.head(half), worst.tail(TABLE - half)])
    headers = ("open", "proxy", "prompt", "effect", "kind", "reason", "mass", "score", "right", "truth")
    rows = tuple(
        (
            str(row["number"]),
            shorten(row["proxy"], 32),
            shorten(row["prompt_id"], 32),
            words.figure(row["effect"]),
            row["kind"],
            row["reason"] or "–",
            *(words.figure(row[name]) for name in ("mass", "score", "right", "truth")),
        )
        for row in kept.iter_rows(named=True)
    )
    return Table(headers, rows)


def _wide(masses: list[float]) -> bool:
    return max(masses) > 4 * min(masses)
