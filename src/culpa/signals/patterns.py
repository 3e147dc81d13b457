"""A reward for how an output reasons, whatever it answers."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from culpa.errors import InputError
from culpa.metrics.arrays import Array

if TYPE_CHECKING:
    from culpa.rollouts import Rollouts

PHRASES = (
    "i need to", "let me check", "wait", "first, ", "therefore", "second, ", "next, ", "then, ", "finally, ",
    "we know that", "we can see", "it follows", "this means", "because", "since ", "suppose", "assume", "let us",
    "let's", "consider", "recall that", "note that", "in other words", "for example", "in general", "on the other hand",
    "alternatively", "however", "but ", "hmm", "actually", "double-check", "verify", "let me think", "let me try",
    "this is wrong", "step by step", "so the answer", "in conclusion", "to sum up",
)  # fmt: skip


def pattern_score(
    text: str,
    *,
    phrases: Sequence[str] = PHRASES,
    cap: int = 20,
    ngram: int = 20,
    answered: Callable[[str], bool] | None = None,
) -> float:
    """The phrases of reasoning in a text, less what it repeats and the turns it makes up: 0 to 1.

    max(0, min(1, found / cap) - repeated - made up)

    found: how many of the phrases, in small letters, stand somewhere in the text, each counted once. repeated: the
    share of its runs of `ngram` words that stood there before. made up: how often it goes on as the user ("user:").
    The answer is never checked; with `answered`, a text for which it is false gets 0. So it pays for form alone: where
    form goes with success it trains as well as the truth, where it does not it trains nothing.
    Departures from the paper: 1. five of its forty phrases are known here, the rest of `PHRASES` is ours. 2. words are
    what white space parts. Reference: Noisy Rewards in Learning to Reason, arXiv 2505.22653.

    >>> pattern_score("First, I need to add. Wait, let me check.")
    0.2
    """
    if not phrases or cap < 1 or ngram < 1:
        problem = f"pattern_score needs phrases, and a cap and ngram of 1 or more, got {len(phrases)}, {cap}, {ngram}."
        raise InputError(problem, remedy="Leave them out: 40 phrases, 20 and 20.")
    if answered is not None and not answered(text):
        return 0.0
    plain = text.lower()
    found = sum(phrase.lower() in plain for phrase in phrases)
    return max(0.0, min(1.0, found / cap) - repeated(plain, ngram) - plain.count("user:"))


def repeated(text: str, ngram: int = 20) -> float:
    """The share of the runs of n words of a text that stood in it before; 0 for a text shorter than that.

    >>> repeated("a b a b a b", 2)
    0.6
    """
    words = text.split()
    runs = [tuple(words[i : i + ngram]) for i in range(len(words) - ngram + 1)]
    return 1.0 - len(set(runs)) / len(runs) if runs else 0.0


def pattern_reward(score: Callable[[str], float] = pattern_score, *, column: str = "response") -> "Reward":
    """A reward of records from a function of one text: (p, s), NaN where there is no output or no text.

    >>> import polars as pl
    >>> from culpa import Rollouts
    >>> table = pl.DataFrame({"response": ["wait, therefore", "4"]})
    >>> one = np.ones((1, 2), dtype=bool)
    >>> pattern_reward()(Rollouts(np.array(["a"]), one, one / 2, {"r": np.zeros((1, 2))}, table=table)).tolist()
    [[0.1, 0.0]]
    """

    def reward(rollouts: "Rollouts") -> Array:
        if column not in rollouts.table.columns:
            raise InputError("the rollouts hold no text.", column=column, remedy="Read them with their responses.")
        texts = rollouts.table[column].to_list()
        values = np.full(rollouts.shape, np.nan)
        values[rollouts.present] = [np.nan if text is None else score(text) for text in texts]
        return values

    return reward


Reward = Callable[["Rollouts"], Array]
