"""Selected outputs: the law against drawn groups and a slow form, the gradient it stands for, and its edges."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from culpa import InputError
from culpa.signals import Group, apply, center, chain, equal_group, scale
from culpa.signals.draws import one_of
from culpa.signals.selected import add_selected, selection_ratio

NAN = np.nan
PI = np.array([0.1, 0.15, 0.2, 0.25, 0.3])
LENGTH = np.array([4.0, 2.0, 2.0, 3.0, 1.0])
RIGHT = np.array([1.0, 1.0, 1.0, 0.0, 0.0])
EXACT = Group(weight=PI[None], present=np.ones((1, 5), dtype=bool), length=LENGTH[None], enumerated=True)
SILENT = scale(0.0)
RULES = ["correct", "one_correct", "shortest_correct", "longest_correct", "shortest"]


def slow(select, drawn):
    """The chance of each member of one group to be the selected one."""
    able = [i for i, y in enumerate(drawn) if select == "shortest" or RIGHT[y] > 0.5]
    if not able:
        return np.zeros(len(drawn))
    key = {"shortest_correct": 1, "shortest": 1, "longest_correct": -1}.get(select, 0)
    best = min(key * LENGTH[drawn[i]] for i in able)
    tied = [i for i in able if key * LENGTH[drawn[i]] == best]
    return np.array([(i in tied) / len(tied) for i in range(len(drawn))])


@pytest.mark.parametrize("select", RULES)
def test_the_exact_law_is_the_mean_over_all_groups(select):
    size, expected = 3, np.zeros(5)
    for drawn in product(range(5), repeat=size):
        np.add.at(expected, list(drawn), np.prod(PI[list(drawn)]) * slow(select, drawn))
    value = apply(selection_ratio(select, size=size), RIGHT[None], EXACT, rng=np.random.default_rng(0))[0]
    assert value * PI == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("select", [one for one in RULES if one != "one_correct"])
def test_a_drawn_group_is_the_slow_form(select):
    drawn = np.random.default_rng(1).choice(5, size=(50, 4), p=PI)
    value = apply(selection_ratio(select), RIGHT[drawn], equal_group(drawn.shape, length=LENGTH[drawn]))
    assert value == pytest.approx(4 * np.array([slow(select, one) for one in drawn]))


def test_one_correct_is_one_of_them_and_each_as_often_as_its_weight():
    reward = np.array([1.0, 1.0, 0.0, 1.0])
    weight = np.tile([0.1, 0.3, 0.2, 0.4], (20_000, 1))
    group = Group(weight=weight, present=np.ones(weight.shape, dtype=bool))
    value = apply(
        selection_ratio("one_correct"), np.broadcast_to(reward, weight.shape), group, rng=np.random.default_rng(0)
    )
    assert ((value > 0).sum(axis=1) == 1).all()
    assert (weight * value).sum(axis=1) == pytest.approx(1.0)
    assert (value > 0).mean(axis=0) == pytest.approx([0.125, 0.375, 0.0, 0.5], abs=0.015)


def test_the_choice_moves_on_with_its_state_and_repeats_from_it():
    step, reward, group = selection_ratio("one_correct"), np.ones((4, 8)), equal_group((4, 8))
    first, state = step.apply(reward, group, step.init((4, 8), np.random.default_rng(0)))
    second, _ = step.apply(reward, group, state)
    assert not np.array_equal(first, second)
    assert_array_equal(second, step.apply(reward, group, state)[0])
    pull = add_selected(1.0, "one_correct", advantage=SILENT)
    after = pull.apply(reward, group, pull.init((4, 8), np.random.default_rng(0)))[1]
    assert_array_equal(pull.apply(reward, group, after)[0], second)


def test_endless_groups_select_the_shortest_there_is():
    value = apply(selection_ratio("shortest_correct"), RIGHT[None], EXACT)[0]
    assert value == pytest.approx([0.0, 1 / 0.35, 1 / 0.35, 0.0, 0.0])
    assert apply(selection_ratio("correct"), RIGHT[None], EXACT)[0] == pytest.approx(RIGHT / 0.45)
    assert value == pytest.approx(apply(selection_ratio("shortest_correct", size=500), RIGHT[None], EXACT)[0])


def test_it_is_the_gradient_of_cloning():
    """E_pi[A grad log pi] with A = c q / pi is c times the derivative of sum_y q log pi by every logit."""
    size, c = 4, 0.3
    value = apply(add_selected(c, size=size, advantage=SILENT), RIGHT[None], EXACT)[0]
    q = apply(selection_ratio("shortest_correct", size=size), RIGHT[None], EXACT)[0] * PI
    logits, h, numeric = np.log(PI), 1e-6, []
    for y in range(5):
        sides = [logits + sign * h * np.eye(5)[y] for sign in (1, -1)]
        numeric.append(np.diff([q @ (one - np.log(np.exp(one).sum())) for one in sides[::-1]])[0] / (2 * h))
    assert PI * (value - PI @ value) == pytest.approx(c * np.array(numeric), abs=1e-8)


def test_it_comes_on_top_of_the_advantage():
    reward, length = [[1.0, 0.0, 1.0, 0.0]], np.array([[3.0, 1.0, 2.0, 5.0]])
    group = equal_group((1, 4), length=length)
    value = apply(add_selected(0.25, advantage=center()), reward, group)
    assert value.tolist() == [[0.5, -0.5, 1.5, -0.5]]
    usual = apply(add_selected(0.25), reward, group)
    assert usual.tolist() == [[1.0, -1.0, 2.0, -1.0]]
    assert apply(add_selected(0.0), reward, group).tolist() == [[1.0, -1.0, 1.0, -1.0]]
    again = chain(add_selected(0.25, advantage=center()))
    assert apply(again, reward, group).tolist() == value.tolist()


def test_ties_share_and_failures_get_nothing():
    group = equal_group((2, 3), length=np.array([[2.0, 2.0, 9.0], [1.0, 2.0, 3.0]]))
    value = apply(selection_ratio("shortest_correct"), [[1.0, 1.0, 1.0], [0.0, 0.5, 0.0]], group)
    assert value.tolist() == [[1.5, 1.5, 0.0], [0.0, 0.0, 0.0]]
    assert apply(selection_ratio("shortest_correct", correct=0.4), [[1.0, 1.0, 1.0], [0.0, 0.5, 0.0]], group)[
        1
    ].tolist() == [
        0,
        3,
        0,
    ]


def test_unknown_lengths_and_missing_verdicts():
    group = equal_group((1, 4), length=np.array([[NAN, 3.0, 1.0, 5.0]]))
    value = apply(selection_ratio("shortest_correct"), [[1.0, 1.0, NAN, 1.0]], group)
    assert_array_equal(value, [[NAN, 2.0, NAN, 0.0]])
    assert_array_equal(
        apply(selection_ratio("correct"), [[1.0, 0.0, NAN, 1.0]], equal_group((1, 4))), [[1.5, 0.0, NAN, 1.5]]
    )


def test_an_output_without_weight_has_no_say():
    group = Group(
        weight=np.array([[0.5, 0.5, 0.0, 0.0]]),
        present=np.ones((1, 4), dtype=bool),
        length=np.array([[4.0, 2.0, 1.0, 2.0]]),
    )
    assert apply(selection_ratio("shortest_correct"), np.ones((1, 4)), group).tolist() == [[0.0, 2.0, 0.0, 2.0]]


def test_one_of_gives_each_its_chance_and_none_without_weight():
    eligible = np.tile([True, False, True], (20_000, 1))
    kept = one_of(eligible, np.array([0.2, 0.5, 0.6]), np.random.default_rng(0))
    assert kept.mean(axis=0) == pytest.approx([0.25, 0.0, 0.75], abs=0.015)
    assert not one_of(eligible, np.zeros(3), np.random.default_rng(0)).any()


def merging():
    from culpa.signals import weighted_sum

    return apply(add_selected(0.1, "correct", advantage=weighted_sum()), np.ones((2, 1, 2)))


MESSAGES = [
    (lambda: add_selected(NAN), "coefficient must be a finite number, got nan. 0 leaves it out."),
    (
        lambda: add_selected(0.1, "best"),
        "select must be one of correct, one_correct, shortest_correct, longest_correct, shortest, got 'best'. "
        "See add_selected.",
    ),
    (
        lambda: selection_ratio("correct", size=0),
        "size must be 1 or more, got 0. It is the number of outputs of a group.",
    ),
    (
        lambda: apply(add_selected(0.1), [[1.0]]),
        "selecting shortest_correct needs the group's length, which is not there. "
        "Read rollouts with a length column, or set length=... in the group.",
    ),
    (
        merging,
        "add_selected needs an advantage that keeps the shape, got one to (1, 2). "
        "Merge rewards in a step of its own, before it.",
    ),
    (
        lambda: apply(add_selected(0.1, "one_correct"), [[1.0]]),
        "one_correct draws by chance and got no generator. Give rng=default_rng(seed).",
    ),
]


@pytest.mark.parametrize("at", range(len(MESSAGES)))
def test_messages(at):
    act, text = MESSAGES[at]
    with pytest.raises(InputError) as error:
        act()
    assert str(error.value) == text
