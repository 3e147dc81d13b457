"""An advice in words, as data and as curves."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.advice.worlds import drawn, record

from culpa.advice import Decision, advise
from culpa.dynamics import Horizon, grpo, reinforce
from culpa.errors import InputError
from culpa.report.advice import advice_dict, advice_sections
from culpa.report.advice_plot import advice_chart, write_advice_plot
from culpa.report.markdown import sections_markdown
from culpa.report.terminal import sections_text


@pytest.fixture(scope="module")
def found():
    return advise(drawn(0.9, 0.05, prompts=40), learner=reinforce(), horizon=Horizon(kl=None, steps=300))


def sections(advice, **asked):
    return {section.title: section for section in advice_sections(advice, **asked)}


def lines(advice):
    return [line for _, line in sections(advice)[""].lines]


def column(section, header):
    place = section.table.headers.index(header)
    return [row[place] for row in section.table.rows]


def rows_of(spec, layer):
    data = layer["data"]
    return data["values"] if "values" in data else spec["datasets"][data["name"]]


def with_decision(advice, *parts):
    return replace(advice, decision=Decision(*parts))


def test_the_first_lines_say_what_was_asked_and_what_to_do(found):
    first, second = lines(with_decision(found, "use", "binary", 0.93, ()))
    assert first.startswith("40 prompts, 640 outputs, 2 checks; reinforce, steps=300, eta 0.1. Success is 0.0")
    assert second == ("Use binary credit: the simplest that is as good as the best in every world, in 93% of draws.")


def test_what_cannot_be_told_is_said_with_its_reasons(found):
    unsure = with_decision(found, "cannot tell", "staged", 0.5, ("it rains", "it pours"))
    assert lines(unsure)[1] == "Cannot tell, though staged looks best: it rains; it pours."
    split = with_decision(found, "cannot tell", None, None, ("the worlds disagree",))
    assert lines(split)[1] == "Cannot tell: the worlds disagree."
    same = with_decision(found, "no difference", None, 1.0, ())
    assert lines(same)[1] == "No difference: at this horizon no credit is ahead by more than 0.05 in any world."


def test_the_forecast_has_a_row_for_each_credit_in_each_world(found):
    table = sections(found)["Forecast"]
    assert column(table, "world") == ["by prompt", "", "", "", "skills", "", "", ""]
    assert column(table, "credit") == ["binary", "partial", "weighted", "staged"] * 2
    main = found.outcomes.filter(pl.col("prior") == found.facts["prior"])
    assert column(table, "success") == [f"{value:.3f}" for value in main["success"]]
    assert column(table, "as good") == [f"{value:.0%}" for value in main["wins"]]
    assert all(" at 0." in cell for cell in column(table, "success at equal KL"))
    assert "success along it" in table.table.headers
    assert "success along it" not in sections(found, bars=False)["Forecast"].table.headers


def test_what_was_never_sampled_is_said_with_what_it_changes(found):
    below = sections(found)["Forecast"].below
    (prior,) = [line for line in below if line.startswith("What a prompt never showed has the mass of a prior worth")]
    assert prior.endswith(f"outputs: {found.facts['prior']}.")
    (change,) = [line for line in below if line.startswith("With ")]
    both = [found.outcomes.filter(pl.col("prior") == one) for one in found.outcomes["prior"].unique()]
    most = (both[0]["success"] - both[1]["success"]).abs().max()
    assert f"changes by at most {most:.3f}" in change


def test_masses_that_are_known_need_no_prior():
    cells = {"a": [[1, 0, 1]] * 4, "b": [[1, 1, 0]] * 4}
    said = advise(record(**cells, weight=[[0.1, 0.3, 0.6]] * 4), horizon=Horizon(kl=None, steps=20))
    assert "Masses are taken as they are: what has none stays without." in sections(said)["Forecast"].below


def test_a_horizon_of_divergence_is_compared_at_equal_steps():
    said = advise(drawn(0.5, 0.4, prompts=10), horizon=Horizon(kl=3.0, steps=30))
    table = sections(said)["Forecast"]
    assert "success at equal steps" in table.table.headers
    assert column(table, "steps") == ["30 (cut)"] * 8
    assert "grpo:8, kl=3" in lines(said)[0]


def test_groups_that_are_not_counted_through_are_marked():
    said = advise(drawn(*[0.5] * 5, prompts=10), learner=grpo(8), horizon=Horizon(kl=None, steps=3))
    table = sections(said)["Forecast"]
    assert [cell.endswith("~") for cell in column(table, "silent groups")[:4]] == [False, False, True, False]
    assert any(line.startswith("~:") for line in table.below)


def test_where_the_policy_stands(found):
    told = [line for _, line in sections(found)["Where the policy stands"].lines]
    assert told[0].startswith(f"a group of 16 holds {found.regime['pk']:.3g} outputs that pass all checks")
    assert told[1].startswith("by prompt: partial credit raises success more slowly at first (r + r² + p² + q² − 1 = -")
    lever = found.regime["levers"][1]
    assert (
        told[2]
        == f"skills: the rarest check, check_1, is learnt {lever:.3g} times as fast under partial credit at first"
    )
    assert "checks: no two are seen to depend on each other within prompts" in told
    assert told[-1] == "rule of thumb: start with binary credit"


def test_a_group_that_holds_no_success_is_told_how_many_would(found):
    def first(**changed):
        return sections(replace(found, regime=found.regime | changed))["Where the policy stands"].lines[0][1]

    assert first(pk=0.5, p=0.125, group_for_one=8).endswith("pass all checks; 8 outputs would hold one")
    assert first(pk=1.5).endswith("pass all checks")
    assert first(pk=0.0, p=0.0, group_for_one=None).endswith("pass all checks")


def test_dependent_checks_are_named():
    g = np.random.default_rng(0)
    a = (g.random((40, 12)) < 0.5).astype(float)
    b = np.where(g.random((40, 12)) < 0.8, 1 - a, a)
    said = advise(record(first=a, second=b), horizon=Horizon(kl=None, steps=3))
    told = [line for _, line in sections(said)["Where the policy stands"].lines]
    (line,) = [line for line in told if line.startswith("first and second")]
    assert line.startswith("first and second are passed instead of each other: log odds ratio -")


def test_dependence_that_cannot_be_told_is_said():
    said = advise(record(a=[[1, 0, 0]] * 5, b=[[0, 1, 0]] * 5), horizon=Horizon(kl=None, steps=3))
    told = [line for _, line in sections(said)["Where the policy stands"].lines]
    assert any(line.startswith("checks: whether they depend on each other cannot be told") for line in told)


def test_measurements_and_notes_are_there_where_there_are_any(found):
    page = sections(replace(found, measure=("count again",), notes=("a note",)))
    assert page["What to measure next"].lines == (("note", "count again"),)
    assert page["What is left out"].lines == (("note", "a note"),)
    assert {"What to measure next", "What is left out"}.isdisjoint(sections(replace(found, measure=(), notes=())))


def test_as_data_it_is_whole_and_plain(found):
    data = json.loads(json.dumps(advice_dict(found, {"files": ["x"]}), allow_nan=False))
    assert data["schema"] == "culpa.advice/1"
    assert data["args"] == {"files": ["x"]}
    assert data["decision"]["credit"] == found.decision.credit
    assert len(data["outcomes"]) == found.outcomes.height
    assert data["prompts"][0]["prompt_id"] == "q0"
    assert len(data["curves"]) == found.curves.height


def test_without_numbers_there_is_null():
    said = advise(record(a=[[1, 0]], b=[[0, 0]]), horizon=Horizon(kl=None, steps=3))
    data = json.loads(json.dumps(advice_dict(said, {}), allow_nan=False))
    assert data["regime"]["levers"] != []
    assert data["outcomes"][0]["low"] is None
    assert "–" in sections_text(advice_sections(said))


def test_names_that_would_break_a_page_are_escaped():
    odd = {"a|b\n": [[1, 0, 1, 0]] * 6, "\x1b[31m": [[1, 1, 0, 0]] * 6}
    said = advise(record(**odd), horizon=Horizon(kl=None, steps=3))
    for text in (sections_text(advice_sections(said)), sections_markdown("x", advice_sections(said), "")):
        assert "\x1b[31m" not in text
        assert "a|b\n" not in text


def test_the_curves_of_every_world_are_drawn(found):
    spec = advice_chart(found).to_dict()
    assert [panel["title"]["text"] for panel in spec["concat"]] == ["Every prompt by itself", "Checks as shared skills"]
    values = rows_of(spec, spec["concat"][1]["layer"][0])
    curves = found.curves.filter(pl.col("model") == "skills")
    assert [row["success"] for row in values] == curves["success"].to_list()
    ends = rows_of(spec, spec["concat"][1]["layer"][1])
    places = sorted(row["place"] for row in ends)
    assert len(ends) == 4
    assert min(np.diff(places)) >= 14 / 220 - 1e-9  # a line of text between two labels


def test_labels_stay_within_their_panel(found):
    done = replace(found, curves=found.curves.with_columns(success=pl.lit(1.0)))
    spec = advice_chart(done).to_dict()
    places = [row["place"] for row in rows_of(spec, spec["concat"][0]["layer"][1])]
    assert max(places) == pytest.approx(1 - 7 / 220)


@pytest.mark.parametrize(("suffix", "begins"), [(".json", b"{"), (".html", b"<!DOCTYPE html>")])
def test_files_of_curves(found, tmp_path, suffix, begins):
    path = write_advice_plot(found, tmp_path / f"curves{suffix}")
    assert path.read_bytes().startswith(begins)
    assert b"culpa rehearse" not in path.read_bytes()


def test_another_kind_of_file_is_refused(found, tmp_path):
    with pytest.raises(InputError, match="cannot draw into this kind of file"):
        write_advice_plot(found, tmp_path / "curves.pdf")
