"""A verdict as sections of text and tables of strings: what is said, before how it is shown."""

from collections.abc import Callable, Iterator
from typing import Any

import polars as pl

from culpa.audit import BY_NAME, Verdict
from culpa.errors import shorten
from culpa.report.ahead import ahead_sections, explained, trained
from culpa.report.section import Section, Table

COLUMNS = (
    "hacc",
    "hacc_half",
    "acc",
    "acc_half",
    "best_acc",
    "correlation",
    "kendall",
    "dead",
    "ties",
    "missing",
    "length_correlation",
)
OFFLINE = (
    "acc_off",
    "acc_off_half",
    "hacc_off",
    "acc_off_length",
    "acc_off_tempered",
    "acc_off_per_prompt",
    "acc_off_raw",
)
SCORES = ("mean", "variance", "spread", "dead", "ties", "missing", "length_correlation", "markdown_correlation")
_ON_PAIRS = {"acc_off": "Acc on the data's pairs", "hacc_off": "HAcc on the data's pairs"}
_RANKING = frozenset({"rehearsal", "hacc", "acc"})
SHARES = frozenset({"dead", "ties", "missing"})  # shown in per cent
_ABOUT_SETS = "Proxies that share a letter under 'set' cannot be told apart (paired bootstrap over prompts, Holm)."
_ABOUT_PAIRS = "Acc off: chosen-rejected pairs ranked rightly; a tie is wrong. With ties ½, chance is 0.5."
_ABOUT_HARM = "HAcc off: the same, or the rejected output scores below the policy's mean."
_ABOUT_LABELS = (
    "Outputs of unknown truth on which the proxies disagree most. --budget N lists more, --format json whole rows."
)

_ABOUT_WORTH = (
    "Outputs of unknown truth by what judging them, and putting the score of {proxy} right, is expected to add to the "
    "truth of all prompts together after training with {how}. --budget N lists more, --format json whole rows."
)


def sections(verdict: Verdict) -> Iterator[Section]:
    """The verdict in reading order; sections without content are left out."""
    yield Section("", lines=(("", headline(verdict)),))
    for section in (_ranking(verdict), _offline(verdict), _scores(verdict), _disagreement(verdict)):
        if section is not None:
            yield section
    if verdict.warnings:
        lines = tuple(
            (one.level, f"{_name(one.proxy)}: {one.message}" if one.proxy else one.message) for one in verdict.warnings
        )
        yield Section("Look at", lines=lines)
    if verdict.outlook is not None:
        yield from ahead_sections(verdict.outlook)
    first = label_first(verdict)
    if first is not None:
        yield first
    if verdict.notes:
        yield Section(
            "What the file could not tell", lines=tuple(("note", shorten(note, 300)) for note in verdict.notes)
        )


def headline(verdict: Verdict) -> str:
    """The answer in one sentence."""
    facts = verdict.facts
    amount = f"{_count(facts['prompts'], 'prompt')}, {_count(facts['outputs'], 'output')}"
    if facts["truths"] not in (0, facts["outputs"]):
        amount += f" ({facts['truths']:,} with a truth)"
    ranked = verdict.ranking.drop_nulls("score")
    if ranked.is_empty():
        return f"{amount}. {_why_unranked(verdict)}"
    best = ranked.row(0, named=True)
    others = [name for name in best["tied_with"] or [] if name != best["proxy"]]
    tie = f", not told apart from {', '.join(map(_name, others))}" if others else ""
    if best["measure"] == "rehearsal" and verdict.outlook is not None:
        return f"{amount}. {trained(best, ranked.height, verdict.outlook)}{tie}."
    title = BY_NAME[best["measure"]].title if best["measure"] in BY_NAME else _ON_PAIRS[best["measure"]]
    if ranked.height == 1:
        return f"{amount}. {_name(best['proxy'])}: {title} {_number(best['score'])}."
    return f"{amount}. Best of {ranked.height} by {title}: {_name(best['proxy'])} ({_number(best['score'])}){tie}."


