"""What a pattern of passed checks is worth."""

import numpy as np
import pytest
from tests.advice.worlds import BOTH

from culpa.advice import CREDITS, credits
from culpa.advice.credit import weights

RATES = np.array([0.9, 0.1])


def by_name(rates=RATES, patterns=BOTH):
    return {one.name: one for one in credits(patterns, rates)}


def test_the_four_in_order_of_simplicity():
    assert tuple(by_name()) == CREDITS == ("binary", "partial", "weighted", "staged")


def test_binary_and_partial():
    assert by_name()["binary"].reward.tolist() == [0, 0, 0, 1]
    assert by_name()["partial"].reward.tolist() == [0, 0.5, 0.5, 1]
    assert [one.then is None for one in by_name().values()] == [True, True, True, False]


def test_staged_is_partial_and_then_binary():
    staged = by_name()["staged"]
    assert staged.reward.tolist() == by_name()["partial"].reward.tolist()
    assert staged.then.tolist() == by_name()["binary"].reward.tolist()


def test_equal_rates_make_weighted_credit_partial():
    np.testing.assert_allclose(by_name(np.array([0.3, 0.3]))["weighted"].reward, by_name()["partial"].reward)


def test_weights_are_the_surprise_at_each_check():
    assert weights(np.array([0.5, 0.25])).tolist() == pytest.approx([1 / 3, 2 / 3])
    assert weights(np.array([0.1, 0.3, 0.7])).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("rates", [[0.0, 0.5], [1.0, 0.5], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
def test_checks_that_always_pass_or_never_have_finite_weights(rates):
    found = weights(np.array(rates))
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1.0)
