"""The figures: what they show and where."""

import json

import polars as pl
import pytest

from culpa.report.page import charts, names

ROW = {"proxy": "rm", "value": 0.5, "low": 0.4, "high": 0.6, "start": 0.3, "standing": charts.STANDING[0]}


def drawn(spec):
    """All data of a compiled figure, in order."""
    return [row for one in spec["data"] for row in one.get("values", [])]


def test_names_are_short_and_never_the_same():
    long = ["x" * 50 + end for end in ("1", "2" * 30, "3" * 30)] + ["rm"]
    short = names.short_names([*long, "y" * 40 + "a" + "x" * 20, "y" * 40 + "b" + "x" * 20])
    assert len(set(short.values())) == 6
    assert max(map(len, short.values())) <= names.NAME
    assert short["rm"] == "rm"


def test_outcomes_mark_today_and_the_truths_own_end():
    spec = charts.outcomes([ROW], "truth", ceiling=0.9)
    assert {"at": 0.3} in drawn(spec)
    assert {"at": 0.9} in drawn(spec)
    said = [mark["encode"]["update"] for mark in spec["marks"] if mark["type"] == "text"]
    heights = {one["text"]["value"]: one["y"]["value"] for one in said}
    assert set(heights) == {"today", "trained on the truth"}
    assert abs(heights["today"] - heights["trained on the truth"]) > 12  # one above the other, however close the lines


def test_outcomes_without_a_start_mark_nothing():
    assert not [row for row in drawn(charts.outcomes([ROW | {"start": None}], "score")) if "at" in row]


def test_standings_have_a_legend_only_where_they_differ():
    other = ROW | {"proxy": "b", "standing": charts.STANDING[2]}
    assert "legends" not in charts.outcomes([ROW], "truth")
    assert charts.outcomes([ROW, other], "truth")["legends"][0]["values"] == [charts.STANDING[0], charts.STANDING[2]]


def test_colours_are_the_pages_own():
    text = json.dumps(charts.outcomes([ROW], "truth"))
    assert "var(--help)" in text
    assert "#4c78a8" not in text


def test_standings_have_their_colours():
    scales = charts.outcomes([ROW], "truth")["scales"]
    told = [
        dict(zip(one["domain"], one["range"], strict=True)) for one in scales if one["domain"] == list(charts.STANDING)
    ]
    best, above, below = charts.STANDING
    assert {best: "var(--help)", above: "var(--calm)", below: "var(--harm)"} in told


def test_only_the_best_have_a_colour_of_their_own():
    found = names.colours([str(i) for i in range(9)])
    assert len(set(found.values())) == names.COLOURED + 1
    assert found["7"] == found["8"] == "var(--calm)"


def curve(name, ends):
    return [{"proxy": name, "step": i, "kl": 0.1 * i, "true_reward": value} for i, value in enumerate(ends)]


def test_a_line_is_named_at_the_height_of_its_end():
    frame = pl.DataFrame(curve("up", (0.5, 1.0)) + curve("down", (0.5, 0.0)))
    spec = charts.curves(frame, ["up", "down"])
    text = {mark["encode"]["update"]["text"]["value"]: mark["encode"]["update"]["y"]["value"]
            for mark in spec["marks"] if mark["type"] == "text"}  # fmt: skip
    height = spec["height"]
    assert text["up"] == pytest.approx(height * 0.06 / 1.12, abs=0.01)
    assert text["down"] == pytest.approx(height * 1.06 / 1.12, abs=0.01)


def test_flat_lines_have_a_figure_too():
    assert charts.curves(pl.DataFrame(curve("flat", (0.5, 0.5))), ["flat"])["marks"]


def test_lines_that_are_not_asked_for_are_not_drawn():
    frame = pl.DataFrame(curve("a", (0.1, 0.2)) + curve("b", (0.1, 0.3)))
    assert {row["proxy"] for row in drawn(charts.curves(frame, ["b"])) if "proxy" in row} == {"b"}


def test_the_first_rank_is_on_top_and_named_there():
    frame = pl.DataFrame(
        {"learner": ["x", "x", "y", "y"], "proxy": ["a", "b", "a", "b"], "score": 1.0, "rank": [1, 2, 2, 1]}
    )
    spec = charts.ranks(frame, ["a", "b"])
    y = next(scale for scale in spec["scales"] if scale["name"] == "y")
    assert y["domain"] == [2.5, 0.5]
    places = {mark["encode"]["update"]["text"]["value"]: mark["encode"]["update"]["y"]["value"]
              for mark in spec["marks"] if mark["type"] == "text"}  # fmt: skip
    assert places["b"] == pytest.approx(spec["height"] / 4)
    assert places["a"] == pytest.approx(spec["height"] * 3 / 4)


def point(**parts):
    return {"id": 0, "proxy": "rm", "prompt_id": "p", "mass": 0.5, "error": 3.0, "size": 1.0, "kind": "harmful",
            "effect": -1.0, "reason": "other"} | parts  # fmt: skip


def test_the_map_can_be_cut_to_a_proxy():
    spec = charts.errors([point(), point(proxy="b", mass=0.1)], "mass", log=True)
    assert {"name": "picked", "value": ""} in spec["signals"]
    x = next(scale for scale in spec["scales"] if scale["name"] == "x")
    assert x["type"] == "log"


def test_harm_and_help_have_their_colours_and_shapes():
    scales = charts.errors([point()], "mass", log=False)["scales"]
    told = [
        dict(zip(one["domain"], one["range"], strict=True)) for one in scales if one["domain"] == list(charts.KINDS)
    ]
    assert {"harmful": "var(--harm)", "benign": "var(--calm)", "beneficial": "var(--help)"} in told
    assert {"harmful": "triangle-down", "benign": "circle", "beneficial": "triangle-up"} in told


def test_the_map_has_ticks_as_far_as_its_errors():
    def ticks(most):
        spec = charts.errors([point(error=most)], "mass", log=False)
        return max(max(axis["values"]) for axis in spec["axes"] if "values" in axis)

    assert ticks(5.0) == 4
    assert ticks(-40.0) == 32
    assert ticks(0.01) == 1


def test_cosines_lie_over_the_band_of_chance():
    row = {"proxy": "rm", "cosine": 0.5, "cosine_low": 0.4, "cosine_high": 0.6, "null_low": -0.7, "null_high": 0.2}
    spec = charts.cosines([row])
    x = next(scale for scale in spec["scales"] if scale["name"] == "x")
    assert x["domain"] == [pytest.approx(-0.75), 1.05]
    assert row in drawn(spec)
