"""Instruction tasks: a prompt names two constraints, a response is right when both hold. For partial v binary credit.

A constraint is a short word, of a letter x and a number n:

    x>n   at least n times x           #n   exactly n letters
    x.    ends with x                  !x   no x
    ^x    begins with x

"bfc a>3 h.=" asks for three a and an h at the end of a text of mostly b, f and c; only the constraints count. An empty
response satisfies nothing. A teacher, from which a model learns, satisfies both, only one or neither with chances that
the pair states.
"""

from collections.abc import Mapping
from functools import partial
from itertools import product
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from culpa.errors import InputError, shorten
from culpa.labs.tinylm.tasks import Questions, Task

LETTERS = "abcdefgh"
SHORTEST, LONGEST = 5, 10  # letters of what the teacher writes
TOPIC = 3  # letters that a text is mostly made of
_TRIES = 10_000


class Pair(NamedTuple):
    """Two constraints as words with holes, and how often a teacher satisfies them."""

    first: str
    second: str
    both: float
    only_first: float
    only_second: float


PAIRS: Mapping[str, Pair] = MappingProxyType(
    {
        "moderate": Pair("x>3", "y.", 0.09, 0.21, 0.21),  # independent, .3 each
        "both_rare": Pair("x>3", "y.", 0.01, 0.09, 0.09),  # independent, .1 each
        "easy_hard": Pair("y.", "x>4", 0.045, 0.855, 0.005),  # independent, .9 and .05
        "overlapping": Pair("^x", "x>3", 0.05, 0.03, 0.03),  # who satisfies one mostly satisfies both
        "rivals": Pair("x>4", "y>4", 0.02, 0.40, 0.40),  # one takes the room of the other
        "size_without": Pair("#6", "!x", 0.05, 0.10, 0.45),  # dependent: who leaves x out mostly misses the size
    }
)


def instructions(name: str) -> Task:
    """The task of a pair. Each prompt draws its letters x and y, which differ, and a topic. G = 1 iff both hold.

    >>> task = instructions("moderate")
    >>> task.draw(np.random.default_rng(0), 1).prompts
    ('gfh h>3 a.=',)
    >>> task.truth("gfh h>3 a.", "hghha"), task.parts("gfh h>3 a.", "hghh")
    (1.0, (True, False))
    """
    if name not in PAIRS:
        raise InputError(f"no pair of constraints is called {shorten(name)!r}.", remedy=f"Known: {', '.join(PAIRS)}.")
    pair = PAIRS[name]
    longest = TOPIC + len(f" {pair.first} {pair.second}=")
    return Task(
        name=f"instructions-{name}",
        alphabet=f"{LETTERS}0123456789> .^#!=",
        prompt_length=longest,
        answer_length=LONGEST,
        pose=partial(_pose, pair),
        parts=held,
        share=0.0,
        demonstrate=partial(_demonstrate, pair),
        letters=LETTERS,
        names=("first", "second"),
    )


def held(spec: str, response: str) -> tuple[bool, ...]:
    """Which constraints of the instruction hold.

    >>> held("bfc #3 !a", "bcd"), held("bfc a>2 d.", "bad"), held("bfc ^a !a", "")
    ((True, True), (False, True), (False, False))
    """
    return tuple(bool(response) and holds(one, response) for one in spec.split(" ")[1:])


def holds(constraint: str, response: str) -> bool:
    """Whether one constraint holds of a response that is not empty.

    >>> holds("a>2", "aba"), holds("^a", "ba"), holds("#2", "ba")
    (True, False, True)
    """
    first, rest = constraint[0], constraint[1:]
    if first == "#":
        return len(response) == int(rest)
    if first in "^!":
        return response.startswith(rest) if first == "^" else rest not in response
    return response.endswith(first) if rest == "." else response.count(first) >= int(rest[1:])


def _pose(pair: Pair, rng: np.random.Generator, n: int) -> Questions:
    specs = []
    for _ in range(n):
        x, y = rng.choice(len(LETTERS), size=2, replace=False)
        constraints = f"{pair.first} {pair.second}".replace("x", LETTERS[x]).replace("y", LETTERS[y])
        specs.append(f"{_letters(rng, LETTERS, TOPIC)} {constraints}")
    return Questions(tuple(f"{spec}=" for spec in specs), tuple(specs))


def _demonstrate(pair: Pair, rng: np.random.Generator, spec: str) -> str:
    """What a teacher writes: which constraints hold is drawn first, then a text of which exactly these hold."""
    neither = 1.0 - pair.both - pair.only_first - pair.only_second
    chances = (pair.both, pair.only_first, pair.only_second, neither)
    wanted = tuple(product((True, False), repeat=2))[int(rng.choice(4, p=chances))]
    topic, *constraints = spec.split(" ")
    for _ in range(_TRIES):
        text = _letters(rng, topic * 3 + LETTERS, int(rng.integers(SHORTEST, LONGEST + 1)))
        for one, wish in zip(constraints, wanted, strict=True):
            text = _made(one, text, rng) if wish else text
        if held(spec, text) == wanted:
            return text
    raise InputError(f"no text was found of which {wanted} hold of {spec!r}.", remedy="Choose another pair.")


def _letters(rng: np.random.Generator, alphabet: str, count: int) -> str:
    return "".join(alphabet[i] for i in rng.integers(0, len(alphabet), count))


def _made(constraint: str, text: str, rng: np.random.Generator) -> str:
    """The text changed so that the constraint holds, or nearly: what is made later may undo it."""
    first, rest = constraint[0], constraint[1:]
    if first == "#":
        return (text + _letters(rng, LETTERS, LONGEST))[: int(rest)]
    if first == "!":
        return "".join(LETTERS[(LETTERS.index(c) + 1) % len(LETTERS)] if c == rest else c for c in text)
    if first == "^":
        return rest + text[1:]
    if rest == ".":
        return text[:-1] + first
    spots = rng.choice(len(text), size=min(int(rest[1:]), len(text)), replace=False)
    return "".join(first if i in spots else c for i, c in enumerate(text))
