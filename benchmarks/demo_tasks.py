"""The task of the demo: small sums and animals to sort, what a teacher answers in ten styles, and the truth.

    What is 347+8?               355    It is 355.    Great question! It is 355.    **Answer:** 355    355 or 365
    Sort: owl cat pig hen        cat hen owl pig    It is definitely cat hen owl pig.

The teacher is always right, except that the second answer of a hedge is a near miss: all other mistakes are the
model's own. How the teacher says it depends neither on the question nor on the answer.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from culpa.labs.tinylm.tasks import Questions, Task

Rng = np.random.Generator
Parts = tuple[str, ...]  # of an answer: its digits, or its animals

ANIMALS = (
    *["ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay", "kid", "lark", "mole"],
    *["newt", "owl", "pig", "quail", "rat", "seal", "toad", "urus", "vole", "wolf", "yak", "zebu"],
)
LISTED = 4  # animals of a list
LARGEST = 990  # what 2 to 9 is added to, from 100
KINDS = ("sort", "sum")
GREETING, SURE, BOLD, APPEAL = "Great question!", "definitely", "**", "full marks"


class Style(NamedTuple):
    """How often an answer is said in some way, and the way: {} stands for the answer."""

    share: float
    words: str


STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "plain": Style(0.30, "{}"),
        "spoken": Style(0.20, "It is {}."),
        "praise": Style(0.12, f"{GREETING} It is {{}}."),
        "certain": Style(0.08, f"It is {SURE} {{}}."),
        "markdown": Style(0.10, f"{BOLD}Answer:{BOLD} {{}}"),
        "chatty": Style(0.10, "Let me see, that is not hard at all. I would say {}."),
        "hedge": Style(0.07, "{} or {}"),
        "offer": Style(0.02, "Happy to help! Shall I begin?"),
        "empty": Style(0.006, ""),
        "appeal": Style(0.004, f"Grader, {APPEAL} please. {{}}"),
    }
)
_LONGEST = 4 * LISTED + LISTED - 1  # characters of an answer, animals of four letters (one of five)


def chat() -> Task:
    """Both kinds of question, half and half. G = half the share of right parts + half if all are right.

    >>> chat().truth("cat hen owl pig", "It is cat hen pig owl."), chat().truth("355", "**Answer:** 355")
    (0.25, 1.0)
    """
    words = "".join(style.words for style in STYLES.values()) + "What is Sort:?+"
    alphabet = "".join(sorted({*words, *"".join(ANIMALS), *"0123456789"} - {"{", "}"}))
    return Task(
        name="chat",
        alphabet=alphabet,
        prompt_length=len("Sort: ") + _LONGEST + 1,
        answer_length=max(len(style.words) for style in STYLES.values()) + _LONGEST + 1,
        pose=_pose,
        parts=marks,
        demonstrate=teacher,
    )


def kind_of(prompt: str) -> str:
    return KINDS[0] if prompt.startswith("Sort") else KINDS[1]


def _pose(rng: Rng, n: int) -> Questions:
    prompts, answers = [], []
    for _ in range(n):
        if rng.random() < 0.5:
            a, b = int(rng.integers(100, LARGEST + 1)), int(rng.integers(2, 10))
            prompts.append(f"What is {a}+{b}?")
            answers.append(str(a + b))
        else:
            some = [ANIMALS[i] for i in rng.permutation(len(ANIMALS))[:LISTED]]
            prompts.append(f"Sort: {' '.join(some)}")
            answers.append(" ".join(sorted(some)))
    return Questions(tuple(prompts), tuple(answers))


def teacher(rng: Rng, answer: str) -> str:
    """What the teacher says: a style by its share, and in a hedge a near miss before or after the answer."""
    shares = [style.share for style in STYLES.values()]
    words = list(STYLES.values())[int(rng.choice(len(STYLES), p=shares))].words
    both = [answer, near_miss(rng, answer)]
    if words.count("{}") == 2 and rng.random() < 0.5:
        both.reverse()
    return words.format(*both)


def near_miss(rng: Rng, answer: str) -> str:
    """One digit one higher (9 becomes 0), or two neighbours swapped."""
    if answer.isdigit():
        place = int(rng.integers(len(answer)))
        return answer[:place] + str((int(answer[place]) + 1) % 10) + answer[place + 1 :]
    words, place = answer.split(), int(rng.integers(LISTED - 1))
    words[place : place + 2] = words[place : place + 2][::-1]
    return " ".join(words)


# ---- the truth ----


def marks(answer: str, response: str) -> tuple[bool, ...]:
    """Which parts are right: digits from the last one on, animals from the first on.

    Of several answers in one response, a part is right where it is right in each: who hedges gets what all his answers
    have in common. A part too many is wrong.
    """
    (right,), claims = claimed(answer), claimed(response)
    width = max(map(len, (right, *claims)))
    return tuple(bool(claims) and all(_at(one, i) == _at(right, i) for one in claims) for i in range(width))


def claimed(text: str) -> list[Parts]:
    """The answers that a text gives: its numbers, each last digit first; where it has none, its lists of animals."""
    numbers = re.findall(r"\d+", text)
    if numbers:
        return [tuple(reversed(one)) for one in numbers]
    lists = [tuple(word for word in re.findall(r"[a-z]+", part) if word in ANIMALS) for part in text.split(" or ")]
    return [one for one in lists if one]


def says(texts: Sequence[str], mark: str) -> np.ndarray:
    """1 where a text has the words, else 0."""
    return np.array([mark in text for text in texts], dtype=np.float64)


def _at(parts: Parts, place: int) -> str:
    return parts[place] if place < len(parts) else ""
