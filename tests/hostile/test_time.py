"""Texts that would take the square of their length. Nothing is timed: the square of these would not end."""

import re

from hypothesis import given
from hypothesis import strategies as st

from culpa.lm.endpoints import verdict
from culpa.verifiers.extract import boxed, final_answer

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
PIECES = [
    "\\boxed{",
    "\\fbox {",
    "\\boxed",
    "{",
    "}",
    "\\",
    "\\{",
    "\\}",
    "a",
    "<answer>",
    "</ANSWER>",
    "</answer>",
    " ",
]


def closing(text, start):
    depth, position = 1, start
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] in "{}":
            depth += 1 if text[position] == "{" else -1
            if depth == 0:
                return position
        position += 1
    return None


def plain(text):
    """Box by box from the left: the inside of the last one that closes and is in no other that does."""
    last, position = None, 0
    while (found := _BOX.search(text, position)) is not None:
        end = closing(text, found.end())
        last = last if end is None else text[found.end() : end]
        position = found.end() if end is None else end
    return last


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_one_pass_finds_what_the_plain_definition_finds(text):
    assert boxed(text) == plain(text)
    tagged = re.findall(r"<answer>(.*?)</answer>", text, flags=re.DOTALL | re.IGNORECASE)
    if plain(text) is None and tagged:
        assert final_answer(text) == tagged[-1].strip()


def test_boxes_and_tags_that_never_close_take_one_pass():
    count = 200_000
    assert boxed("\\boxed{" * count) is None
    assert boxed("\\boxed{" * count + "1}") == "1"
    assert final_answer("<answer>" * count + "x").endswith("x")
    assert final_answer("</answer>" + "<answer>" * count + "4</answer>").endswith("4")


def test_a_judge_may_say_megabytes():
    digits = "1" * 3_000_000
    assert verdict(f"{digits} Score: 7") == 7.0
    assert verdict(f"{'{' * 3_000_000}", "json:score") != 0.0
    assert verdict(f"{'9' * 3_000_000}x/10 {'a' * 15_000} 3/10", r"(\d)/10") == 3.0
