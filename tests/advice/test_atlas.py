"""The cells of an atlas by hand, what is looked up in it, and how sure that is."""

import numpy as np
import polars as pl
import pytest
from scipy import stats
from tests.advice.atlases import EFFECTS, WIGGLE, atlas, recipe

from culpa.advice.atlas import NONE, STORED, Atlas, cells, discovered, look_up, read_atlas, read_cells, write_atlas
from culpa.errors import InputError

CELLS = cells(atlas())
BY_KEY = {(row["remedy"], row["size"]): row for row in CELLS.iter_rows(named=True)}


@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("size", [1.0, 2.0])
def test_effects_are_means_over_worlds_of_means_over_pairs(name, size):
    row, effects = BY_KEY[name, size], np.array(EFFECTS[name][size]) / 1000
    assert row["effect"] == pytest.approx(effects.mean())
    assert (row["least"], row["most"]) == pytest.approx((effects.min(), effects.max()))
    assert (row["worlds"], row["n"]) == (len(effects), 8 * len(effects))
    assert row["untouched"] == pytest.approx(0.537 - 0.1 * size)
    assert row["level"] == pytest.approx(row["untouched"] + row["effect"])
    assert row["kl"] == pytest.approx(1.5)


def test_the_interval_is_that_of_student_over_worlds():
    row = BY_KEY["good", 1.0]
    error = np.sqrt(2 * (WIGGLE / 1000).var(ddof=1) / 8) / 2
    half = stats.t.ppf(0.975, 7) * error
    assert (row["low"], row["high"]) == pytest.approx((0.15 - half, 0.15 + half))
    assert row["p"] == pytest.approx(2 * stats.t.sf(0.15 / error, 7), rel=1e-6)


def test_one_world_is_the_paired_t_test():
    row = BY_KEY["alone", 1.0]
    found = stats.ttest_1samp((200 + WIGGLE) / 1000, 0.0)
    assert row["p"] == pytest.approx(found.pvalue)
    assert (row["low"], row["high"]) == pytest.approx(tuple(found.confidence_interval(0.95)))


@pytest.mark.parametrize(
    ("name", "size", "verdict"),
    [
        ("good", 1.0, "helps"),
        ("bad", 2.0, "hurts"),
        ("fades", 1.0, "helps"),
        ("fades", 2.0, "no difference"),
        ("torn", 1.0, "depends"),
        ("torn", 2.0, "depends"),  # also where the mean is not 0
        ("idle", 1.0, "no difference"),
        ("small", 1.0, "no difference"),  # surely above 0, and too small to matter
        ("noisy", 1.0, "cannot tell"),
        ("alone", 2.0, "helps"),
    ],
)
def test_verdicts(name, size, verdict):
    assert BY_KEY[name, size]["verdict"] == verdict


def test_the_verdict_is_one_over_all_cells():
    """A p value of .04 stands among few and not among many."""
    p = np.array([0.04])
    assert discovered(p, 0.05).all()
    assert not discovered(np.concatenate([p, np.full(9, 0.9)]), 0.05).any()


def test_discoveries_as_scipy_adjusts_them():
    rng = np.random.default_rng(0)
    p = np.concatenate([rng.uniform(size=60), rng.uniform(0, 0.01, 20)])
    assert np.array_equal(discovered(p, 0.05), stats.false_discovery_control(p) <= 0.05)
    assert discovered(np.array([]), 0.05).shape == (0,)


@pytest.mark.parametrize(
    ("size", "beside", "outside"),
    [(None, (1.0, 2.0), 1.0), (1.5, (1.0, 2.0), 1.0), (1.0, (1.0,), 1.0), (6.0, (2.0,), 3.0), (0.25, (1.0,), 4.0)],
)
def test_sizes_beside_and_beyond(size, beside, outside):
    found = look_up(CELLS, recipe(), "tilt", size)
    assert (found.beside, found.outside) == (beside, outside)
    assert sorted(found.rows["size"].unique()) == list(beside)
    assert found.rows.height == len(EFFECTS) * len(beside)


def judged(size):
    return {one.remedy: (one.kind, one.sure) for one in look_up(CELLS, recipe(), "tilt", size).remedies()}


