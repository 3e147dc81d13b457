"""The audit from end to end: complete, partial and absent truth, pairs alone, odd records, messages."""

import json

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.audit.world import NAN, codes, cut, drawn, pairs_only, record, value

import culpa
from culpa.audit import BY_NAME, MEASURES, RULERS, Settings, gather
from culpa.errors import InputError

FEW = {"settings": Settings(replicates=100)}


# ---- what is known of the truth ----


def test_complete_truth():
    verdict = culpa.audit(drawn(0), **FEW)
    assert verdict.ranking["proxy"].to_list() == ["good", "noise", "constant"]
    assert set(verdict.ranking["measure"]) == {"rehearsal"}
    assert value(verdict, "constant", "hacc") == 0.0
    assert verdict.relabel.height == 0
    assert verdict.comparisons.height == 3
    assert verdict.facts["truths"] == verdict.facts["outputs"]
    assert not {"no-truth", "partial-truth"} & {finding.code for finding in verdict.warnings}
    assert {("dead-groups", "constant"), ("chance", "noise"), ("chance", "constant")} <= codes(verdict)


@pytest.mark.parametrize(("text", "measure"), [(True, "rehearsal"), (False, "hacc")])
def test_ranking_is_what_the_metrics_say(text, measure):
    verdict = culpa.audit(drawn(0, text=text), **FEW)
    assert set(verdict.ranking["measure"]) == {measure}
    for row in verdict.ranking.iter_rows(named=True):
        assert row["score"] == value(verdict, row["proxy"], measure)
        assert row["low"] <= row["score"] <= row["high"]
    scores = verdict.ranking["score"].to_list()
    assert scores == sorted(scores, reverse=True)


def test_partial_truth():
    verdict = culpa.audit(drawn(0, unknown=0.5), **FEW)
    assert verdict.ranking["proxy"][0] == "good"
    assert ("partial-truth", "") in codes(verdict)
    assert 0 < verdict.facts["truths"] < verdict.facts["outputs"]
    assert verdict.relabel.height == 10
    assert verdict.relabel["disagreement"].is_sorted(descending=True)


def test_absent_truth():
    verdict = culpa.audit(drawn(0).with_truth(None), **FEW)
    assert verdict.ranking.height == verdict.comparisons.height == 0
    assert verdict.tied == ()
    assert verdict.disagreement.height == 3
    assert verdict.relabel.height == 10
    assert value(verdict, "constant", "dead") == 1.0
    assert {("no-truth", ""), ("dead-groups", "constant")} <= codes(verdict)
    assert "hacc" not in verdict.metrics["metric"]
    json.loads(verdict.to_json())


def test_truth_unknown_everywhere_is_absent_truth():
    world = drawn(0)
    unknown = culpa.audit(world.with_truth(np.full(world.shape, NAN)), **FEW)
    assert unknown.ranking.height == 0
    assert ("no-truth", "") in codes(unknown)
    assert value(unknown, "good", "hacc") is None
    assert unknown.relabel.equals(culpa.audit(world.with_truth(None), **FEW).relabel)


def test_only_chosen_and_rejected():
    verdict = culpa.audit(pairs_only(), **FEW)
    assert verdict.ranking["proxy"].to_list() == ["good", "flat"]
    assert set(verdict.ranking["measure"]) == {"acc_off"}
    assert value(verdict, "good", "acc_off") == verdict.ranking["score"][0] > 0.6
    assert value(verdict, "good", "hacc_off") is None
    assert verdict.facts["pairs"] == 40
    assert not any(code == "no-truth" for code, _ in codes(verdict))
    assert ("chance", "flat") in codes(verdict)


def test_pairs_of_the_policy_s_own_outputs_are_ranked_harm_aware():
    verdict = culpa.audit(pairs_only(own=0.5), **FEW)
    assert set(verdict.ranking["measure"]) == {"hacc_off"}
    assert value(verdict, "flat", "hacc_off") == 0.0
    # With two outputs the lower is always below their mean: a wrong pair has its rejected output above it.
    assert value(verdict, "good", "hacc_off") == value(verdict, "good", "acc_off")


def test_truth_decides_before_pairs():
    verdict = culpa.audit(pairs_only(truth=np.tile([1.0, 0.0], (40, 1)), own=0.5), **FEW)
    assert set(verdict.ranking["measure"]) == {"hacc"}
    assert value(verdict, "good", "acc") == pytest.approx(value(verdict, "good", "acc_off"))


def test_constant_truth_orders_nothing():
    world = drawn(0)
    verdict = culpa.audit(world.with_truth(np.where(world.present, 1.0, NAN)), **FEW)
    assert value(verdict, "good", "hacc") is None
    assert verdict.ranking.height == 0
    json.loads(verdict.to_json())


# ---- odd records ----


