"""The expected truth of outputs that nobody judged: what it finds, how far it says it may be off, and its limits."""

import numpy as np
import pytest
from tests.audit.world import NAN, record
from tests.rollouts.records import refused

from culpa.audit.expected import PENALTIES, _fit, _held_out, expected_truth


def world(seed=0, *, prompts=60, samples=8, labels=3, noise=0.5, shift=0.0, bent=0.0, dims=4):
    """Truth linear in features, with a part of its own for each prompt; a noisy proxy. Labels in 3 of 4 prompts."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((prompts, samples, dims))
    x -= x.mean(axis=1, keepdims=True)
    truth = x @ rng.standard_normal(dims) + noise * rng.standard_normal((prompts, samples)) + bent * x[:, :, 0] ** 2
    truth += shift * rng.standard_normal((prompts, 1))
    known = np.zeros(truth.shape, dtype=bool)
    known[: prompts * 3 // 4, :labels] = True
    rm = truth + rng.standard_normal(truth.shape)
    return x.astype(np.float32), truth, np.where(known, truth, NAN), rm


def told(x, labelled, rm, **proxies):
    return expected_truth(record({"rm": rm} | proxies, labelled), x, labelled)


def off(truth, labelled, found):
    """Errors in spreads, of the unjudged outputs."""
    unknown = np.isnan(labelled)
    return (truth - found.mean)[unknown] / found.spread[unknown]


def test_a_linear_truth_is_recovered():
    x, truth, labelled, rm = world(noise=0.0)
    found = told(x, labelled, rm)
    inside = (truth > np.nanmin(labelled)) & (truth < np.nanmax(labelled))
    np.testing.assert_allclose(found.mean[inside], truth[inside], atol=1e-3)
    assert found.spread.max() < 1e-2


def test_known_truths_stand_as_they_are():
    x, _, labelled, rm = world()
    found, known = told(x, labelled, rm), ~np.isnan(labelled)
    assert (found.mean[known] == labelled[known]).all()
    assert (found.spread[known] == 0).all()
    assert (found.spread[~known] > 0).all()


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
def test_about_68_per_cent_lie_within_one_spread_where_the_model_holds(shift):
    errors = []
    for seed in range(6):
        x, truth, labelled, rm = world(seed, shift=shift, prompts=100)
        errors.append(off(truth, labelled, told(x, labelled, rm)))
    for part in (errors, [one[-200:] for one in errors]):  # all, and those of prompts without any label
        assert 0.63 < np.mean(np.abs(np.concatenate(part)) < 1) < 0.73
        assert 0.9 < np.sqrt(np.mean(np.concatenate(part) ** 2)) < 1.12


@pytest.mark.parametrize("changes", [{"bent": 0.7}, {"dims": 60}, {"labels": 1}, {"prompts": 12}, {"noise": 0.05}])
def test_elsewhere_the_spread_is_not_absurd(changes):
    errors = []
    for seed in range(4):
        x, truth, labelled, rm = world(seed, **changes)
        errors.append(off(truth, labelled, told(x, labelled, rm)))
    assert 0.6 < np.sqrt(np.mean(np.concatenate(errors) ** 2)) < 1.8


def test_it_tells_more_than_the_mean_of_the_labels():
    x, truth, labelled, rm = world(dims=60, prompts=40)
    unknown = np.isnan(labelled)
    miss = (told(x, labelled, rm).mean - truth)[unknown]
    assert np.mean(miss**2) < 0.5 * np.mean((truth[unknown] - np.nanmean(labelled)) ** 2)


def prompt_means(labels, shift=2.0):
    """A proxy that says nothing; prompt 0 is far above the others and has `labels` labels."""
    rng = np.random.default_rng(3)
    truth = shift * rng.standard_normal((40, 6)).mean(axis=1, keepdims=True) * 6**0.5 + rng.standard_normal((40, 6))
    truth[0] += 6.0 - truth[0].mean()
    labelled = truth.copy()
    labelled[:, 4:] = NAN
    labelled[0, labels:] = NAN
    rm = rng.standard_normal(truth.shape)
    return expected_truth(record({"rm": rm}, labelled), None, labelled), labelled


def test_few_labels_draw_a_prompt_towards_the_others():
    levels, spreads = [], []
    for labels in (0, 1, 2, 4):
        found, labelled = prompt_means(labels)
        rest = np.nanmean(labelled[1:])
        levels.append(found.mean[0, 5] - rest)
        spreads.append(found.spread[0, 5])
    assert abs(levels[0]) < 1.0 < levels[1] < levels[3]
    assert levels[3] < 6.5
    assert spreads == sorted(spreads, reverse=True)


def test_a_shift_is_the_share_that_its_variance_and_number_of_labels_give():
    """Without anything to fit, by hand: variances by one-way analysis, the prompt's mean times b / (b + e / n)."""
    rng = np.random.default_rng(0)
    truth = 2 * rng.standard_normal((30, 1)) + rng.standard_normal((30, 5))
    labelled = np.where(np.arange(5) < 3, truth, NAN)
    found = expected_truth(record({"flat": np.zeros(truth.shape)}, labelled), None, labelled)
    known, level = labelled[:, :3], labelled[:, :3].mean()
    within = known.var(axis=1, ddof=1).mean()
    between = ((known.mean(axis=1) - level) ** 2).mean() - within / 3
    # What is left is that of folds: each level is a little off that of all.
    part = between / (between + within / 3)
    np.testing.assert_allclose(found.mean[:, 4], level + part * (known.mean(axis=1) - level), atol=1e-8)
    np.testing.assert_allclose(found.spread[:, 4] ** 2, between * (1 - part) + within, rtol=1e-8)


