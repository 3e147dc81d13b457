"""Reward-model evaluations of the repository princeton-pli/imperfect-rewards: a folder of torch files.

Read: one dictionary per file with dataset, split, gold_rm_name, lm_name_for_probs, type_of_generations, rm_name,
prompt_indices and one of prompts (p,), per_prompt_responses, per_prompt_rewards, per_prompt_log_probs,
per_prompt_sequence_lengths (p, s). Rewards of `gold_rm_name` are the truth, of any other model a proxy. "online" values
are of the policy's own samples (weight 1/s), "offline" ones of the preference data: the first column is the chosen
output, the others are rejected (weight 0). Both kinds of outputs of a prompt form one group, told apart by `source`.
Traps: the samples' texts are saved as "offline" too, and are taken as samples; with several rejected outputs, rewards
are padded with -inf, and these cells are left out.
Lost: the texts of offline outputs, and, where they were not saved, of the samples. Several policies are refused.
"""

import importlib
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from culpa.errors import InputError, shorten
from culpa.rollouts import columns as c
from culpa.rollouts.candidates import Item, claim, frame_of, number
from culpa.rollouts.dump import Dump, Options, Peek, one
from culpa.rollouts.json_text import whole
from culpa.rollouts.naming import listing

NAME = "authors_pt"

REWARDS, RESPONSES, PROMPTS = "per_prompt_rewards", "per_prompt_responses", "prompts"
CELLS = {"per_prompt_log_probs": c.LOGPROB, "per_prompt_sequence_lengths": c.LENGTH}  # quantity -> native column

_QUANTITIES = (REWARDS, RESPONSES, *CELLS, PROMPTS)
_FILE = re.compile(rf"({'|'.join(_QUANTITIES)})_.*\.pt")
_NEEDED = ("dataset", "split", "gold_rm_name", "lm_name_for_probs", "type_of_generations", "rm_name", "prompt_indices")

Cell = float | str | None


@dataclass(frozen=True)
class _Part:
    """One file: a quantity for every prompt, and of which outputs."""

    path: Path
    quantity: str
    facts: Mapping[str, object]
    values: Sequence[object]
    indices: tuple[object, ...]

    @property
    def source(self) -> str:
        """Online: the policy's samples. Their texts are saved with the wrong type; only samples' are saved at all."""
        return "online" if self.quantity == RESPONSES else str(self.facts["type_of_generations"])

    @property
    def key(self) -> str:
        """What may be there only once for each split and source."""
        return f"{self.quantity} of {self.facts['rm_name']}" if self.quantity == REWARDS else self.quantity


def sniff(peek: Peek) -> bool:
    """Whether this is one of my files, or a folder of them; by name, since their bytes are not looked at."""
    names = peek.columns if peek.kind == "folder" else {peek.path.name}
    return peek.kind in {"folder", "torch"} and any(_FILE.fullmatch(name) for name in names)


def read(paths: tuple[Path, ...], options: Options) -> Dump:
    """One row per sample and per offline output, prompts of a split in the order of the files."""
    parts = [_load(file) for path in paths for file in _files(path)]
    policies = {str(part.facts["lm_name_for_probs"]) for part in parts} - {""}
    if len(policies) > 1:
        names = ", ".join(sorted(shorten(name) for name in policies))
        raise InputError(f"outputs of several policies ({names}).", path=paths[0], remedy="Give one policy's files.")
    splits: dict[tuple[str, str], list[_Part]] = {}
    for part in parts:
        splits.setdefault((str(part.facts["dataset"]), str(part.facts["split"])), []).append(part)
    apart = len({dataset for dataset, _ in splits}) > 1
    items: list[Item] = []
    for (dataset, split), found in splits.items():
        _check(found)
        items += _items(found, f"{dataset}/{split}" if apart else split)
    notes = [f"{len(parts)} files; policy: {', '.join(policies) or 'not named'}", *_missing(parts)]
    return Dump(one(frame_of(items, text=options.text, weight=None)), notes)


def _files(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if _FILE.fullmatch(child.name)) if path.is_dir() else [path]


def _load(path: Path) -> _Part:
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        raise InputError(".pt files need torch.", path=path, remedy="pip install 'culpa[torch]'") from error
    try:
        with warnings.catch_warnings(action="ignore"):  # torch's advice to load what it refuses all the same
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises on damaged files has no common type
        remedy = "It may be cut off, or hold more than tensors, numbers and text, which is not loaded from strangers."
        raise InputError(f"torch cannot read it ({shorten(error)}).", path=path, remedy=remedy) from error
    content = whole(content)
    if not isinstance(content, dict):
        raise InputError(f"expected a dictionary, got {type(content).__name__}.", path=path)
    for column in _NEEDED:
        if column not in content:
            raise InputError(
                "it is missing.", path=path, column=column, remedy=f"Found: {listing([str(name) for name in content])}."
            )
    quantity = next((name for name in _QUANTITIES if name in content), None)
    if quantity is None:
        raise InputError(f"expected one of {', '.join(_QUANTITIES)}.", path=path, remedy="Leave this file out.")
    values, indices = _plain(content[quantity]), _plain(content["prompt_indices"])
    if not isinstance(values, list):
        raise InputError(f"expected one entry per prompt, got {shorten(values)}.", path=path, column=quantity)
    order = indices if isinstance(indices, list) else list(range(len(values)))
    return _Part(path, quantity, content, values, tuple(order))


