"""What the page carries of a record: the prompts with the worst errors, their outputs and texts, within a budget."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.audit import Outlook, Verdict
from culpa.errors import InputError
from culpa.predictors.features import features_of
from culpa.rollouts import Rollouts
from culpa.rollouts.columns import PROMPT, RESPONSE
from culpa.rollouts.select import select

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Cut = tuple[int, int]

PROMPTS = 300  # with their outputs and texts
OUTPUTS = 64  # of one prompt
ERRORS = 800  # on the map
CUTS = ((2000, 2000), (2000, 1000), (2000, 500), (2000, 250), (1000, 250), (1000, 120), (500, 120), (250, 60), (60, 60))
# characters of prompts and wrong outputs, and of the other outputs: as many as the budget allows
BUDGET = 2_600_000  # bytes of numbers and texts in the page
DIGITS = 9  # significant ones: what is computed from them is right to 1e-6


class Cells(NamedTuple):
    """The record as the page holds it, and what was left out, in sentences."""

    content: dict[str, Any]
    place: dict[str, int]  # of a prompt in it
    left_out: tuple[str, ...]


def outlook_of(verdict: Verdict) -> Outlook | None:
    """What the audit foresees, with null for what is no number; None without a truth."""
    found = verdict.outlook
    if found is None:
        return None
    names = ("prediction", "curves", "errors", "learners")
    tables: dict[str, Any] = {name: finite(getattr(found, name)) for name in names}
    return replace(found, **tables)


def finite(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with null for what is no number.

    >>> finite(pl.DataFrame({"a": [1.0, float("nan"), float("inf")]}))["a"].to_list()
    [1.0, None, None]
    """
    floats = [pl.col(name) for name, dtype in frame.schema.items() if dtype.is_float()]
    return frame.with_columns(pl.when(one.is_finite()).then(one) for one in floats)


def shown_errors(errors: pl.DataFrame, limit: int = ERRORS) -> pl.DataFrame:
    """The errors on the map, worst first: three quarters of greatest effect, the others evenly from the rest.

    >>> shown_errors(pl.DataFrame({"effect": [0.0, -3.0, 1.0, 0.1, 0.2]}), 4)["effect"].to_list()
    [-3.0, 0.1, 0.2, 1.0]
    """
    if errors.height <= limit:
        return errors.sort("effect", nulls_last=True, maintain_order=True)
    ordered = errors.sort(pl.col("effect").abs(), descending=True, nulls_last=True, maintain_order=True)
    first = limit * 3 // 4
    rest = np.linspace(first, errors.height - 1, limit - first).round().astype(int)
    shown: pl.DataFrame = pl.concat([ordered.head(first), ordered[rest.tolist()]])
    return shown.sort("effect", nulls_last=True, maintain_order=True)


def shown_prompts(sample: Rollouts, errors: pl.DataFrame, limit: int = PROMPTS) -> list[int]:
    """Rows of the record that the page holds: those of the worst errors first, then the others as they come."""
    place = {name: row for row, name in enumerate(sample.prompt_id)}
    named = errors["prompt_id"].unique(maintain_order=True).to_list() if errors.height else []
    worst = [place[name] for name in named if name in place]
    rows = list(dict.fromkeys([*worst[:limit], *range(min(len(sample.prompt_id), limit + len(worst)))]))
    return rows[:limit]


def spreads(rollouts: Rollouts) -> dict[str, float]:
    """Standard deviation of each proxy within prompts under the policy's weights, pooled; NaN where it is not known.

    >>> scores = np.array([[1.0, 3.0]])
    >>> spreads(Rollouts(np.array(["a"], dtype=object), scores > 0, np.array([[0.5, 0.5]]), {"rm": scores}))
    {'rm': 1.0}
    """
    return {name: _spread(values, rollouts.weight) for name, values in rollouts.proxies.items()}


def _spread(values: Array, weight: Array) -> float:
    known = ~np.isnan(values) & (weight > 0)
    mass = np.where(known, weight, 0.0)
    low = np.where(known, values, np.inf).min(axis=1, initial=np.inf, keepdims=True)
    above = np.where(known, values - np.where(np.isfinite(low), low, 0.0), 0.0)
    whole = mass.sum(axis=1, keepdims=True)
    share = np.divide(mass, whole, out=np.zeros_like(mass), where=whole > 0)
    square = (share * (above - (share * above).sum(axis=1, keepdims=True)) ** 2).sum(axis=1)[whole[:, 0] > 0]
    return float(np.sqrt(square.mean())) if len(square) else float("nan")


