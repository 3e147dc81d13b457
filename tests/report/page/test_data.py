"""What the page carries of a record."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.report.page import worlds

from culpa.report.page import data
from culpa.rollouts import Rollouts


def wrong(*rows):
    schema = {"proxy": pl.String, "prompt_id": pl.String, "output": pl.Int64, "right": pl.Float64, "effect": pl.Float64}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


NONE = wrong()


def test_few_errors_are_all_shown_the_worst_first():
    shown = data.shown_errors(pl.DataFrame({"effect": [0.5, -1.0, 0.0]}), 3)
    assert shown["effect"].to_list() == [-1.0, 0.0, 0.5]


def test_of_many_errors_the_greatest_are_shown_and_an_even_choice_of_the_rest():
    effects = [float(i) * (-1) ** i for i in range(101)]
    shown = data.shown_errors(pl.DataFrame({"effect": effects}), 8)["effect"].to_list()
    sizes = sorted(map(abs, shown), reverse=True)
    assert sizes[:6] == [100, 99, 98, 97, 96, 95]
    assert sizes[6:] == [94, 0]
    assert shown == sorted(shown)


def test_errors_of_unknown_effect_come_last():
    errors = pl.DataFrame({"effect": [None, 0.0, -1.0, 2.0]})
    assert data.shown_errors(errors, 4)["effect"].to_list() == [-1.0, 0.0, 2.0, None]
    assert data.shown_errors(errors, 3)["effect"].to_list() == [-1.0, 0.0, 2.0]


def test_prompts_of_the_worst_errors_come_first_then_the_others():
    sample = worlds.record(5)
    errors = wrong(("honest", "q3", 0, 0.0, -2.0), ("honest", "q1", 0, 0.0, -1.0), ("honest", "gone", 0, 0.0, -1.0))
    assert data.shown_prompts(sample, errors) == [3, 1, 0, 2, 4]
    assert data.shown_prompts(sample, errors, 3) == [3, 1, 0]
    assert data.shown_prompts(sample, errors, 1) == [3]


def test_spread_is_the_deviation_within_prompts_whatever_the_offset():
    scores = np.array([[1e9, 1e9 + 2.0, np.nan], [0.0, 4.0, 4.0]])
    mass = np.array([[0.25, 0.25, 0.5], [0.5, 0.25, 0.25]])
    sample = Rollouts(np.array(["a", "b"], dtype=object), np.ones((2, 3), dtype=bool), mass, {"rm": scores})
    assert data.spreads(sample) == {"rm": pytest.approx(np.sqrt((1.0 + 4.0) / 2))}


def test_spread_of_a_proxy_without_verdicts_is_not_known():
    scores = np.full((1, 2), np.nan)
    sample = Rollouts(np.array(["a"], dtype=object), np.ones((1, 2), dtype=bool), np.full((1, 2), 0.5), {"rm": scores})
    assert np.isnan(data.spreads(sample)["rm"])


def test_equal_masses_are_distinct_samples():
    assert data.distinct(worlds.record())
    assert not data.distinct(worlds.enumerated())


def test_one_prompt_of_unequal_masses_makes_mass_telling():
    mass = np.array(worlds.record().weight)
    mass[2] = [0.5, 0.2, 0.1, 0.1, 0.1]
    assert not data.distinct(replace(worlds.record(), weight=mass))


def test_neighbourhoods_weigh_what_looks_alike():
    features = np.array([[[1.0, 0.0], [1.0, 0.0], [-2.0, 0.0]]], dtype=np.float32)
    mass = np.full((1, 3), 1 / 3)
    sample = Rollouts(np.array(["a"], dtype=object), np.ones((1, 3), dtype=bool), mass, features=features)
    errors = wrong(("rm", "a", 0, 0.0, 0.0), ("rm", "a", 2, 0.0, 0.0), ("rm", "gone", 0, 0.0, 0.0))
    found = data.neighbourhoods(sample, errors)
    assert found[:2] == pytest.approx([2 / 3, 1 / 3])
    assert np.isnan(found[2])


def test_neighbourhoods_take_half_of_what_is_half_alike():
    features = np.array([[[1.0, 0.0], [0.5, np.sqrt(0.75)], [-1.5, -np.sqrt(0.75)]]], dtype=np.float32)
    sample = Rollouts(
        np.array(["a"], dtype=object), np.ones((1, 3), dtype=bool), np.full((1, 3), 1 / 3), features=features
    )
    assert data.neighbourhoods(sample, wrong(("rm", "a", 0, 0.0, 0.0))) == pytest.approx([0.5], abs=1e-6)


def test_without_features_or_texts_there_are_no_neighbourhoods():
    errors = wrong(("honest", "q0", 0, 0.0, 0.0))
    assert data.neighbourhoods(worlds.enumerated(), errors) is None
    assert data.neighbourhoods(worlds.record(), wrong(("honest", "gone", 0, 0.0, 0.0))) is None


def test_features_of_some_outputs_only_give_no_neighbourhoods():
    features = np.full((6, 5, 2), np.nan, dtype=np.float32)
    features[1:] = 1.0
    sample = replace(worlds.record(), features=features)
    assert data.neighbourhoods(sample, wrong(("honest", "q0", 0, 0.0, 0.0))) is None


def padded():
    present = np.array([[True, False, True], [True, True, False]])
    mass = np.where(present, 0.5, 0.0)
    scores = np.where(present, [[1.0, 0.0, 3.0], [4.0, 5.0, 0.0]], np.nan)
    table = pl.DataFrame({"prompt": ["p", "p", "q", "q"], "response": ["a", "b", "c", None]})
    return Rollouts(np.array(["x", "y"], dtype=object), present, mass, {"rm": scores}, scores, table=table)


def test_texts_and_numbers_of_an_output_stay_together():
    held = data.cells(padded(), [1, 0], NONE)
    first, second = held.content["prompts"]
    assert (first["id"], first["prompt"], first["texts"], first["scores"]) == ("y", "q", ["c", None], [[4.0, 5.0]])
    assert (second["columns"], second["texts"], second["truth"]) == ([0, 2], ["a", "b"], [1.0, 3.0])
    assert held.place == {"y": 0, "x": 1}
    assert held.left_out == ()


def test_the_right_score_of_an_error_finds_its_output():
    held = data.cells(padded(), [0, 1], wrong(("rm", "x", 2, 9.0, -1.0), ("other", "x", 0, 1.0, 0.0)))
    assert [one["right"] for one in held.content["prompts"]] == [[[0, 1, 9.0]], []]


def test_what_is_not_known_is_null():
    sample = replace(padded(), truth=None, table=pl.DataFrame())
    first = data.cells(sample, [0], NONE).content["prompts"][0]
    assert (first["truth"], first["prompt"], first["texts"]) == (None, None, [None, None])


def test_long_texts_are_cut_and_the_page_says_so():
    sample = replace(padded(), table=pl.DataFrame({"response": ["x" * 5000, "b", "c", "d"]}))
    held = data.cells(sample, [0, 1], NONE)
    text = held.content["prompts"][0]["texts"][0]
    assert len(text) == 2000
    assert text.endswith("x…")
    assert held.left_out == ("Texts are cut at 2,000 characters.",)


@pytest.mark.parametrize("letter", ["x", "<", "\x00", "😀"])
def test_the_budget_holds_in_bytes_as_they_are_written(letter):
    sample = replace(worlds.record(20), table=pl.DataFrame({"response": [letter * 5000] * 100}))
    held = data.cells(sample, range(20), NONE, budget=60_000)
    assert len(data.safe_json(held.content["prompts"]).encode()) <= 60_000 * 1.02
    assert held.content["prompts"]
    assert "Texts are cut at" in " ".join(held.left_out)


def test_wrong_outputs_keep_more_of_their_text_than_others():
    sample = replace(worlds.record(20), table=pl.DataFrame({"prompt": "p" * 3000, "response": ["x" * 5000] * 100}))
    held = data.cells(sample, range(20), wrong(("honest", "q0", 3, 1.0, -1.0)), budget=120_000)
    first = held.content["prompts"][0]
    assert len(first["prompt"]) == 2000
    assert [len(text) for text in first["texts"]] == [500, 500, 500, 2000, 500]
    assert held.left_out == ("Texts are cut at 2,000 characters, those of outputs without an error on the map at 500.",)


def test_with_little_room_texts_are_cut_short_before_prompts_are_left_out():
    sample = replace(worlds.record(20), table=pl.DataFrame({"response": ["x" * 5000] * 100}))
    whole = data.cells(sample, range(20), NONE, budget=70_000)
    assert len(whole.content["prompts"]) == 20
    fewer = data.cells(sample, range(20), NONE, budget=9_000)
    assert 0 < len(fewer.content["prompts"]) < 20
    count = len(fewer.content["prompts"])
    assert fewer.left_out[0].startswith(f"The page holds the outputs and texts of {count} of 20 prompts")


def test_of_many_outputs_the_wrong_ones_are_kept_then_the_likeliest():
    sample = worlds.record(1, 80, ("rm",))
    mass = np.full((1, 80), 0.01)
    mass[0, 70] = 0.21
    sample = replace(sample, weight=mass)
    held = data.cells(sample, [0], wrong(("rm", "q0", 79, 1.0, -1.0)))
    columns = held.content["prompts"][0]["columns"]
    assert len(columns) == data.OUTPUTS
    assert {70, 79} <= set(columns)
    assert 69 not in columns
    assert columns == sorted(columns)
    assert held.left_out == ("Of 1 prompts it holds 64 outputs: the wrong ones first, then the likeliest.",)


def test_json_stays_json_and_cannot_end_its_element():
    text = data.safe_json({"a": "</script><!--\u2028&\ud800"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text)["a"] == "</script><!--\u2028&?"


def test_an_outlook_has_null_for_what_is_no_number():
    made = worlds.verdict(worlds.record())
    bad = made.outlook.prediction.with_columns(low=pl.lit(float("nan")))
    found = data.outlook_of(replace(made, outlook=replace(made.outlook, prediction=bad)))
    assert found.prediction["low"].to_list() == [None] * 3
    assert data.outlook_of(replace(made, outlook=None)) is None
