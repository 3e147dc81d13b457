"""The bound over random policies, and optima against search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from culpa.errors import InputError
from culpa.labs.mdp.hacking import chi_squared, hacking_bound, held_to


def drawn(seed, cells=6):
    rng = np.random.default_rng(seed)
    reference, mass = rng.dirichlet(np.ones(cells)), rng.dirichlet(np.full(cells, 0.4))
    truth = rng.normal(size=cells)
    return truth, truth + rng.exponential() * rng.normal(size=cells), mass, reference


@given(st.integers(0, 10**6))
@settings(max_examples=200, deadline=None)
def test_the_truth_gains_no_less_than_the_bound(seed):
    found = hacking_bound(*drawn(seed))
    assert found.gain >= found.least - 1e-9


def test_the_bound_is_reached():
    """Where the policy's ratio moves along the proxy's own error alone, there is nothing left over."""
    reference = np.full(4, 0.25)
    truth, error = np.array([1.0, 1.0, -1.0, -1.0]), np.array([1.0, -1.0, 1.0, -1.0])
    proxy = 0.6 * truth + 0.8 * error
    mass = reference * (1.0 + 0.3 * error)
    found = hacking_bound(truth, proxy, mass, reference)
    assert found.correlation == pytest.approx(0.6)
    assert found.gain == pytest.approx(0.0, abs=1e-12)
    assert found.least == pytest.approx(0.0, abs=1e-12)
    assert found.weight == pytest.approx(0.8)


@pytest.mark.parametrize("seed", range(3))
def test_scale_and_shift_change_only_the_weight(seed):
    truth, proxy, mass, reference = drawn(seed)
    one, other = (
        hacking_bound(truth, proxy, mass, reference),
        hacking_bound(5 * truth + 3, 2 * proxy - 7, mass, reference),
    )
    assert other[:4] == pytest.approx(one[:4])
    assert other.weight == pytest.approx(2 * one.weight)


def test_against_the_proxy_there_is_no_bound():
    truth, _, mass, reference = drawn(1)
    assert hacking_bound(truth, -truth, mass, reference).least == -np.inf
    assert hacking_bound(truth, truth, [1, 0, 0, 0, 0, 0], [0, 0.2, 0.2, 0.2, 0.2, 0.2]).least == -np.inf


def test_chi_squared_is_the_variance_of_the_ratio():
    _, _, mass, reference = drawn(2)
    ratio = mass / reference
    assert chi_squared(mass, reference) == pytest.approx((reference * (ratio - 1.0) ** 2).sum())
    assert chi_squared(reference, reference) == 0.0
    assert chi_squared([0.5, 0.5, 0.0], [1.0, 0.0, 0.0]) == np.inf


DISTANCE = {
    "chi2": chi_squared,
    "sqrt_chi2": lambda mass, reference: chi_squared(mass, reference) ** 0.5,
    "kl": lambda mass, reference: float((mass * np.log(np.maximum(mass, 1e-300) / reference)).sum()),
}


@pytest.mark.parametrize("kind", DISTANCE)
@pytest.mark.parametrize("weight", [0.02, 0.3, 0.9, 20.0])
@pytest.mark.parametrize("seed", range(3))
def test_no_mass_is_better_than_the_optimum(kind, weight, seed):
    _, pay, _, reference = drawn(seed)
    found = held_to(reference, pay, weight, kind)
    rng = np.random.default_rng(seed)

    def worth(mass):
        return mass @ pay - weight * DISTANCE[kind](mass, reference)

    best = worth(found)
    assert found.sum() == pytest.approx(1.0)
    assert found.min() >= 0.0
    for size in (1.0, 0.1, 0.01, 0.001):
        for _ in range(40):
            other = np.maximum(found + size * (rng.dirichlet(np.ones(6)) - found), 0.0)
            assert worth(other / other.sum()) <= best + 1e-10
            other = np.maximum(found + size * (found - rng.dirichlet(np.ones(6))), 0.0)
            assert worth(other / other.sum()) <= best + 1e-10


@pytest.mark.parametrize("kind", DISTANCE)
def test_limits_and_shifts(kind):
    reference, pay = np.array([0.5, 0.3, 0.2, 0.0]), np.array([0.0, 1.0, 2.0, 9.0])
    assert held_to(reference, pay, 1e9, kind) == pytest.approx(reference, abs=1e-6)
    assert held_to(reference, pay, 1e-3, kind) == pytest.approx([0, 0, 1, 0], abs=1e-6)
    assert held_to(reference, pay + 5, 0.4, kind) == pytest.approx(held_to(reference, pay, 0.4, kind), abs=1e-9)
    assert held_to(reference, 0 * pay, 0.4, kind) == pytest.approx(reference)


def test_the_root_is_on_the_path_of_chi_squared():
    _, pay, _, reference = drawn(5)
    weight = 0.4
    found = held_to(reference, pay, weight, "sqrt_chi2")
    inner = weight / (2.0 * chi_squared(found, reference) ** 0.5)
    assert held_to(reference, pay, inner, "chi2") == pytest.approx(found, abs=1e-9)
    spread = (reference @ (pay - reference @ pay) ** 2) ** 0.5
    assert held_to(reference, pay, spread) == pytest.approx(reference)
    assert not np.allclose(held_to(reference, pay, 0.95 * spread), reference)


HALF = [0.5, 0.5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: chi_squared([0.5, 0.6], HALF), "mass is no mass: it sums to 1.1. Divide it by its sum."),
        (lambda: chi_squared([1.0], HALF),
         "reference must have shape (1,), got (2,). Both are masses of the same cells."),
        (lambda: hacking_bound([1, 1], [0, 1], HALF, HALF),
         "the truth is the same everywhere under the reference. It says nothing there."),
        (lambda: hacking_bound([1], [0, 1], HALF, HALF),
         "truth must have shape (2,), got (1,). Give one value for every cell."),
        (lambda: held_to(HALF, [0, 1], 0.0),
         "weight must be above 0, got 0.0. Without any it is the highest reward alone."),
        (lambda: held_to(HALF, [0, 1], 1.0, "tv"), "kind must be one of chi2, sqrt_chi2, kl, got 'tv'. See held_to."),
        (lambda: held_to(HALF, [0], 1.0), "reward must have shape (2,), got (1,). Give one value for every cell."),
        (lambda: held_to([HALF, [0, 0]], [0], 1.0),
         "reference must have shape (n,), got (2, 2). The outputs of one prompt."),
    ],
    ids=["sum", "shape", "flat", "cells", "weight", "kind", "reward", "axes"],
)  # fmt: skip
def test_what_cannot_be_is_told(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value) == message