def _plain(value: object) -> object:
    """A tensor as nested lists, float32 exactly; anything else as it is."""
    to_list = getattr(value, "tolist", None)
    return value if to_list is None else to_list()


def _check(parts: Sequence[_Part]) -> None:
    """All files of a split are of the same prompts, and none says what another does."""
    claimed: dict[str, Path] = {}
    first = parts[0]
    for part in parts:
        claim(f"{part.source} {part.key}", part.path, claimed)
        if part.indices != first.indices or len(part.values) != len(part.indices):
            problem = f"{len(part.values)} prompts that are not those of {first.path.name}."
            remedy = "Give the files of one run: prompts are drawn by its seed."
            raise InputError(problem, path=part.path, column="prompt_indices", remedy=remedy)


def _items(parts: Sequence[_Part], prefix: str) -> Iterator[Item]:
    prompts = next((part.values for part in parts if part.quantity == PROMPTS), None)
    for i, index in enumerate(parts[0].indices):
        columns: dict[str, list[Cell]] = {}
        total = 0
        for source in ("online", "offline"):
            cells = [part for part in parts if part.source == source and part.quantity != PROMPTS]
            block, size = _block(cells, i, source)
            for name in {**columns, **block}:
                column = columns.setdefault(name, [None] * total)
                column += block.get(name, [None] * size)
            total += size
        if total:
            yield _item(f"{prefix}/{index}", columns, prompts[i] if prompts else None, parts[0].facts)


def _block(parts: Sequence[_Part], i: int, source: str) -> tuple[dict[str, list[Cell]], int]:
    """The values of one prompt's outputs of one source, by column, without padding."""
    rows = {part.key: _row(part, i, parts[0]) for part in parts}
    size = len(next(iter(rows.values()), ()))
    ragged = [part for part in parts if part.facts.get("is_one_vs_many_dataset") and source == "offline"]
    padded = {s for part in ragged for s, value in enumerate(rows[part.key]) if value == -inf}
    keep = [s for s in range(size) if s not in padded]
    block: dict[str, list[Cell]] = {"source": [source] * len(keep)}
    block[c.WEIGHT] = [1 / max(len(keep), 1) if source == "online" else 0.0] * len(keep)
    if source == "offline" and len(keep) > 1:
        block[c.CHOSEN] = [float(s == 0) for s in keep]
    for part in parts:
        block[_column(part)] = [_cell(part, rows[part.key][s], i) for s in keep]
    return block, len(keep)


def _row(part: _Part, i: int, first: _Part) -> list[object]:
    row, other = part.values[i], first.values[i]
    if not isinstance(row, list):
        raise InputError(f"expected a list, got {shorten(row)}.", path=part.path, row=i + 1, column=part.quantity)
    if isinstance(other, list) and len(row) != len(other):
        problem = f"{len(row)} outputs, but {len(other)} in {first.path.name}."
        raise InputError(problem, path=part.path, row=i + 1, column=part.quantity, remedy="Give the files of one run.")
    return row


def _column(part: _Part) -> str:
    if part.quantity == REWARDS:
        name = str(part.facts["rm_name"])
        return c.TRUTH if name == part.facts["gold_rm_name"] else c.proxy_column(name)
    return CELLS.get(part.quantity, c.RESPONSE)


def _cell(part: _Part, value: object, i: int) -> Cell:
    return str(value) if part.quantity == RESPONSES else number(value, part.path, i + 1, part.quantity)


def _item(prompt_id: str, columns: Mapping[str, list[Cell]], prompt: object, facts: Mapping[str, object]) -> Item:
    size = len(columns["source"])
    scores = {c.bare(name): tuple(_verdict(v) for v in values) for name, values in columns.items() if c.is_proxy(name)}
    plain = {name: values for name, values in columns.items() if not c.is_proxy(name) and name != c.RESPONSE}
    numbers = {n: [None if isinstance(v, str) else v for v in plain[n]] for n in c.NUMBERS if n in plain}
    sides = {c.CHOSEN: [None if v is None else v == 1.0 for v in plain[c.CHOSEN]]} if c.CHOSEN in plain else {}
    texts = columns.get(c.RESPONSE, [None] * size)
    return Item(
        prompt_id=prompt_id,
        prompt=prompt if isinstance(prompt, str) else None,
        responses=tuple(text if isinstance(text, str) else None for text in texts),
        scores=scores,
        kept={"dataset": facts["dataset"], "split": facts["split"]},
        kept_each={**plain, **numbers, **sides},
    )


def _verdict(value: Cell) -> float | str:
    return "not scored by this model" if value is None else value


def _missing(parts: Sequence[_Part]) -> Iterator[str]:
    if not any(part.quantity == RESPONSES for part in parts):
        yield "the texts of the samples were not saved"
    if not any(part.quantity == REWARDS and _column(part) == c.TRUTH for part in parts):
        yield "no file holds the rewards of the gold model: no truth"
    if any(part.source == "offline" for part in parts):
        yield "offline outputs have weight 0; their texts are not in the files"
