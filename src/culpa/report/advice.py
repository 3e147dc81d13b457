"""Advice on partial credit in words and as data: the recommendation, the forecasts, and where the policy stands."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from culpa._version import __version__
from culpa.advice import CREDITS, Advice
from culpa.advice.decide import TOLERANCE
from culpa.errors import shorten
from culpa.report.section import Section, Table
from culpa.report.spark import along, sparkline

SCHEMA = "culpa.advice/1"
_ABOUT = (
    "success: expected share of outputs that succeed after exact expected steps from these outputs' policy; "
    "95%: over draws of the prompts.",
    f"as good: share of draws in which no credit is better by more than {TOLERANCE:g}.",
    "by prompt: outputs that pass the same checks are one output, and every prompt learns by itself.",
    "skills: every check is a skill that all outputs and prompts share.",
)
_ABOUT_FEATURES = "features: the sampled outputs alone, with shared {}; a credit can raise only what was sampled."
_ABOUT_CREDITS = (
    "partial: share of checks passed; weighted: each by -log of its rate; "
    "staged: partial until success x group is 1, then binary."
)
_ABOUT_SILENT = "silent groups: those of {} outputs that all get the same credit, and so teach nothing, at the start."
_ABOUT_LIMIT = "~: too many levels to count its groups through; the limit of large groups is taken."
_HEADS = {"use": "Use {} credit", "no difference": "No difference", "cannot tell": "Cannot tell"}


def advice_sections(found: Advice, *, bars: bool = True) -> Iterator[Section]:
    """The advice in reading order. bars: whether curves may be drawn with block characters."""
    yield Section("", lines=tuple(("", line) for line in _headlines(found)))
    yield _forecast(found, bars)
    yield _rates(found)
    yield Section("Where the policy stands", lines=tuple(("note", line) for line in _standing(found)))
    if found.measure:
        yield Section("What to measure next", lines=tuple(("note", line) for line in found.measure))
    if found.notes:
        yield Section("What is left out", lines=tuple(("note", shorten(note, 300)) for note in found.notes))


def advice_dict(found: Advice, args: dict[str, Any]) -> dict[str, Any]:
    """Everything as plain lists and dictionaries; what is not a number is null."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "args": args,
        "decision": found.decision._asdict() | {"reasons": list(found.decision.reasons)},
        "facts": found.facts,
        "regime": found.regime,
        "outcomes": found.outcomes.to_dicts(),
        "credits": found.credits.to_dicts(),
        "rates": found.rates.to_dicts(),
        "pairs": found.pairs.to_dicts(),
        "prompts": found.prompts.to_dicts(),
        "curves": found.curves.to_dicts(),
        "measure": list(found.measure),
        "notes": list(found.notes),
    }


def horizon_of(found: Advice) -> str:
    """The horizon in words.

    >>> from types import SimpleNamespace
    >>> horizon_of(SimpleNamespace(facts={"horizon": {"kl": 0.4, "steps": 10_000}}))
    'kl=0.4'
    """
    until = found.facts["horizon"]
    return f"steps={until['steps']}" if until["kl"] is None else f"kl={until['kl']:g}"


def _headlines(found: Advice) -> Iterator[str]:
    facts, choice = found.facts, found.decision
    size = f"{facts['prompts']:,} prompts, {facts['outputs']:,} outputs, {len(facts['checks'])} checks"
    asked = f"{facts['learner']}, {horizon_of(found)}, eta {facts['eta']:g}"
    yield f"{size}; {asked}. Success is {facts['success_before']:.3f} before."
    head = _HEADS[choice.kind].format(choice.credit)
    if choice.kind == "use":
        yield f"{head}: the simplest that is as good as the best in every world, in {choice.confidence:.0%} of draws."
    elif choice.kind == "no difference":
        yield f"{head}: at this horizon no credit is ahead by more than {TOLERANCE:g} in any world."
    else:
        likely = "" if choice.credit is None else f", though {choice.credit} looks best"
        yield f"{head}{likely}: {'; '.join(choice.reasons)}."


def _forecast(found: Advice, bars: bool) -> Section:
    about = found.outcomes.unique("model", keep="first", maintain_order=True)  # the others are under another prior
    main = found.outcomes.join(about.select("model", "prior"), on=("model", "prior"), maintain_order="left")
    kind = "success at equal KL" if main["other"][0] == "kl" else "success at equal steps"
    drawn = _sparklines(found) if bars else {}
    credits = {row["credit"]: row for row in found.credits.iter_rows(named=True)}
    rows = []
    for row in main.iter_rows(named=True):
        credit = credits[row["credit"]]
        cells = {"world": row["model"] if row["credit"] == CREDITS[0] else "", "credit": row["credit"]}
        cells |= {"success": f"{row['success']:.3f}", "95%": _range(row["low"], row["high"], 3)}
        cells |= {"as good": "–" if row["wins"] is None else f"{row['wins']:.0%}"}
        cells |= {"success along it": drawn[row["model"], row["credit"]]} if bars else {}
        cells |= {"steps": f"{row['step']:,.0f}" + ("" if row["reached"] else " (cut)"), "KL": f"{row['kl']:.2f}"}
        cells |= {kind: f"{row['success_other']:.3f} at {_other(row)}"}
        cells |= {"silent groups": f"{credit['silent']:.0%}" + ("" if credit["exact"] else " ~")}
        cells |= {"switch": "" if row["switch"] is None else f"{row['switch']:,.0f}"}
        rows.append(cells)
    below = [*_ABOUT, _ABOUT_CREDITS, _ABOUT_SILENT.format(found.facts["group"]), *_priors(found)]
    below += [] if found.facts["features"] == "none" else [_ABOUT_FEATURES.format(found.facts["features"])]
    below += [] if all(credit["exact"] for credit in credits.values()) else [_ABOUT_LIMIT]
    return Section("Forecast", table=_table(rows), below=tuple(below))