def _why_unranked(verdict: Verdict) -> str:
    if verdict.args["metrics"] and not _RANKING.intersection(verdict.args["metrics"]):
        return "The proxies are not ranked: no metric that ranks them was asked for (rehearsal, hacc, acc)."
    if verdict.facts["truths"]:
        return "The proxies are not ranked: in no prompt does the truth order two outputs that have scores."
    return "No truth to rank the proxies by."


def _ranking(verdict: Verdict) -> Section | None:
    if verdict.ranking.is_empty() or verdict.ranking["measure"][0] not in BY_NAME:
        return None
    measure = verdict.ranking["measure"][0]
    names = verdict.ranking["proxy"].to_list()
    rulers = verdict.metrics.filter("ruler")["proxy"].unique(maintain_order=True).to_list()
    letters = _letters(verdict)
    shown = [name for name in COLUMNS if name != measure and _has(verdict, name)]
    cell, beside = _cells(verdict), _beside(verdict, measure)
    rows = [
        (
            _name(name),
            letters.get(name, ""),
            _number(cell(name, measure)),
            _interval(cell(name, measure, "low"), cell(name, measure, "high")),
            _number(beside[1].get(name)),
            *(_shown(column, cell(name, column)) for column in shown),
        )
        for name in names + rulers
    ]
    level = f"{verdict.args['level']:.0%}"
    headers = ("proxy", "set", BY_NAME[measure].title, level, beside[0], *(BY_NAME[name].title for name in shown))
    below = [f"{BY_NAME[measure].title}: {BY_NAME[measure].about}."]
    if verdict.outlook is not None and measure == "rehearsal":
        below = list(explained(verdict.outlook))
    if verdict.tied:
        below.append(_ABOUT_SETS)
    table = Table(headers, tuple(rows), len(names) if rulers else None)
    return Section("Ranking", table=table, below=tuple(below))


def _beside(verdict: Verdict, measure: str) -> tuple[str, dict[str, float | None]]:
    """What stands beside the measure that ranks: the cosine with a rehearsal, else the measure's chance level."""
    if measure == "rehearsal" and verdict.outlook is not None and verdict.outlook.prediction["cosine"].count():
        frame = verdict.outlook.prediction
        return "cosine", dict(zip(frame["proxy"], frame["cosine"], strict=True))
    rows = verdict.metrics.filter(pl.col("metric") == measure)
    return "before" if measure == "rehearsal" else "chance", dict(zip(rows["proxy"], rows["chance"], strict=True))


def _offline(verdict: Verdict) -> Section | None:
    shown = [name for name in OFFLINE if _has(verdict, name)]
    if not shown:
        return None
    cell = _cells(verdict)
    names = verdict.metrics.filter(~pl.col("ruler"))["proxy"].unique(maintain_order=True).to_list()
    if verdict.ranking.height:
        names = verdict.ranking["proxy"].to_list()
    ranked_here = verdict.ranking.height > 0 and verdict.ranking["measure"][0] in _ON_PAIRS
    letters = _letters(verdict) if ranked_here and verdict.tied else None
    rows = [
        (
            _name(name),
            *(() if letters is None else (letters.get(name, ""),)),
            _number(cell(name, shown[0])),
            _interval(cell(name, shown[0], "low"), cell(name, shown[0], "high")),
            *(_number(cell(name, column)) for column in shown[1:]),
        )
        for name in names
    ]
    first = ("proxy",) if letters is None else ("proxy", "set")
    headers = (*first, _title(shown[0]), f"{verdict.args['level']:.0%}", *map(_title, shown[1:]))
    below = [_ABOUT_PAIRS] if "acc_off" in shown else []
    below += [_ABOUT_HARM] if "hacc_off" in shown else []
    below += [_ABOUT_SETS] if letters is not None else []
    return Section("Pairs that came with the data", table=Table(headers, tuple(rows)), below=tuple(below))


