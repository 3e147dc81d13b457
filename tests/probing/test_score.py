"""What counts as a score, and what is said of what does not."""

import math

import pytest

from culpa.probing.score import Score, differing, read, shown
from culpa.probing.style import STYLES
from culpa.verifiers.process import Fault, Outcome

READ = [
    ("trl", [1, 0.5, None, True], 4, [1.0, 0.5, "none", 1.0]),
    ("trl", [[1.0], [0.0]], 2, [1.0, 0.0]),
    ("trl", [1.0], 2, ["length", "length"]),
    ("trl", [], 1, ["length"]),
    ("trl", 1.0, 1, ["type"]),
    ("trl", {"score": [1.0]}, 1, ["type"]),
    ("trl", [math.nan, math.inf, -math.inf, "1"], 4, ["nan", "infinite", "infinite", "type"]),
    ("openrlhf", {"rewards": [1.0, 2.0]}, 2, [1.0, 2.0]),
    ("openrlhf", [1.0, 2.0], 2, [1.0, 2.0]),
    ("openrlhf", {"scores": [1.0]}, 1, ["type"]),
    ("verl", {"score": 0.5, "acc": 1}, 1, [0.5]),
    ("verl", 0.5, 1, [0.5]),
    ("verl", {"acc": 1}, 1, ["type"]),
    ("plain", {"score": 2}, 1, [2.0]),
    ("plain", False, 1, [0.0]),
    ("plain", [0.25], 1, [0.25]),
    ("plain", [0.25, 1], 1, ["type"]),
    ("plain", {"__odd__": "Verdict"}, 1, ["type"]),
    ("verifiers", None, 1, ["none"]),
    ("verifiers", {"score": 1}, 1, ["type"]),
]


@pytest.mark.parametrize(("style", "value", "count", "expected"), READ)
def test_values(style, value, count, expected):
    scores = read(STYLES[style], Outcome(value), count)
    assert [one.value if one.known else one.reason for one in scores] == expected
    assert all(math.isnan(one.value) for one in scores if not one.known)


def test_a_fault_is_that_of_every_output_of_its_call():
    scores = read(STYLES["trl"], Outcome(fault=Fault("time-out", "no answer within 1 s")), 3)
    assert scores == [Score(scores[0].value, "time-out", "no answer within 1 s")] * 3


@pytest.mark.parametrize(
    ("style", "value", "text"),
    [
        ("plain", {"__odd__": "Verdict"}, "an object of type Verdict where a number is due"),
        ("plain", "good", "a text where a number is due"),
        ("verl", {"acc": 1, "pred": "x"}, "a dictionary without 'score' (it has: acc, pred)"),
        ("trl", 2.0, "the number 2.0 where a list is due"),
        ("trl", [1.0, 2.0], "2 scores for 1 outputs"),
    ],
)
def test_what_came_is_said(style, value, text):
    assert read(STYLES[style], Outcome(value), 1)[0].text == text


def test_differences_are_those_beyond_rounding():
    nan = math.nan
    ones = [Score(1.0), Score(1e9), Score(nan, "none"), Score(nan, "none"), Score(nan, "nan"), Score(0.0), Score(-2.0)]
    others = [
        Score(1 + 2e-7),
        Score(1e9 + 1),
        Score(nan, "none"),
        Score(0.0),
        Score(nan, "none"),
        Score(2e-6),
        Score(2.0),
    ]
    assert differing(ones, others) == [3, 4, 5, 6]
    assert differing(ones, ones) == []


def test_scores_in_words():
    assert [shown(Score(1 / 3)), shown(Score(math.nan, "nan")), shown(Score(math.nan, "raised", "ValueError: x"))] == [
        "0.333333",
        "NaN",
        "ValueError: x",
    ]
