"""RewardBench 2: one prompt with several outputs, scored by one reward model per file.

Read: `eval-set-scores/{org}/{model}.json` (columns side by side: id, subset, text, scores, num_correct, results,
model), also as one record per prompt. The first `num_correct` outputs are the right ones; `scores` may be nested,
[[x], [y]]. Each file is a proxy, named by `model`, else by the file; several files are joined on subset/id and text.
Lost: `text` holds prompt and answer as one. The subset Ties (ids `ref:7` and `tied:7`) has several right outputs, all
marked chosen; its official score compares the margins of a `ref` prompt with those of the `tied` prompt of the same
number and is null in `results`.
"""

from collections.abc import Iterator
from pathlib import Path

from culpa.errors import InputError, shorten
from culpa.rollouts.candidates import Item, frame_of, number, of_models, present, several, table_rows, text_of
from culpa.rollouts.dump import Dump, Options, Peek, one
from culpa.rollouts.json_frame import Json

NAME = "rewardbench2"

_KEPT = ("subset", "results", "num_correct", "model_type")


def sniff(peek: Peek) -> bool:
    """Whether this is one of my files: a list of scores beside a list of texts, each with an id."""
    lists = all(isinstance(peek.first.get(name), list) for name in ("text", "scores"))
    return peek.kind in {"json", "jsonl", "parquet"} and lists and {"id", "subset"} <= peek.columns


def read(paths: tuple[Path, ...], options: Options) -> Dump:
    """One proxy per file, one row per output."""
    notes = ["outputs are offline, not the policy's: weight 0"]
    items = of_models(paths, _items, notes)
    ties = sum(sum(item.chosen or ()) > 1 for item in items)
    if ties:
        notes.append(f"{ties} prompts (subset Ties) have several right outputs; all are marked chosen")
    return Dump(one(frame_of(items, text=options.text)), notes)


def _items(path: Path) -> Iterator[tuple[str, Item]]:
    for row, record in table_rows(path):
        name = str(record.get("model") or path.stem)
        texts = several(record, "text", path, row)
        scores = several(record, "scores", path, row, len(texts))
        right = _right(record, path, row, len(texts))
        item = Item(
            prompt_id=f"{present(record, 'subset', path, row)}/{present(record, 'id', path, row)}",
            responses=tuple(text_of(text) for text in texts),
            chosen=tuple(i < right for i in range(len(texts))),
            scores={name: tuple(number(score, path, row, "scores") for score in scores)},
            kept={key: record[key] for key in _KEPT if key in record},
        )
        yield name, item


def _right(record: Json, path: Path, row: int, count: int) -> int:
    right = record.get("num_correct", 1)
    if not isinstance(right, int) or not 0 < right <= count:
        problem = f"expected 1 to {count} right outputs, got {shorten(right)!r}."
        raise InputError(problem, path=path, row=row, column="num_correct", remedy="Write the file again.")
    return right
