"""The fast sums of a block against the plain functions of `culpa.metrics`, one measure at a time."""

from itertools import permutations
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from culpa import metrics as m
from culpa.audit.blocks import Beside, block_sums
from culpa.audit.measures import BY_NAME, CALIBRATION_BINS, PARTS

AHEAD = "outlook"  # the part that no sums of a block hold

NAN = np.nan
SEEDS = st.integers(0, 2**32 - 1)


class Cells(NamedTuple):
    """What a plain measure takes, each (p, s): rewards r, truth g, weight w, length n."""

    r: np.ndarray
    g: np.ndarray
    w: np.ndarray
    n: np.ndarray


def drawn(seed, *, offset=0.0, spread=1.0, unknown=0.2, missing=0.2, ties=False):
    """Scores (k, p, s), truth, weight, present, length (p, s). Equal weights on what is the policy's."""
    rng = np.random.default_rng(seed)
    k, p, s = 3, 5, int(rng.integers(1, 8))
    values = rng.integers(0, 3, (k, p, s)) if ties else rng.normal(size=(k, p, s))
    present = np.arange(s) < rng.integers(1, s + 1, p)[:, None]
    scores = np.where(present & (rng.random((k, p, s)) >= missing), offset + spread * values, NAN)
    truth = np.where(present & (rng.random((p, s)) >= unknown), rng.integers(0, 4, (p, s)).astype(float), NAN)
    mine = present & (rng.random((p, s)) >= 0.1)
    weight = mine / np.maximum(mine.sum(axis=1, keepdims=True), 1)
    length = np.where(present & (rng.random((p, s)) >= 0.1), rng.integers(1, 100, (p, s)).astype(float), NAN)
    return scores, truth, weight, present, length


def sums_of(scores, truth, weight, present, length, parts=PARTS):
    turned = None if truth is None else np.ascontiguousarray(truth.T)
    rulers = dict.fromkeys(("len", "md"), np.ascontiguousarray(length.T))
    beside = Beside(np.ascontiguousarray(weight.T), present.T, turned, rulers)
    return block_sums(np.ascontiguousarray(scores.transpose(0, 2, 1)), beside, parts)


def own_of(world):
    scores, _, weight, _, _ = world
    return [np.where(weight > 0, score, NAN) for score in scores]


def per_proxy(world, function):
    """The function of each proxy's cells, (k, p)."""
    _, truth, weight, _, length = world
    known = np.where(weight > 0, truth, NAN)
    return np.stack([function(Cells(own, known, weight, length)) for own in own_of(world)]).astype(float)


def zero_if_none(values):
    return np.where(np.isnan(values), 0.0, values)


def many(r):
    return (~np.isnan(r)).sum(axis=1) >= 2


def best_by_loop(own, truth, weight, harm_aware):
    """Share of the truly best whose score is above that of all that are worse, by prompt; 0 where none is worse."""
    result = np.zeros(len(own))
    for row, (r, g, w) in enumerate(zip(own, truth, weight, strict=True)):
        known = ~np.isnan(r) & ~np.isnan(g)
        r_known, g_known = r[known], g[known]
        if not len(g_known) or g_known.min() == g_known.max():
            continue
        top, rest = r_known[g_known == g_known.max()], r_known[g_known < g_known.max()]
        low = m.below(rest, m.mean(r[None], w[None])).all()
        result[row] = 1.0 if harm_aware and low else np.mean(top > rest.max())
    return result


