"""A horizon as text."""

import pytest

from culpa.dynamics import Horizon
from culpa.dynamics.horizon import parse_horizon
from culpa.dynamics.simulate import MAX_STEPS
from culpa.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kl=0.4", Horizon(kl=0.4, steps=70)),
        (" kl = 2 ", Horizon(kl=2.0, steps=70)),
        ("steps=50", Horizon(kl=None, steps=50)),
        ("gain=0.5", Horizon(kl=None, steps=70, gain=0.5)),
    ],
)
def test_each_measure_by_its_name(text, expected):
    assert parse_horizon(text, 70) == expected


@pytest.mark.parametrize("text", ["kl=0.4", "gain=0.5"])
def test_without_a_limit_the_usual_one(text):
    assert parse_horizon(text).steps == MAX_STEPS


ONE = "Use kl=VALUE, clock=VALUE or gain=VALUE above 0, or steps=NUMBER of at least 1."
NAMES = "Use kl=VALUE, clock=VALUE, gain=VALUE or steps=NUMBER."


@pytest.mark.parametrize(
    ("text", "remedy"),
    [("", NAMES), ("3", NAMES), ("KL=1", NAMES), ("kl", ONE), ("kl=", ONE), ("kl=x", ONE), ("kl=0", ONE),
     ("kl=nan", ONE), ("gain=-1", ONE), ("steps=0", ONE), ("steps=1.5", ONE)],
)  # fmt: skip
def test_what_is_no_horizon(text, remedy):
    with pytest.raises(InputError) as error:
        parse_horizon(text)
    assert str(error.value) == f"the horizon is {text!r}. {remedy}"


def test_hostile_text_is_shown_harmless():
    with pytest.raises(InputError) as error:
        parse_horizon("\x1b[31m" + "x" * 999)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 250
