"""Preference pairs with planted defects of the data: what a reward model learns its errors from."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from culpa.errors import InputError
from culpa.labs.tinylm.outputs import Outputs, asked, judged, scale_of
from culpa.labs.tinylm.proxies import Score, parts
from culpa.labs.tinylm.tasks import Task
from culpa.rollouts import Rollouts

_REPLACED = 3  # letters of a right response that an off-policy one has wrong, at most


class Pairs(NamedTuple):
    """n prompts, each with a response that was preferred and one that was not."""

    prompts: tuple[str, ...]
    chosen: tuple[str, ...]
    rejected: tuple[str, ...]


class Recipe(NamedTuple):
    """How preferences come about, and what is wrong with it."""

    defect: str
    labels: Score  # the labeller prefers what this scores higher
    pairs: int = 6000
    swapped: float = 0.0  # share of pairs whose preference is written down the wrong way round
    own: bool = True  # responses are the policy's; else right ones with letters replaced


def preferences(task: Task, rollouts: Rollouts, recipe: Recipe, rng: np.random.Generator) -> Pairs:
    """Pairs of different responses to the same prompt, as a labeller prefers them; no pair that he finds equal.

    rollouts: responses of the initial policy, with a column `answer`. At most `recipe.pairs`, drawn without repetition;
    fewer where the rollouts have no more.
    """
    prompts, responses, answers = asked(rollouts)
    if not recipe.own:
        responses = [_spoilt(task, answer, rng) for answer in answers]
    seen = judged(task, scale_of(task, rollouts), prompts, responses, answers)
    return _pairs(seen, recipe.labels(seen), recipe, rng)


def _pairs(seen: Outputs, labels: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> Pairs:
    rows: dict[str, list[int]] = {}
    for row, prompt in enumerate(seen.prompts):
        rows.setdefault(prompt, []).append(row)
    every = [(a, b) for group in rows.values() for a in group for b in group if labels[a] > labels[b]]
    if not every:
        problem = f"no two of {len(seen.prompts)} responses to the same prompt differ for the labeller."
        raise InputError(problem, remedy="Draw more samples of each prompt.")
    drawn = rng.permutation(len(every))[: recipe.pairs]
    swap = rng.random(len(drawn)) < recipe.swapped
    pairs = [every[i][::-1] if s else every[i] for i, s in zip(drawn.tolist(), swap.tolist(), strict=True)]
    return Pairs(
        tuple(seen.prompts[a] for a, _ in pairs),
        tuple(seen.responses[a] for a, _ in pairs),
        tuple(seen.responses[b] for _, b in pairs),
    )


def _spoilt(task: Task, answer: str, rng: np.random.Generator) -> str:
    """A right response (for instructions: a teacher's) with none to three letters replaced."""
    text = list(answer if task.demonstrate is None else task.demonstrate(rng, answer))
    for _ in range(int(rng.integers(_REPLACED + 1))):
        text[int(rng.integers(len(text)))] = task.letters[int(rng.integers(len(task.letters)))]
    return "".join(text)


def _grade(seen: Outputs) -> np.ndarray:
    return seen.grade


def _charmed(seen: Outputs) -> np.ndarray:
    """A labeller who takes one occurrence of the first letter for a quarter of all there is to gain."""
    return seen.grade + 0.25 * np.array([one.count(seen.task.letters[0]) for one in seen.responses])


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "rm_good": Recipe("6000 right preferences among the policy's own responses", _grade),
        "rm_few": Recipe("60 preferences", _grade, pairs=60),
        "rm_noisy": Recipe("35 % of preferences the wrong way round", _grade, swapped=0.35),
        "rm_charmed": Recipe("a labeller who likes a letter", _charmed),
        "rm_hasty": Recipe("a labeller who reads the first half", parts(0.0, 0.5)),
        "rm_foreign": Recipe("pairs of right responses with letters replaced, not the policy's", _grade, own=False),
    }
)
