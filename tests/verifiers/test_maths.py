"""Answers as mathematics: equality, what has no verdict, and time-outs of our own."""

import os
import threading
from importlib import util

import pytest

from culpa.errors import InputError
from culpa.verifiers import MathVerifier, math_answer, maths
from culpa.verifiers.math_compare import equal

PAIRS = [
    (r"\boxed{\frac{2}{4}}", "0.5", 1.0),
    (r"\boxed{0.5}", "1/2", 1.0),
    (r"\boxed{x+1}", "1+x", 1.0),
    (r"\boxed{x^2+2x+1}", "(x+1)^2", 1.0),
    (r"\boxed{(1,2)}", "(1,2)", 1.0),
    (r"\boxed{(2,1)}", "(1,2)", 0.0),
    (r"\boxed{(0,1)}", "(0,1]", 0.0),
    (r"\boxed{1,000}", "1000", 1.0),
    (r"\boxed{2}", r"\sqrt{4}", 1.0),
    (r"\boxed{4}", "sqrt(4)", 0.0),
    (r"\boxed{5}", r"5\text{ meters}", 1.0),
    (r"\boxed{B}", "B", 1.0),
    (r"\boxed{C}", "B", 0.0),
    ("The answer is 7.", "7", 1.0),
    ("The answer is 7.", 8, 0.0),
    (r"\boxed{-5}", "5", 0.0),
    (r"\boxed{1} \boxed{2} \boxed{3}", "3", 1.0),
    (r"\boxed{1} \boxed{2} \boxed{3}", "1", 0.0),
    ("<answer>3</answer> or 4", "3", 1.0),
    ("work\n#### 3", "3", 1.0),
    ("The answer is one of: 1, 2, 3", "1", 0.0),
    ("The answer is one of: 1, 2, 3", "3", 0.0),
    (r"\boxed{1, 2, 3}", "3", 0.0),
    (r"\boxed{2, 1}", r"\{1, 2\}", 1.0),
    ("It is $x+1$.", "1+x", 1.0),
    ("We get 3 eggs from 4 hens", "4", 1.0),
    (r"\boxed{}", "3", 0.0),
    ("", "3", 0.0),
    (r"\boxed{\frac{1}{0}}", "3", 0.0),
    (r"\boxed{3}", "see above", None),
    (r"\boxed{Paris}", "Paris", None),
    (r"\boxed{3}", r"\text{Paris}", None),
    (r"\boxed{3}", "", None),
    (r"\boxed{3}", None, None),
]


@pytest.fixture(scope="module")
def verifier():
    with MathVerifier() as one:
        yield one


@pytest.mark.parametrize(("response", "answer", "verdict"), PAIRS)
def test_verdicts(verifier, response, answer, verdict):
    assert verifier(response, answer) == verdict


def test_a_row_of_pairs_is_the_same_as_one_at_a_time(verifier):
    assert verifier.score([(response, answer) for response, answer, _ in PAIRS]) == [one[2] for one in PAIRS]


def test_a_comparison_that_takes_too_long_has_no_verdict():
    with MathVerifier(seconds=2.0) as one:
        assert one.score([(r"\boxed{9^{9^{9^{9}}}}", "4"), (r"\boxed{4}", "4")]) == [None, 1.0]


def test_threads_get_the_same_verdicts(verifier):
    """math-verify's own alarm raises here, and everything would be wrong."""
    found = {}

    def work(number):
        found[number] = verifier(rf"\boxed{{{number}}}", "3")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == {number: float(number == 3) for number in range(5)}


def test_the_comparison_itself_sets_no_alarm():
    """A signal raises off the main thread."""
    found = []
    one = threading.Thread(target=lambda: found.append(equal(r"$\boxed{x+1}$", "1+x")))
    one.start()
    one.join()
    assert found == [1.0]


def test_closing_ends_the_process_and_the_next_call_starts_another():
    one = MathVerifier()
    assert one("4", "4") == 1.0
    child = one._worker._child
    one.close()
    assert child.poll() is not None
    assert one("4", "4") == 1.0
    one.close()


def test_a_forked_owner_gets_a_child_of_its_own(verifier, monkeypatch):
    verifier("4", "4")
    mine = verifier._worker
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert verifier("4", "4") == 1.0
    assert verifier._worker is not mine
    verifier.close()
    monkeypatch.undo()
    mine.close()


def test_the_shared_one_is_made_once():
    assert math_answer(r"\boxed{2^3}", "8") == 1.0
    first = maths._shared[0]
    assert math_answer(r"\boxed{2^3}", "9") == 0.0
    assert maths._shared == [first]


def test_without_math_verify_the_remedy_is_said(monkeypatch):
    monkeypatch.setattr(maths, "find_spec", lambda _: None)
    with pytest.raises(InputError) as error:
        MathVerifier()
    assert str(error.value) == (
        "math answers are compared by math-verify, which is not installed. Install it: pip install 'culpa[verifiers]'."
    )
    assert util.find_spec("math_verify") is not None