def test_a_constant_truth_is_that_constant_for_certain():
    x, _, labelled, rm = world()
    labelled = np.where(np.isnan(labelled), NAN, 0.1)
    found = told(x, labelled, rm)
    np.testing.assert_allclose(found.mean, 0.1, atol=1e-12)
    np.testing.assert_allclose(found.spread, 0.0, atol=1e-12)


@pytest.mark.parametrize("places", [np.s_[0, :12], np.s_[:3, :3]])  # one prompt; nine outputs of three
def test_too_few_labels_tell_no_more_than_their_mean_and_spread(places):
    x, truth, _, rm = world(samples=12)
    labelled = np.full(truth.shape, NAN)
    labelled[places] = truth[places]
    found, values = told(x, labelled, rm), truth[places]
    np.testing.assert_allclose(found.mean[20:], values.mean())
    np.testing.assert_allclose(found.spread[20:], values.std(), rtol=0.1)


def test_ten_labels_of_two_prompts_are_fitted():
    x, truth, _, rm = world(noise=0.0)
    labelled = np.full(truth.shape, NAN)
    labelled[:2, :5] = truth[:2, :5]
    assert np.ptp(told(x, labelled, rm).mean[20:]) > 0


def test_nothing_known_is_refused():
    x, truth, _, rm = world()
    nothing = np.full(truth.shape, NAN)
    said = refused(expected_truth, record({"rm": rm}, nothing), x, nothing)
    assert said == "no output has a known truth. Label some outputs first."


def test_it_stays_among_the_truths_that_were_seen():
    x, _, labelled, rm = world()
    rm[-1] = 1e3
    found = told(x, labelled, rm)
    assert np.nanmin(labelled) <= found.mean.min()
    assert found.mean.max() == np.nanmax(labelled)


def test_without_features_scores_alone_tell():
    _, truth, labelled, rm = world(noise=0.0)
    found = expected_truth(record({"rm": rm}, labelled), None, labelled)
    unknown = np.isnan(labelled)
    assert np.corrcoef(found.mean[unknown], truth[unknown])[0, 1] > 0.7


def test_a_score_that_is_a_level_of_prompts_and_one_that_orders_outputs_both_tell():
    """The truth is a proxy less twice its mean in the prompt: scores as they are and centred, and no other way."""
    rng = np.random.default_rng(0)
    rm = 3 * rng.standard_normal((60, 1)) + rng.standard_normal((60, 6))
    rm -= 3 * rm.mean()
    truth = rm - 2 * rm.mean(axis=1, keepdims=True)
    labelled = np.where(np.arange(6) < 2, truth, NAN)
    found = expected_truth(record({"rm": rm}, labelled), None, labelled)
    inside = (truth > np.nanmin(labelled)) & (truth < np.nanmax(labelled))
    np.testing.assert_allclose(found.mean[inside], truth[inside], atol=0.01)


