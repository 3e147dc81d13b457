"""Gates in a row, unknown gates, and runs that leave their group."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from culpa import InputError
from culpa.signals import Group, apply, center, chain, equal_group
from culpa.signals.gates import INFRASTRUCTURE, layered, only_valid, valid_mask

NAN = np.nan
WORTH = (0.0, 0.2, 0.5, 1.0)


def slow(gates):
    for number, gate in enumerate(gates):
        if np.isnan(gate):
            return NAN
        if gate <= 0.5:
            return WORTH[number]
    return WORTH[-1]


def test_layers_are_the_gates_passed_in_a_row():
    every = np.array(list(product([0.0, 1.0, NAN], repeat=3)))
    value = apply(layered(*WORTH), every.T[:, None, :])[0]
    assert_array_equal(value, [slow(gates) for gates in every])


def test_the_usual_values_and_leading_axes():
    gates = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])[:, None, :]
    assert apply(layered(), gates).tolist() == [[1.0, 0.3, 0.0]]
    assert apply(layered(-1.0, 0.0, 2.0), gates).tolist() == [[2.0, 0.0, -1.0]]
    assert apply(layered(), 0.5 * gates).tolist() == [[0.0, 0.0, 0.0]]
    many = np.stack([gates, gates[..., ::-1]], axis=1)
    assert apply(layered(), many).tolist() == [[[1.0, 0.3, 0.0]], [[0.0, 0.3, 1.0]]]


def test_causes_that_are_dropped():
    causes = [["timeout", None, "wrong"], ["", "sandbox", "oom"]]
    assert valid_mask(causes).tolist() == [[False, True, True], [True, False, True]]
    assert valid_mask(causes, drop={"oom", "wrong"}).tolist() == [[True, True, False], [True, True, False]]
    assert "timeout" in INFRASTRUCTURE


def test_what_is_not_valid_leaves_the_statistics():
    valid = np.array([[True, True, False, True]])
    reward = np.array([[1.0, 0.0, -9.0, 0.5]])
    value = apply(chain(only_valid(valid), center()), reward)
    assert_array_equal(value, [[0.5, -0.5, NAN, 0.0]])


def test_groups_with_too_few_left_are_silent():
    reward, valid = np.ones((3, 3)), np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]], dtype=bool)
    for least, groups in ((1, 3), (2, 2), (3, 1)):
        known = ~np.isnan(apply(only_valid(valid, least=least), reward))
        assert known.any(axis=1).sum() == groups
        assert_array_equal(known[:groups], valid[:groups])
    missing = np.where(np.eye(3) > 0, NAN, reward)
    assert np.isnan(apply(only_valid(valid, least=2), missing))[1].all()
    assert np.isnan(apply(only_valid(False), reward)).all()


def test_an_output_without_weight_makes_no_group():
    group = Group(weight=np.array([[0.5, 0.5, 0.0]]), present=np.ones((1, 3), dtype=bool))
    assert np.isnan(apply(only_valid([[True, False, True]]), np.ones((1, 3)), group)).all()
    assert not np.isnan(apply(only_valid([[True, True, True]]), np.ones((1, 3)), group)).any()


MESSAGES = [
    (
        lambda: layered(1.0),
        "layered needs two finite values or more in rising order, got (1.0,). "
        "One for each number of gates passed: 0, 0.3, 1.",
    ),
    (
        lambda: layered(0.0, 1.0, 0.5),
        "layered needs two finite values or more in rising order, got (0.0, 1.0, 0.5). "
        "One for each number of gates passed: 0, 0.3, 1.",
    ),
    (
        lambda: apply(layered(), np.ones((1, 1, 2))),
        "layered with 3 values needs a signal of shape (2, ..., p, s), got (1, 1, 2). "
        "Stack the gates on the first axis; one value more than gates.",
    ),
    (lambda: only_valid(True, least=0), "least must be 1 or more, got 0. 2: one output has nothing to compare with."),
    (
        lambda: apply(only_valid([[True]]), np.ones((1, 2)), equal_group((1, 2))),
        "valid must have shape (1, 2), got (1, 1). Give one truth value for each output.",
    ),
]


@pytest.mark.parametrize("at", range(len(MESSAGES)))
def test_messages(at):
    act, text = MESSAGES[at]
    with pytest.raises(InputError) as error:
        act()
    assert str(error.value) == text
