"""Which figures a verdict has, and the errors that they show."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.report import case
from tests.report.page import worlds

from culpa.report.page import data, figures


def of(verdict):
    return figures.figures(verdict, data.outlook_of(verdict))


def names(found):
    return [one.name for one in found.figures]


@pytest.fixture(scope="module")
def sampled():
    return worlds.verdict(worlds.record())


@pytest.fixture(scope="module")
def alone():
    return worlds.verdict(worlds.enumerated())


def test_a_forecast_has_all_figures_in_the_order_of_the_page(sampled):
    assert names(of(sampled)) == ["outcomes", "cosines", "curves", "errors", "learners"]


def test_prompts_that_share_nothing_have_no_cosines(alone):
    assert names(of(alone)) == ["outcomes", "curves", "errors", "learners"]


def test_without_a_forecast_the_measure_is_drawn():
    found = of(case.three())
    assert names(found) == ["outcomes"]
    rows = [row for one in found.figures[0].spec["data"] for row in one.get("values", [])]
    standing = {row["proxy"]: row["standing"] for row in rows if "proxy" in row}
    assert standing == {
        "good": "best, or tied with the best",
        "fair": "best, or tied with the best",
        "poor": "above the start",
    }


def test_without_a_ranking_there_is_no_figure():
    assert of(case.verdict([case.metric("rm", "dead", 0.5)])).figures == []


def points(found):
    spec = next(one.spec for one in found.figures if one.name == "errors")
    return {row["id"]: row for one in spec["data"] for row in one.get("values", []) if "id" in row}


def test_errors_are_measured_in_the_spreads_of_their_proxy(alone):
    row = alone.outlook.errors.sort("effect", maintain_order=True).row(0, named=True)
    spread = data.spreads(alone.outlook.sample)[row["proxy"]]
    drawn = points(of(alone))[0]
    assert drawn["error"] == pytest.approx((row["score"] - row["right"]) / spread)
    assert drawn["mass"] == pytest.approx(row["mass"])
    assert drawn["kind"] == row["kind"]


def test_distinct_samples_stand_at_the_mass_of_what_resembles_them(sampled):
    found = of(sampled)
    near = data.neighbourhoods(sampled.outlook.sample, found.errors)
    drawn = points(found)
    assert [drawn[i]["mass"] for i in range(len(near))] == pytest.approx(near.tolist(), rel=1e-6)
    assert len(np.unique(near.round(6))) > 1
    assert "what resembles" in json.dumps(axes(found))


def axes(found):
    return next(one.spec for one in found.figures if one.name == "errors")["axes"]


def scale(found):
    return next(
        one for one in next(f.spec for f in found.figures if f.name == "errors")["scales"] if one["name"] == "x"
    )


def test_enumerated_outputs_stand_at_their_own_mass(alone):
    found = of(alone)
    assert [row["mass"] for _, row in sorted(points(found).items())] == pytest.approx(found.errors["mass"].to_list())
    assert "mass of the output" in json.dumps(axes(found))


def test_masses_of_several_sizes_are_spread_by_their_logarithm(alone):
    assert scale(of(alone))["type"] == "log"
    near = alone.outlook.errors.with_columns(mass=pl.Series(np.linspace(0.1, 0.3, alone.outlook.errors.height)))
    assert scale(of(replace(alone, outlook=replace(alone.outlook, errors=near))))["type"] == "linear"


def test_an_error_outside_the_sample_is_not_drawn_but_kept(sampled):
    gone = sampled.outlook.errors.with_columns(
        prompt_id=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("gone")).otherwise("prompt_id")
    )
    found = of(replace(sampled, outlook=replace(sampled.outlook, errors=gone)))
    assert len(found.rows) == gone.height
    assert len(points(found)) == gone.height - 1


def test_where_the_truth_itself_leads_is_marked(alone):
    spec = next(one.spec for one in of(alone).figures if one.name == "outcomes")
    marked = [row["at"] for one in spec["data"] for row in one.get("values", []) if "at" in row]
    assert alone.outlook.facts["ceiling"] in [pytest.approx(value) for value in marked]


def test_one_giant_does_not_make_dust_of_the_rest(alone):
    effects = pl.Series([-1e15] + [0.001 * i for i in range(alone.outlook.errors.height - 1)])
    giant = replace(alone, outlook=replace(alone.outlook, errors=alone.outlook.errors.with_columns(effect=effects)))
    sizes = [row["size"] for row in points(of(giant)).values()]
    assert max(sizes) < 1e15
    assert sorted(sizes)[-2] > 0


def test_the_table_opens_the_worst_and_the_best_of_many_errors(alone, monkeypatch):
    monkeypatch.setattr(figures, "TABLE", 4)
    found = of(alone)
    table = next(one.table for one in found.figures if one.name == "errors")
    count = found.errors.height
    assert [row[0] for row in table.rows] == ["0", "1", str(count - 2), str(count - 1)]
    assert table.rows[0][2] == found.errors["prompt_id"][0]


def test_a_reason_that_is_not_known_is_said(alone):
    unknown = alone.outlook.errors.with_columns(reason=pl.lit(None, dtype=pl.String), method=pl.lit("adjoint"))
    found = of(replace(alone, outlook=replace(alone.outlook, errors=unknown)))
    assert points(found)[0]["reason"] == "not simulated"
    assert found.rows[0]["reason"] is None


def test_the_curves_are_told_best_first_and_every_fourth(alone):
    table = next(one.table for one in of(alone).figures if one.name == "curves")
    told = [row[0] for row in table.rows]
    assert list(dict.fromkeys(told)) == alone.ranking["proxy"].to_list()
    for name in alone.ranking["proxy"]:
        steps = alone.outlook.curves.filter(proxy=name)["step"].to_list()
        assert [int(row[1].replace(",", "")) for row in table.rows if row[0] == name] == steps[::4]


def test_an_audit_without_errors_has_no_map(alone):
    found = of(replace(alone, outlook=replace(alone.outlook, errors=alone.outlook.errors.clear())))
    assert "errors" not in names(found)
    assert found.rows == []


def test_what_is_left_out_of_figures_is_said(alone, monkeypatch):
    monkeypatch.setattr(figures, "LINES", 2)
    monkeypatch.setattr(data.shown_errors, "__defaults__", (4,))
    found = of(alone)
    total = alone.outlook.errors.height
    assert found.left_out == (
        "Figures show the first 2 of 3 proxies.",
        f"The map shows 4 of {total} errors: the greatest, and an even choice of the rest.",
    )


def test_one_algorithm_alone_has_no_figure_of_ranks(alone):
    one = alone.outlook.learners.filter(pl.col("learner") == "reinforce")
    assert "learners" not in names(of(replace(alone, outlook=replace(alone.outlook, learners=one))))
