"""Exact answers, patterns and JSON: what is right, what is wrong, and what has no verdict."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culpa.errors import InputError
from culpa.verifiers import exact, json_answer, regex

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab{}[]\"", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@pytest.mark.parametrize(
    ("response", "answer", "verdict"),
    [
        ("42", "42", 1.0),
        ("  42\n", "42", 1.0),
        ("a  b\nc", "a b c", 1.0),
        (r"\boxed{42} or so", 42, 1.0),
        ("It is 42", "42", 0.0),
        ("Paris", "paris", 0.0),
        ("", "42", 0.0),
        (r"\boxed{}", "42", 0.0),
        ("", "", None),
        ("x", "  ", None),
        ("None", None, None),
    ],
)
def test_exact(response, answer, verdict):
    assert exact(response, answer) == verdict


def test_capitals_count_unless_folded():
    assert exact("PARIS", "Paris", fold=True) == 1.0
    assert exact("straße", "STRASSE", fold=True) == 1.0
    assert exact("Rome", "Paris", fold=True) == 0.0


@pytest.mark.parametrize(
    ("response", "pattern", "whole", "verdict"),
    [
        ("42", "4.", True, 1.0),
        ("421", "4.", True, 0.0),
        ("421", "4.", False, 1.0),
        (r"\boxed{4.0}", r"4(\.0+)?", True, 1.0),
        (r"44 \boxed{5}", "44", True, 0.0),
        ("", "", True, 1.0),
    ],
)
def test_regex(response, pattern, whole, verdict):
    assert regex(response, pattern, whole=whole) == verdict


def test_a_pattern_that_is_none_is_refused():
    with pytest.raises(InputError) as error:
        regex("x", "(")
    assert str(error.value).startswith("'(' is no regular expression (missing ), ")
    assert str(error.value).endswith("Escape what stands for itself: re.escape.")


@pytest.mark.parametrize(
    ("response", "answer", "verdict"),
    [
        ('{"a": 1, "b": [1, 2]}', {"b": [1, 2.0], "a": 1}, 1.0),
        ('{"a": 1}', {"a": True}, 0.0),
        ('{"a": false}', '{"a": 0}', 0.0),
        ("[1, 2]", [2, 1], 0.0),
        ("[1, 2]", [1, 2, 3], 0.0),
        ('{"a": 1, "b": 2}', {"a": 1}, 0.0),
        ('```json\n{"a": 1}\n```\nThat is {"a": 2}', {"a": 1}, 1.0),
        ('```\n[1]\n```\nno:\n```\n[2]\n```', [2], 1.0),
        ('first {"a": 1}, then {"a": {"b": 2}}.', {"a": {"b": 2}}, 1.0),
        ("the list [1, 2] it is", [1, 2], 1.0),
        (r"\boxed{[1]}", [1], 1.0),
        ("7", "7", 1.0),
        ('"x"', "x", 1.0),
        ("x", "x", 0.0),
        ('{"a": NaN}', {"a": 1}, 0.0),
        ("no json", {"a": 1}, 0.0),
        ("", [], 0.0),
        ("[]", "null", None),
        ("[]", None, None),
        ("{}", [], 0.0),
    ],
)  # fmt: skip
def test_json(response, answer, verdict):
    assert json_answer(response, answer) == verdict


@given(VALUES.filter(lambda value: value is not None), VALUES)
def test_json_equality_is_that_of_the_text_with_sorted_keys(value, other):
    """Of integers, booleans and texts the canonical text is an oracle."""
    same = json.dumps(value, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert json_answer(json.dumps(other), json.dumps(value)) == float(same)


def test_json_member():
    assert json_answer('{"answer": 4, "why": "2+2"}', 4, key="answer") == 1.0
    assert json_answer('{"why": "2+2"}', 4, key="answer") == 0.0
    assert json_answer("[4]", 4, key="answer") == 0.0


@pytest.mark.parametrize("text", ["[" * 200_000, "[" * 9_000 + "]" * 9_000, "{" * 200_000 + "}"])
def test_json_too_deep_is_wrong_not_fatal(text):
    assert json_answer(text, {"a": 1}) == 0.0