def _other(row: dict[str, Any]) -> str:
    return f"{row['other_value']:.2f}" if row["other"] == "kl" else f"{row['other_value']:,.0f}"


def _priors(found: Advice) -> Iterator[str]:
    """What was taken for the patterns that a prompt never showed, and what another guess would change."""
    facts = found.facts
    if not facts["sampled"]:
        yield "Masses are taken as they are: what has none stays without."
        return
    yield (
        f"What a prompt never showed has the mass of a prior worth {facts['strength']:.3g} outputs: {facts['prior']}."
    )
    models = found.outcomes.filter(pl.col("prior") == facts["prior"])
    others = found.outcomes.filter((pl.col("prior") != facts["prior"]) & pl.col("wins").is_null())
    both = others.join(models, on=("model", "credit"), suffix="_main").with_columns(
        (pl.col("success") - pl.col("success_main")).abs().alias("change")
    )
    if both.height:
        row = both.sort("change", descending=True, maintain_order=True).row(0, named=True)
        yield (
            f"With {row['prior']} instead, success changes by at most {row['change']:.3f} "
            f"({row['model']}, {row['credit']})."
        )


def _rates(found: Advice) -> Section:
    rows = [
        {"what": shorten(row["what"], 40), "rate": f"{row['rate']:.4f}", "95%": _range(row["low"], row["high"], 4)}
        for row in found.rates.iter_rows(named=True)
    ]
    return Section("Rates under the policy, means over prompts", table=_table(rows))


def _standing(found: Advice) -> Iterator[str]:
    regime, facts = found.regime, found.facts
    need = f"; {regime['group_for_one']:,} outputs would hold one" if regime["pk"] < 1 and regime["p"] > 0 else ""
    yield f"a group of {facts['group']} holds {regime['pk']:.3g} outputs that pass all checks{need}"
    yield (
        f"by prompt: partial credit raises success {'faster' if regime['boundary'] > 0 else 'more slowly'} at first "
        f"(r + r² + p² + q² − 1 = {regime['boundary']:+.3f}; faster in {regime['prompts_gaining']:.0%} of prompts, "
        f"slower in {regime['prompts_losing']:.0%})"
    )
    yield from _skills(found)
    yield from _pairs(found)
    rule = regime["rule"]
    yield f"rule of thumb: {'it takes no side' if rule is None else f'start with {rule} credit'}"


def _skills(found: Advice) -> Iterator[str]:
    """How much faster the rarest check is learnt, which success waits for."""
    names = found.facts["checks"]
    lever = found.regime["levers"][names.index(found.regime["rarest"])]
    if lever is not None:
        name = shorten(found.regime["rarest"], 40)
        yield f"skills: the rarest check, {name}, is learnt {lever:.3g} times as fast under partial credit at first"


def _pairs(found: Advice) -> Iterator[str]:
    apart = found.pairs.filter((pl.col("low") > 0) | (pl.col("high") < 0))
    for row in apart.head(3).iter_rows(named=True):
        side = "together" if row["log_odds"] > 0 else "instead of each other"
        names = f"{shorten(row['first'], 30)} and {shorten(row['second'], 30)}"
        yield f"{names} are passed {side}: log odds ratio {row['log_odds']:+.2f} ({_range(row['low'], row['high'], 2)})"
    if found.regime["independent"]:
        yield "checks: no two are seen to depend on each other within prompts"
    elif not found.regime["independence_known"]:
        yield "checks: whether they depend on each other cannot be told, some never occur with and without the other"


def _sparklines(found: Advice) -> dict[tuple[str, str], str]:
    return {
        (str(model), str(credit)): sparkline(along(part["step"].to_list(), part["success"].to_list()), 0.0, 1.0)
        for (model, credit), part in found.curves.group_by("model", "credit", maintain_order=True)
    }


def _range(low: float | None, high: float | None, digits: int) -> str:
    return "–" if low is None or high is None else f"{low:.{digits}f} to {high:.{digits}f}"


def _table(rows: list[dict[str, str]]) -> Table:
    return Table(tuple(rows[0]), tuple(tuple(row.values()) for row in rows))
