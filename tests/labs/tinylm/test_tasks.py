from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.labs.tinylm.said import TASKS

from culpa.errors import InputError
from culpa.labs.tinylm.tasks import CLOSE, HELD_OUT, OPEN, Questions, add, brackets, is_held_out, places, reverse, sort

NAMES = sorted(TASKS)


def drawn(task, n=300, **which):
    return task.draw(np.random.default_rng(5), n, **which)


def pairs(task, n=300):
    return zip(*drawn(task, n), strict=True)


def test_sorted_answers_rise_and_keep_the_letters():
    for prompt, answer in pairs(sort(6, 4)):
        assert all(a <= b for a, b in pairwise(answer))
        assert all(answer.count(c) == prompt.count(c) for c in "abcd")
        assert (len(answer), prompt[-1]) == (6, "=")


def test_reversed_answers_read_backwards():
    for prompt, answer in pairs(reverse(5, 4)):
        assert all(prompt[i] == answer[4 - i] for i in range(5))


def test_closing_brackets_balances_the_prompt_and_nothing_less_does():
    for prompt, answer in pairs(brackets(8, 0.6)):
        text = prompt[:-1] + answer
        while any(a + b in text for a, b in zip(OPEN, CLOSE, strict=True)):
            for a, b in zip(OPEN, CLOSE, strict=True):
                text = text.replace(a + b, "")
        assert text == ""
        assert set(answer) <= set(CLOSE)
        assert len(prompt) == 9


def test_brackets_open_as_often_as_asked():
    prompts = drawn(brackets(10, 1.0)).prompts
    assert all(set(one[:-1]) <= set(OPEN) for one in prompts)
    few = "".join(drawn(brackets(10, 0.3)).prompts)
    assert 0.5 < sum(few.count(c) for c in OPEN) / sum(few.count(c) for c in OPEN + CLOSE) < 0.65


def test_sums_are_right_and_everything_is_backwards():
    for prompt, answer in pairs(add()):
        first, second = prompt[:-1].split("+")
        assert int(first[::-1]) + int(second[::-1]) == int(answer[::-1])
        assert (len(prompt), len(answer)) == (8, 4)


@pytest.mark.parametrize("name", NAMES)
def test_a_task_keeps_to_its_alphabet_and_its_lengths(name):
    task = TASKS[name]
    questions = drawn(task)
    rng = np.random.default_rng(0)
    said = [a if task.demonstrate is None else task.demonstrate(rng, a) for a in questions.answers]
    assert set("".join(questions.prompts) + "".join(said)) <= set(task.alphabet)
    assert set("".join(said)) <= set(task.letters) <= set(task.alphabet)
    assert max(map(len, questions.prompts)) == task.prompt_length
    assert max(map(len, said)) <= task.answer_length == task.max_tokens - 1


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_the_questions(name):
    assert drawn(TASKS[name], 5) == drawn(TASKS[name], 5)
    assert drawn(TASKS[name], 5) != TASKS[name].draw(np.random.default_rng(6), 5)


@pytest.mark.parametrize("name", NAMES)
def test_held_out_prompts_are_never_trained_on(name):
    kept, trained = drawn(TASKS[name], 200, held_out=True), drawn(TASKS[name], 800)
    assert len(kept.prompts) == len(kept.answers) == 200
    assert not set(kept.prompts) & set(trained.prompts)
    assert all(map(is_held_out, kept.prompts))
    assert not any(map(is_held_out, trained.prompts))


def test_an_eighth_is_held_out_the_same_in_every_process():
    posed = sort().pose(np.random.default_rng(0), 4000).prompts
    assert np.mean([is_held_out(one) for one in posed]) == pytest.approx(1 / HELD_OUT, abs=0.02)
    assert [one for one in "abcdefghijklmnop" if is_held_out(one)] == ["f", "m"]


@pytest.mark.parametrize(("held_out", "side"), [(True, "held out"), (False, "trained on")])
def test_a_task_with_too_few_prompts_says_so(held_out, side):
    task = sort(1, 1)  # a single prompt
    if is_held_out("a=") == held_out:
        assert set(task.draw(np.random.default_rng(0), 3, held_out=held_out).prompts) == {"a="}
    else:
        with pytest.raises(InputError, match=f"sort1of1 has too few prompts: 0 of 3 were found that are {side}"):
            task.draw(np.random.default_rng(0), 3, held_out=held_out)


TEXTS = st.text(alphabet="abc", max_size=6)


@given(TEXTS.filter(bool), TEXTS)
def test_the_truth_is_half_the_share_of_right_places_and_half_exactness(answer, response):
    right = sum(i < len(answer) and i < len(response) and answer[i] == response[i] for i in range(6))
    share = right / max(len(answer), len(response))
    task = sort(6, 3)
    assert task.truth(answer, response) == pytest.approx(0.5 * share + 0.5 * (answer == response))
    assert (task.truth(answer, response) == 1.0) == (answer == response)
    assert 0.0 <= task.truth(answer, response) <= 1.0
    assert len(places(answer, response)) == max(len(answer), len(response))


def test_truths_and_exactness_of_many():
    task = sort(2, 3)
    answers, responses = ["ab", "ab", "bc"], ["ab", "ac", ""]
    assert task.truths(answers, responses).tolist() == [1.0, 0.25, 0.0]
    assert task.exact(answers, responses).tolist() == [1.0, 0.0, 0.0]


def test_an_output_without_an_end_is_never_exact():
    task = sort(4, 3)
    assert task.truth("aabb", "aabba"[: task.max_tokens]) < 0.5


def test_an_empty_answer_is_refused():
    with pytest.raises(InputError, match="an answer is empty"):
        sort().truth("", "")


@pytest.mark.parametrize("opening", [0.0, 1.5])
def test_brackets_that_cannot_be_posed_are_refused(opening):
    with pytest.raises(InputError, match=rf"brackets open with a chance in \(0, 1\], got {opening}"):
        brackets(6, opening)


@pytest.mark.parametrize("letters", [0, 27])
def test_so_many_letters_are_refused(letters):
    with pytest.raises(InputError, match=f"got {letters} letters. Use 1 to 26"):
        sort(3, letters)


def test_names_tell_tasks_apart():
    tasks = [sort(), sort(8, 9), sort(7), reverse(), brackets(), brackets(9), brackets(opening=0.8), add(), add(2)]
    assert len({task.name for task in tasks}) == len(tasks)
    assert isinstance(drawn(sort(), 2), Questions)
