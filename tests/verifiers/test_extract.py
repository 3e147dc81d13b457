"""What the final answer of a response is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culpa.verifiers import boxed, final_answer
from culpa.verifiers.extract import last_expression

BOXES = [
    (r"\boxed{1}", "1"),
    (r"\boxed{1} and \boxed{2}", "2"),
    (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
    (r"\boxed {3}", "3"),
    (r"\fbox{4}", "4"),
    (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
    (r"\boxed{a\\}", r"a\\"),
    (r"\boxed{1 + \boxed{2}}", r"1 + \boxed{2}"),
    (r"\boxed{1} then \boxed{2", "1"),
    (r"\boxed{2 then \boxed{1}", "1"),
    (r"\boxed{}", ""),
    ("boxed{1}", None),
    (r"\boxed 1", None),
    ("", None),
    ("\\boxed{1\\", None),
]


@pytest.mark.parametrize(("text", "inside"), BOXES)
def test_the_last_box_that_closes(text, inside):
    assert boxed(text) == inside


PIECES = st.sampled_from(["1", "x", r"\frac", r"\{", "\\}", " "])
BALANCED = st.recursive(
    PIECES, lambda inner: st.lists(inner).map(lambda parts: "{" + "".join(parts) + "}"), max_leaves=8
)


@given(BALANCED)
def test_any_balanced_content_comes_back(content):
    assert boxed(r"\boxed{0} is wrong, it is \boxed{" + content + "} {") == content


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"<answer>1</answer> #### 2 \boxed{ 3 }", "3"),
        ("<answer>1</answer>\n<ANSWER> 2\n</ANSWER>", "2"),
        ("#### 1\n#### 2 \nmore", "2"),
        ("#### 1\n<answer>7</answer>", "7"),
        ("  7 \n", "7"),
        ("a ### 7", "a ### 7"),
        ("<answer>7", "<answer>7"),
        ("\\boxed{}", ""),
    ],
)
def test_box_then_tag_then_hashes_then_all(text, answer):
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So 17 + 25 = 42.", "42"),
        ("The answer is $x+1$.", "x+1"),
        ("The answers are 1 and 2", "2"),
        ("one of: 1, 2, 3", "1, 2, 3"),
        ("x >= 5", "x >= 5"),
        ("It is 3 or 4", "4"),
        ("3 eggs, 4 hens and -1,000.5 more", "-1,000.5"),
        ("half of it, 1/2 I say", "1/2"),
        ("first 1\nthen $\\frac{1}{2}$\n", "\\frac{1}{2}"),
        ("from 10-20 eggs", "20"),
        ("no number here", ""),
        ("", ""),
        ("Is this it? yes", ""),
    ],
)
def test_the_last_expression_of_what_nothing_marks(text, answer):
    assert last_expression(text) == answer