def test_judgements_over_both_sizes():
    assert judged(1.5) == {
        "good": ("helps", "sure"),
        "bad": ("hurts", "sure"),
        "worse": ("hurts", "sure"),
        "fades": ("helps", "likely"),
        "torn": ("depends", ""),
        "turns": ("depends", ""),
        "idle": ("no difference", ""),
        "small": ("no difference", ""),
        "noisy": ("cannot tell", ""),
        "lopsided": ("helps", "likely"),  # in one of two kinds of worlds
        "slows": ("helps", "likely"),  # at one of two sizes
        "alone": ("helps", "likely"),  # one kind of world
    }


def test_beyond_the_range_nothing_is_sure():
    assert judged(2.0)["good"] == ("helps", "sure")
    assert judged(2.5)["good"] == ("helps", "likely")
    assert judged(4.0)["good"] == ("helps", "weak")
    assert judged(0.5)["bad"] == ("hurts", "weak")


def test_remedies_stand_from_the_best_to_the_worst():
    means = [one.mean for one in look_up(CELLS, recipe(), "tilt").remedies()]
    assert means == sorted(means, reverse=True)
    assert means[0] == pytest.approx(0.2)  # good and alone
    assert [cell["size"] for cell in look_up(CELLS, recipe(), "tilt").remedies()[0].cells] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("lean", None, r"the atlas has no defect 'lean'\. Known: tilt\."),
        ("tilt", 0.0, r"the size of tilt must be positive, got 0\. The atlas has 1, 2 \(degrees\)\."),
        ("tilt", float("nan"), "must be positive, got nan"),
        ("tilt", float("inf"), "must be positive, got inf"),
    ],
)
def test_what_is_refused(name, size, message):
    with pytest.raises(InputError, match=message):
        look_up(CELLS, recipe(), name, size)


def test_an_atlas_is_read_as_it_was_written(tmp_path):
    one = atlas()
    write_atlas(one, tmp_path / "a.parquet")
    two = read_atlas(tmp_path / "a.parquet")
    assert two.runs.equals(one.runs)
    assert two.recipe == one.recipe
    assert read_cells(tmp_path / "a.parquet").equals(CELLS)


def test_the_stored_atlas_is_whole_and_small():
    stored = read_atlas()
    assert STORED.stat().st_size < 200_000
    defects, remedies = stored.recipe["defects"], stored.recipe["remedies"]
    assert len(stored.recipe["seeds"]) >= 12
    assert stored.runs["level"].list.len().unique().to_list() == [len(stored.recipe["seeds"])]
    keys = {
        (world, name, size, remedy)
        for name, one in defects.items()
        for size in one["sizes"]
        for remedy, other in remedies.items()
        for world in set(one["worlds"]) & set(other["worlds"])
    }
    assert set(stored.runs.select("world", "defect", "size", "remedy").iter_rows()) == keys


def test_the_stored_atlas_knows_the_truth():
    """Untouched truth is the measure of all levels; what is spoiled more gains less."""
    stored = read_atlas()
    clean = stored.runs.filter(defect=NONE, remedy="untouched")["level"].to_list()
    assert all(level == [1000] * len(level) for level in clean)
    levels = read_cells().group_by("defect", "size").agg(mean=pl.col("untouched").first())
    for name in ("noise_output", "turned_prompt", "false_negative", "spurious", "length", "hack_frequent"):
        found = levels.filter(defect=name).sort("size")["mean"].to_list()
        assert found == sorted(found, reverse=True), name


def test_the_stored_atlas_has_both_kinds_of_cells():
    verdicts = set(read_cells()["verdict"])
    assert {"helps", "hurts", "no difference"} <= verdicts


def test_runs_that_are_equal_are_no_difference():
    """Without any spread there is no error to divide by."""
    runs = atlas().runs.filter(pl.col("remedy") == "untouched")
    twin = runs.with_columns(remedy=pl.lit("twin"))
    row = cells(Atlas(pl.concat([runs, twin]), recipe())).rows(named=True)[0]
    assert (row["effect"], row["p"], row["verdict"]) == (0.0, 1.0, "no difference")
