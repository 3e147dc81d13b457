"""What to look at before believing a number: one small rule per finding."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from culpa.audit.outlook import Outlook

Level = Literal["note", "warning", "error"]
LEVELS: tuple[Level, ...] = ("note", "warning", "error")

DEAD_SHARE = 0.2
FEW_PROMPTS = 30
RULER_CORRELATION = 0.5


class Finding(NamedTuple):
    """One thing to look at. `code` is stable, for filters; `proxy` is "" where it concerns the data."""

    level: Level
    code: str
    proxy: str
    message: str


@dataclass(frozen=True)
class Seen:
    """What the rules look at."""

    metrics: pl.DataFrame
    comparisons: pl.DataFrame
    names: tuple[str, ...]
    rulers: tuple[str, ...]
    facts: dict[str, int | bool]
    problems: list[str]
    level: float = 0.95  # of the intervals
    outlook: Outlook | None = None

    def rows(self, metric: str) -> Iterator[dict[str, Any]]:
        """The rows of one metric for proxies (not rulers) that have a value."""
        frame = self.metrics.filter((pl.col("metric") == metric) & pl.col("proxy").is_in(self.names))
        yield from frame.filter(pl.col("value").is_not_null()).iter_rows(named=True)


def warn(seen: Seen) -> list[Finding]:
    """All findings, the gravest first."""
    found = [finding for rule in _RULES for finding in rule(seen)]
    return sorted(found, key=lambda finding: -LEVELS.index(finding.level))


def _no_truth(seen: Seen) -> Iterator[Finding]:
    truths, outputs = int(seen.facts["truths"]), int(seen.facts["outputs"])
    if not truths and not seen.facts["pairs"]:
        text = "no truth: proxies are compared with each other only; have the outputs under 'label first' judged"
        if len(seen.names) < 2:
            text = "no truth, and no second proxy to compare with: have some outputs judged"
        yield Finding("warning", "no-truth", "", text)
    elif 0 < truths < outputs:
        text = f"the truth is known for {truths} of {outputs} outputs ({truths / outputs:.0%}); measures use those"
        yield Finding("note", "partial-truth", "", text)


def _few_prompts(seen: Seen) -> Iterator[Finding]:
    if seen.facts["prompts"] < FEW_PROMPTS:
        text = f"only {seen.facts['prompts']} prompts: intervals from so few are too narrow"
        yield Finding("warning", "few-prompts", "", text)


def _missing(seen: Seen) -> Iterator[Finding]:
    for row in seen.rows("missing"):
        if row["value"] > 0:
            count = round(row["value"] * row["n"])
            text = (
                f"no verdict on {count} of {row['n']} outputs ({row['value']:.1%}); they are left out, not counted as 0"
            )
            yield Finding("warning" if row["value"] > 0.01 else "note", "missing-verdicts", str(row["proxy"]), text)


def _dead_groups(seen: Seen) -> Iterator[Finding]:
    for row in seen.rows("dead"):
        if row["value"] > DEAD_SHARE:
            text = f"{row['value']:.0%} of prompts get one score for all outputs: no gradient from them"
            yield Finding("warning", "dead-groups", str(row["proxy"]), text)


def _chance(seen: Seen) -> Iterator[Finding]:
    """Judged with ties at a half, whose chance level is 1/2 for everybody: a verifier is not blamed for its ties."""
    for row in [*seen.rows("acc_half"), *seen.rows("acc_off_half")]:
        if row["chance"] is None or row["low"] is None:
            continue
        if row["high"] < row["chance"]:
            text = f"ranks worse than chance ({row['value']:.2f} v {row['chance']:.2f}): is its sign flipped?"
            yield Finding("error", "worse-than-chance", str(row["proxy"]), text)
        elif row["low"] <= row["chance"]:
            text = f"cannot be told from chance ({row['low']:.2f} to {row['high']:.2f}, chance {row['chance']:.2f})"
            yield Finding("error", "chance", str(row["proxy"]), text)


def _rulers(seen: Seen) -> Iterator[Finding]:
    frame = seen.metrics.filter((pl.col("metric") == "acc_half") & pl.col("proxy").is_in(seen.rulers))
    best = frame.sort("value", descending=True, nulls_last=True, maintain_order=True).head(1).to_dicts()
    if best and best[0]["value"] is not None and best[0]["value"] > 0.5:  # a ruler that knows nothing shames nobody
        for row in seen.rows("acc_half"):
            if row["value"] <= best[0]["value"]:
                text = (
                    f"ranks no better than the ruler {best[0]['proxy']} ({row['value']:.2f} v {best[0]['value']:.2f})"
                )
                yield Finding("warning", "ruler", str(row["proxy"]), text)


def _follows_ruler(seen: Seen) -> Iterator[Finding]:
    for metric, what in (("length_correlation", "length"), ("markdown_correlation", "the amount of markdown")):
        for row in seen.rows(metric):
            if abs(row["value"]) > RULER_CORRELATION:
                text = f"follows {what} (correlation {row['value']:+.2f} within prompts)"
                yield Finding("warning", "follows-ruler", str(row["proxy"]), text)


def _ties(seen: Seen) -> Iterator[Finding]:
    rows = [row for row in seen.rows("ties") if row["value"] > 0.5]
    for row in rows:
        text = f"{row['value']:.0%} of pairs are exact ties; where a tie counts as wrong, read the column with ties ½"
        yield Finding("note", "ties", str(row["proxy"]), text)


def _indistinct(seen: Seen) -> Iterator[Finding]:
    gaps = seen.comparisons.drop_nulls("p_holm")
    unclear = gaps.filter(pl.col("p_holm") >= 1 - seen.level).height
    if unclear and gaps["detectable"].count():
        gap = float(np.median(gaps["detectable"].drop_nulls().to_numpy()))
        text = (
            f"{unclear} of {gaps.height} pairs of proxies cannot be told apart; "
            f"{seen.facts['prompts']} prompts show differences from about {gap:.3f} on"
        )
        yield Finding("note", "ties-in-ranking", "", text)


def _weights(seen: Seen) -> Iterator[Finding]:
    for text in seen.problems:
        yield Finding("warning", "pair-weights", "", text)


def _lowers(seen: Seen) -> Iterator[Finding]:
    for row in _ahead(seen):
        change = f"{row['start']:.3f} → {row['outcome']:.3f}"
        if row["gain_high"] is not None and row["gain_high"] < 0:
            yield Finding("error", "lowers-truth", row["proxy"], f"training on it lowers the truth ({change})")
        elif row["gain_low"] is not None and row["gain_low"] <= 0:
            text = (
                f"training on it may not raise the truth ({change}, by {row['gain_low']:.3f} to {row['gain_high']:.3f})"
            )
            yield Finding("warning", "may-not-raise", row["proxy"], text)


def _like_shuffled(seen: Seen) -> Iterator[Finding]:
    for row in _ahead(seen):
        if row["cosine"] is not None and row["null_high"] is not None and row["cosine"] <= row["null_high"]:
            text = (
                f"its policy gradient agrees with the truth's no more than with a shuffled truth's "
                f"(cosine {row['cosine']:.2f}; shuffled up to {row['null_high']:.2f})"
            )
            yield Finding("warning", "shuffled-truth", row["proxy"], text)


def _stays(seen: Seen) -> Iterator[Finding]:
    for row in _ahead(seen):
        if not row["reached"]:
            text = f"the rehearsal ends after {row['steps']:,} steps, before the policy has moved as far as asked"
            yield Finding("note", "horizon-not-reached", row["proxy"], text)


def _ahead(seen: Seen) -> Iterator[dict[str, Any]]:
    if seen.outlook is not None:
        yield from seen.outlook.prediction.iter_rows(named=True)


_RULES: tuple[Callable[[Seen], Iterator[Finding]], ...] = (
    _lowers, _no_truth, _few_prompts, _missing, _dead_groups, _chance, _rulers, _follows_ruler, _ties, _indistinct,
    _weights, _like_shuffled, _stays,
)  # fmt: skip