def distinct(rollouts: Rollouts) -> bool:
    """Whether mass says nothing: every prompt's outputs weigh the same, as samples do that nobody merged."""
    own = rollouts.weight > 0
    high, low = rollouts.weight.max(axis=1), np.where(own, rollouts.weight, np.inf).min(axis=1)
    return bool((np.abs(high - low)[own.any(axis=1)] < 1e-12).all())


def neighbourhoods(sample: Rollouts, errors: pl.DataFrame) -> Array | None:
    """Mass of what resembles each wrong output in its prompt, (n,); None without features or texts.

    sum_z pi(z) max(0, cos(phi(y), phi(z))),   phi: features centred within the prompt; NaN where the prompt is unknown
    """
    place = {name: row for row, name in enumerate(sample.prompt_id)}
    names = [name for name in errors["prompt_id"].unique(maintain_order=True) if name in place]
    if not names:
        return None
    part = select(sample, sorted(place[name] for name in names))
    try:
        found = features_of(part)
    except InputError:  # features of some outputs only: the audit has said so
        return None
    if found is None or found.alike:
        return None
    row_of = {name: row for row, name in enumerate(part.prompt_id)}
    result = np.full(errors.height, np.nan)
    for number, (name, output) in enumerate(errors.select("prompt_id", "output").iter_rows()):
        if name in row_of:
            phi = found.values[row_of[name]].astype(np.float64)
            size = np.linalg.norm(phi, axis=1)
            alike = phi @ phi[output] / np.maximum(size * size[output], 1e-300)
            result[number] = (part.weight[row_of[name]] * np.maximum(alike, 0.0)).sum()
    return result


def cells(sample: Rollouts, rows: Sequence[int], errors: pl.DataFrame, budget: int = BUDGET) -> Cells:
    """The rows as JSON content of at most so many bytes: numbers first, then texts, cut as short as it takes."""
    wrong = {key: part for (key,), part in errors.partition_by("prompt_id", as_dict=True).items()}
    keep = [_kept(sample, row, wrong) for row in rows]
    numbers = [_numbers(sample, row, columns, wrong) for row, columns in zip(rows, keep, strict=True)]
    texts = [_texts(sample, row, columns) for row, columns in zip(rows, keep, strict=True)]
    wide = [_wide(sample, row, columns, wrong) for row, columns in zip(rows, keep, strict=True)]
    cut, count = _fitting(np.array([_size(one) for one in numbers], dtype=np.int64), texts, wide, budget)
    fitted = [_cut_all(one, those, cut) for one, those in zip(texts, wide, strict=True)]
    prompts = [one | {"prompt": text[0], "texts": text[1:]} for one, text in zip(numbers, fitted, strict=True)]
    shorter = fitted[:count] != texts[:count]
    fewer = sum(int(sample.present[row].sum()) > OUTPUTS for row in rows[:count])
    return Cells(
        {"proxies": list(sample.proxies), "prompts": prompts[:count]},
        {str(sample.prompt_id[row]): place for place, row in enumerate(rows[:count])},
        tuple(_left_out(len(sample.prompt_id), count, cut if shorter else None, fewer)),
    )


def _fitting(held: Index, texts: list[list[str | None]], wide: list[list[bool]], budget: int) -> tuple[Cut, int]:
    """The longest cut with which all prompts fit the budget, or the shortest and how many of them do."""
    sizes = {cut: _sizes(texts, wide, cut) for cut in {length for pair in CUTS for length in pair}}
    for cut in CUTS:
        whole = np.cumsum(held + sizes[cut[0]][0] + sizes[cut[1]][1])
        if not len(whole) or whole[-1] <= budget:
            break
    return cut, int(np.searchsorted(whole, budget, side="right"))


def _sizes(texts: list[list[str | None]], wide: list[list[bool]], cut: int) -> Index:
    """Bytes of the texts of each prompt that matter most, and of its others, cut at a length: (2, p)."""
    result = np.zeros((2, len(texts)), dtype=np.int64)
    for place, (one, those) in enumerate(zip(texts, wide, strict=True)):
        for text, long in zip(one, those, strict=True):
            result[0 if long else 1, place] += _size(_cut(text, cut)) + 1
    return result


