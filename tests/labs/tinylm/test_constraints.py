import re

import numpy as np
import pytest

from culpa.errors import InputError
from culpa.labs.tinylm.constraints import LETTERS, LONGEST, PAIRS, SHORTEST, held, holds, instructions

NAMES = sorted(PAIRS)
N = 800


def as_pattern(constraint):
    """Each constraint as a regular expression: the slow and different form."""
    if found := re.fullmatch(r"([a-z])>(\d)", constraint):
        return f"^(.*{found[1]}){{{found[2]}}}"
    if found := re.fullmatch(r"([a-z])\.", constraint):
        return f"{found[1]}$"
    if found := re.fullmatch(r"#(\d)", constraint):
        return f"^.{{{found[1]}}}$"
    return f"^{constraint[1]}" if constraint[0] == "^" else f"^[^{constraint[1]}]+$"


@pytest.fixture(scope="module", params=NAMES)
def taught(request):
    """A task with questions and what its teacher says to them."""
    task, rng = instructions(request.param), np.random.default_rng(1)
    questions = task.draw(rng, N)
    return task, questions, [task.demonstrate(rng, answer) for answer in questions.answers]


def test_constraints_hold_where_their_patterns_are_found(taught):
    _, questions, said = taught
    for spec, text in zip(questions.answers, said, strict=True):
        wanted = tuple(re.search(as_pattern(one), text) is not None for one in spec.split(" ")[1:])
        assert held(spec, text) == wanted


def test_a_teacher_satisfies_what_the_pair_says(taught):
    task, questions, said = taught
    pair = PAIRS[task.name.removeprefix("instructions-")]
    marks = np.array([task.parts(a, r) for a, r in zip(questions.answers, said, strict=True)])
    found = [(marks[:, 0] == a) & (marks[:, 1] == b) for a, b in ((1, 1), (1, 0), (0, 1))]
    for share, wanted in zip(np.mean(found, axis=1), (pair.both, pair.only_first, pair.only_second), strict=True):
        assert share == pytest.approx(wanted, abs=4 * np.sqrt(wanted * (1 - wanted) / N))


def test_a_teacher_writes_letters_mostly_of_the_topic(taught):
    task, questions, said = taught
    exact_size = "#" in questions.answers[0]
    assert {len(one) for one in said} <= set(range(SHORTEST, LONGEST + 1))
    assert exact_size or len({len(one) for one in said}) == LONGEST - SHORTEST + 1
    assert set("".join(said)) == set(LETTERS)
    of_topic = np.mean([c in a.split(" ")[0] for a, one in zip(questions.answers, said, strict=True) for c in one])
    assert of_topic > 0.4  # by chance a third
    assert task.names == ("first", "second")


def test_the_letters_of_a_pair_differ(taught):
    _, questions, _ = taught
    for spec in questions.answers:
        first, second = (set(one) & set(LETTERS) for one in spec.split(" ")[1:])
        assert first != second or "overlapping" in taught[0].name


def test_the_truth_is_one_when_both_hold_and_partial_credit_is_the_share():
    task = instructions("moderate")
    assert [task.truth("abc a>3 h.", text) for text in ("aaah", "aaab", "bbbh", "bbbb")] == [1, 0, 0, 0]
    assert [task.parts("abc a>3 h.", text) for text in ("aaab", "bbbh")] == [(True, False), (False, True)]


def test_an_empty_response_satisfies_nothing():
    assert held("abc #0 !a", "") == (False, False)


@pytest.mark.parametrize(
    ("constraint", "yes", "no"),
    [("a>2", "xaya", "xay"), ("a.", "ba", "ab"), ("^a", "ab", "ba"), ("#3", "abc", "abcd"), ("!a", "bcd", "bca")],
)
def test_each_constraint_at_its_edge(constraint, yes, no):
    assert holds(constraint, yes)
    assert not holds(constraint, no)


def test_an_unknown_pair_is_refused():
    with pytest.raises(InputError, match=r"no pair of constraints is called 'hard'\. Known: moderate, "):
        instructions("hard")
