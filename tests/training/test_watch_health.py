"""A step's groups: by hand, against the slow form, and where nothing can be said."""

import numpy as np
import polars as pl
import pytest
from tests.training.watch_cases import batch

from culpa.errors import InputError
from culpa.rollouts import Rollouts
from culpa.training.watch.batch import CHARACTERS, TOKENS, Batch, group_starts, grouped, of_rollouts
from culpa.training.watch.health import health


def slow(given):
    """The figures by loops over lists."""
    groups = [
        [x for x, here in zip(row, there, strict=True) if here and not np.isnan(x)]
        for row, there in zip(given.reward.tolist(), given.present.tolist(), strict=True)
    ]
    several = [group for group in groups if len(group) > 1]
    every = [x for group in groups for x in group]
    pairs = [(a, b) for group in groups for i, a in enumerate(group) for b in group[i + 1 :]]
    dead = [group for group in several if max(group) == min(group)]
    variances = [sum((x - sum(g) / len(g)) ** 2 for x in g) / len(g) for g in several]
    return {
        "prompts": len(groups),
        "outputs": int(given.present.sum()),
        "reward": sum(every) / len(every),
        "spread": (sum(variances) / len(variances)) ** 0.5,
        "missing": 1 - len(every) / int(given.present.sum()),
        "dead": len(dead) / len(several),
        "all_wrong": sum(group[0] == 0 for group in dead) / len(several),
        "all_right": sum(group[0] == 1 for group in dead) / len(several),
        "ties": sum(a == b for a, b in pairs) / len(pairs),
    }


@pytest.mark.parametrize("seed", range(6))
def test_figures_are_those_of_the_slow_form(seed):
    given = batch(np.random.default_rng(seed), prompts=9, coarse=True)
    seen = health(given)._asdict()
    for name, value in slow(given).items():
        assert seen[name] == pytest.approx(value), name


def test_verdicts_of_a_verifier_are_all_wrong_or_all_right():
    scores = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, np.nan]])
    seen = health(Batch(0, scores, np.ones(scores.shape, dtype=bool)))
    assert (seen.dead, seen.all_wrong, seen.all_right) == (0.75, 0.25, 0.5)  # a group of one verdict counts nowhere


def test_the_ends_of_another_scale_are_asked_for():
    scores = np.array([[-1.0, -1.0], [2.0, 2.0]])
    given = Batch(0, scores, np.ones((2, 2), dtype=bool))
    assert np.isnan(health(given).all_wrong)
    assert health(given, bounds=(-1.0, 1.0)).all_wrong == 0.5
    assert health(given, bounds=(-1.0, 1.0)).all_right == 0.0


def test_equal_scores_are_dead_whatever_their_standard_deviation():
    scores = np.full((1, 3), 0.1)
    assert np.std(scores) > 0  # of three equal numbers
    assert health(Batch(0, scores, np.ones((1, 3), dtype=bool))).dead == 1.0
    assert health(Batch(0, scores + np.array([0, 0, 1e-15]), np.ones((1, 3), dtype=bool))).dead == 0.0


def test_scores_on_padding_count_nowhere():
    scores = np.array([[1.0, 2.0, 99.0]])
    given = Batch(0, scores, np.array([[True, True, False]]))
    assert (health(given).reward, health(given).outputs, health(given).missing) == (1.5, 2, 0.0)


def test_without_a_verdict_nothing_is_said():
    seen = health(Batch(0, np.full((2, 2), np.nan), np.ones((2, 2), dtype=bool)))
    assert seen.missing == 1.0
    assert all(np.isnan([seen.reward, seen.spread, seen.dead, seen.ties, seen.all_wrong]))


def test_groups_of_one_are_neither_dead_nor_alive():
    assert np.isnan(health(Batch(0, np.ones((3, 1)), np.ones((3, 1), dtype=bool))).dead)


def test_length_clipping_and_divergence_are_means_over_outputs():
    cells = np.array([[1.0, 3.0], [5.0, np.nan]])
    given = Batch(0, cells, ~np.isnan(cells), length=cells, clipped=cells / 5, log_ratio=cells - 2)
    seen = health(given)
    assert (seen.length, seen.clipped, seen.kl) == (3.0, pytest.approx(0.6), 1.0)


def test_the_divergence_is_right_on_average():
    rng = np.random.default_rng(0)
    new, old = rng.dirichlet(np.ones(5), 2)
    drawn = rng.choice(5, (200, 50), p=new)
    ratio = np.log(new / old)[drawn]
    seen = health(Batch(0, np.zeros(drawn.shape), np.ones(drawn.shape, dtype=bool), log_ratio=ratio))
    assert seen.kl == pytest.approx(float((new * np.log(new / old)).sum()), abs=0.05)


@pytest.mark.parametrize(
    ("prompts", "size", "starts"),
    [("aabb", None, [0, 2, 4]), ("aaaa", 2, [0, 2, 4]), ("aab", None, [0, 2, 3]), ("abc", None, [0, 1, 2, 3])],
)
def test_groups_are_neighbours_with_equal_prompts(prompts, size, starts):
    assert group_starts(list(prompts), size) == starts


@pytest.mark.parametrize(("prompts", "size"), [("aab", 2), ("aaab", 2), ("abab", 2)])
def test_a_group_size_that_does_not_fit_is_refused(prompts, size):
    with pytest.raises(InputError, match="groups of 2 with one prompt each"):
        group_starts(list(prompts), size)


def test_missing_numbers_are_nan_and_never_zero():
    assert np.isnan(grouped([None, 1.0], [0, 2])[0, 0])


@pytest.mark.parametrize("name", ["reward", "truth", "length", "clipped", "log_ratio"])
def test_arrays_of_another_shape_are_refused(name):
    cells = {"reward": np.zeros((1, 2))} | {name: np.zeros((1, 3))}
    with pytest.raises(InputError, match=f"'{name}' has shape"):
        Batch(0, present=np.ones((1, 2), dtype=bool), **cells)


def test_a_step_without_outputs_is_refused():
    with pytest.raises(InputError, match="a step needs outputs"):
        Batch(0, np.zeros((1, 0)), np.zeros((1, 0), dtype=bool))


def test_a_record_becomes_a_batch():
    present = np.array([[True, True], [True, False]])
    scores = np.where(present, 1.0, np.nan)
    table = pl.DataFrame({"response": ["four", None, "æ"], "ended": [False, True, True]})
    ids = np.array(["a", "b"], dtype=object)
    weight = np.where(present, 1.0, 0.0) / present.sum(axis=1, keepdims=True)
    record = Rollouts(ids, present, weight, {"rm": scores}, table=table)
    given = of_rollouts(record, 5, "rm")
    assert (given.step, given.counted) == (5, CHARACTERS)
    assert given.length[present].tolist() == [4.0, 0.0, 1.0]
    assert health(given).clipped == pytest.approx(1 / 3)
    counted = of_rollouts(Rollouts(ids, present, weight, {"rm": scores}, length=7 * scores, table=table), 5, "rm")
    assert (counted.counted, health(counted).length) == (TOKENS, 7.0)
