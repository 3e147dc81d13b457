"""The part of a verdict that looks ahead, in words: errors by kind, the worst and the best, other algorithms."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from culpa.audit import Outlook
from culpa.errors import shorten
from culpa.report.section import Section, Table

LISTED, EACH = 6, 2  # errors that hurt, and that help; of one proxy
SHOWN = 2  # lines of each proxy
KINDS = ("harmful", "benign", "beneficial")

_ABOUT_EFFECT = {
    "shared features": "Effect: the truth of all prompts together with the error, minus the truth without it.",
    "every prompt by itself": "Effect: the truth of the prompt with the error, minus the truth without it.",
}
_ABOUT_RIGHT = {
    "same": "right is the truth itself, for proxies that say nothing that the truth never says",
    "matched": "right is the truth on the proxy's own scale, prompt by prompt",
}
_ABOUT_EXPLOITS = (
    "Share of outputs with a word, and mean length, before training, after it, and after training on the truth."
)
_ABOUT_LEARNERS = (
    "Rank of each proxy by the truth after training with it, 1 is best. Best-of-n picks outputs and trains nothing; "
    "with clock=1 all proxies take the same steps, as plain gradient steps do, until the median one is at KL 1."
)


def ahead_sections(ahead: Outlook) -> Iterator[Section]:
    """Errors by kind and proxy, the errors that hurt and help most, and the same under other algorithms."""
    yield from _kinds(ahead)
    known = ahead.errors.filter(pl.col("method") == "counterfactual").sort("effect", maintain_order=True)
    yield from _listed("Errors that hurt most", known.filter(pl.col("kind") == "harmful"))
    yield from _listed("Errors that help most", known.filter(pl.col("kind") == "beneficial").reverse())
    yield from exploits_section(ahead)
    yield _learners(ahead)


def trained(best: dict[str, Any], among: int, ahead: Outlook) -> str:
    """The answer: which proxy to train on, and what becomes of the truth."""
    start, how = ahead.facts["start"], f"with {ahead.facts['learner']}"
    change = f"the truth goes from {start:.3f} to {best['score']:.3f}"
    name = shorten(best["proxy"], 32)
    if best["score"] <= start:
        return (
            f"None of {among} is worth training on {how}: with {name} {change}"
            if among > 1
            else f"{name}: {change} {how}"
        )
    return f"Best of {among} to train on {how}: {name}, {change}" if among > 1 else f"{name}: {change} {how}"


def explained(ahead: Outlook) -> tuple[str, ...]:
    """What the forecast rests on, in sentences."""
    facts, table = ahead.facts, ahead.prediction
    amount = f"{facts['prompts']:,} prompts, {facts['outputs']:,} different outputs"
    lines = [
        f"Truth after: expected truth once {facts['learner']} has trained on the proxy up to {facts['horizon']} "
        f"({facts['mode']}; {facts['features']}; {amount})."
        if facts["features"] != "none"
        else f"Truth after: expected truth once {facts['learner']} has trained on the proxy up to {facts['horizon']} "
        f"({facts['mode']}; {amount})."
    ]
    lines.append(f"Before training it is {facts['start']:.3f}; trained on the truth itself, {facts['ceiling']:.3f}.")
    if table["cosine"].count():
        band = table.select(pl.col("null_low").min(), pl.col("null_high").max())
        low, high = band.row(0)
        lines.append(
            f"Cosine: of the proxy's policy gradient and the truth's; shuffled truths give {low:.2f} to {high:.2f}."
        )
    if ahead.by_both:
        lines.append("Order: the mean of the places by truth after and by cosine.")
    return tuple(lines)


def _kinds(ahead: Outlook) -> Iterator[Section]:
    places = ahead.placed()
    rows = sorted(
        ahead.prediction.to_dicts(), key=lambda row: (-places.get(row["proxy"], -1.0), -(row["outcome"] or 0.0))
    )
    if not sum(row[kind] for row in rows for kind in KINDS):
        return
    cells = tuple(
        (
            shorten(row["proxy"], 32),
            f"{sum(row[kind] for kind in KINDS):,}",
            *(_share(row, kind) for kind in KINDS),
            row["right"],
        )
        for row in rows
    )
    scales = [text for name, text in _ABOUT_RIGHT.items() if name in ahead.prediction["right"]]
    below = (_ABOUT_EFFECT[ahead.facts["mode"]], f"{'; '.join(scales)}.".capitalize())
    yield Section("Errors", table=Table(("proxy", "errors", *KINDS, "right"), cells), below=below)


def _share(row: dict[str, Any], kind: str) -> str:
    total = sum(row[one] for one in KINDS)
    return f"{row[kind] / total:.0%}" if total else "–"


def _listed(title: str, errors: pl.DataFrame) -> Iterator[Section]:
    """The first of them, of one proxy no more than some: its neighbours in the list would only say the same."""
    errors = errors.filter(pl.int_range(pl.len()).over("proxy") < EACH).head(LISTED)
    if errors.is_empty():
        return
    rows = tuple(
        (
            shorten(row["proxy"], 24),
            shorten(row["prompt_id"], 20),
            f"{row['effect']:+.3f}",
            f"{row['mass']:.3f}",
            f"{row['score']:.3g}",
            f"{row['right']:.3g}",
            f"{row['truth']:.3g}",
            row["reason"],
        )
        for row in errors.iter_rows(named=True)
    )
    headers = ("proxy", "prompt", "effect", "mass", "score", "right", "truth", "reason")
    yield Section(title, table=Table(headers, rows))


def exploits_section(ahead: Outlook) -> Iterator[Section]:
    """For each proxy the words that tell most, and its length where that changes much."""
    if ahead.exploits.is_empty():
        return
    first = ahead.exploits.filter(pl.int_range(pl.len()).over("proxy") < SHOWN)
    rows = tuple(
        (
            shorten(row["proxy"], 24),
            shorten(row["what"], 40),
            *(_amount(row, name) for name in ("before", "after", "ideal")),
        )
        for row in first.iter_rows(named=True)
    )
    headers = ("proxy", "what the policy says", "before", "after", "after the truth")
    yield Section(
        "What each proxy teaches that the truth does not", table=Table(headers, rows), below=(_ABOUT_EXPLOITS,)
    )


def _amount(row: dict[str, Any], name: str) -> str:
    return f"{row[name]:.1f}" if row["what"] == "length" else f"{row[name]:.0%}"


def _learners(ahead: Outlook) -> Section:
    names = ahead.learners["learner"].unique(maintain_order=True).to_list()
    table = ahead.learners.pivot(on="learner", index="proxy", values="rank").sort(names[0])
    rows = tuple((shorten(row[0], 32), *(str(rank) for rank in row[1:])) for row in table.iter_rows())
    return Section("Under other algorithms", table=Table(("proxy", *names), rows), below=(_ABOUT_LEARNERS,))
