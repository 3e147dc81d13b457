"""The figure: what is drawn in which colour, labels that do not overlap, and files that hold nothing but data."""

import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.rehearsals import known, peaked, rehearsed, sharing

from culpa.errors import InputError
from culpa.report import figure
from culpa.report.figure import check_plot
from culpa.report.plot import GREY, MOST, PALETTE, PANELS, chart, spaced, styles, ticks, write_plot
from culpa.report.rehearsed import curves, outcomes

HOSTILE = "</script><script>alert(1)</script>"


def panels(found):
    """Each panel's layers with their data, by title."""
    spec = chart(found, "kl=0.4").to_dict()
    return {
        panel["title"]["text"]: [spec["datasets"][layer["data"]["name"]] for layer in panel["layer"]]
        for panel in spec["concat"]
    }


def many(count):
    """So many proxies, each further from the truth."""
    truth = known().truth
    more = {f"rm_{number:02d}": truth * np.cos(number * np.pi / count) for number in range(count - 3)}
    return rehearsed(steps=20, rollouts=known(**more))


def test_few_rows_have_a_colour_for_each_proxy_and_a_dash_for_each_signal():
    found = rehearsed(steps=5, signals=["clip:3"])
    looks = styles(found, outcomes(found))
    assert {look.colour for look in looks if look.proxy == "fair"} == {PALETTE[0]}
    assert len({look.colour for look in looks}) == 3
    assert len({tuple(look.dash) for look in looks if look.proxy == "fair"}) == 2
    assert {look.dash[1] for look in looks if look.signal == "bare"} == {0}  # solid
    assert {look.label for look in looks if look.proxy == "fair"} == {"fair, bare", "fair, clip:3"}


def test_of_many_rows_the_best_and_the_worst_stand_out():
    found = many(MOST)
    assert all(look.shown for look in styles(found, outcomes(found)))
    found = many(MOST + 1)
    looks = styles(found, outcomes(found))
    assert [look.shown for look in looks] == [True] * 3 + [False] * (MOST - 5) + [True] * 3
    assert len({look.colour for look in looks if look.shown}) == 6
    assert [look.proxy for look in looks] == outcomes(found)["proxy"].to_list()


def test_every_curve_is_in_its_panel():
    found = rehearsed(steps=30)
    drawn = panels(found)
    assert list(drawn) == [title for _, title, _ in PANELS]
    for field, title, _ in PANELS:
        _, lines, ends, *_ = drawn[title]
        for row, look in enumerate(styles(found, outcomes(found))):
            curve = curves(found).filter(proxy=look.proxy)
            points = [(point["step"], point["value"]) for point in lines if point["row"] == str(row)]
            assert points == list(zip(curve["step"], curve[field], strict=True))
            assert ends[row]["value"] == curve[field][-1]
            assert ends[row]["label"] == look.proxy


def test_grey_lines_lie_below_and_have_no_label():
    found = many(MOST + 1)
    below, above, ends, *_ = panels(found)["True reward"]
    looks = {str(look.row): look for look in styles(found, outcomes(found))}
    assert {looks[point["row"]].colour for point in below} == {GREY}
    assert not any(looks[point["row"]].colour == GREY for point in above)
    assert sorted(end["row"] for end in ends) == sorted(row for row, look in looks.items() if look.shown)


def test_a_ring_stands_where_the_truth_falls_again():
    *_, rings = panels(peaked(0.1, 0.7, 0.6, 0.2))["True reward"]
    assert [(ring["proxy"], ring["step"], ring["value"]) for ring in rings] == [("fair", 1, 0.7)]
    assert panels(rehearsed(steps=5))["True reward"][-1] == []


def test_a_grey_line_has_no_ring():
    truth = known().truth
    more = {f"rm_{number}": truth * (1 - number / 4) for number in range(MOST)}
    found = peaked(0.1, 0.2, 0.9, 0.13, rollouts=known(**more))
    looks = styles(found, outcomes(found))
    assert next(look for look in looks if look.proxy == "fair").colour == GREY
    assert panels(found)["True reward"][-1] == []


def test_labels_stay_beside_their_panel():
    for _, lines, ends, *_ in panels(many(MOST)).values():
        values, places = [point["value"] for point in lines], [end["place"] for end in ends]
        room = 0.05 * (max(values) - min(values))
        assert min(places) > min(values) - room
        assert max(places) < max(values) + room
        assert max(places) > min(places)


def test_labels_keep_their_distance():
    ends = panels(many(MOST))["Divergence from the initial policy"][2]
    places = sorted(end["place"] for end in ends)
    values = [end["value"] for end in ends]
    assert np.diff(places).min() > 0.05 * (max(values) - min(values))


