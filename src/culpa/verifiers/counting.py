"""Constraints that count what is in a response."""

import re
from collections import Counter

from culpa.verifiers.text import words

_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)*")
_INTERROBANG = re.compile(r"\?!|!\?")
_PRONOUNS = """
    i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers
    herself it its itself they them their theirs themselves one oneself
    this that these those who whom whose which what whoever whomever whatever whichever
    anybody anyone anything everybody everyone everything nobody nothing somebody someone something
    each either neither both all some any none another others
"""
# The fifty names that prompts with this constraint list.
_NAMES = """
    Abigail Alexander Amelia Andrew Aria Audrey Ava Benjamin Charlotte Chloe Christopher Claire Daniel David Elijah Ella
    Emma Ethan Gabriel Grace Hannah Harper Isabella Jackson Jacob Jonathan Joseph Layla Leo Liam Lily Lucas Mason
    Matthew Mia Nathan Nicholas Noah Nora Olivia Owen Penelope Ryan Samuel Scarlett Sophia Stella Thomas Victoria Zoe
"""
PRONOUNS, NAMES = frozenset(_PRONOUNS.split()), tuple(_NAMES.split())


def numbers(response: str, n: int = 13) -> bool:
    """count:numbers. Exactly n numbers stand in the response.

    A number is a run of digits; points between digits belong to it, and commas where three digits follow each.
    Departures from IFBench, which deletes all punctuation first: 10-20 and 1/2 are two numbers each, not one.

    >>> numbers("1,000 apples, 3.5 pears and 2 figs", n=3), numbers("10-20", n=1)
    (True, False)
    """
    return len(_NUMBER.findall(response)) == n


def punctuation(response: str) -> bool:
    """count:punctuation. Each of . , ! ? ; : stands in the response, and an interrobang (?!, !? or ‽) besides.

    The first interrobang of two signs is set aside: it does not serve as ! and ? as well. Departure from IFBench: ‽ is
    one sign and uses up no other.

    >>> punctuation("Oh, what?! Yes; no: so! Is it? Fine."), punctuation("Oh, what?! Yes; no: fine.")
    (True, False)
    """
    rest = response
    if "‽" not in response:
        rest, found = _INTERROBANG.subn("", response, count=1)
        if not found:
            return False
    return all(sign in rest for sign in ".,!?;:")


def pronouns(response: str, n: int = 5) -> bool:
    """count:pronouns. At least n words of the response are in `PRONOUNS`; every occurrence counts.

    The part before an apostrophe counts (it's, I'm), and each part of she/her. Words that are pronouns only in some
    uses (that, all, one) always count. Departures from IFBench: no tokenizer, and a few pronouns more (one, another).

    >>> pronouns("I think it's theirs, not yours or she/her.", n=6), pronouns("Cats sleep.", n=1)
    (True, False)
    """
    parts = [re.split("['’]", word)[0] for word in words(response.replace("/", " "))]
    return sum(part in PRONOUNS for part in parts) >= n


def person_names(response: str, n: int = 7, names: tuple[str, ...] = NAMES) -> bool:
    """count:person_names. At least n different names of the list stand in the response, as whole words, capitalised.

    >>> person_names("Emma met Liam and Emma.", n=2), person_names("Emma met Emma.", n=2), person_names("emma", n=1)
    (True, False, False)
    """
    return len(set(re.findall(r"\w+", response)) & set(names)) >= n


def repeats(response: str, n: int = 10) -> bool:
    """words:repeats. No word stands in the response more than n times, capitals or not.

    >>> repeats("The cat, the dog", n=2), repeats("The cat, the dog", n=1)
    (True, False)
    """
    return max(Counter(words(response)).values(), default=0) <= n


def multiples(response: str) -> bool:
    """custom:multiples. The numbers in the response are 14, 21, 28, 35, 42, 49, in this order, and no others.

    That is what "count from 10 to 50, print only multiples of 7" asks for; words between them do not matter.

    >>> multiples("14, 21, 28, 35, 42 and 49"), multiples("7 14 21 28 35 42 49")
    (True, False)
    """
    return re.findall(r"\d+", response) == [str(number) for number in range(14, 51, 7)]
