"""The worlds are what their page says."""

import numpy as np
import pytest

from culpa.errors import InputError
from culpa.labs.finite.worlds import DIMS, KINDS, OUTPUTS, PROMPTS, make_world, mean, spread, stream

SEEDS = range(1, 25)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_world_and_another_seed_another(kind):
    one, two, other = (make_world(kind, seed) for seed in (3, 3, 4))
    for name in ("start", "truth", "length"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
        assert not np.array_equal(getattr(one, name), getattr(other, name))


def test_kinds_differ_at_the_same_seed():
    assert not np.allclose(make_world("shared", 1).start, make_world("verified", 1).start)


@pytest.mark.parametrize("kind", KINDS)
def test_policies_sum_to_one_and_judged_prompts_are_others_where_features_are_shared(kind):
    world = make_world(kind, 1)
    assert world.prob.sum(axis=1) == pytest.approx(1.0)
    rows = np.arange(len(world.truth))
    trained, judged = rows[world.trained], rows[world.judged]
    assert len(trained) == len(judged) == PROMPTS
    assert bool(set(trained) & set(judged)) == (kind == "apart")
    assert world.truth.shape == (len(rows), OUTPUTS)


def test_graded_truth_has_unit_spread_and_verdicts_are_a_fifth():
    for kind in ("apart", "shared"):
        assert make_world(kind, 2).unit == pytest.approx(1.0)
    right = np.mean([make_world("verified", seed).truth.mean() for seed in SEEDS])
    assert right == pytest.approx(0.2, abs=0.02)


def test_the_initial_policy_leans_to_the_truth_by_three_tenths():
    """Over draws, log pi0 rises by .3 for each unit of quality, the same in every prompt."""
    slopes = []
    for seed in SEEDS:
        world = make_world("apart", seed)
        away = world.truth - world.truth.mean(axis=1, keepdims=True)
        slopes.append((away * world.start).sum() / (away**2).sum())
    assert np.mean(slopes) == pytest.approx(0.3, abs=0.04)


def test_the_shared_truth_is_half_linear_and_a_fifth_bent():
    linear, whole = [], []
    for seed in SEEDS:
        world = make_world("shared", seed)
        phi = world.features.reshape(-1, DIMS)
        truth = world.truth.ravel() - world.truth.mean()
        fit = phi @ np.linalg.lstsq(phi, truth, rcond=None)[0]
        pairs = np.stack([phi[:, i] * phi[:, j] for i in range(DIMS) for j in range(i + 1)], axis=1)
        both = np.concatenate([phi, pairs - pairs.mean(axis=0)], axis=1)
        bent = both @ np.linalg.lstsq(both, truth, rcond=None)[0]
        linear.append(fit.var() / truth.var())
        whole.append(bent.var() / truth.var())
    assert np.mean(linear) == pytest.approx(0.5 + 0.5 * 12 / 768, abs=0.03)
    assert np.mean(whole) == pytest.approx(0.7 + 0.3 * 78 / 768, abs=0.06)  # the rest fits noise by 78 of 768 weights


@pytest.mark.parametrize("kind", KINDS)
def test_attributes_are_standard_normal_and_have_nothing_to_do_with_the_truth(kind):
    links, sizes = [], []
    for seed in SEEDS:
        world = make_world(kind, seed)
        own = world.attribute(stream(seed, "defect"))
        links.append(np.corrcoef(own.ravel(), world.truth.ravel())[0, 1])
        sizes.append(own.std())
    assert np.mean(sizes) == pytest.approx(1.0, abs=0.05)
    assert abs(np.mean(links)) < 0.15


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_are_lognormal_and_have_nothing_to_do_with_the_truth(kind):
    worlds = [make_world(kind, seed) for seed in SEEDS]
    links = [np.corrcoef(np.log(world.length).ravel(), world.truth.ravel())[0, 1] for world in worlds]
    assert abs(np.mean(links)) < 0.1
    assert np.mean([np.log(world.length).std() for world in worlds]) == pytest.approx(0.4, abs=0.02)
    assert np.median([world.length for world in worlds[:1]]) == pytest.approx(100.0, rel=0.15)


def test_every_use_of_a_seed_has_a_stream_of_its_own():
    uses = [("world", 0), ("world", 2), ("defect", 0), ("defect", 0, 0), ("defect", 0, 1), ("training",), ("second",)]
    first = [stream(seed, *use).random() for seed in (0, 1, 2, 3) for use in [*uses, ("references",)]]
    assert len(set(first)) == len(first)


def test_an_attribute_can_be_learned_from_features():
    world = make_world("shared", 1)
    phi, own = world.features.reshape(-1, DIMS), world.attribute(np.random.default_rng(0)).ravel()
    assert phi @ np.linalg.lstsq(phi, own, rcond=None)[0] == pytest.approx(own)


def test_spread_and_mean_by_hand():
    values, prob = np.array([[1.0, 3.0], [0.0, 10.0]]), np.array([[0.5, 0.5], [1.0, 0.0]])
    assert mean(values, prob).ravel().tolist() == [2.0, 0.0]
    assert spread(values, prob) == pytest.approx(np.sqrt(0.5))


def test_unknown_kinds_are_refused():
    with pytest.raises(InputError, match=r"no kind of world is called 'wide'\. Known: apart, shared, verified\."):
        make_world("wide", 1)
