"""A rehearsal in words and as data: what becomes of the truth, and which errors are to blame."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from culpa._version import __version__
from culpa.dynamics.learner import ClosedForm
from culpa.errors import shorten
from culpa.predictors.ground import ALONE, SHARED
from culpa.report.rehearsed import BARE, FALL, KINDS, Rehearsal, curves, falls, outcomes
from culpa.report.section import Section, Table
from culpa.report.spark import along, sparkline

SCHEMA = "culpa.rehearsal/1"
ALONG = "truth along it"
_ABOUT = "Expected truth under the policy, trained exactly on each proxy from the rollouts' policy"
_ABOUT_ALONE = (
    f"{_ABOUT}, {ALONE}.",
    "An error is put right alone and the run repeated: its effect is the truth with it minus the truth without it.",
)
_ABOUT_SHARED = (
    "The largest errors are put right, each alone, and the run repeated as far: an effect is the truth with the error "
    "minus the truth without it, summed over all prompts. The others have theirs from a derivative.",
)
_ABOUT_ALONG = f"{ALONG}: from the first step to the last, later steps closer together; one scale for all rows."
_ABOUT_PEAK = "peak: the highest truth on the way and its step, where the truth falls again afterwards."
_ABOUT_SAMPLED = "sampled: mean and range of the truth over runs that draw their outputs."
_ABOUT_GAIN = "proxy gain: rise of the proxy's mean in its standard deviations within prompts."
_ABOUT_STALLS = (
    "plateau: truth of the likeliest other output, at which the run waits for the best one to have half of the mass.",
    "~: later than was walked, by the law for two outputs, which is early while others still have mass.",
)
_ABOUT_NEVER = (
    "Their likeliest other output has no lower score than the best one, so nothing lifts the best one.",
    "The learner's way ends before their best output has half of the mass.",
)
_NAMED = 3  # proxies in a sentence
_LONGEST = 6  # names of prompts in a cell


def rehearsal_sections(found: Rehearsal, errors: int = 5, stalls: int = 0, *, bars: bool = True) -> Iterator[Section]:
    """The rehearsal in reading order: outcomes, the errors that hurt and help most, plateaus, what was left out.

    bars: whether curves may be drawn with block characters.
    """
    table = outcomes(found)
    yield Section("", lines=tuple(("", line) for line in _headlines(found, table)))
    yield _outcomes(found, table, bars)
    ordered = found.errors.filter(pl.col("reason").is_not_null()).sort("effect", maintain_order=True)
    if errors:
        harmful = ordered.filter(pl.col("kind") == "harmful").head(errors)
        yield from _errors(found, "Errors that hurt most", harmful)
        helpful = ordered.filter(pl.col("kind") == "beneficial").reverse().head(errors)
        yield from _errors(found, "Errors that help most", helpful)
    if stalls:
        yield from _plateaus(found, table, stalls)
    if found.notes:
        yield Section("What is left out", lines=tuple(("note", shorten(note, 300)) for note in found.notes))


def rehearsal_dict(found: Rehearsal, args: dict[str, Any]) -> dict[str, Any]:
    """Everything as plain lists and dictionaries; what is not a number, or has no end, is null."""
    forecast = found.first
    return {
        "schema": SCHEMA,
        "version": __version__,
        "args": args,
        "learner": learner_name(found),
        "eta": forecast.eta,
        "mode": SHARED if found.shared else ALONE,
        "features": found.features,
        "prompts": len(forecast.problem.prompts),
        "signals": list(found.forecasts),
        "outcomes": _plain(outcomes(found)),
        "curves": _plain(curves(found)),
        "errors": _plain(found.errors),
        "stalls": _plain(found.stalls),
        "sampled": _plain(found.sampled),
        "notes": list(found.notes),
    }


def learner_name(found: Rehearsal) -> str:
    """What all the forecasts have in common: the learner without its signal."""
    return found.forecasts[BARE].learner.name


def _headlines(found: Rehearsal, table: pl.DataFrame) -> Iterator[str]:
    best = table.row(0, named=True)
    rows = f"{table.height}" if len(found.forecasts) == 1 else f"{table.height} pairs of proxy and signal"
    where = f"{len(found.first.problem.prompts):,} prompts. Best of {rows} under {learner_name(found)}"
    gain = f"the truth ends at {best['true_reward']:.3f} from {best['start']:.3f}"
    yield f"{where}: {_called(found, best)}, {gain}."
    fallen = [row for row in table.iter_rows(named=True) if falls(found, row)]
    if fallen:
        worst = max(fallen, key=lambda row: row["peak"] - row["true_reward"])
        peak = f"{worst['peak']:.3f} at step {worst['peak_step']:,} and falls to {worst['true_reward']:.3f}"
        yield (
            f"Over-optimised: {len(fallen)} of {table.height}. "
            f"Most of all {_called(found, worst)}, where the truth peaks at {peak}."
        )
    margin = FALL * found.first.problem.truth_range
    lost = [row for row in table.iter_rows(named=True) if row["true_reward"] < row["start"] - margin]
    if lost:
        names = ", ".join(f"{_called(found, row)} ({row['true_reward']:.3f})" for row in lost[: -_NAMED - 1 : -1])
        yield f"Worse than no training: {len(lost)} of {table.height}, the worst first: {names}."


def _called(found: Rehearsal, row: dict[str, Any]) -> str:
    name = shorten(row["proxy"], 32)
    return name if len(found.forecasts) == 1 else f"{name} ({shorten(row['signal'], 32)})"


def _first_cells(found: Rehearsal, row: dict[str, Any], width: int = 32) -> dict[str, str]:
    signal = {} if len(found.forecasts) == 1 else {"signal": shorten(row["signal"], 32)}
    return {"proxy": shorten(row["proxy"], width), **signal}


def _outcomes(found: Rehearsal, table: pl.DataFrame, bars: bool) -> Section:
    drawn = _sparklines(found) if bars else {}
    peaks = any(falls(found, row) for row in table.iter_rows(named=True))
    rows = []
    for row in table.iter_rows(named=True):
        cells = _first_cells(found, row)
        cells |= {"truth before": f"{row['start']:.3f}", "truth after": f"{row['true_reward']:.3f}"}
        cells |= {ALONG: drawn[row["proxy"], row["signal"]]} if bars else {}
        cells |= {"peak": f"{row['peak']:.3f} at {row['peak_step']:,}" if falls(found, row) else ""} if peaks else {}
        cells |= _sampled(row) if found.sampled.height else {}
        cells |= {"steps": f"{row['step']:,}" + ("" if row["reached"] else " (cut)"), "KL": f"{row['kl']:.3f}"}
        cells |= {kind: "–" if row[kind] is None else f"{row[kind]:,}" for kind in KINDS}
        gain = row["proxy_gain"]
        cells |= {"entropy": f"{row['entropy']:.3f}", "proxy gain": "–" if gain is None else f"{gain:+.2f}"}
        rows.append(cells)
    below = [*_about(found), _ABOUT_GAIN]
    below += [_ABOUT_ALONG] if bars else []
    below += [_ABOUT_PEAK] if peaks else []
    below += [_ABOUT_SAMPLED] if found.sampled.height else []
    return Section("Rehearsal", table=_table(rows), below=tuple(below))


def _about(found: Rehearsal) -> tuple[str, ...]:
    if not found.shared:
        return _ABOUT_ALONE
    return f"{_ABOUT}, one weight vector for all prompts: outputs share {found.features}.", *_ABOUT_SHARED


def _sampled(row: dict[str, Any]) -> dict[str, str]:
    low, high = row["sampled_low"], row["sampled_high"]
    return {"sampled": f"{row['sampled_mean']:.3f}", "range": f"{low:.3f} to {high:.3f}"}


def _sparklines(found: Rehearsal) -> dict[tuple[str, str], str]:
    along_run = curves(found)
    truth = along_run["true_reward"].to_numpy()
    low, high = float(truth.min()), float(truth.max())
    return {
        (str(proxy), str(signal)): sparkline(along(part["step"].to_list(), part["true_reward"].to_list()), low, high)
        for (proxy, signal), part in along_run.group_by("proxy", "signal", maintain_order=True)
    }


def _errors(found: Rehearsal, title: str, errors: pl.DataFrame) -> Iterator[Section]:
    if errors.is_empty():
        return
    rows = [
        _first_cells(found, row, 24)
        | {
            "prompt": shorten(row["prompt_id"], 20),
            "effect": f"{row['effect']:+.3f}",
            "mass": f"{row['mass']:.3f}",
            "score": f"{row['score']:.3g}",
            "right": f"{row['right']:.3g}",
            "reason": row["reason"],
        }
        for row in errors.iter_rows(named=True)
    ]
    yield Section(title, table=_table(rows))


def _plateaus(found: Rehearsal, table: pl.DataFrame, limit: int) -> Iterator[Section]:
    """The longest waits of each proxy that end, and apart from them the prompts where none does."""
    longest, never = [], []
    parts = found.stalls.partition_by("proxy", "signal", as_dict=True)
    known = [parts[row] for row in table.select("proxy", "signal").iter_rows() if row in parts]
    for part in known:
        ends = part.filter(pl.col("escape").is_finite() & (pl.col("escape") > 0))
        longest += ends.sort("escape", descending=True, maintain_order=True).head(limit).to_dicts()
        lost = part.filter(pl.col("escape").is_infinite())
        if lost.height:
            names = ", ".join(shorten(name, 20) for name in lost["prompt_id"].head(min(limit, _LONGEST)))
            cells = {"prompts": f"{lost.height:,} of {part.height:,}", "for example": names}
            never.append(_first_cells(found, part.row(0, named=True)) | cells)
    rows = [
        _first_cells(found, row)
        | {
            "prompt": shorten(row["prompt_id"], 20),
            "plateau": f"{row['plateau']:.3f}",
            "lowest mass": f"{row['lowest']:.2g}",
            "at step": f"{row['lowest_at']:,}",
            "escapes at": ("" if row["seen"] else "~") + f"{row['escape']:,.0f}",
        }
        for row in longest
    ]
    if rows:
        yield Section("Longest plateaus", table=_table(rows), below=_ABOUT_STALLS)
    if never:
        closed = isinstance(found.first.learner, ClosedForm)
        about = _ABOUT_NEVER[closed]
        yield Section("Prompts whose best output never comes up", table=_table(never), below=(about,))


def _table(rows: list[dict[str, str]]) -> Table:
    return Table(tuple(rows[0]), tuple(tuple(row.values()) for row in rows))


def _plain(frame: pl.DataFrame) -> list[dict[str, Any]]:
    floats = [name for name, dtype in frame.schema.items() if dtype.is_float()]
    finite = [pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in floats]
    return frame.with_columns(finite).to_dicts()


def distinct_share(weight: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Share of prompts whose outputs all have the same mass: samples that nobody merged, most likely."""
    own = weight > 0
    high, low = weight.max(axis=1), np.where(own, weight, np.inf).min(axis=1)
    return float(np.mean((own.sum(axis=1) > 1) & (np.abs(high - low) < 1e-12)))
