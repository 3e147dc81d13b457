"""Weighted sums of scores: what they are, what they are called, and what is refused."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from culpa.errors import InputError
from culpa.rollouts.components import mixed, parse_mix
from culpa.rollouts.record import Rollouts

ODD = ["a", "b", "a-b", "org/rm-1", "0.5*a", "x=1", "two words", "2", "[red]", "π"]


def record(**proxies):
    cells = {name: np.array(rows, dtype=float) for name, rows in proxies.items()}
    first = next(iter(cells.values()))
    present = np.ones(first.shape, dtype=bool)
    present[0, -1] = False
    ids = np.array([f"p{number}" for number in range(len(first))], dtype=object)
    weight = present / present.sum(axis=1, keepdims=True)
    return Rollouts(ids, present, weight, {name: np.where(present, cell, np.nan) for name, cell in cells.items()})


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("a", {"a": 1.0}),
        ("-a", {"a": -1.0}),
        ("0.7*a + 0.3*b", {"a": 0.7, "b": 0.3}),
        ("0.7 * a+.3*b", {"a": 0.7, "b": 0.3}),
        ("a - 2*b", {"a": 1.0, "b": -2.0}),
        ("a + -2.*b", {"a": 1.0, "b": -2.0}),
        ("a - -1e-1*b", {"a": 1.0, "b": 0.1}),
        ("a-b", {"a-b": 1.0}),
        ("a - b", {"a": 1.0, "b": -1.0}),
        ("b-a", {"b": 1.0, "a": -1.0}),
        ("a + a - 0.5*a", {"a": 2.0, "0.5*a": -1.0}),
        ("2*org/rm-1 + two words", {"org/rm-1": 2.0, "two words": 1.0}),
        ("3*2 - [red] + π", {"2": 3.0, "[red]": -1.0, "π": 1.0}),
        ("x=1", {"x=1": 1.0}),
        ("2*x=1 + a", {"x=1": 2.0, "a": 1.0}),
        ("a + 2*a", {"a": 3.0}),
    ],
)
def test_terms(text, weights):
    assert parse_mix(text, ODD) == (text, pytest.approx(weights))


@pytest.mark.parametrize(
    ("text", "name", "weights"),
    [
        ("both = a + b", "both", {"a": 1.0, "b": 1.0}),
        ("my mix=a+2*b", "my mix", {"a": 1.0, "b": 2.0}),
        ("odd = x=1", "odd", {"x=1": 1.0}),
        ("  a  +  b ", "a + b", {"a": 1.0, "b": 1.0}),
    ],
)
def test_names(text, name, weights):
    assert parse_mix(text, ODD) == (name, weights)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.7*c + 0.3*b", "'0.7*c' is no term of a mix. Write NAME = 0.7*SCORE + 0.3*SCORE; the name may be left out."),
        ("a + ", "the mix 'a +' lacks a term."),
        ("", "the mix '' lacks a term."),
        ("x =", "the mix '' lacks a term."),
        (" = a", "the mix ' = a' has an empty name."),
        ("a b", "'a b' is no term of a mix."),
        ("a * 2", "'a * 2' is no term of a mix."),
        ("x = 2*a + 3*q", "'3*q' is no term of a mix."),
        ("__import__('os')", "\"__import__('os')\" is no term of a mix."),
        ("1e999*a", "the weight of 'a' is infinite. Use a smaller number."),
        ("nan*a", "'nan*a' is no term of a mix."),
        ("+ + a", "'+ a' is no term of a mix."),
    ],
)
def test_what_is_no_sum_is_refused_with_its_term(text, message):
    with pytest.raises(InputError) as error:
        parse_mix(text, ["a", "b"])
    assert str(error.value).startswith(message)


def test_the_scores_there_are_stand_in_the_message():
    with pytest.raises(InputError, match=r"Scores: a, b\.$"):
        parse_mix("c", ["b", "a"])


@given(st.dictionaries(st.sampled_from(ODD), st.floats(-1e6, 1e6), min_size=1))
def test_what_is_written_is_read(weights):
    terms = [f"{weight!r}*{name}" for name, weight in weights.items()]
    assume(not set(terms) & set(ODD))  # "0.5*a" is the score of that name, where there is one
    text = " + ".join(terms)
    assert parse_mix(f"m = {text}", ODD) == ("m", weights)


@pytest.mark.parametrize("text", ["9" * 100_000, "a+" * 50_000, " " * 100_000, "=" * 100_000, "+-" * 50_000])
def test_a_long_text_is_cut_in_the_message(text):
    with pytest.raises(InputError) as error:
        parse_mix(text, ODD)
    assert len(str(error.value)) < 500


def test_the_sum_keeps_padding_and_missing_verdicts():
    rollouts = record(a=[[1, 2, 0], [3, np.nan, 5]], b=[[10, np.nan, 0], [30, 40, 50]])
    with_sum = mixed(rollouts, ["m = 2*a - 0.5*b"])
    assert list(with_sum.proxies) == ["a", "b", "m"]
    np.testing.assert_array_equal(with_sum.proxies["m"], [[-3, np.nan, np.nan], [-9, np.nan, -15]])
    np.testing.assert_array_equal(mixed(rollouts, ["m = a + 0*b"]).proxies["m"], rollouts.proxies["a"])
    np.testing.assert_array_equal(mixed(rollouts, ["0*b"]).proxies["0*b"], [[0, 0, np.nan], [0, 0, 0]])
    assert list(rollouts.proxies) == ["a", "b"]


def test_a_sum_may_use_one_before_it():
    rollouts = record(a=[[1, 2, 0]], b=[[3, 5, 0]])
    found = mixed(rollouts, ["m = a + b", "n = 2*m - a"]).proxies["n"]
    np.testing.assert_array_equal(found, [[7, 12, np.nan]])


@pytest.mark.parametrize("texts", [["a"], ["a = b"], ["m = a", "m = b"], ["a + b", "a  +  b"]])
def test_two_scores_of_one_name_are_refused(texts):
    with pytest.raises(InputError, match="two scores would be called"):
        mixed(record(a=[[1, 2]], b=[[3, 4]]), texts)


def test_a_sum_that_is_too_large_is_refused():
    with pytest.raises(InputError, match="the mix 'm' is larger than a number can be"):
        mixed(record(a=[[10, 2]], b=[[3, 4]]), ["m = 1e308*a - b"])
