"""What a record may stand for: kinds of prompts, what was never sampled, shared features."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.advice.worlds import BOTH, drawn, product, record

from culpa.advice import worlds as module
from culpa.advice.checks import checks_of
from culpa.advice.worlds import (
    POOLED,
    PRODUCT,
    STRONGEST,
    feature_world,
    kinds_of,
    pattern_world,
    prior_mass,
    strength,
)

A = [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
B = [[1, 0, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0]]


def dirichlet(concentration, prompts=3000, samples=6, seed=0):
    """Prompts whose masses on the four patterns are drawn around those of two independent checks."""
    rng = np.random.default_rng(seed)
    mass = rng.dirichlet(concentration * product(0.3, 0.4), size=prompts)
    pattern = np.array([rng.choice(4, size=samples, p=row) for row in mass])
    return checks_of(record(a=BOTH[pattern, 0], b=BOTH[pattern, 1]))


def test_prompts_that_show_the_same_are_one_kind():
    kinds = kinds_of(checks_of(record(a=A, b=B)))
    assert sorted(zip(kinds.seen.tolist(), kinds.number.tolist(), strict=True)) == [
        ([2.0, 0.0, 1.0, 1.0], 2.0),
        ([4.0, 0.0, 0.0, 0.0], 1.0),
    ]
    assert kinds.of_prompt[0] == kinds.of_prompt[1] != kinds.of_prompt[2]


@pytest.mark.parametrize("most", [1, 3, 8])
def test_kinds_thrown_together_keep_the_pooled_counts(most):
    checks = checks_of(drawn(0.4, 0.3, prompts=80, spread=1.0))
    many, few = kinds_of(checks), kinds_of(checks, most)
    assert len(many.number) > 20
    assert 0 < len(few.number) <= most
    assert few.number.sum() == 80
    np.testing.assert_allclose(few.number @ few.seen, many.number @ many.seen)
    assert np.bincount(few.of_prompt).tolist() == few.number.tolist()


def test_kinds_are_thrown_together_in_even_parts():
    """Four kinds of one prompt each, with none to three successes of three."""
    rows = [[1] * number + [0] * (3 - number) for number in range(4)]
    few = kinds_of(checks_of(record(a=rows, b=rows)), 2)
    assert few.of_prompt.tolist() == [0, 0, 1, 1]


def test_neighbours_are_thrown_together():
    checks = checks_of(drawn(0.5, 0.5, prompts=80, spread=2.0))
    few = kinds_of(checks, 6)
    inside = sum(few.number[u] * checks.mass[few.of_prompt == u, -1].var() for u in range(6)) / 80
    assert inside < 0.15 * checks.mass[:, -1].var()


def test_priors_by_hand():
    checks = checks_of(record(a=A, b=B))
    counts = np.array([6.0, 2.0, 2.0, 0.0])
    np.testing.assert_allclose(prior_mass(counts, checks, POOLED), np.array([6.5, 2.5, 2.5, 0.5]) / 12)
    rate = 2.5 / 11
    np.testing.assert_allclose(prior_mass(counts, checks, PRODUCT), product(rate, rate))
    both = prior_mass(np.stack([counts, counts[::-1]]), checks, PRODUCT)
    assert both.shape == (2, 4)
    np.testing.assert_allclose(both[0], product(rate, rate))


def test_a_start_is_the_counts_with_the_priors_added(monkeypatch):
    monkeypatch.setattr(module, "strength", lambda _: 2.0)
    checks = checks_of(record(a=A, b=B))
    kinds = kinds_of(checks)
    share = kinds.number[None] / 3
    world = pattern_world(checks, kinds, share, prior=POOLED, shared=False)
    prior = prior_mass(kinds.number @ kinds.seen, checks, POOLED)
    np.testing.assert_allclose(np.exp(world.start[0]), (kinds.seen + 2 * prior) / 6)
    assert world.features is None
    skills = pattern_world(checks, kinds, share, prior=POOLED, shared=True)
    assert skills.features.tolist() == BOTH.astype(float).tolist()


def test_each_draw_has_its_own_prior():
    checks = checks_of(drawn(0.2, 0.3, prompts=20))
    kinds = kinds_of(checks)
    counts = np.zeros((2, len(kinds.number)))
    counts[0, 0], counts[1, -1] = 1.0, 1.0
    world = pattern_world(checks, kinds, counts, prior=POOLED, shared=False)
    for draw, kind in ((0, 0), (1, -1)):
        prior = prior_mass(20 * kinds.seen[kind], checks, POOLED)
        added = strength(checks)
        np.testing.assert_allclose(np.exp(world.start[draw]), (kinds.seen + added * prior) / (16 + added))


def test_masses_that_are_known_stay_as_they_are():
    checks = checks_of(record(a=[[1, 0]], b=[[0, 0]], weight=[[0.3, 0.7]]))
    world = pattern_world(checks, kinds_of(checks), np.ones((1, 1)), prior=POOLED, shared=False)
    assert np.exp(world.start[0, 0]).tolist() == pytest.approx([0.7, 0.3, 0, 0])


@pytest.mark.parametrize("concentration", [0.5, 3.0, 20.0])
def test_the_strength_is_that_of_the_law_the_prompts_were_drawn_from(concentration):
    assert strength(dirichlet(concentration)) == pytest.approx(concentration, rel=0.25)


def test_prompts_that_differ_by_chance_alone_have_a_strong_prior():
    found = [strength(checks_of(drawn(0.3, 0.4, prompts=200, samples=8, seed=seed))) for seed in range(8)]
    assert min(found) > 30
    assert max(found) == STRONGEST
    assert strength(checks_of(record(a=[[1, 1]] * 3, b=[[1, 1]] * 3))) == STRONGEST


def test_without_two_outputs_a_prompt_unlikeness_is_unknown():
    assert strength(checks_of(record(a=[[1], [0]], b=[[1], [0]]))) == 1.0


def with_features(rollouts, values):
    return replace(rollouts, features=np.asarray(values, dtype=np.float32))


def test_sampled_outputs_with_their_features():
    rollouts = record(a=A, b=B)
    values = np.random.default_rng(0).normal(size=(3, 4, 2))
    found = feature_world(with_features(rollouts, values), checks_of(rollouts))
    assert found.source == "the policy's 2-d features"
    assert found.world.pattern.tolist() == checks_of(rollouts).pattern.tolist()
    np.testing.assert_allclose(np.exp(found.world.start[0]), 0.25)
    np.testing.assert_allclose(found.world.features.mean(axis=1), 0.0, atol=1e-6)
    scale = values - values.mean(axis=1, keepdims=True)
    ratio = found.world.features / scale
    np.testing.assert_allclose(ratio, ratio[0, 0, 0], rtol=1e-4)
    assert found.world.value[0].tolist() == [1, 0, 0, 0]


def test_texts_are_features_too():
    rollouts = replace(record(a=A, b=B), table=pl.DataFrame({"response": [f"say {n}" for n in range(12)]}))
    assert "n-grams" in feature_world(rollouts, checks_of(rollouts)).source


def test_nothing_to_share_or_nothing_to_raise():
    rollouts = record(a=A, b=B)
    assert feature_world(rollouts, checks_of(rollouts)) is None
    alike = with_features(rollouts, np.ones((3, 4, 2)))
    assert feature_world(alike, checks_of(alike)) is None
    never = with_features(record(a=A, b=np.zeros((3, 4))), np.random.default_rng(0).normal(size=(3, 4, 2)))
    assert feature_world(never, checks_of(never)) is None


def test_outputs_without_checks_have_no_mass_and_no_pull():
    holes = record(a=[[1, np.nan, 0, 0]], b=[[1, 1, 0, 1]])
    values = np.random.default_rng(0).normal(size=(1, 4, 2))
    found = feature_world(with_features(holes, values), checks_of(holes))
    assert np.exp(found.world.start[0, 0]).tolist() == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3])
    assert (found.world.features[0, 1] == 0).all()
    np.testing.assert_allclose(found.world.features[0].sum(axis=0), 0.0, atol=1e-6)


def test_of_many_prompts_some_that_stand_evenly_apart(monkeypatch):
    monkeypatch.setattr(module, "CELLS", 40)
    rollouts = drawn(0.5, 0.5, prompts=21, samples=4)
    values = np.random.default_rng(0).normal(size=(21, 4, 2))
    found = feature_world(with_features(rollouts, values), checks_of(rollouts))
    assert found.prompts.tolist() == [0, 2, 4, 6, 8, 11, 13, 15, 17, 20]
    assert found.world.start.shape == (1, 10, 4)


def test_a_truth_is_the_success_of_an_output_itself():
    rollouts = record(a=A, b=B, truth=[[0, 1, 0, np.nan], [0, 0, 0, 0], [0, 0, 0, 0]])
    values = np.random.default_rng(0).normal(size=(3, 4, 2))
    found = feature_world(with_features(rollouts, values), checks_of(rollouts))
    assert found.world.value[0].tolist() == [0, 1, 0, 0]
