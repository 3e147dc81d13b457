"""A rehearsal in words: which tables there are, what stands in them, and that the data is whole."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from tests.report.rehearsals import known, peaked, rehearsed, sharing

from culpa.dynamics import Horizon, reinforce, simulate
from culpa.dynamics.learner import tilt
from culpa.report.rehearsal import ALONG, distinct_share, rehearsal_dict, rehearsal_sections
from culpa.report.rehearsed import BARE, Asked, outcomes, rehearsal
from culpa.report.terminal import sections_text

HELPING = "Errors that help most"


def sections(found, **asked):
    return {section.title: section for section in rehearsal_sections(found, **asked)}


def column(section, header):
    place = section.table.headers.index(header)
    return [row[place] for row in section.table.rows]


def test_the_table_of_outcomes():
    table = sections(rehearsed())["Rehearsal"]
    assert table.table.headers[:4] == ("proxy", "truth before", "truth after", ALONG)
    assert column(table, "proxy") == ["harsh", "fair", "hacked"]
    assert column(table, "truth before") == ["0.140"] * 3
    assert column(table, "steps") == ["300"] * 3
    assert {"KL", "harmful", "benign", "beneficial", "entropy", "proxy gain"} < set(table.table.headers)


def test_the_first_lines_say_what_is_best_and_what_is_over_optimised():
    (first, *more) = [line for _, line in sections(rehearsed(rollouts=known(hacked=np.zeros((2, 4)))))[""].lines]
    assert first == "2 prompts. Best of 3 under reinforce: harsh, the truth ends at 0.980 from 0.140."
    assert more == []
    (_, second, *_) = [line for _, line in sections(peaked(0.1, 0.7, 0.6, 0.2))[""].lines]
    assert (
        second
        == "Over-optimised: 1 of 3. Most of all fair, where the truth peaks at 0.700 at step 1 and falls to 0.200."
    )


def test_the_deepest_fall_is_named():
    (_, second, *_) = [line for _, line in sections(peaked(0.1, 0.7, 0.6, 0.2, also=(0.1, 0.5, 0.4, -0.9)))[""].lines]
    assert second.startswith("Over-optimised: 2 of 3. Most of all harsh, where the truth peaks at 0.500 at step 1")


def test_the_gain_of_the_proxy_is_shown():
    found = rehearsed()
    shown = dict(zip(*(column(sections(found)["Rehearsal"], name) for name in ("proxy", "proxy gain")), strict=True))
    gains = outcomes(found).filter(proxy="harsh")["proxy_gain"]
    assert shown["harsh"] == f"{gains[0]:+.2f}"


def test_what_ends_below_its_beginning_is_named():
    (*_, last) = [line for _, line in sections(rehearsed())[""].lines]
    end = rehearsed().first.outcome[2]
    assert last == f"Worse than no training: 1 of 3, the worst first: hacked ({end:.3f})."
    bad = {f"bad{number}": -(1 + number) * known().truth for number in range(4)}
    (*_, last) = [line for _, line in sections(rehearsed(steps=30, rollouts=known(**bad)))[""].lines]
    assert re.fullmatch(r"Worse .* 5 of 7, the worst first: bad3 \(\S+\), bad2 \(\S+\), \S+ \(\S+\)\.", last)


def test_a_way_that_ends_says_so():
    run = simulate(known(), learner=tilt(5.0), horizon=Horizon(kl=None, steps=100))
    page = sections(rehearsal({BARE: run}, asked=Asked(stalled=True)), stalls=1)
    assert "The learner's way ends" in page["Prompts whose best output never comes up"].below[0]


def test_a_peak_is_shown_where_the_truth_falls_and_only_there():
    assert "peak" not in sections(rehearsed())["Rehearsal"].table.headers
    table = sections(peaked(0.1, 0.7, 0.6, 0.2))["Rehearsal"]
    peaks = dict(zip(column(table, "proxy"), column(table, "peak"), strict=True))
    assert peaks == {"fair": "0.700 at 1", "harsh": "", "hacked": ""}
    assert any(line.startswith("peak: ") for line in table.below)


def test_curves_share_one_scale_and_can_be_left_out():
    table = sections(rehearsed())["Rehearsal"]
    drawn = dict(zip(column(table, "proxy"), column(table, ALONG), strict=True))
    assert drawn["harsh"].endswith("█")
    assert drawn["hacked"].endswith("▁")
    assert len({line[0] for line in drawn.values()}) == 1  # they begin at the same truth
    plain = sections(rehearsed(), bars=False)["Rehearsal"]
    assert ALONG not in plain.table.headers
    assert "".join(cell for row in plain.table.rows for cell in row).isascii()


def test_signals_get_a_column_and_stand_in_the_first_line():
    found = rehearsed(signals=["center | clip:3"], scale="same")
    page = sections(found)
    assert sorted(set(column(page["Rehearsal"], "signal"))) == [BARE, "center | clip:3"]
    assert "Best of 6 pairs of proxy and signal under reinforce: harsh (bare)" in page[""].lines[0][1]
    assert "signal" in page["Errors that hurt most"].table.headers
    assert "signal" not in sections(rehearsed())["Rehearsal"].table.headers


def test_errors_are_listed_worst_first():
    page = sections(rehearsed(scale="same"), errors=2)
    hurting = [float(effect) for effect in column(page["Errors that hurt most"], "effect")]
    found = rehearsed(scale="same").errors
    assert hurting == [round(effect, 3) for effect in found.filter(kind="harmful")["effect"].sort()[:2]]
    helping = [float(effect) for effect in column(sections(rehearsed(scale="same"), errors=1)[HELPING], "effect")]
    assert helping == [round(found["effect"].max(), 3)]
    assert not {"Errors that hurt most", "Errors that help most"} & set(sections(rehearsed(), errors=0))


def test_plateaus_are_listed_by_proxy_longest_first_and_those_without_end_apart():
    found = rehearsed(stalled=True)
    page = sections(found, stalls=2)
    table = page["Longest plateaus"]
    assert column(table, "proxy") == ["harsh", "harsh", "fair", "fair"]
    escapes = [float(cell.strip("~").replace(",", "")) for cell in column(table, "escapes at")]
    assert escapes[0] > escapes[1]
    assert escapes[2] > escapes[3]
    lowest = dict(zip(column(table, "prompt")[2:], column(table, "lowest mass")[2:], strict=True))
    assert lowest == {row["prompt_id"]: f"{row['lowest']:.2g}" for row in found.stalls.filter(proxy="fair").to_dicts()}
    by_law = found.stalls.filter(proxy="fair")["seen"].not_().to_list()
    assert sorted(cell.startswith("~") for cell in column(table, "escapes at")[2:]) == sorted(by_law)
    assert column(table, "plateau")[2:] == ["0.800", "0.800"]
    never = page["Prompts whose best output never comes up"].table
    assert never.rows == (("hacked", "2 of 2", "p1, p2"),)
    assert len(sections(found, stalls=1)["Longest plateaus"].table.rows) == 2
    assert "Longest plateaus" not in sections(found)


def test_a_best_output_that_has_half_of_the_mass_waits_for_nothing():
    rollouts = replace(known(), weight=np.array([[0.6, 0.2, 0.1, 0.1], [0.7, 0.2, 0.1, 0.0]]))
    assert "Longest plateaus" not in sections(rehearsed(rollouts=rollouts, stalled=True), stalls=3)


def test_sampled_runs_get_a_mean_and_a_range():
    run = rehearsed(steps=10).first
    runs = [simulate(known(), learner=reinforce(), horizon=Horizon(kl=None, steps=steps)) for steps in (5, 20)]
    page = sections(rehearsal({BARE: run}, {BARE: runs}))["Rehearsal"]
    low, high = sorted(one.outcome[0] for one in runs)
    place = column(page, "proxy").index("fair")
    assert column(page, "sampled")[place] == f"{(low + high) / 2:.3f}"
    assert column(page, "range")[place] == f"{low:.3f} to {high:.3f}"
    assert "sampled" not in sections(rehearsed())["Rehearsal"].table.headers


def test_a_run_that_is_cut_is_marked():
    run = simulate(known(), learner=reinforce(), horizon=Horizon(kl=3.0, steps=4))
    assert column(sections(rehearsal({BARE: run}))["Rehearsal"], "steps") == ["4 (cut)"] * 3


def test_long_names_are_cut_and_signs_are_text():
    found = rehearsed(rollouts=known(**{"L" * 100_000: known().truth, "\x1b[31mred": known().truth}), stalled=True)
    for section in rehearsal_sections(found, stalls=3):
        cells = [cell for row in (section.table.rows if section.table else ()) for cell in row]
        lines = [line for _, line in section.lines]
        assert all(len(text) < 400 and text.isprintable() for text in [*cells, *lines])


def test_everything_is_in_the_data_and_infinity_is_null():
    found = rehearsed(signals=["clip:3"], stalled=True, notes=["a note"])
    data = json.loads(json.dumps(rehearsal_dict(found, {"files": ["x"]}), allow_nan=False))
    assert data["signals"] == [BARE, "clip:3"]
    assert data["notes"] == ["a note"]
    assert len(data["stalls"]) == 2 * 3 * 2
    lost = [row["escape"] for row in data["stalls"] if row["proxy"] == "hacked"]
    assert lost == [None] * 4
    assert not any(row["escape"] is None for row in data["stalls"] if row["proxy"] == "fair")
    assert data["sampled"] == []
    assert data["learner"] == "reinforce"
    assert len(data["curves"]) == 2 * found.first.curves.height
    for name in ("outcomes", "curves", "errors", "stalls"):
        assert all(list(row)[:2] == ["proxy", "signal"] for row in data[name])


@pytest.mark.parametrize(
    ("weight", "share"), [([[0.5, 0.5], [0.2, 0.8]], 0.5), ([[1.0, 0.0]], 0.0), ([[0.0, 0.5, 0.5]], 1.0)]
)
def test_the_share_of_prompts_with_equal_masses(weight, share):
    assert distinct_share(np.array(weight)) == share


# ---- outputs that share features ----


def test_the_page_says_which_of_the_two_it_is_and_with_which_features():
    alone, shared = (sections(found)["Rehearsal"].below for found in (rehearsed(steps=5), sharing()))
    assert alone[0].endswith("from the rollouts' policy, every prompt by itself.")
    assert "with it minus the truth without it." in alone[1]
    assert shared[0].endswith("one weight vector for all prompts: outputs share three things.")
    assert "summed over all prompts" in shared[1]
    assert not any("by itself" in line for line in shared)
    for found, mode, features in ((rehearsed(steps=5), "every prompt by itself", "none"),
                                  (sharing(), "shared features", "three things")):  # fmt: skip
        document = rehearsal_dict(found, {})
        assert (document["mode"], document["features"]) == (mode, features)


def test_only_errors_that_were_put_right_are_listed():
    """The others have an effect from a derivative, and no reason; they are counted and are in the data."""
    found = sharing(repeat=2)
    page = sections(found, errors=50)
    listed = [title for title in ("Errors that hurt most", HELPING) if title in page]
    reasons = [reason for title in listed for reason in column(page[title], "reason")]
    told = found.errors.filter(method="counterfactual").filter(kind="benign").height
    assert len(reasons) == 6 - told
    assert all(reasons)
    data = rehearsal_dict(found, {})["errors"]
    assert len(data) == found.errors.height > 6
    assert {row["method"] for row in data if row["reason"] is None} == {"adjoint"}
    json.dumps(data, allow_nan=False)


@pytest.mark.parametrize(
    ("title", "header"),
    [
        ("Errors that hurt most", "signal"),
        ("Errors that hurt most", "reason"),
        ("Prompts whose best output never comes up", "for example"),
    ],
)
def test_words_stand_below_the_beginning_of_their_header(title, header):
    page = sections_text(rehearsal_sections(rehearsed(signals=["clip:3"], stalled=True), stalls=2)).split("\n\n")
    first, *rows = next(part for part in page if part.lstrip().startswith(title)).strip().splitlines()[1:]
    at = first.index(header)
    words = [row for row in rows if row.startswith("hacked")]
    assert len(words) > 1
    assert all(row[at - 1] == " " != row[at] for row in words)
