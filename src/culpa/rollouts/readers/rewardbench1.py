"""RewardBench (version 1): pairs scored by one reward model per file.

Read: `eval-set-scores/{org}/{model}.json` (columns side by side: id, subset, text_chosen, text_rejected,
scores_chosen, scores_rejected, results, model) and the tool's `{model}_outputs.jsonl` and `{model}_all.jsonl`. Each
file is a proxy, named by `model`, else by the file; several files are joined on subset/id and text.
Lost: prompt and answer are one text in the first form; `_all.jsonl` holds no text at all and is matched by position.
Which answer is better is the only truth: there is no score of it, and the outputs are no policy's (weight 0).
"""

from collections.abc import Iterator
from pathlib import Path

from culpa.rollouts.candidates import Item, frame_of, number, of_models, present, table_rows, text_of
from culpa.rollouts.dump import Dump, Options, Peek, one
from culpa.rollouts.json_frame import Json

NAME = "rewardbench1"

_KEPT = ("subset", "results", "chosen_model", "rejected_model", "model_type")


def sniff(peek: Peek) -> bool:
    """Whether this is one of my files: scores of a chosen and a rejected side, or nothing but these two."""
    if peek.kind not in {"json", "jsonl", "parquet"}:
        return False
    return {"scores_chosen", "scores_rejected"} <= peek.columns or _bare_scores(peek)


def read(paths: tuple[Path, ...], options: Options) -> Dump:
    """One proxy per file, two rows per pair."""
    notes = ["pairs are offline outputs, not the policy's: weight 0"]
    items = of_models(paths, _items, notes)
    ties = sum(_tied(item) for item in items)
    if ties:
        notes.append(f"{ties} pairs have equal scores; RewardBench counts them as wrong")
    return Dump(one(frame_of(items, text=options.text)), notes)


def _items(path: Path) -> Iterator[tuple[str, Item]]:
    bare = None
    for row, record in table_rows(path):
        bare = "scores_chosen" not in record and "chosen" in record if bare is None else bare
        columns = ("chosen", "rejected") if bare else ("scores_chosen", "scores_rejected")
        name = str(record.get("model") or _stem(path))
        scores = tuple(number(present(record, column, path, row), path, row, column) for column in columns)
        texts = (None, None) if bare else (text_of(record.get("text_chosen")), text_of(record.get("text_rejected")))
        prompt = record.get("prompt")
        yield (
            name,
            Item(
                prompt_id=_id(record, row),
                prompt=prompt if isinstance(prompt, str) else None,
                responses=texts,
                chosen=(True, False),
                scores={name: scores},
                kept={key: record[key] for key in _KEPT if key in record},
            ),
        )


def _id(record: Json, row: int) -> str:
    identity = record.get("id")
    subset = record.get("subset")
    if identity is None:
        return f"row {row}"
    return str(identity) if subset is None else f"{subset}/{identity}"


def _tied(item: Item) -> bool:
    return any(one == other for one, other in item.scores.values() if not isinstance(one, str))


def _stem(path: Path) -> str:
    return path.stem.removesuffix("_outputs").removesuffix("_all")


def _bare_scores(peek: Peek) -> bool:
    values = [peek.first.get(side) for side in ("chosen", "rejected")]
    return peek.columns == {"chosen", "rejected"} and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )
