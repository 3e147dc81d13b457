"""The correlation of length and correctness: numpy's, weights as copies, what is left out."""

import numpy as np
import pytest

from culpa import InputError
from culpa.metrics.lengths import length_accuracy

NAN = np.nan
RNG = np.random.default_rng(0)
LENGTH, RIGHT = RNG.uniform(1, 40, (5, 6)), RNG.integers(0, 2, (5, 6)).astype(float)


def test_it_is_the_correlation_of_all_cells():
    assert length_accuracy(LENGTH, RIGHT) == pytest.approx(np.corrcoef(LENGTH.ravel(), RIGHT.ravel())[0, 1])
    assert length_accuracy(LENGTH + 1e9, RIGHT) == pytest.approx(length_accuracy(LENGTH, RIGHT), rel=1e-5)
    assert length_accuracy(-LENGTH, RIGHT) == pytest.approx(-length_accuracy(LENGTH, RIGHT))


def test_weights_are_copies_and_unknown_cells_are_left_out():
    count = RNG.integers(0, 4, LENGTH.shape)
    copied = [np.repeat(values.ravel(), count.ravel()) for values in (LENGTH, RIGHT)]
    assert length_accuracy(LENGTH, RIGHT, count) == pytest.approx(np.corrcoef(*copied)[0, 1])
    length, right = LENGTH.copy(), RIGHT.copy()
    length[0, :2], right[1, 3] = NAN, NAN
    kept = ~np.isnan(length) & ~np.isnan(right)
    assert length_accuracy(length, right) == pytest.approx(np.corrcoef(length[kept], right[kept])[0, 1])


def test_hard_prompts_count_as_well():
    """Within each prompt nothing, across prompts everything: the correlation within prompts does not see it."""
    assert length_accuracy([[1.0, 2.0], [8.0, 9.0]], [[1.0, 1.0], [0.0, 0.0]]) < -0.9


def test_what_does_not_vary_has_none():
    assert np.isnan(length_accuracy(LENGTH, np.ones((5, 6))))
    assert np.isnan(length_accuracy(np.ones((5, 6)), RIGHT))
    assert np.isnan(length_accuracy([[NAN]], [[1.0]]))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([[1.0]], [[1.0, 2.0]]), "correct must have shape (1, 1), got (1, 2). Give one verdict for each length."),
        (([[1.0]], [[1.0]], [1.0]), "weights must have shape (1, 1), got (1,). Give one weight for each output."),
    ],
    ids=["correct", "weights"],
)
def test_messages(arguments, text):
    with pytest.raises(InputError) as error:
        length_accuracy(*arguments)
    assert str(error.value) == text