# One row for each sum: its name, the plain function that it must equal.
PLAIN = {
    "verdicts": lambda c: (~np.isnan(c.r)).sum(axis=1),
    "groups_scored": lambda c: (~np.isnan(c.r)).any(axis=1),
    "mean": lambda c: zero_if_none(m.mean(c.r, c.w)),
    "variance": lambda c: zero_if_none(m.variance(c.r, c.w)),
    "groups_many": lambda c: many(c.r),
    "spread": lambda c: np.where(many(c.r), m.spread(c.r), 0.0),
    "dead": lambda c: m.dead_groups(c.r),
    "len_cov": lambda c: m.comoments(c.r, c.n, c.w)[:, 0],
    "len_proxy": lambda c: m.comoments(c.r, c.n, c.w)[:, 1],
    "len_var": lambda c: m.comoments(c.r, c.n, c.w)[:, 2],
    "len_n": lambda c: (~np.isnan(c.r) & ~np.isnan(c.n)).sum(axis=1),
    "cov": lambda c: zero_if_none(m.covariance(c.r, c.g, c.w)),
    "var_proxy": lambda c: m.comoments(c.r, c.g, c.w)[:, 1],
    "var_truth": lambda c: m.comoments(c.r, c.g, c.w)[:, 2],
    "judged": lambda c: (~np.isnan(c.r) & ~np.isnan(c.g)).sum(axis=1),
    "groups_judged": lambda c: many(c.r + c.g),
    "kendall": lambda c: zero_if_none(m.kendall(c.r, c.g, c.w)),
    "kendall_n": lambda c: ~np.isnan(m.kendall(c.r, c.g, c.w)),
    "score_ties": lambda c: m.tied_pairs(c.r)[0],
    "score_pairs": lambda c: m.tied_pairs(c.r)[1],
    "best": lambda c: best_by_loop(c.r, c.g, c.w, harm_aware=False),
    "best_harm": lambda c: best_by_loop(c.r, c.g, c.w, harm_aware=True),
}
WORLDS = {
    "plain": {},
    "offset 1e6, spread 1e-6": {"offset": 1e6, "spread": 1e-6},
    "ties": {"ties": True},
    "complete": {"unknown": 0.0, "missing": 0.0},
    "truth of a few": {"unknown": 0.7},
}