@given(st.lists(st.floats(0, 10), min_size=1, max_size=9), st.floats(0.1, 1.0))
def test_spaced_places(places, gap):
    found = spaced(places, gap, 0.0, 10.0)
    assert np.all(np.diff(np.sort(found)) >= gap - 1e-9)
    assert min(found) >= -1e-9
    assert max(found) <= 10 + 1e-9
    order = np.argsort(places, kind="stable")
    assert np.all(np.diff(np.array(found)[order]) > 0)
    np.testing.assert_allclose(spaced(found, gap * (1 - 1e-9), 0.0, 10.0), found, atol=1e-6)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([5.0, 5.0], [4.0, 6.0]),
        ([5.0, 5.0, 5.0], [3.0, 5.0, 7.0]),
        ([9.0, 1.0], [9.0, 1.0]),
        ([4.0, 5.0, 6.5], [3.1666666667, 5.1666666667, 7.1666666667]),
        ([10.0, 10.0], [8.0, 10.0]),
        ([0.0, 0.5], [0.0, 2.0]),
        ([1.0] * 7, [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0]),  # no room
    ],
)
def test_spaced_places_move_as_little_as_they_can(places, expected):
    assert spaced(places, 2.0, 0.0, 10.0) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("last", "named"),
    [(1, [0, 1]), (9, [0, 1, 2, 5]), (200, [0, 1, 10, 100]), (10_000, [0, 1, 10, 100, 1000, 10_000])],
)
def test_named_steps(last, named):
    assert ticks(last) == named


@pytest.mark.parametrize("suffix", [".svg", ".png", ".html", ".json"])
def test_each_kind_of_file_is_what_it_says(tmp_path, suffix):
    path = write_plot(rehearsed(steps=5), tmp_path / f"curves{suffix.upper()}", "steps=5")
    content = path.read_bytes()
    if suffix == ".png":
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
    elif suffix == ".svg":
        texts = {text.text for text in ET.fromstring(content).iter("{http://www.w3.org/2000/svg}text")}
        assert {"True reward", "fair", "harsh", "hacked"} <= texts
    elif suffix == ".json":
        spec = json.loads(content, parse_constant=pytest.fail)
        assert spec["$schema"].startswith("https://vega.github.io/schema/vega-lite/")
    else:
        assert content.startswith(b"<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [path]


def test_the_page_fetches_nothing_and_names_are_no_code(tmp_path):
    found = rehearsed(steps=5, rollouts=known(**{HOSTILE: known().truth}))
    page = write_plot(found, tmp_path / "curves.html", HOSTILE).read_text()
    assert page.count("<script>") == page.count("</script>") == 2
    assert "alert(1)" in page
    assert HOSTILE not in page
    around = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search("src=|href=|url", around)
    assert "default-src 'none'" in page


def test_long_names_and_values_that_are_not_there(tmp_path):
    odd = {"L" * 100_000: known().truth, "\x1b[31m": known().truth, "": np.full((2, 4), 3.0)}
    found = rehearsed(steps=5, rollouts=known(**odd))
    content = write_plot(found, tmp_path / "curves.json", "kl=0.4").read_text()
    assert len(content) < 200_000
    flat = styles(found, outcomes(found))
    row = next(str(look.row) for look in flat if look.proxy == "")
    drawn = panels(found)
    assert row in {end["row"] for end in drawn["True reward"][2]}
    assert row not in {end["row"] for end in drawn["Proxy reward, what is trained on"][2]}  # it has no spread


def test_nothing_moves(tmp_path):
    still = rehearsed(steps=1, rollouts=known(fair=np.zeros((2, 4)), harsh=np.zeros((2, 4)), hacked=np.zeros((2, 4))))
    assert write_plot(still, tmp_path / "still.svg", "steps=1").stat().st_size > 1000


@pytest.mark.parametrize("name", ["curves.pdf", "curves", "curves.svg.gz"])
def test_other_kinds_of_files_are_refused(tmp_path, name):
    message = "cannot draw into this kind of file. Use .svg, .png, .html, .json."
    with pytest.raises(InputError, match=re.escape(message)):
        check_plot(tmp_path / name)
    with pytest.raises(InputError, match=re.escape(message)):
        write_plot(rehearsed(steps=1), tmp_path / name, "kl=0.4")


def test_a_figure_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    old = tmp_path / "curves.svg"
    old.write_text("old")
    monkeypatch.setattr(figure, "_bytes", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_plot(rehearsed(steps=1), old, "kl=0.4")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_the_heading_says_what_outputs_share():
    def heading(found):
        return chart(found, "kl=0.4").to_dict()["title"]["subtitle"]

    assert heading(sharing()).startswith("24 prompts, outputs share three things, steps move logits by 0.05, until kl")
    assert heading(rehearsed(steps=2)).startswith("2 prompts, exact expected steps of 0.1, until kl=0.4.")
