"""The atlas in words, as data, as a page and as a map."""

import json

import polars as pl
import pytest
from tests.advice.atlases import EFFECTS, atlas, recipe

from culpa.advice.atlas import cells, look_up
from culpa.report.atlas import Answer, cell_text, defect_dict, defect_sections, price_text, signed
from culpa.report.atlas_page import atlas_page
from culpa.report.atlas_plot import atlas_chart, row_name, write_atlas_plot
from culpa.report.terminal import sections_text

CELLS = cells(atlas())
SIZES = pl.DataFrame(
    {"defect": ["tilt", "tilt"], "size": [1.5, float("nan")], "low": [1.2, float("nan")], "high": [1.8, float("nan")]}
)


def answer(size=1.5, **more):
    return Answer([look_up(CELLS, recipe(), "tilt", size)], recipe(), **more)


def text(*arguments, **more):
    return sections_text(defect_sections(answer(*arguments, **more)))


def part(printed, title, last="\n\n"):
    return printed.split(f"\n{title}\n")[1].split(last)[0]


def test_what_hurts_stands_beside_what_helps_best_first_and_worst_first():
    printed = text()
    helps, hurts = (part(printed, title).splitlines() for title in ("What helps against tilt", "What hurts"))
    assert [line.split()[0] for line in helps] == ["remedy", "good", "alone", "lopsided", "fades", "slows"]
    assert [line.split()[0] for line in hurts] == ["remedy", "worse", "bad"]
    assert "+.15 ± .00  +.25 ± .00  +.10 to +.30 in 2" in " ".join(helps[1].split("   "))
    assert "sure" in helps[1]
    assert "2 x outputs; 30 ns a reward, 15 passes" in helps[1]
    assert "1 alone" in helps[2]
    assert "0.5 x updates" in hurts[2]


def test_the_rest_is_told_by_kind():
    rest = part(text(), "Otherwise")
    assert "Depends on the world or the size: torn, turns." in rest
    assert "Cannot tell: noisy." in rest
    assert "No difference: small, idle." in rest


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (1.5, ["Size 1.5 (degrees) lies beside the atlas's 1 and 2.", "gains 0.44, 0.34 of what", "(sizes 1, 2)"]),
        (1.0, ["Size 1 (degrees) is in the atlas."]),
        (6.0, ["lies beside the atlas's 2.", "It is 3 times beyond the atlas's range (1, 2)"]),
        (None, ["All sizes of the atlas: 1, 2 (degrees)."]),
    ],
)
def test_where_the_size_stands(size, said):
    printed = text(size)
    for sentence in said:
        assert sentence in printed
    assert ("guess" in printed) == (size == 6.0)


def test_where_nothing_helps_it_says_so():
    found = look_up(CELLS.filter(pl.col("remedy") == "bad"), recipe(), "tilt", 1.0)
    printed = sections_text(defect_sections(Answer([found], recipe())))
    assert "No remedy of the atlas surely helps here." in printed
    assert "No remedy of the atlas surely hurts here." not in printed


def test_measured_sizes_come_first():
    printed = text(sizes=SIZES, proxy="rm")
    assert printed.lstrip().startswith("Defects of rm\n")
    assert ["tilt", "1.50", "1.20", "to", "1.80", "1,", "2", "degrees"] in [
        line.split() for line in printed.splitlines()
    ]
    assert "not measured" in printed
    empty = sections_text(defect_sections(Answer([], recipe(), SIZES, "rm")))
    assert "nothing is looked up" in empty
    assert "nothing is looked up" not in printed