def _cut_all(texts: list[str | None], wide: list[bool], cut: Cut) -> list[str | None]:
    return [_cut(text, cut[0] if long else cut[1]) for text, long in zip(texts, wide, strict=True)]


def _left_out(whole: int, count: int, cut: Cut | None, fewer: int) -> list[str]:
    said = []
    if count < whole:
        text = f"The page holds the outputs and texts of {count:,} of {whole:,} prompts"
        said.append(f"{text}: those with the errors of greatest harm first.")
    if cut is not None:
        others = f", those of outputs without an error on the map at {cut[1]:,}" if cut[1] < cut[0] else ""
        said.append(f"Texts are cut at {cut[0]:,} characters{others}.")
    if fewer:
        said.append(f"Of {fewer:,} prompts it holds {OUTPUTS} outputs: the wrong ones first, then the likeliest.")
    return said


def _wide(sample: Rollouts, row: int, columns: list[int], wrong: dict[Any, pl.DataFrame]) -> list[bool]:
    """Which texts of a prompt matter most: its own, and those of wrong outputs."""
    found = wrong.get(sample.prompt_id[row])
    outputs = set() if found is None else set(found["output"])
    return [True, *(column in outputs for column in columns)]


def _kept(sample: Rollouts, row: int, wrong: dict[Any, pl.DataFrame]) -> list[int]:
    """Columns of a prompt's outputs that the page holds: all, or the wrong ones and then the likeliest."""
    columns = np.flatnonzero(sample.present[row])
    if len(columns) <= OUTPUTS:
        return [int(column) for column in columns]
    found = wrong.get(sample.prompt_id[row])
    first = [] if found is None else found["output"].unique(maintain_order=True).to_list()
    likely = columns[np.argsort(-sample.weight[row, columns], kind="stable")]
    return sorted(list(dict.fromkeys([*first, *map(int, likely)]))[:OUTPUTS])


def _numbers(sample: Rollouts, row: int, columns: list[int], wrong: dict[Any, pl.DataFrame]) -> dict[str, Any]:
    found = wrong.get(sample.prompt_id[row])
    names = list(sample.proxies)
    entries = [] if found is None else found.select("proxy", "output", "right").iter_rows()
    right = [[names.index(p), columns.index(o), number(r)] for p, o, r in entries if p in names and o in columns]
    return {
        "id": _cut(sample.prompt_id[row], 200),
        "columns": columns,
        "mass": [number(value) for value in sample.weight[row, columns]],
        "truth": None if sample.truth is None else [number(value) for value in sample.truth[row, columns]],
        "scores": [[number(value) for value in values[row, columns]] for values in sample.proxies.values()],
        "right": right,
    }


def _texts(sample: Rollouts, row: int, columns: list[int]) -> list[str | None]:
    """The prompt, then its outputs."""
    before = int(sample.present[:row].sum())
    place = np.cumsum(sample.present[row]) - 1
    at = [before + int(place[column]) for column in columns]

    def column(name: str, rows: list[int]) -> list[str | None]:
        if name not in sample.table.columns:
            return [None] * len(rows)
        return [None if text is None else str(text) for text in sample.table[name].gather(rows)]

    return [*column(PROMPT, at[:1]), *column(RESPONSE, at)]


def number(value: float | None) -> float | None:
    """A number short enough to be written and long enough to be computed with; None for what is none.

    >>> number(1 / 3), number(float("nan"))
    (0.333333333, None)
    """
    return None if value is None or not np.isfinite(value) else float(f"{value:.{DIGITS}g}")


def _cut(text: str | None, limit: int) -> str | None:
    return text if text is None or len(text) <= limit else f"{text[: limit - 1]}…"


def _size(content: object) -> int:
    return len(safe_json(content).encode())


def safe_json(content: object) -> str:
    r"""JSON that may stand inside a script element: no text in it can end the element or a line of it.

    >>> safe_json("</script>&")
    '"\\u003c/script\\u003e\\u0026"'
    """
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode("utf-8", "replace").decode()  # half a character is none
