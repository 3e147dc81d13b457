"""The survey: its rows by hand, its parts, the stored numbers, and the page that quotes them."""

import sys
from pathlib import Path

import numpy as np
import pytest

from culpa.advice.atlas import NONE, read_atlas, read_cells
from culpa.labs.finite import __main__ as command
from culpa.labs.finite import atlas as survey_
from culpa.labs.finite.atlas import price, recipe, rows, survey
from culpa.labs.finite.defects import planted
from culpa.labs.finite.remedies import REMEDIES, base
from culpa.labs.finite.train import train
from culpa.labs.finite.worlds import KINDS, make_world
from culpa.report.atlas_page import atlas_page
from culpa.signals import parse

ROOT = Path(__file__).parents[3]
FEW = ("untouched", "clip", "half_time")


@pytest.fixture(scope="module")
def verified():
    return list(rows("verified", 1, FEW))


def test_levels_are_shares_of_what_the_truth_gains(verified):
    world = make_world("verified", 1)
    columns = planted(world, 1)
    plain = train(world, columns, base(), 1)
    start = (world.prob * world.truth)[world.judged].sum(axis=1).mean()
    levels = {(row[2], row[3], row[4]): row[5] for row in verified}
    moved = {(row[2], row[3], row[4]): row[6] for row in verified}
    assert levels[NONE, 0.0, "untouched"] == 1000
    for number, column in enumerate(columns):
        key = (column.name, column.size)
        gained = (plain.final[number] - start) / (plain.final[0] - start)
        assert levels[*key, "untouched"] == pytest.approx(1000 * gained, abs=0.51)
        half = (plain.half[number] - start) / (plain.final[0] - start)
        assert levels[*key, "half_time"] == pytest.approx(1000 * half, abs=0.51)
        assert moved[*key, "half_time"] == plain.half_kl[number]
        assert moved[*key, "untouched"] == plain.kl[number]


@pytest.mark.parametrize("remedy", FEW)
def test_the_stored_numbers_come_out_again(verified, remedy):
    """A few thousandths of room: another order of a sum may turn a draw."""
    stored = read_atlas()
    assert (stored.recipe["recipe"], stored.recipe["seeds"][0]) == (survey_.RECIPE, 1)
    mine = {(row[2], row[3]): row[5] for row in verified if row[4] == remedy}
    held = stored.runs.filter(world="verified", remedy=remedy)
    found = {(row["defect"], row["size"]): row["level"][0] for row in held.iter_rows(named=True)}
    assert set(found) == set(mine)
    assert [found[key] for key in mine] == pytest.approx(list(mine.values()), abs=3)


def test_the_stored_recipe_is_the_one_here():
    stored, own = read_atlas().recipe, recipe(read_atlas().recipe["seeds"])
    assert set(stored) == {*own, "seconds"}
    for key in ("recipe", "worlds", "learner", "prompts", "outputs", "updates", "eta", "defects"):
        assert stored[key] == own[key], key
    assert list(stored["remedies"]) == list(REMEDIES)
    for name, one in own["remedies"].items():
        assert {k: v for k, v in one.items() if k != "ns"} == {
            k: v for k, v in stored["remedies"][name].items() if k != "ns"
        }
        assert (one["ns"] is None) == (stored["remedies"][name]["ns"] is None)


def test_a_stopped_survey_goes_on_and_says_the_same(tmp_path, monkeypatch):
    ran = []

    def few(kind, seed):
        ran.append((kind, seed))
        if (kind, seed) == ("shared", 2):
            raise KeyboardInterrupt
        return real(kind, seed, ("untouched", "group_2"))

    real = rows
    monkeypatch.setattr(survey_, "rows", few)
    monkeypatch.setattr(survey_, "recipe", lambda seeds: {"seeds": list(seeds)})
    with pytest.raises(KeyboardInterrupt):
        survey((1, 2), folder=tmp_path)
    assert ran == [("apart", 1), ("shared", 1), ("verified", 1), ("apart", 2), ("shared", 2)]
    monkeypatch.setattr(survey_, "rows", lambda kind, seed: real(kind, seed, ("untouched", "group_2")))
    told = []
    found = survey((1, 2), folder=tmp_path, tell=told.append)
    assert len(told) == 6
    assert found.recipe["seconds"] > 0
    assert found.runs["world"].unique(maintain_order=True).to_list() == list(KINDS)
    assert found.runs["level"].list.len().unique().to_list() == [2]
    again = {
        (kind, seed): list(real(kind, seed, ("untouched", "group_2"))) for kind, seed in (("apart", 1), ("apart", 2))
    }
    one = found.runs.filter(world="apart", defect="spurious", size=2.0, remedy="group_2").rows(named=True)[0]
    mine = [row for seed in (1, 2) for row in again["apart", seed] if row[2:5] == ("spurious", 2.0, "group_2")]
    assert one["level"] == [row[5] for row in mine]
    assert one["kl"] == round(100 * np.mean([row[6] for row in mine]))


def test_prices_are_above_those_of_nothing():
    bare = price(None)
    assert 0 < bare < price(parse("gaussian_rank"))


def test_the_page_is_what_the_command_writes_from_the_stored_atlas(tmp_path, monkeypatch):
    page = ROOT / "docs" / "atlas.md"
    monkeypatch.setattr(sys, "argv", ["finite", "--seeds", "0", "--page", str(tmp_path / "atlas.md")])
    command.main()
    written = (tmp_path / "atlas.md").read_text(encoding="utf-8")
    assert written == page.read_text(encoding="utf-8")
    assert written == atlas_page(read_cells(), read_atlas().recipe, "atlas.svg")
    picture = page.with_suffix(".svg")
    assert picture.stat().st_size < 300_000
    assert (tmp_path / "atlas.svg").stat().st_size == pytest.approx(picture.stat().st_size, rel=0.2)


def test_the_command_writes_an_atlas(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(survey_, "KINDS", ("verified",))
    monkeypatch.setattr(survey_, "rows", lambda kind, seed: rows(kind, seed, ("untouched",)))
    out = tmp_path / "a.parquet"
    monkeypatch.setattr(sys, "argv", ["finite", "--seeds", "2", "--output", str(out)])
    command.main()
    found = read_atlas(out)
    assert found.recipe["seeds"] == [1, 2]
    assert set(found.runs["remedy"]) == {"untouched"}
    said = capsys.readouterr()
    assert "2 seeds" in said.out
    assert "seed 2, verified" in said.err