def test_proxy_without_any_verdict():
    world = drawn(0)
    silent = {"silent": np.full(world.shape, NAN)} | dict(world.proxies)
    verdict = culpa.audit(record(silent, world.truth, present=world.present), **FEW)
    assert verdict.ranking["proxy"].to_list()[-1] == "silent"
    assert verdict.ranking.row(-1, named=True) | {"tied_with": []} == {
        "proxy": "silent", "score": None, "measure": "hacc", "low": None, "high": None, "tied_with": [],
    }  # fmt: skip
    assert verdict.ranking["tied_with"].to_list()[-1] == []
    assert "silent" not in verdict.comparisons["proxy"]
    assert value(verdict, "silent", "missing") == 1.0
    assert ("missing-verdicts", "silent") in codes(verdict)


def test_prompts_with_a_single_output():
    verdict = culpa.audit(record({"a": [[1.0], [2.0]], "b": [[2.0], [1.0]]}, [[0.0], [1.0]]), **FEW)
    assert verdict.ranking.height == 0
    assert value(verdict, "a", "mean") == 1.5
    assert value(verdict, "a", "dead") is None
    json.loads(verdict.to_json())


def test_one_prompt_has_values_without_intervals():
    verdict = culpa.audit(record({"a": [[1.0, 2.0]], "b": [[2.0, 1.0]]}, [[0.0, 1.0]]), **FEW)
    assert verdict.ranking.select("proxy", "score", "low").rows() == [("a", 1.0, None), ("b", 0.0, None)]
    assert verdict.tied == (("a", "b"),)
    assert ("few-prompts", "") in codes(verdict)
    json.loads(verdict.to_json())


def test_one_proxy():
    world = drawn(0)
    verdict = culpa.audit(record({"good": world.proxies["good"]}, world.truth, present=world.present), **FEW)
    assert verdict.ranking["tied_with"].to_list() == [[]]
    assert verdict.comparisons.height == verdict.disagreement.height == verdict.relabel.height == 0


def test_enumerated_outputs_count_by_their_mass():
    world = record({"a": [[3.0, 2.0, 1.0]]}, [[2.0, 0.0, 1.0]], weight=[[0.8, 0.1, 0.1]])
    assert value(culpa.audit(world, **FEW), "a", "acc") == pytest.approx(0.16 / 0.17)


def test_positive_affine_maps_change_no_ranking():
    world = drawn(0)
    mapped = {name: 4.0 * score - 8.0 for name, score in world.proxies.items()}
    plain, moved = (
        culpa.audit(record(scores, world.truth, present=world.present), **FEW)
        for scores in (dict(world.proxies), mapped)
    )
    assert moved.ranking.equals(plain.ranking)


def test_input_is_left_alone():
    world = drawn(0, unknown=0.3)
    before = {name: score.copy() for name, score in world.proxies.items()}
    culpa.audit(world, **FEW)
    assert all(np.array_equal(world.proxies[name], score, equal_nan=True) for name, score in before.items())


# ---- rulers ----


def test_rulers_stand_beside_the_proxies():
    verdict = culpa.audit(drawn(0), **FEW)
    assert set(verdict.metrics.filter("ruler")["proxy"]) == set(RULERS)
    assert not set(RULERS) & {*verdict.ranking["proxy"], *verdict.comparisons["proxy"], *verdict.disagreement["proxy"]}
    long, short = (value(verdict, name, "acc_half") for name in RULERS[:2])
    assert long == pytest.approx(1 - short)


def test_ruler_values_are_lengths_and_marks():
    table = pl.DataFrame({"response": ["ab", "**x**", None]})
    world = record({"a": [[0.0, 1.0], [2.0, 0.0]]}, present=[[True, True], [True, False]], table=table)
    rulers = gather.ruler_values(world)
    np.testing.assert_array_equal(rulers["len"], [[2.0, 5.0], [NAN, NAN]])
    np.testing.assert_array_equal(rulers["md"], [[0.0, 1.0], [NAN, NAN]])
    tokens = record({"a": [[0.0, 1.0]]}, length=np.array([[7.0, 9.0]]))
    assert list(gather.ruler_values(tokens)) == ["len"]
    assert gather.ruler_values(tokens)["len"].tolist() == [[7.0, 9.0]]
    assert gather.ruler_values(record({"a": [[0.0, 1.0]]})) == {}


# ---- chance, seeds, options ----


def test_same_seed_same_bytes():
    one, again = (culpa.audit(drawn(0, unknown=0.3), seed=7, **FEW).to_json() for _ in range(2))
    assert one == again
    assert culpa.audit(drawn(0, unknown=0.3), seed=8, **FEW).to_json() != one


def test_selected_metrics_alone():
    verdict = culpa.audit(drawn(0), metrics={"dead", "acc"}, **FEW)
    assert verdict.metrics["metric"].unique(maintain_order=True).to_list() == ["acc", "dead"]
    assert set(verdict.ranking["measure"]) == {"acc"}
    assert verdict.args["metrics"] == ["acc", "dead"]
    everything = culpa.audit(drawn(0), **FEW)
    proxies = list(drawn(0).proxies)
    expected = everything.metrics.filter(pl.col("metric").is_in(["acc", "dead"]) & pl.col("proxy").is_in(proxies))
    assert_frame_equal(verdict.metrics, expected)


