"""Constraints on words, lines, sentences and quotes, and where they stand."""

from itertools import pairwise

from culpa.verifiers.text import sentences, words
from culpa.verifiers.verbs import is_verb

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CLOSING = {"”": "“", "’": "‘"}
_DEPTH = 3


def quotes(response: str) -> bool:
    r"""format:quotes. Quotes in quotes in quotes: three deep, double and single by turns, all three closed.

    A straight sign closes the innermost quote if that was opened by the same sign, and else opens one; curly signs open
    and close by their shape. Departures from IFBench: an apostrophe between two letters is no quotation mark, and curly
    quotes count.

    >>> quotes('"He said \'she said "no" to me\' again."'), quotes('"He said \'no\' again."')
    (True, False)
    """
    opened: list[tuple[str, int]] = []  # the innermost last: its sign, and how deep the quotes in it go
    for position, sign in enumerate(response):
        if sign not in "\"'“”‘’" or _is_apostrophe(response, position):
            continue
        if opened and opened[-1][0] == _CLOSING.get(sign, sign) and sign not in "“‘":
            depth = opened.pop()[1] + 1
            if depth >= _DEPTH:
                return True
            if opened:
                opened[-1] = (opened[-1][0], max(opened[-1][1], depth))
        elif sign not in _CLOSING and not _same_kind(opened, sign):
            opened.append((sign, 0))
    return False


def newline(response: str) -> bool:
    r"""format:newline. Every word stands on a line of its own; empty lines do not matter.

    Departure from IFBench, which compares two counts: a line of spaces does not make up for a line of two words.

    >>> newline("One\ntwo\n\nthree."), newline("One two")
    (True, False)
    """
    counts = [len(words(line)) for line in response.splitlines()]
    return max(counts, default=0) == 1


def start_verb(response: str) -> bool:
    """words:start_verb. The first word is in a list of some four hundred verbs, or a form of one of them.

    Departure from IFBench, which asks a tagger: no grammar here. A word that can be a noun as well (plan, run) counts,
    and a rare verb does not.

    >>> start_verb("Consider this."), start_verb("**Making** tea"), start_verb("The tea")
    (True, True, False)
    """
    return bool(words(response)) and is_verb(words(response)[0])


def last_first(response: str) -> bool:
    """words:last_first. The last word of each sentence is the first of the next, capitals or not.

    Departure from IFBench: one sentence alone does not do it.

    >>> last_first("I like tea. Tea is hot. Hot!"), last_first("I like tea. It is hot."), last_first("Tea.")
    (True, False, False)
    """
    parts = [words(sentence) for sentence in sentences(response)]
    return len(parts) > 1 and all(one[-1] == other[0] for one, other in pairwise(parts))


def increment(response: str, n: int = 5) -> bool:
    """sentence:increment. Each sentence has exactly n words more than the one before it.

    Departure from IFBench: one sentence alone does not do it.

    >>> increment("Yes. I do so.", n=2), increment("Yes. I do.", n=2), increment("Yes.", n=2)
    (True, False, False)
    """
    counts = [len(words(sentence)) for sentence in sentences(response)]
    return len(counts) > 1 and all(one + n == other for one, other in pairwise(counts))


def alphabet(response: str) -> bool:
    """words:alphabet. Each word begins with the letter after that of the word before it, and a comes after z.

    The first word may begin with any letter. A word that begins with anything but a to z breaks the row. Departure
    from IFBench: one word alone does not do it.

    >>> alphabet("Yes, zebras always bite"), alphabet("A cat"), alphabet("A 2nd cat")
    (True, False, False)
    """
    places = [_LETTERS.find(word[0]) for word in words(response)]
    rows = pairwise(places)
    return len(places) > 1 and min(places) >= 0 and all((one + 1) % 26 == other for one, other in rows)


def _is_apostrophe(text: str, position: int) -> bool:
    """Between two letters, as in don't."""
    inside = 0 < position < len(text) - 1
    return text[position] in "'’" and inside and text[position - 1].isalpha() and text[position + 1].isalpha()


def _same_kind(opened: list[tuple[str, int]], sign: str) -> bool:
    """Whether the innermost quote is of the same kind: they have to take turns."""
    double = '"“'
    return bool(opened) and (opened[-1][0] in double) == (sign in double)
