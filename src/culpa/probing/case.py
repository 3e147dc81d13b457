"""What a reward is shown: outputs of which it is known whether they are right, from rollouts or made here."""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from culpa.errors import InputError, shorten
from culpa.rollouts import Rollouts
from culpa.rollouts import columns as c

ANSWERS = ("answer", "ground_truth", "solution", "label", "reference", "target", "gold_answer", "final_answer")
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Case(NamedTuple):
    """One output, and what the reward may be told beside it."""

    prompt: str
    response: str
    answer: Any = None  # the reference, as the data have it
    right: bool | None = None  # None: not known
    prompt_id: str = ""
    columns: Mapping[str, Any] = _NOTHING  # the data's other columns


class Problem(NamedTuple):
    """A question with its answer and a wrong one."""

    prompt: str
    answer: str
    wrong: str


PROBLEMS = (
    Problem("What is 17 + 25?", "42", "41"),
    Problem("A dozen eggs less five: how many are left?", "7", "8"),
    Problem("What is 3/4 of 200?", "150", "75"),
    Problem("Solve 2x - 6 = 10 for x.", "8", "2"),
    Problem("What is the area of a rectangle of 9 by 11?", "99", "40"),
    Problem("What is the remainder of 100 divided by 7?", "2", "14"),
    Problem("Write 0.125 as a fraction in lowest terms.", "1/8", "1/4"),
    Problem("What is -3 times 16?", "-48", "48"),
    Problem("Which city is the capital of France?", "Paris", "Lyon"),
    Problem("Which planet is closest to the sun?", "Mercury", "Venus"),
    Problem("Which gas do plants take in: A nitrogen, B carbon dioxide, C oxygen?", "B", "C"),
    Problem("What colour do blue and yellow paint give?", "green", "purple"),
)
_WORK = "Let me think it through and check the result."

# How an answer may be written, as far as rewards expect it. Which one this reward expects is found by trying.
FORMATS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "boxed": lambda answer: f"{_WORK} The answer is \\boxed{{{answer}}}.",
        "answer tags": lambda answer: f"<think>{_WORK}</think>\n<answer>{answer}</answer>",
        "boxed in answer tags": lambda answer: f"<think>\n{_WORK}\n</think>\n<answer>\n\\boxed{{{answer}}}\n</answer>",
        "hashes": lambda answer: f"{_WORK}\n#### {answer}",
        "sentence": lambda answer: f"{_WORK} The answer is {answer}",
        "JSON": lambda answer: json.dumps({"reasoning": _WORK, "answer": answer}),
        "bare": lambda answer: answer,
    }
)


def bundled(form: str) -> list[Case]:
    """A right and a wrong response to each problem, the answer written in one of the `FORMATS`.

    >>> [case.response for case in bundled("bare")[:2]]
    ['42', '41']
    """
    write = FORMATS[form]
    return [
        Case(one.prompt, write(text), one.answer, right, str(number))
        for number, one in enumerate(PROBLEMS)
        for text, right in ((one.answer, True), (one.wrong, False))
    ]


def from_rollouts(rollouts: Rollouts, answer: str | None = None) -> list[Case]:
    """Every output of a record, in the order of its table.

    answer   the column of the reference; without it the first of `ANSWERS` that is there
    A response is right where its truth is above the middle of the truth's range; not known without a truth.
    """
    table = rollouts.table
    missing = [name for name in c.TEXTS if name not in table.columns]
    if missing:
        found = ", ".join(map(shorten, table.columns[:30])) or "none"
        raise InputError(f"the rollouts have no {missing[0]}.", remedy=f"Name its column; found: {found}.")
    if answer is not None and answer not in table.columns:
        found = ", ".join(map(shorten, table.columns[:30]))
        raise InputError("there is no such column of answers.", column=answer, remedy=f"Found: {found}.")
    column = answer or next((name for name in ANSWERS if name in table.columns), None)
    rows = np.nonzero(rollouts.present)[0]
    right = _right(rollouts)
    return [
        Case(
            row.pop(c.PROMPT) or "",
            row.pop(c.RESPONSE) or "",
            None if column is None else row[column],
            right[place],
            str(rollouts.prompt_id[rows[place]]),
            row,
        )
        for place, row in enumerate(map(_plain, table.iter_rows(named=True)))
    ]


def _right(rollouts: Rollouts) -> list[bool | None]:
    if rollouts.truth is None:
        return [None] * rollouts.size
    truth = rollouts.truth[rollouts.present]
    known = truth[~np.isnan(truth)]
    middle = (known.min() + known.max()) / 2 if len(known) else 0.0
    return [None if np.isnan(value) else bool(value > middle) for value in truth]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """What JSON can carry to the reward's process; dates and the like as text."""
    loaded: dict[str, Any] = json.loads(json.dumps(row, default=str))
    return loaded
