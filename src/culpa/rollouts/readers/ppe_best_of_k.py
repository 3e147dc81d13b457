"""PPE best-of-K: K samples of a model for each question, each known to be right or wrong, with reward models' scores.

Read: the data sets (question_id, prompt, response_1 ... response_K, scores: list of bool, model_name, category) and the
score files of reward models, which add score_1 ... score_K (maybe nested, [x]) or a list of K numbers per model.
`scores` is the truth. Proxies: `score_1 ...` is named after the file, `<name>_1 ...` and lists after the column.
Several files are joined on model_name/question_id: a question is asked of several models, whose samples are separate
groups. They are the policy's samples where your policy is `model_name`, so no weight is set.
Lost: the choices of a question, the sampled pairs.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from culpa.errors import InputError, shorten
from culpa.rollouts import columns as c
from culpa.rollouts.candidates import (
    Item,
    Scores,
    claim,
    distinct,
    frame_of,
    join,
    number,
    present,
    several,
    table_rows,
)
from culpa.rollouts.dump import Dump, Options, Peek, one
from culpa.rollouts.json_frame import Json

NAME = "ppe_best_of_k"

_KEPT = ("question_id", "model_name", "category", "Subdomain")
_NOT_SCORES = frozenset({"scores", "parsed_outputs", "options", "choices", "conflict_pairs", "sampled_conflict_pairs"})


def sniff(peek: Peek) -> bool:
    """Whether this is one of my files: a question with right-or-wrong scores and numbered responses or scores."""
    numbered = bool({"response_1", "score_1"} & peek.columns)
    return peek.kind in {"parquet", "json", "jsonl"} and {"question_id", "scores"} <= peek.columns and numbered


def read(paths: tuple[Path, ...], options: Options) -> Dump:
    """K rows per question; the truth is 1 for a right answer."""
    notes: list[str] = []
    files: dict[str, list[Item]] = {}
    claimed: dict[str, Path] = {}
    for path in paths:
        files[path.name if path.name not in files else str(path)] = items = distinct(_items(path), notes)
        for name in dict.fromkeys(name for item in items for name in item.scores):
            claim(name, path, claimed)
    items = join(files, notes)
    models = sorted({str(item.kept["model_name"]) for item in items if item.kept.get("model_name") is not None})
    if len(models) > 1:
        notes.append(f"samples of {len(models)} models ({', '.join(models)}): their questions are kept apart")
    return Dump(one(frame_of(items, text=options.text, weight=None)), notes)


def _items(path: Path) -> Iterator[Item]:
    for row, record in table_rows(path):
        identity = str(present(record, "question_id", path, row))
        truth = several(record, "scores", path, row)
        count = len(truth)
        prompt = record.get("prompt")
        yield Item(
            prompt_id=identity if record.get("model_name") is None else f"{record['model_name']}/{identity}",
            prompt=prompt if isinstance(prompt, str) else None,
            responses=_responses(record, count, path, row),
            scores=_proxies(record, count, path, row),
            kept={key: str(record[key]) for key in _KEPT if record.get(key) is not None},
            kept_each={c.TRUTH: [_right(value, path, row) for value in truth], **_parsed(record, count)},
        )


def _responses(record: Json, count: int, path: Path, row: int) -> tuple[str | None, ...]:
    """response_1 ... response_K in order of number: "10" comes after "9"."""
    found = [record.get(f"response_{i}") for i in range(1, count + 1)]
    if "response_1" not in record:
        return (None,) * count
    if None in found or record.get(f"response_{count + 1}") is not None:
        held = sum(value is not None for name, value in record.items() if re.fullmatch(r"response_\d+", name))
        problem = f"{count} entries for {held} responses."
        raise InputError(problem, path=path, row=row, column="scores", remedy="Every response needs its truth.")
    return tuple(str(text) for text in found)


def _right(value: object, path: Path, row: int) -> float | None:
    result = number(value, path, row, "scores")
    if result not in (0.0, 1.0) and not isinstance(result, str):
        problem = f"{shorten(value)!r} is neither right nor wrong."
        raise InputError(problem, path=path, row=row, column="scores", remedy="Expected true or false.")
    return None if isinstance(result, str) else result


def _proxies(record: Json, count: int, path: Path, row: int) -> Scores:
    scores: dict[str, tuple[float | str, ...]] = {}
    for first in [name for name in record if name.endswith("_1") and name != "response_1"]:
        stem = first.removesuffix("_1")
        columns = [f"{stem}_{i}" for i in range(1, count + 1)]
        if stem.startswith("score") or all(_numeric(record.get(name)) for name in columns):
            name = path.stem if stem in ("score", "scores") else stem
            scores[name] = tuple(number(present(record, n, path, row), path, row, n) for n in columns)
    for column in [name for name in record if name not in _NOT_SCORES and not re.search(r"_\d+$", name)]:
        values = record[column]
        if isinstance(values, list) and values and all(_numeric(value) for value in values):
            if len(values) != count and not c.matching([column], c.REWARD_LIKE):
                continue  # a list of something else
            entries = several(record, column, path, row, count)
            scores[column] = tuple(number(value, path, row, column) for value in entries)
    return scores


def _numeric(value: object) -> bool:
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _parsed(record: Json, count: int) -> dict[str, list[str | None]]:
    """What the answer was read as, one text per response: outputs of equal answer can be merged by it."""
    parsed = record.get("parsed_outputs")
    if not isinstance(parsed, list) or len(parsed) != count:
        return {}
    return {"parsed_output": [None if value is None else str(value) for value in parsed]}