def test_a_missing_verdict_is_the_mean_of_the_prompts_others():
    x, _, labelled, rm = world()
    gaps, filled = rm.copy(), rm.copy()
    gaps[3, 5] = NAN
    filled[3, 5] = np.delete(rm[3], 5).mean()
    np.testing.assert_allclose(told(x, labelled, gaps).mean, told(x, labelled, filled).mean, rtol=1e-9)


def test_a_prompt_without_verdicts_has_the_mean_of_all_and_not_zero():
    x, _, labelled, rm = world()
    rm = rm + 1000
    gaps, filled = rm.copy(), rm.copy()
    gaps[50] = NAN
    filled[50] = np.delete(rm, 50, axis=0).mean()
    np.testing.assert_allclose(told(x, labelled, gaps).mean, told(x, labelled, filled).mean, rtol=1e-9)


def test_a_constant_proxy_changes_nothing():
    x, _, labelled, rm = world(samples=7)
    weight = np.random.default_rng(0).dirichlet(np.ones(7), len(rm))
    flat = {"flat": np.full(rm.shape, 0.7), "none": np.full(rm.shape, NAN)}
    both = [expected_truth(record({"rm": rm} | more, labelled, weight), x, labelled) for more in ({}, flat)]
    np.testing.assert_allclose(both[1].mean, both[0].mean, rtol=1e-9)


def test_an_output_unlike_all_judged_ones_is_less_certain():
    x, _, labelled, rm = world()
    x[-1, 0] *= 8
    found = told(x, labelled, rm)
    assert found.spread[-1, 0] > 1.05 * found.spread[-2].max()


def test_neither_scale_nor_level_of_a_proxy_matters():
    x, _, labelled, rm = world()
    np.testing.assert_allclose(told(x, labelled, 1e3 - 50 * rm).mean, told(x, labelled, rm).mean, rtol=1e-7)


def test_padding_is_nan():
    x, truth, labelled, rm = world()
    present = np.ones(truth.shape, dtype=bool)
    present[::2, 6:] = False
    found = expected_truth(record({"rm": rm}, labelled, present=present), x, np.where(present, labelled, NAN))
    for part in found:
        assert (np.isnan(part) == ~present).all()


def test_held_out_is_what_a_fit_on_the_other_folds_leaves():
    rng = np.random.default_rng(0)
    x, fold = rng.standard_normal((40, 3)), np.arange(40) % 2
    y = x @ np.array([1.0, -2.0, 0.5]) + rng.standard_normal(40)
    found = _held_out(x, y, fold)
    for place, penalty in enumerate(PENALTIES):
        for one in (0, 1):
            rest, target = x[fold != one], y[fold != one]
            weights = np.linalg.solve(rest.T @ rest + penalty * np.eye(3), rest.T @ target)
            np.testing.assert_allclose(found[fold == one, place], y[fold == one] - x[fold == one] @ weights)


def test_prompts_are_not_cut_by_folds():
    """A column that tells the prompt is of no use on others: fitted on a prompt's own labels it would seem to be."""
    rng = np.random.default_rng(0)
    prompts = np.repeat(np.arange(20), 10)
    values = 5 * rng.standard_normal(20)[prompts] + 0.1 * rng.standard_normal(200)
    one_hot = np.eye(20)[prompts]
    fit = _fit(one_hot, values, prompts)
    assert fit.between > 0.5 * values.var()


def test_the_doubt_of_the_weights_is_that_of_ridge_regression():
    rng = np.random.default_rng(0)
    x, prompts = rng.standard_normal((50, 3)), np.repeat(np.arange(10), 5)
    y = x @ np.array([1.0, -2.0, 0.5]) + 0.3 * rng.standard_normal(50)
    fit = _fit(x, y, prompts)
    z, new = (x - x.mean(axis=0)) / x.std(axis=0), rng.standard_normal((4, 3))
    strength = np.linalg.eigvalsh(z.T @ z)
    penalty = (fit.strength - strength)[0]
    assert np.isclose(PENALTIES, penalty).any()
    inverse = np.linalg.inv(z.T @ z + penalty * np.eye(3))
    at = (new - x.mean(axis=0)) / x.std(axis=0)
    guess, doubt = fit.of(new)
    np.testing.assert_allclose(guess, y.mean() + at @ inverse @ z.T @ (y - y.mean()))
    left = fit.within + fit.between
    np.testing.assert_allclose(doubt, left * np.einsum("nd,de,ne->n", at, inverse, at))
    assert 0.05 < left < 0.15