@pytest.mark.parametrize("name", [measure.name for measure in MEASURES])
def test_every_metric_can_be_had_alone(name):
    verdict = culpa.audit(drawn(0, prompts=10), metrics=[name], **FEW)
    assert set(verdict.metrics["metric"]) == {name}
    whole = culpa.audit(drawn(0, prompts=10), **FEW)
    assert value(verdict, "good", name) == value(whole, "good", name)


def test_level_and_replicates_are_used():
    narrow, wide = (
        culpa.audit(drawn(0), settings=Settings(100, level=level)).ranking["high"][0] for level in (0.5, 0.99)
    )
    assert narrow < wide
    assert culpa.audit(drawn(0), settings=Settings(150, 0.9)).args["replicates"] == 150


def test_budget_bounds_the_list():
    world = drawn(0, unknown=0.5)
    assert [culpa.audit(world, settings=Settings(100, budget=n)).relabel.height for n in (0, 3)] == [0, 3]


CHUNKS = cut(record({"a": [[0.0, 1.0]] * 2, "b": [[0.0, 1.0]] * 2}), 1)
OTHER = record({"c": [[0.0, 1.0]]})
WITH_TRUTH = record({"a": [[0.0, 1.0]], "b": [[0.0, 1.0]]}, [[0.0, 1.0]])
NO_PROXY = record({"a": [[0.0, 1.0]]}, table=pl.DataFrame({"response": ["x", "y"]}))
NO_PROXY = culpa.Rollouts(NO_PROXY.prompt_id, NO_PROXY.present, NO_PROXY.weight, table=NO_PROXY.table)
PLAIN = record({"a": [[0.0, 1.0]]})
MESSAGES = [
    (PLAIN, {"settings": {"level": 0.4}}, "got level 0.4 and 2000 replicates. Use .5 <= level < 1, and >= 100."),
    (PLAIN, {"settings": {"level": 1.0}}, "got level 1.0 and 2000 replicates. Use .5 <= level < 1, and >= 100."),
    (PLAIN, {"settings": {"replicates": 99}}, "got level 0.95 and 99 replicates. Use .5 <= level < 1, and >= 100."),
    (PLAIN, {"metrics": ["hac"]}, f"no metric is called 'hac'. Known: {', '.join(BY_NAME)}."),
    (
        PLAIN,
        {"metrics": ["acc", "hacc"]},
        "the data has nothing to compute hacc, acc from. Give a truth (or, for length and markdown, texts), or ask for "
        "other metrics.",
    ),
    ([], {}, "there are no rollouts. Give at least one record, or one chunk."),
    (NO_PROXY, {}, "there is no proxy to audit. Name one with --proxy; the truth is not its own proxy."),
    (
        [CHUNKS[0], OTHER],
        {},
        "the chunks have different proxies: a, b, then c. Name those that all have with --proxy.",
    ),
    (
        [CHUNKS[0], WITH_TRUTH],
        {},
        "the chunks do not hold the same columns: only some lead to apart, best, best_harm, calibration_n, concordant. "
        "Give every chunk a truth, lengths and texts, or none.",
    ),
]


@pytest.mark.parametrize(("rollouts", "options", "text"), MESSAGES)
def test_messages(rollouts, options, text):
    with pytest.raises(InputError) as error:
        culpa.audit(rollouts, **options | {"settings": Settings(**options.get("settings", {}))})
    assert str(error.value) == text


def test_errors_of_the_reader_come_through():
    def chunks():
        yield drawn(0)
        raise InputError("row 7 is odd.", remedy="Mend it.")

    with pytest.raises(InputError, match=r"^row 7 is odd\. Mend it\.$"):
        culpa.audit(chunks(), **FEW)


def test_findings_do_not_depend_on_the_metrics_shown():
    world = drawn(0)
    opposed = world.with_truth(-world.truth)
    shown = culpa.audit(opposed, metrics=["acc"], **FEW)
    assert {finding.code for finding in shown.warnings} >= {"worse-than-chance"}
    assert set(shown.metrics["metric"]) == {"acc"}


def test_pairs_tied_in_truth_are_dropped_or_halved_and_counted():
    truth, score = np.array([[1.0, 0.0, 0.0]]), np.array([[2.0, 1.0, 0.0]])
    rows = dict(culpa.audit(record({"rm": score}, truth), **FEW).metrics.select("metric", "value").rows())
    assert rows["acc"] == pytest.approx(1.0)  # two ordered pairs, both right
    assert rows["acc_halved"] == pytest.approx(2.5 / 3)
    assert rows["truth_ties"] == pytest.approx(1 / 3)
