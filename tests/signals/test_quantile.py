"""Ranks and Gaussian ranks: published examples, loops, both modes, small masses; what they do not see."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal
from scipy.special import ndtri
from scipy.stats import norm

from culpa.signals import Group, apply, chain, gaussian_rank, par
from culpa.signals.ranks import levels

NAN = np.nan
cells = arrays(np.float64, (2, 6), elements=st.sampled_from([0.0, 1.0, 2.5, -3.0, 1e6, NAN]))
masses = arrays(np.float64, (2, 6), elements=st.sampled_from([0.0, 0.25, 1.0, 3.0]))
MIDDLES = (np.arange(2_000) + 0.5) / 2_000
step = gaussian_rank()


def weighted(weight, **known):
    return Group(weight=np.asarray(weight, dtype=float), present=np.ones(np.shape(weight), dtype=bool), **known)


@given(cells, masses)
def test_masses_below_at_and_above(values, weight):
    found = levels(values, weight)
    for p, row in enumerate(values):
        known = [i for i in range(6) if not np.isnan(row[i])]
        total = sum(weight[p, i] for i in known)
        for s in range(6):
            if s not in known or total == 0:
                assert np.isnan([found.below[p, s], found.mass[p, s], found.above[p, s]]).all()
                continue
            below, at, above = (
                sum(weight[p, i] for i in known if sign(row[i], row[s])) / total
                for sign in (np.less, np.equal, np.greater)
            )
            assert [found.below[p, s], found.mass[p, s], found.above[p, s]] == pytest.approx([below, at, above])
            assert found.tied[p, s] == sum(weight[p, i] > 0 for i in known if row[i] == row[s])


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        ([0, 0, 0, 0, 1], [-0.32, -0.32, -0.32, -0.32, 1.28]),
        ([0.1, 0.1, 0.1, 0.2, 1], [-0.60, -0.60, -0.60, 0.52, 1.28]),
        ([0, 0, 1, 1, 1], [-0.90, -0.90, 0.60, 0.60, 0.60]),
        ([0.81, 0.81, 0.82, 0.82, 0.83], [-0.90, -0.90, 0.26, 0.26, 1.28]),
    ],
)
def test_the_published_examples(signal, expected):
    assert apply(step, [signal])[0].round(2).tolist() == expected


@given(cells)
def test_of_samples_it_is_the_mean_quantile_of_the_places_of_a_tie(signal):
    value = apply(step, signal)
    for got, row in zip(value, signal, strict=True):
        known = np.sort(row[~np.isnan(row)])
        places = norm.ppf((np.arange(len(known)) + 0.5) / max(len(known), 1))
        expected = [places[known == x].mean() if not np.isnan(x) else NAN for x in row]
        assert got == pytest.approx(expected, nan_ok=True, abs=1e-12)


@given(cells, masses)
def test_of_enumerated_outputs_it_is_the_mean_quantile_over_their_interval(signal, weight):
    value = apply(step, signal, weighted(weight, enumerated=True))
    found = levels(signal, weight)
    for got, a, w in zip(value.ravel(), found.below.ravel(), found.mass.ravel(), strict=True):
        if np.isnan(a):
            assert np.isnan(got)
        elif w > 0:
            assert got == pytest.approx(ndtri(a + w * MIDDLES).mean(), abs=3e-4)


@given(cells, masses, st.booleans())
def test_a_group_has_mean_zero(signal, weight, enumerated):
    value = apply(step, signal, weighted(weight, enumerated=enumerated))
    if enumerated:
        assert np.nansum(weight * value, axis=1) == pytest.approx(0, abs=1e-12)
    assert np.nansum(apply(step, signal), axis=1) == pytest.approx(0, abs=1e-12)
    assert_array_equal(np.isfinite(value), ~np.isnan(signal) & (levels(signal, weight).below >= 0))


def test_an_increasing_map_changes_nothing():
    signal = np.random.default_rng(1).normal(size=(4, 8))
    assert_array_equal(apply(step, np.exp(3 * signal)), apply(step, signal))
    assert_array_equal(apply(chain(par(0.3), step), signal), apply(step, signal))


def test_no_outlier_counts_for_more_than_its_place():
    signal = np.random.default_rng(2).standard_t(1.5, size=(50, 16))
    assert np.abs(apply(step, signal)).max() == pytest.approx(norm.ppf(15.5 / 16))


def test_large_samples_are_as_enumerated_outputs():
    pi, reward = np.array([0.1, 0.25, 0.05, 0.6]), np.array([2.0, 1.0, 7.0, 1.0])
    exact = apply(step, reward[None], weighted(pi[None], enumerated=True))[0]
    drawn = np.repeat(np.arange(4), (pi * 20_000).astype(int))
    sampled = apply(step, reward[drawn][None])[0]
    for y in range(4):
        assert sampled[drawn == y] == pytest.approx(exact[y], abs=1e-4)


def test_a_tie_of_unequal_weights_divides_its_place_equally():
    value = apply(step, [[1.0, 1.0, 5.0]], weighted([[0.1, 0.5, 0.4]]))
    tied = norm.ppf([0.15, 0.45]).mean()
    assert value[0] == pytest.approx([tied, tied, norm.ppf(0.8)])


@pytest.mark.parametrize("enumerated", [False, True])
def test_an_output_without_weight_has_a_value_where_it_stands(enumerated):
    value = apply(step, [[0.0, 1.0, 2.0, 3.0, 4.0]], weighted([[0.0, 0.2, 0.0, 0.8, 0.0]], enumerated=enumerated))
    assert value[0, [0, 2, 4]] == pytest.approx(norm.ppf([0.05, 0.2, 0.95]))
    assert (np.diff(value[0]) > 0).all()


@pytest.mark.parametrize("tiny", [1e-300, 1e-30, 1e-13, 1e-9, 1e-6])
def test_small_masses_keep_their_digits(tiny):
    """At an end: (phi(z) - 0) / w. In the middle: the quantile there, whatever is lost in a difference."""
    ends = apply(step, [[0.0, 1.0, 2.0]], weighted([[tiny, 1.0, tiny]], enumerated=True))[0]
    share = tiny / (1 + 2 * tiny)
    expected = -np.exp(norm.logpdf(norm.ppf(share)) - np.log(share))
    assert ends == pytest.approx([expected, 0.0, -expected], rel=1e-8, abs=1e-12)
    inside = apply(step, [[0.0, 1.0, 2.0]], weighted([[0.3, tiny, 0.7]], enumerated=True))[0, 1]
    assert inside == pytest.approx(norm.ppf(0.3), abs=2e-6 if tiny == 1e-6 else 2e-9)


def test_a_level_in_the_middle_has_the_same_value_by_both_ways():
    """On both sides of the width at which the difference of densities gives way to the middle."""
    for width in (0.9e-5, 1.1e-5):
        value = apply(step, [[0.0, 1.0, 2.0]], weighted([[0.2, 0.2 * width, 0.8]], enumerated=True))[0, 1]
        share = 0.2 * width / (1 + 0.2 * width)
        assert value == pytest.approx(norm.ppf(0.2 / (1 + 0.2 * width) + share / 2), abs=1e-10)


def test_dead_groups_get_exactly_nothing():
    for enumerated in (False, True):
        group = weighted([[0.1, 0.3, 0.6, 0.0]], enumerated=enumerated)
        assert apply(step, [[0.1, 0.1, 0.1, 0.1]], group).tolist() == [[0.0, 0.0, 0.0, 0.0]]


@pytest.mark.parametrize("number", range(2, 40))
def test_a_dead_group_of_any_size_gets_exactly_nothing(number):
    assert not apply(step, np.full((1, number), 0.1)).any()


def test_a_level_of_some_width_is_averaged():
    value = apply(step, [[0.0, 1.0, 2.0]], weighted([[0.2, 0.01, 0.79]], enumerated=True))[0, 1]
    assert value == pytest.approx(ndtri(0.2 + 0.01 * MIDDLES).mean(), abs=1e-9)


def test_a_group_without_weight_has_no_ranks():
    assert np.isnan(apply(step, [[0.0, 1.0]], weighted([[0.0, 0.0]]))).all()
