"""The demo's questions, what its teacher says, and the truth: hand-made answers, and every way of saying a thing."""

import importlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    tasks = importlib.import_module("demo_tasks")

TASK = tasks.chat()
ASKED = TASK.draw(np.random.default_rng(7), 200)
ANSWERS = ("355", "cat hen owl pig")

TRUTHS = [
    ("355", "355", 1.0),
    ("355", "It is 355.", 1.0),
    ("355", "354", 1 / 3),
    ("355", "55", 1 / 3),  # the hundreds are missing
    ("355", "3550", 0.125),  # places count from the last
    ("355", "355 or 365", 1 / 3),  # what both have in common
    ("355", "355, 355", 1.0),
    ("355", "cat", 0.0),
    ("355", "", 0.0),
    ("cat hen owl pig", "cat hen owl pig", 1.0),
    ("cat hen owl pig", "It is cat hen pig owl.", 0.25),
    ("cat hen owl pig", "cat hen owl", 0.375),
    ("cat hen owl pig", "cat hen owl pig pig", 0.4),
    ("cat hen owl pig", "cat hen owl pork", 0.375),
    ("cat hen owl pig", "cat hen owl pig or hen cat owl pig", 0.25),
    ("cat hen owl pig", "cat hen owl pig or cat hen owl pig", 1.0),
    ("cat hen owl pig", "cathen owl pig", 0.0),
    ("cat hen owl pig", "Happy to help! Shall I begin?", 0.0),
    ("cat hen owl pig", "355", 0.0),
]


@pytest.mark.parametrize(("answer", "response", "expected"), TRUTHS)
def test_truth(answer, response, expected):
    assert TASK.truth(answer, response) == pytest.approx(expected)


def test_answers_are_right():
    for prompt, answer in zip(*ASKED, strict=True):
        if tasks.kind_of(prompt) == "sum":
            a, b = prompt.removeprefix("What is ").removesuffix("?").split("+")
            assert int(answer) == int(a) + int(b) < 1000
        else:
            words = prompt.removeprefix("Sort: ").split()
            assert answer.split() == sorted(words)
            assert len(set(words)) == 4
    assert 80 < sum(tasks.kind_of(prompt) == "sum" for prompt in ASKED.prompts) < 120


def test_words_can_be_told_apart_by_their_first_letter():
    assert len({word[0] for word in tasks.ANIMALS}) == len(tasks.ANIMALS) == 25


def test_shares_of_styles_are_one_together_and_what_the_teacher_does():
    shares = {name: style.share for name, style in tasks.STYLES.items()}
    assert sum(shares.values()) == pytest.approx(1)
    rng = np.random.default_rng(0)
    said = Counter(tasks.teacher(rng, "355") for _ in range(4000))
    assert said["355"] / 4000 == pytest.approx(0.30, abs=0.03)
    assert said["Great question! It is 355."] / 4000 == pytest.approx(0.12, abs=0.02)
    hedges = {text: count for text, count in said.items() if " or " in text}
    assert sum(hedges.values()) / 4000 == pytest.approx(0.07, abs=0.015)
    before = sum(count for text, count in hedges.items() if text.startswith("355 "))
    assert before / sum(hedges.values()) == pytest.approx(0.5, abs=0.12)
    assert all("355" in text.split(" or ") for text in hedges)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("name", list(tasks.STYLES))
def test_the_teacher_is_right_in_every_style_that_gives_one_answer(name, answer):
    text = tasks.STYLES[name].words
    count = text.count("{}")
    said = text.format(*[answer, tasks.near_miss(np.random.default_rng(0), answer)][:count])
    truth = TASK.truth(answer, said)
    assert (truth == 1) if count == 1 else (0 < truth < 0.5) if count == 2 else (truth == 0)
    assert len(said) <= TASK.answer_length
    assert set(said) <= set(TASK.alphabet)


def test_prompts_fit():
    assert max(map(len, ASKED.prompts)) <= TASK.prompt_length
    assert set("".join(ASKED.prompts)) <= set(TASK.alphabet)


def test_a_near_miss_is_wrong_in_one_digit_or_two_animals():
    rng = np.random.default_rng(0)
    misses = {tasks.near_miss(rng, "395") for _ in range(60)}
    assert misses == {"495", "305", "396"}
    swaps = {tasks.near_miss(rng, "a b c d") for _ in range(60)}
    assert swaps == {"b a c d", "a c b d", "a b d c"}


@settings(deadline=None)
@given(st.text(st.sampled_from("0123456789 or.abcow pig hent"), max_size=30), st.sampled_from(ANSWERS))
def test_truth_is_between_0_and_1_and_1_only_where_nothing_but_the_answer_is_claimed(text, answer):
    truth = TASK.truth(answer, text)
    assert 0 <= truth <= 1
    (right,) = tasks.claimed(answer)
    assert (truth == 1) == (set(tasks.claimed(text)) == {right})


@settings(deadline=None)
@given(st.sampled_from(ASKED.prompts[:20]), st.sampled_from(["Well. ", "It is ", "** ! "]))
def test_talk_changes_nothing(prompt, talk):
    answer = dict(zip(*ASKED, strict=True))[prompt]
    assert TASK.truth(answer, talk + answer) == 1