def _scores(verdict: Verdict) -> Section | None:
    """What is known of the scores alone, where there is no truth to rank them by."""
    shown = [name for name in SCORES if _has(verdict, name)]
    cell = _cells(verdict)
    names = verdict.metrics.filter(~pl.col("ruler"))["proxy"].unique(maintain_order=True).to_list()
    if shown == ["missing"] and not any(cell(name, "missing") for name in names):
        shown = []  # nothing is missing, and nothing else is known
    if _ranking(verdict) is not None or not shown:
        return None
    rows = tuple((_name(name), *(_shown(column, cell(name, column)) for column in shown)) for name in names)
    return Section("Scores", table=Table(("proxy", *(BY_NAME[name].title for name in shown)), rows))


def _disagreement(verdict: Verdict) -> Section | None:
    frame = verdict.disagreement.drop_nulls("disagreement").head(5)
    if frame.is_empty() or verdict.facts["truths"] == verdict.facts["outputs"]:
        return None
    rows = tuple((_name(a), _name(b), f"{share:.0%}") for a, b, share in frame.iter_rows())
    return Section("Where proxies disagree most", table=Table(("proxy", "other", "pairs ordered oppositely"), rows))


def label_first(verdict: Verdict) -> Section | None:
    """What to have judged next, and why these."""
    if verdict.relabel.is_empty():
        return None
    worth = verdict.relabel["gain"].count() > 0
    cells: dict[str, Callable[[dict[str, Any]], str]] = {"prompt": lambda row: shorten(row["prompt_id"], 20)}
    if verdict.relabel["response"].count():
        cells["response"] = lambda row: shorten(row["response"] or "", 60)
    if worth:
        cells |= {
            "score": lambda row: f"{row['score']:.3g}",
            "expected truth": lambda row: f"{row['expected']:.3f} ± {row['spread']:.3f}",
            "gain": lambda row: f"{row['gain']:+.3f}",
        }
        proxy, how = _name(verdict.relabel["proxy"][0]), verdict.outlook.facts["learner"] if verdict.outlook else ""
        below = _ABOUT_WORTH.format(proxy=proxy, how=how)
    else:
        cells |= {
            "ranked high by": lambda row: _name(row["highest"]),
            "ranked low by": lambda row: _name(row["lowest"]),
        }
        below = _ABOUT_LABELS
    rows = tuple(tuple(cell(row) for cell in cells.values()) for row in verdict.relabel.iter_rows(named=True))
    return Section("Label first", table=Table(tuple(cells), rows), below=(below,))


def _cells(verdict: Verdict) -> Callable[..., float | None]:
    rows = {(row["proxy"], row["metric"]): row for row in verdict.metrics.iter_rows(named=True)}

    def cell(proxy: str, metric: str, part: str = "value") -> float | None:
        row = rows.get((proxy, metric))
        return None if row is None else row[part]

    return cell


def _letters(verdict: Verdict) -> dict[str, str]:
    """The compact letter display: proxies that share a letter are not told apart."""
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    order = {name: place for place, name in enumerate(verdict.ranking["proxy"])}
    groups = sorted(verdict.tied, key=lambda names: min(order[name] for name in names))
    letters: dict[str, str] = {}
    for letter, names in zip(alphabet, groups, strict=False):
        for name in names:
            letters[name] = letters.get(name, "") + letter
    return letters


def _has(verdict: Verdict, metric: str) -> bool:
    return verdict.metrics.filter((pl.col("metric") == metric) & pl.col("value").is_not_null()).height > 0


def _title(metric: str) -> str:
    if metric in BY_NAME:
        return BY_NAME[metric].title
    head, _, tail = metric.partition("_off")
    name = {"acc": "Acc", "hacc": "HAcc"}[head] + " off"
    return name + (", tie ½" if tail == "_half" else f", {tail[1:].replace('_', ' ')}" if tail else "")


def _count(number: int, what: str) -> str:
    """A number of things.

    >>> _count(1, "prompt"), _count(2000, "output")
    ('1 prompt', '2,000 outputs')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _name(proxy: str) -> str:
    return shorten(proxy, 32)


def _shown(metric: str, value: float | None) -> str:
    if value is None or metric not in SHARES:
        return _number(value)
    return "0" if value == 0 else f"{value:.0%}" if value >= 0.01 else f"{value:.1%}"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if abs(value) >= 100 or 0 < abs(value) < 1e-3 else f"{value:.3f}"


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{_number(low)}–{_number(high)}"
