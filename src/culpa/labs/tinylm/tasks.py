"""Tasks on short texts whose truth is a program: sort, reverse, close brackets, add. Instruction tasks: `constraints`.

A prompt is a question ("dbca="), an answer is what is right ("abcd"). An eighth of all prompts is held out: which ones
is a hash of the text, so that whoever draws, with whatever seed, trains and tests on different prompts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt

from culpa.errors import InputError

Array = npt.NDArray[np.float64]
HELD_OUT = 8  # one prompt in so many
_ROUNDS = 200  # that a task gets to pose enough questions


class Questions(NamedTuple):
    """n prompts, each with what is needed to judge a response to it."""

    prompts: tuple[str, ...]
    answers: tuple[str, ...]


def places(answer: str, response: str) -> tuple[bool, ...]:
    """Which places are right: one mark for each place of the longer of the two, so a wrong length has wrong places.

    >>> places("abc", "abd"), places("ab", "abc"), places("ab", "")
    ((True, True, False), (True, True, False), (False, False))
    """
    if not answer:
        raise InputError("an answer is empty.", remedy="Give every prompt an answer of one character or more.")
    right = [a == b for a, b in zip(answer, response, strict=False)]
    return (*right, *[False] * abs(len(answer) - len(response)))


@dataclass(frozen=True, eq=False)
class Task:
    """A kind of question, and the program that judges responses.

    G = share x (mean of the parts) + (1 - share) x (1 if every part is right, else 0)

    parts: the marks of a response, for `places` one per character, for an instruction one per constraint. A response
    that ran out of tokens before its end is judged by its text; with `max_tokens` tokens such a text is longer than any
    answer, so it is never exact.
    """

    name: str
    alphabet: str
    prompt_length: int  # the longest prompt, in characters
    answer_length: int  # the longest answer that is asked for or demonstrated
    pose: Callable[[np.random.Generator, int], Questions]
    parts: Callable[[str, str], tuple[bool, ...]] = places
    share: float = 0.5
    demonstrate: Callable[[np.random.Generator, str], str] | None = None  # response of a teacher; None: the answer
    letters: str = ""  # what responses are made of
    names: tuple[str, ...] = ()  # of the parts, where they have some

    @property
    def max_tokens(self) -> int:
        """Tokens that an output may have: the longest answer and its end."""
        return self.answer_length + 1

    def draw(self, rng: np.random.Generator, n: int, *, held_out: bool = False) -> Questions:
        """Questions drawn with repetition: none of the held-out eighth, or with `held_out` only of that.

        >>> task = sort(4, 3)
        >>> task.draw(np.random.default_rng(0), 2)
        Questions(prompts=('cbba=', 'aaaa='), answers=('abbc', 'aaaa'))
        """
        found: list[tuple[str, str]] = []
        for _ in range(_ROUNDS):
            every = zip(*self.pose(rng, max(n, HELD_OUT)), strict=True)
            found += [one for one in every if is_held_out(one[0]) == held_out]
            if len(found) >= n:
                prompts, answers = zip(*found[:n], strict=True)
                return Questions(prompts, answers)
        side = "held out" if held_out else "trained on"
        problem = f"{self.name} has too few prompts: {len(found)} of {n} were found that are {side}."
        raise InputError(problem, remedy="Make the task larger.")

    def truth(self, answer: str, response: str) -> float:
        """The true reward G of a response, in [0, 1]; 1 iff every part is right.

        >>> sort(4, 3).truth("aabb", "aabb"), sort(4, 3).truth("aabb", "aab"), sort(4, 3).truth("aabb", "")
        (1.0, 0.375, 0.0)
        """
        return self.worth(self.parts(answer, response))

    def worth(self, marks: Sequence[bool]) -> float:
        """The true reward of a response whose parts have these marks."""
        return self.share * sum(marks) / len(marks) + (1.0 - self.share) * all(marks)

    def truths(self, answers: Sequence[str], responses: Sequence[str]) -> Array:
        """`truth` of n responses, (n,)."""
        return np.array([self.truth(a, r) for a, r in zip(answers, responses, strict=True)], dtype=np.float64)

    def exact(self, answers: Sequence[str], responses: Sequence[str]) -> Array:
        """1 where every part of a response is right, else 0, (n,)."""
        return np.array([all(self.parts(a, r)) for a, r in zip(answers, responses, strict=True)], dtype=np.float64)


def is_held_out(prompt: str) -> bool:
    """Whether a prompt is kept for tests: by a hash of its text, the same in every process."""
    return crc32(prompt.encode()) % HELD_OUT == 0


def sort(length: int = 8, letters: int = 10) -> Task:
    """Put letters in order: "dbca=" wants "abcd". Letters are drawn with repetition from the first of the alphabet."""

    def pose(rng: np.random.Generator, n: int) -> Questions:
        words = _words(rng, n, length, letters)
        return Questions(tuple(f"{word}=" for word in words), tuple("".join(sorted(word)) for word in words))

    return Task(
        f"sort{length}of{letters}", _letters(letters) + "=", length + 1, length, pose, letters=_letters(letters)
    )


def reverse(length: int = 8, letters: int = 10) -> Task:
    """Write letters backwards: "abcd=" wants "dcba"."""

    def pose(rng: np.random.Generator, n: int) -> Questions:
        words = _words(rng, n, length, letters)
        return Questions(tuple(f"{word}=" for word in words), tuple(word[::-1] for word in words))

    return Task(
        f"reverse{length}of{letters}", _letters(letters) + "=", length + 1, length, pose, letters=_letters(letters)
    )


OPEN, CLOSE = "([{", ")]}"


def brackets(length: int = 10, opening: float = 0.7) -> Task:
    """Close the brackets that are open: "([]{=" wants "})".

    Each place of the prompt opens a bracket of a random kind with chance `opening`, else closes the last open one;
    where none is open, it opens. A prompt that leaves none open is drawn again.
    """
    if not 0.0 < opening <= 1.0:
        raise InputError(f"brackets open with a chance in (0, 1], got {opening}.", remedy="0.7, say.")

    def pose(rng: np.random.Generator, n: int) -> Questions:
        texts = [_half_closed(rng, length, opening) for _ in range(n)]
        return Questions(tuple(f"{text}=" for text, _ in texts), tuple(answer for _, answer in texts))

    return Task(f"brackets{length}at{opening:g}", OPEN + CLOSE + "=", length + 1, length, pose, letters=CLOSE)


def add(digits: int = 3) -> Task:
    """Add two numbers. All are written backwards, the sum one digit longer: 347 + 589 is "743+985=" and wants "6390".

    Then the digits that a digit of the sum is made of stand at the same distance from it, whichever it is.
    """

    def pose(rng: np.random.Generator, n: int) -> Questions:
        pairs = rng.integers(0, 10**digits, size=(n, 2)).tolist()
        prompts = tuple(f"{_backwards(a, digits)}+{_backwards(b, digits)}=" for a, b in pairs)
        return Questions(prompts, tuple(_backwards(a + b, digits + 1) for a, b in pairs))

    return Task(f"add{digits}", "0123456789+=", 2 * digits + 2, digits + 1, pose, letters="0123456789")


def _backwards(number: int, digits: int) -> str:
    return f"{number:0{digits}d}"[::-1]


def _half_closed(rng: np.random.Generator, length: int, opening: float) -> tuple[str, str]:
    while True:
        text, still_open = "", ""
        for chance, kind in zip(rng.random(length), rng.integers(0, len(OPEN), length), strict=True):
            if chance < opening or not still_open:
                text, still_open = text + OPEN[kind], still_open + CLOSE[kind]
            else:
                text, still_open = text + still_open[-1], still_open[:-1]
        if still_open:
            return text, still_open[::-1]


def _words(rng: np.random.Generator, n: int, length: int, letters: int) -> list[str]:
    alphabet = _letters(letters)
    return ["".join(alphabet[i] for i in row) for row in rng.integers(0, letters, size=(n, length)).tolist()]


def _letters(count: int) -> str:
    if not 1 <= count <= 26:
        raise InputError(f"got {count} letters.", remedy="Use 1 to 26.")
    return "abcdefghijklmnopqrstuvwxyz"[:count]
