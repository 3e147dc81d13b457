"""JudgeBench: pairs with an objective label, judged in both orders by one judge per file.

Read: `outputs/dataset=judgebench,...,judge_name=...,judge_model=....jsonl` with {pair_id, original_id, source,
question, response_model, response_A, response_B, label, judge_name, judgments[]}. In every second game A and B change
places; decisions are turned back. Each judge is a proxy `judge_name:judge_model`: the share of its games that the
output won, a tie counting a half; null where no game was decided. Since the label is right where the proxy of the right
output is above 1/2, this orders pairs as the benchmark's own score does. The games are kept one by one in
`games.<judge>.1` and `.2`, the mean of a reward model's own scores in `scores.<judge>`.
Lost: the judge's words. The outputs come from `response_model`, whose samples these pairs were picked from (weight 0).
"""

from collections.abc import Iterator
from pathlib import Path

from culpa.errors import InputError, shorten
from culpa.rollouts.candidates import Item, Verdict, frame_of, number, of_models, present, table_rows, text_of
from culpa.rollouts.dump import Dump, Options, Peek, one
from culpa.rollouts.json_frame import Json

NAME = "judgebench"

_SHARE = {"A>B": (1.0, 0.0), "B>A": (0.0, 1.0), "A=B": (0.5, 0.5)}
_KEPT = ("original_id", "source", "response_model")
_NEEDED = frozenset({"pair_id", "response_A", "response_B", "label"})
_UNDECIDED = "no game was decided"

Games = list[tuple[float, float] | None]  # per game, what A and B won


def sniff(peek: Peek) -> bool:
    """Whether this is one of my files: labelled pairs of responses A and B."""
    return peek.kind in {"jsonl", "json", "parquet"} and peek.columns >= _NEEDED


def read(paths: tuple[Path, ...], options: Options) -> Dump:
    """One proxy per judge, two rows per pair."""
    notes = ["pairs are offline outputs, not the policy's: weight 0"]
    items = of_models(paths, _items, notes)
    judges = dict.fromkeys(name for item in items for name in item.scores)
    if not judges:
        notes.append("no judgments in the file: pairs and labels only")
    undecided = {name: sum(item.scores.get(name) == (_UNDECIDED,) * 2 for item in items) for name in judges}
    notes += [f"{count} pairs were decided in no game by {name}" for name, count in undecided.items() if count]
    return Dump(one(frame_of(items, text=options.text)), notes)


def _items(path: Path) -> Iterator[tuple[str, Item]]:
    for row, record in table_rows(path):
        judgments = record.get("judgments") or []
        if not isinstance(judgments, list):
            raise InputError(f"expected a list, got {shorten(judgments)!r}.", path=path, row=row, column="judgments")
        name = _judge(record, judgments, path)
        games = [_game(judgment, i % 2 == 1, path, row) for i, judgment in enumerate(judgments)]
        question = record.get("question")
        item = Item(
            prompt_id=str(present(record, "pair_id", path, row)),
            prompt=question if isinstance(question, str) else None,
            responses=tuple(text_of(present(record, side, path, row)) for side in ("response_A", "response_B")),
            chosen=_label(record, path, row),
            scores={name: _share(games)} if games else {},
            kept={key: record[key] for key in _KEPT if key in record},
            kept_each=_each_game(name, games) | _own_scores(name, judgments, path, row),
        )
        yield name, item


def _label(record: Json, path: Path, row: int) -> tuple[bool, bool]:
    label = present(record, "label", path, row)
    if label not in ("A>B", "B>A"):
        problem = f"the label is {shorten(label)!r}."
        raise InputError(problem, path=path, row=row, column="label", remedy="Expected 'A>B' or 'B>A'.")
    return label == "A>B", label == "B>A"


def _judge(record: Json, judgments: list[object], path: Path) -> str:
    """judge_name:judge_model; the model from the first judgment that names it, else from the file's name."""
    inner = [judgment.get("judgment") for judgment in judgments if isinstance(judgment, dict)]
    named = [str(words["judge_model"]) for words in inner if isinstance(words, dict) and words.get("judge_model")]
    parts = dict(part.split("=", 1) for part in path.stem.split(",") if "=" in part)
    name = str(record.get("judge_name") or parts.get("judge_name") or path.stem)
    model = parts.get("judge_model") or (named[0].replace("/", "_") if named else None)
    return name if model in (None, "None") else f"{name}:{model}"


def _game(judgment: object, swapped: bool, path: Path, row: int) -> tuple[float, float] | None:
    """What A and B won, in the pair's own order; None where the judge failed or did not decide."""
    decision = judgment.get("decision") if isinstance(judgment, dict) else judgment
    if decision is None:
        return None
    share = _SHARE.get(decision.replace(">>", ">").strip()) if isinstance(decision, str) else None
    if share is None:
        problem = f"the decision is {shorten(decision)!r}."
        remedy = "Expected 'A>B', 'B>A', 'A=B' or null."
        raise InputError(problem, path=path, row=row, column="judgments", remedy=remedy)
    return (share[1], share[0]) if swapped else share


def _share(games: Games) -> tuple[Verdict, ...]:
    decided = [game for game in games if game is not None]
    if not decided:
        return (_UNDECIDED, _UNDECIDED)
    return tuple(sum(game[side] for game in decided) / len(decided) for side in (0, 1))


def _each_game(name: str, games: Games) -> dict[str, tuple[float | None, ...]]:
    return {f"games.{name}.{i}": game or (None, None) for i, game in enumerate(games, start=1)}


def _own_scores(name: str, judgments: list[object], path: Path, row: int) -> dict[str, tuple[float | None, ...]]:
    """The mean score that a reward model itself gave A and B, where it did in every game."""
    pairs = []
    for i, judgment in enumerate(judgments):
        words = judgment.get("judgment") if isinstance(judgment, dict) else None
        scores = words.get("scores") if isinstance(words, dict) else None
        if not isinstance(scores, list) or len(scores) != 2:
            return {}
        pair = [number(score, path, row, "judgments") for score in scores]
        pairs.append(pair[::-1] if i % 2 else pair)
    columns = list(zip(*pairs, strict=True))
    means = [None if any(isinstance(v, str) for v in side) else sum(map(float, side)) / len(side) for side in columns]
    return {f"scores.{name}": tuple(means)} if means else {}
