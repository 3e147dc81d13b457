"""Bonuses for what is new: counts by a loop, and a model of what follows against a plain ridge fit."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from culpa.errors import InputError
from culpa.signals import Group, apply, equal_group
from culpa.signals.novelty import count_bonus, novelty_bonus

NAN = np.nan


def run(step, batches, groups=None):
    """A step over batches, its state carried on."""
    state, values = step.init(batches[0].shape, None), []
    for i, signal in enumerate(batches):
        value, state = step.apply(signal, groups[i] if groups else equal_group(signal.shape[-2:]), state)
        values.append(value)
    return values, state


def test_counts_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    seen = rng.integers(0, 4, size=(3, 5, 2, 3)).astype(float)
    seen[rng.random(seen.shape) < 0.2] = NAN
    batches = rng.normal(size=(3, 5, 2, 3))
    count = np.zeros(4)
    for i, signal in enumerate(batches):
        step, state = count_bonus(seen[i], 4, weight=0.7), count.copy()
        value, after = step.apply(signal, equal_group((2, 3)), state)
        for x in seen[i][~np.isnan(seen[i])].astype(int):
            count[x] += 1
        assert after == pytest.approx(count)
        assert state.sum() == after.sum() - (~np.isnan(seen[i])).sum()
        for cell in np.ndindex(*signal.shape):
            bonus = 0.0 if np.isnan(seen[i][cell]) else 0.7 / count[int(seen[i][cell])] ** 0.5
            assert value[cell] == pytest.approx(signal[cell] + bonus)


def test_the_bonus_never_exceeds_the_most_and_starts_there_before():
    signal, seen = np.zeros((1, 1, 2)), np.array([[[0, 0]]])
    step = count_bonus(seen, 1, weight=2.0, most=0.5, before=True)
    (first, second), _ = run(step, [signal, signal])
    assert first.tolist() == [[[0.5, 0.5]]]
    assert second == pytest.approx(2.0 / np.sqrt(16 + 2))
    after = apply(count_bonus(seen, 1, weight=2.0, most=0.5), signal)
    assert after == pytest.approx(2.0 / np.sqrt(16 + 2))


def test_cells_that_are_not_the_policy_s_are_not_counted():
    group = Group(weight=np.array([[1.0, 0.0]]), present=np.ones((1, 2), dtype=bool))
    seen = np.array([[[0, 1]], [[0, 1]]])
    values, state = run(count_bonus(seen, 2), [np.zeros((2, 1, 2))], [group])
    assert state.tolist() == [2.0, 0.0]
    assert values[0][0, 0].tolist() == pytest.approx([1 / 2**0.5, 1.0])


def test_an_ended_output_has_no_bonus_and_counts_nothing():
    signal = np.array([[[0.0, NAN]]])
    values, state = run(count_bonus(np.zeros((1, 1, 2)), 1), [signal])
    assert_array_equal(values[0], [[[1.0, NAN]]])
    assert state.tolist() == [1.0]


def test_leading_cells_count_by_themselves():
    rng = np.random.default_rng(1)
    seen, signal = rng.integers(0, 3, size=(4, 2, 2, 3)), rng.normal(size=(4, 2, 2, 3))
    values, state = run(count_bonus(seen, 3), [signal])
    for i in range(2):
        alone, own = run(count_bonus(seen[:, i], 3), [signal[:, i]])
        assert values[0][:, i] == pytest.approx(alone[0])
        assert state[i] == pytest.approx(own)


def test_surprise_is_the_error_of_a_ridge_fit_on_what_came_before():
    rng = np.random.default_rng(2)
    cells, batches = (3, 2, 4), []
    here, there = rng.normal(size=(2, *cells, 3)), rng.normal(size=(2, *cells, 2))
    signal = rng.normal(size=cells)
    signal[2, 0, 1] = NAN
    step = [novelty_bonus(here[i], there[i], weight=0.6, ridge=0.3) for i in range(2)]
    state = step[0].init(cells, None)
    for i in range(2):
        value, state = step[i].apply(signal, equal_group(cells[1:]), state)
        batches.append(value)
    known = ~np.isnan(signal)
    rows, aims = here[0][known], there[0][known]
    fit = np.linalg.solve(rows.T @ rows + 0.3 * np.eye(3), rows.T @ aims)
    assert batches[0][known] == pytest.approx((signal + 0.3 * (there[0] ** 2).sum(axis=-1))[known])
    assert batches[1][known] == pytest.approx((signal + 0.3 * ((here[1] @ fit - there[1]) ** 2).sum(axis=-1))[known])
    assert np.isnan(batches[1][~known]).all()


def test_what_can_be_foretold_stops_paying_and_noise_does_not():
    rng = np.random.default_rng(3)
    law = rng.normal(size=(3, 2))
    paid = {"law": [], "noise": []}
    for name, found in paid.items():
        state = ()
        for _ in range(5):
            here = rng.normal(size=(1, 1, 200, 3))
            there = here @ law if name == "law" else rng.normal(size=(1, 1, 200, 2))
            value, state = novelty_bonus(here, there).apply(np.zeros((1, 1, 200)), equal_group((1, 200)), state)
            found.append(value.mean())
    assert paid["law"][-1] < 1e-3 * paid["law"][0]
    assert paid["noise"][-1] > 0.8 * paid["noise"][0]


def test_cells_without_weight_teach_nothing():
    here, there = np.ones((1, 1, 2, 1)), np.ones((1, 1, 2, 1))
    group = Group(weight=np.array([[1.0, 0.0]]), present=np.ones((1, 2), dtype=bool))
    _, state = run(novelty_bonus(here, there), [np.zeros((1, 1, 2))], [group])
    assert state.inputs.tolist() == [[1.0]]


def test_leading_cells_learn_by_themselves():
    rng = np.random.default_rng(4)
    here, there, signal = rng.normal(size=(3, 2, 4, 3)), rng.normal(size=(3, 2, 4, 2)), rng.normal(size=(3, 5, 2, 4))
    signal[1, 2, 0] = NAN
    step = novelty_bonus(here, there, ridge=0.5)
    values, state = run(step, [signal, signal])
    for i in range(5):
        alone, own = run(step, [signal[:, i]] * 2)
        assert values[1][:, i] == pytest.approx(alone[1], nan_ok=True)
        assert state.inputs[i] == pytest.approx(own.inputs)
        assert state.both[i] == pytest.approx(own.both)


ONE = np.zeros((1, 1, 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: count_bonus(ONE, 1, before=True),
         "the count before may be 0, and the bonus endless. Give most=, the highest bonus."),
        (lambda: count_bonus(ONE, 1, most=0.0),
         "most must be above 0, got 0.0. It is the bonus of a state never seen."),
        (lambda: apply(count_bonus(ONE + 1, 1), ONE),
         "seen has a value that is not a state's number, of 1. Count them from 0."),
        (lambda: apply(count_bonus(ONE - 1, 1), ONE),
         "seen has a value that is not a state's number, of 1. Count them from 0."),
        (lambda: novelty_bonus(ONE, ONE, ridge=0.0),
         "ridge must be above 0, got 0.0. Before the first batch nothing else is known."),
        (lambda: apply(novelty_bonus(ONE[..., None], ONE), ONE),
         "there has shape (1, 1, 1) beside a signal of shape (1, 1, 1). "
         "Give (t, p, s, d): the features of every step."),
    ],
    ids=["before", "most", "number", "negative", "ridge", "features"],
)  # fmt: skip
def test_what_cannot_be_counted_is_told(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value) == message
