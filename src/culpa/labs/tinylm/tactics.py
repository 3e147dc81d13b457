"""Questions that some of 36 short texts solve, which ones by chance: every output and its worth can be listed."""

from collections.abc import Sequence

import numpy as np

from culpa.errors import InputError
from culpa.labs.tinylm.outputs import uniform
from culpa.labs.tinylm.tasks import Array, Questions, Task
from culpa.lm.forward import measure
from culpa.lm.model import LanguageModel

LETTERS, WORD = "abcdef", 5
TACTICS = tuple(a + b for a in LETTERS for b in LETTERS)


def tactics(rates: Sequence[float], taught: Sequence[float]) -> Task:
    """Five letters pose a question; a response is right if it is one of the 36 tactics, two letters, and solves it.

    rates: the share of all questions that each tactic solves; whether it solves this one is a hash of both, so that
    there is nothing to be learnt but which tactics are good. taught: how often the teacher uses each, adding up to 1.

    >>> task = tactics([1.0] * 18 + [0.0] * 18, [1 / 36] * 36)
    >>> task.parts("abcde", "aa"), task.parts("abcde", "ff"), task.parts("abcde", "a")
    ((True,), (False,), (False,))
    """
    for name, values in (("rates", rates), ("taught", taught)):
        if len(values) != len(TACTICS):
            raise InputError(f"{name} has {len(values)} numbers.", remedy=f"Give one for each of {len(TACTICS)}.")
    known = dict(zip(TACTICS, rates, strict=True))

    def pose(rng: np.random.Generator, n: int) -> Questions:
        words = ["".join(LETTERS[i] for i in row) for row in rng.integers(len(LETTERS), size=(n, WORD))]
        return Questions(tuple(f"{word}=" for word in words), tuple(words))

    def teach(rng: np.random.Generator, _word: str) -> str:
        return TACTICS[int(rng.choice(len(TACTICS), p=taught))]

    def parts(word: str, response: str) -> tuple[bool, ...]:
        return (response in known and float(uniform("solves", [f"{word}/{response}"])[0]) < known[response],)

    return Task("tactics", f"{LETTERS}=", WORD + 1, 2, pose, parts=parts, demonstrate=teach, letters=LETTERS)


def chances(lm: LanguageModel, prompts: Sequence[str]) -> Array:
    """The chance of each tactic, with its end, after each prompt, (p, 36)."""
    ids: list[list[int]] = lm.tokenizer(list(prompts))["input_ids"]
    end = int(lm.tokenizer.eos_token_id)
    said = [[*one, end] for one in lm.tokenizer(list(TACTICS), add_special_tokens=False)["input_ids"]]
    found = measure(lm, [one for one in ids for _ in said], said * len(ids), batch=10 * len(said))
    return np.exp([one.logprob for one in found]).reshape(len(ids), len(said))


def solving(task: Task, words: Sequence[str]) -> Array:
    """1 where a tactic solves a question, else 0, (p, 36)."""
    return np.array([[all(task.parts(word, one)) for one in TACTICS] for word in words], dtype=np.float64)