@pytest.mark.parametrize("settings_of", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("name", PLAIN)
def test_sum_is_the_plain_measure(name, settings_of):
    for seed in range(12):
        world = drawn(seed, **settings_of)
        expected = per_proxy(world, PLAIN[name])
        scale = np.abs(expected).max(initial=0.0)
        assert sums_of(*world)[name] == pytest.approx(expected, rel=1e-7, abs=1e-9 * scale), seed


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.booleans())
def test_pair_sums_are_pair_counts(seed, ties):
    scores, truth, weight, present, _ = world = drawn(seed, ties=ties)
    sums = sums_of(*world)
    centre = np.stack([m.mean(own, weight) for own in own_of(world)])
    counts = m.pair_counts(scores, truth, weight, centre)
    for name in ("ordered", "concordant", "tied", "excused", "excused_tied", "pairs", "apart"):
        assert sums[name] == pytest.approx(getattr(counts, name), abs=1e-12), name
    assert sums["shuffled_harm"] == pytest.approx(counts.shuffled * counts.ordered, abs=1e-12)
    assert np.array_equal(sums["cells"], np.broadcast_to(present.sum(axis=1), sums["cells"].shape))
    assert np.array_equal(sums["missing"], (present & np.isnan(scores)).sum(axis=2))


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_paired_mass_is_that_of_all_pairs_with_two_verdicts_and_truths(seed):
    scores, truth, weight, *_ = world = drawn(seed, ties=True)
    slow = np.zeros(scores.shape[:2])
    for (k, p), _ in np.ndenumerate(slow):
        used = [i for i in range(truth.shape[1]) if weight[p, i] > 0 and not np.isnan(scores[k, p, i] + truth[p, i])]
        slow[k, p] = sum(weight[p, i] * weight[p, j] for i in used for j in used if i < j)
    assert sums_of(*world)["paired"] == pytest.approx(slow, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_chance_of_plain_accuracy_is_that_of_shuffled_scores(seed):
    scores, truth, weight, *_ = world = drawn(seed, ties=True)
    sums = sums_of(*world)
    judged = np.where(np.isnan(truth) | (weight == 0), NAN, scores)
    chance = np.stack([m.shuffled_accuracy(score) for score in judged])
    assert sums["shuffled_plain"] == pytest.approx(np.where(sums["pairs"] > 0, chance, 0) * sums["ordered"], abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.booleans())
def test_calibration_is_that_of_adjacent_outputs(seed, ties):
    world = drawn(seed, ties=ties)
    truth = world[1]
    totals = {name: values.sum(axis=1) for name, values in sums_of(*world).items()}
    got = BY_NAME["calibration"].value(totals)
    for k, own in enumerate(own_of(world)):
        stated, came = [], []
        for row, i in ((row, i) for row in range(len(own)) for i in range(0, own.shape[1] - 1, 2)):
            gap, gain = own[row, i + 1] - own[row, i], truth[row, i + 1] - truth[row, i]
            if not np.isnan([gap, gain]).any() and gain != 0:
                high = gap >= 0
                stated.append(m.preference_probability([abs(gap)], [0.0])[0])
                came.append(0.5 if gap == 0 else float(high == (gain > 0)))
        assert totals["calibration_n"][k] == len(stated)
        if stated:  # twice the bins: a stated probability is one half at least
            assert got[k] == pytest.approx(m.calibration_error(stated, came, bins=2 * CALIBRATION_BINS))
        else:
            assert np.isnan(got[k])


def test_chance_of_the_best_is_that_of_every_order_of_the_scores():
    truth = np.array([[2.0, 2.0, 1.0, 0.0, NAN]])
    weight = np.full((1, 5), 0.2)
    worlds = [np.array([[[*order, 9.0]]]) for order in permutations([1.0, 2.0, 3.0, 4.0])]
    sums = [sums_of(scores, truth, weight, weight > 0, weight) for scores in worlds]
    assert np.mean([one["best"] for one in sums]) == pytest.approx(sums[0]["shuffled_best"].item()) == 1 / 3


def test_constant_where_labelled_has_no_variance():
    """The proxy varies, but not over the cells of known truth: no correlation, rather than one of rounding errors."""
    scores = np.array([[[0.1, 0.1, 0.7, 0.3], [0.2, 0.2, 0.9, NAN]]])
    truth = np.array([[0.0, 1.0, NAN, NAN], [1.0, 3.0, NAN, NAN]])
    lengths = np.array([[3.0, 4.0, 5.0, 6.0]] * 2)
    sums = sums_of(scores, truth, np.full((2, 4), 0.25), np.ones((2, 4), dtype=bool), lengths)
    assert sums["var_proxy"].tolist() == [[0.0, 0.0]]
    assert np.isnan(BY_NAME["correlation"].value({name: values.sum(axis=1) for name, values in sums.items()})).all()


def test_ruler_constant_where_scored_has_no_variance():
    scores = np.array([[[0.1, 0.3, 0.7, NAN]]])
    lengths = np.array([[0.7, 0.7, 0.7, 0.1]])
    sums = sums_of(scores, None, np.full((1, 4), 0.25), np.ones((1, 4), dtype=bool), lengths)
    assert sums["len_var"].tolist() == [[0.0]]


def test_far_output_of_unknown_truth_costs_no_digits():
    scores = np.array([[[1e9, 1e-6, 2e-6, 4e-6]]])
    truth = np.array([[NAN, 1.0, 2.0, 3.0]])
    weight = np.full((1, 4), 0.25)
    sums = sums_of(scores, truth, weight, weight > 0, np.ones((1, 4)))
    assert sums["cov"] == pytest.approx(m.covariance(scores[0], truth)[None], rel=1e-9)


@pytest.mark.parametrize("part", sorted(PARTS - {AHEAD}))
def test_a_part_is_computed_only_if_wanted(part):
    world = drawn(3)
    alone = sums_of(*world, parts={part})
    everything = sums_of(*world)
    needed = [measure.count for measure in BY_NAME.values() if measure.part == part]
    assert set(needed) <= set(alone)
    assert all(np.array_equal(values, everything[name]) for name, values in alone.items())
    assert part == "scores" or len(alone) < len(everything)


def test_the_outlook_is_no_sum_of_a_block():
    """Asked for alone it leaves the sums that every audit has; what it counts is not among them."""
    world = drawn(3)
    ahead = [measure.count for measure in BY_NAME.values() if measure.part == AHEAD]
    alone = sums_of(*world, parts={AHEAD})
    assert set(alone) == set(sums_of(*world, parts=set()))
    assert ahead == ["rehearsed"]
    assert not set(ahead) & set(sums_of(*world))


def test_without_truth_nothing_needs_it():
    scores, _, *rest = drawn(3)
    sums = sums_of(scores, None, *rest)
    assert {"mean", "missing", "score_ties", "len_cov"} <= set(sums)
    assert not {"ordered", "cov", "best", "calibration_n"} & set(sums)


def test_sums_are_finite_everywhere():
    for seed in range(20):
        assert all(np.isfinite(values).all() for values in sums_of(*drawn(seed, missing=0.6, unknown=0.6)).values())


def test_ties_by_pairs_and_by_sorting_agree():
    scores, truth, *rest = drawn(8, ties=True, unknown=0.0, missing=0.0)
    by_pairs = sums_of(scores, truth, *rest)
    by_sorting = sums_of(scores, None, *rest)
    for name in ("score_ties", "score_pairs"):
        assert np.array_equal(by_pairs[name], by_sorting[name])
    assert by_pairs["score_ties"].sum() > 0