def test_as_data():
    document = json.loads(json.dumps(defect_dict(answer(sizes=SIZES, proxy="rm"), {"defect": "tilt"}), allow_nan=False))
    assert document["schema"] == "culpa.defect/1"
    assert document["measured"][1] == {"defect": "tilt", "size": None, "low": None, "high": None}
    assert document["atlas"]["seeds"] == 8
    (found,) = document["defects"]
    assert (found["defect"], found["size"], found["beside"], found["outside"]) == ("tilt", 1.5, [1.0, 2.0], 1.0)
    by_name = {one["remedy"]: one for one in found["remedies"]}
    assert set(by_name) == set(EFFECTS)
    assert (by_name["good"]["verdict"], by_name["good"]["sure"], by_name["idle"]["sure"]) == ("helps", "sure", None)
    assert [cell["effect"] for cell in by_name["good"]["cells"]] == pytest.approx([0.15, 0.25])
    assert by_name["good"]["ns"] == 30.0
    assert defect_dict(answer(), {})["measured"] is None


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.5, "+.50"), (-0.5, "-.50"), (0.004, ".00"), (-0.004, ".00"), (1.25, "+1.25"), (-10.5, "-10.50")],
)
def test_effects_have_signs(value, written):
    assert signed(value) == written


def test_cells_and_prices():
    assert cell_text({"effect": -0.1, "low": -1.3, "high": 1.1}) == "-.10 ± 1.20"
    assert price_text({"outputs": 1.0, "updates": 1.0, "ns": None}, 2.0) == "nothing"


def test_the_page_has_every_cell_with_its_interval():
    page = atlas_page(CELLS, recipe(), "map.svg")
    assert page.startswith("# The atlas")
    assert "![Effects of remedies on spoiled rewards](map.svg)" in page
    assert "24 cells, each a remedy for a planted defect of one size:\n9 helps, 5 hurts, 2 depends" in page
    assert "8 seeds of each kind" in page
    assert "took 1.5 minutes of one core; recipe 9, culpa 0.0" in page
    table = part(page, "## tilt", "\n## ")
    assert "| good | +.15 ± .00 **helps** | +.25 ± .00 **helps** |" in table
    assert "| bad | -.15 ± .00 **hurts** | -.06 ± .00 **hurts** |" in table
    assert "It leans. Sizes: degrees. Untouched: 0.44, 0.34 of what the truth gains." in table
    assert page.count("**hurts**") == 5
    assert "| good | a \\| good | all | 2 x outputs; 30 ns a reward, 15 passes |" in page
    assert "| alone | a \\| alone | round | nothing |" in page


def test_the_pages_two_first_tables_are_equally_long_and_ordered():
    page = atlas_page(CELLS, recipe(), "map.svg")
    most = [part(page, f"## Where remedies {verb} most", "\n\n## ").splitlines()[3:] for verb in ("help", "hurt")]
    assert most[0][0].split(" | ")[3] == "good"
    assert [line.split(" | ")[3] for line in most[1]] == ["worse", "worse", "bad", "turns", "bad"]
    assert all("verified alone" not in line for line in most[1])


def test_the_map_has_a_square_for_each_cell_and_signs_where_it_is_sure(tmp_path):
    spec = atlas_chart(CELLS, recipe()).to_dict()
    (values,) = spec["datasets"].values()
    assert len(values) == CELLS.height
    signs = {(one["remedy"], one["row"]): one["sign"] for one in values}
    assert signs["good", "tilt 1"] == "+"
    assert signs["bad", "tilt 2"] == "−"
    assert signs["torn", "tilt 1"] == "≠"
    assert signs["noisy", "tilt 1"] == ""
    assert signs["idle", "tilt 2"] == "="
    scale = next(one["scale"] for one in walk(spec) if one.get("field") == "effect" and "scale" in one)
    assert scale["domain"] == [-0.4, 0, 0.4]
    reds, blues = ([int(colour[at : at + 2], 16) for colour in scale["range"]] for at in (1, 5))
    assert reds[0] > blues[0]  # what hurts is red
    assert reds[2] < blues[2]
    drawn = write_atlas_plot(CELLS, recipe(), tmp_path / "map.svg").read_text(encoding="utf-8")
    assert drawn.startswith("<svg")
    assert drawn.index("tilt 1<") < drawn.index("tilt 2<")


def walk(spec):
    """Every dictionary inside."""
    if isinstance(spec, dict):
        yield spec
        for one in spec.values():
            yield from walk(one)
    elif isinstance(spec, list):
        for one in spec:
            yield from walk(one)


def test_rows_are_named():
    assert row_name("tilt", 0.25) == "tilt .25"
    assert row_name("none", 0.0) == "none"
