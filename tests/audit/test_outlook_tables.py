"""What the outlook says in its tables, intervals and findings; and whether its ranking is that of the whole world."""

import json

import numpy as np
import polars as pl
import pytest
from tests.audit.ahead import QUICK, ahead, enumerated, feature_rehearsal, sharing, swayed
from tests.audit.world import codes, record, value

import culpa
from culpa.audit import Settings
from culpa.audit import verdict as verdict_module
from culpa.audit.outlook import OTHERS, PREDICTION
from culpa.dynamics import Horizon, Path, best_of_n, grpo, ppo, reinforce, simulate
from culpa.dynamics.shared_effects import SHARED_ERRORS, THROUGH_OTHERS, shared_adjoint
from culpa.predictors.ground import SHARED
from culpa.report.view import headline

KINDS = ("harmful", "benign", "beneficial")
WORLDS = {"shared": sharing, "alone": enumerated}


# ---- tables ----


@pytest.mark.parametrize("make", WORLDS.values(), ids=WORLDS)
def test_tables_have_their_schema_and_no_nan(make):
    found = ahead(make())
    assert dict(found.prediction.schema) == PREDICTION
    assert list(found.curves.schema) == ["proxy", "step", "true_reward", "proxy_reward", "kl", "entropy"]
    assert dict(found.errors.schema) == SHARED_ERRORS
    assert list(found.learners.schema) == ["learner", "proxy", "score", "rank"]
    for frame in (found.prediction, found.curves, found.errors, found.learners):
        assert not any(column.is_nan().any() for column in frame if column.dtype.is_float())


@pytest.mark.parametrize("make", WORLDS.values(), ids=WORLDS)
def test_counts_by_kind_are_those_of_the_errors(make):
    found = ahead(make())
    for row in found.prediction.iter_rows(named=True):
        kinds = found.errors.filter(pl.col("proxy") == row["proxy"])["kind"].to_list()
        assert {kind: row[kind] for kind in KINDS} == {kind: kinds.count(kind) for kind in KINDS}
    assert found.errors.height > 0


def test_a_proxy_without_errors_counts_none():
    world = enumerated()
    found = ahead(record({"truth": world.truth, "verifier": world.proxies["verifier"]}, world.truth, world.weight))
    assert found.prediction.select("right", *KINDS).row(0) == ("same", 0, 0, 0)
    assert found.prediction["right"].to_list() == ["same", "same"]


def test_scores_between_0_and_1_are_no_truth():
    world = enumerated()
    squashed = 1 / (1 + np.exp(-world.proxies["near"]))
    found = ahead(record({"sigmoid": squashed}, world.truth, world.weight))
    assert found.prediction["right"].to_list() == ["matched"]


@pytest.mark.parametrize("repeat", [0, 3])
def test_so_many_errors_are_put_right_in_turn(repeat):
    world = sharing()
    found = ahead(world, settings=Settings(100, repeat=repeat))
    counts = found.errors.group_by("proxy").agg((pl.col("method") == "counterfactual").sum())
    assert counts["method"].to_list() == [repeat] * 3
    more = ahead(world).errors
    rows = found.errors.join(more, on=["proxy", "prompt_id", "output"], suffix="_of_more", maintain_order="left")
    assert rows.height == more.height
    alike = rows.filter(pl.col("method") == pl.col("method_of_more"))
    assert alike["effect"].to_numpy() == pytest.approx(alike["effect_of_more"].to_numpy(), abs=1e-9)
    assert rows.filter(pl.col("reason").is_not_null())["method"].to_list() == ["counterfactual"] * 3 * repeat


def test_a_learner_without_derivatives_has_intervals_but_no_errors():
    found = ahead(sharing(), learner=ppo())
    assert found.errors.is_empty()
    assert found.prediction["low"].null_count() == 0
    assert found.prediction.select(KINDS).sum().row(0) == (0, 0, 0)


# ---- intervals ----


def test_what_a_prompt_adds_is_its_truth_and_its_part_in_training():
    world = sharing()
    rehearsed = feature_rehearsal(world, learner=reinforce())
    adds = rehearsed.by_prompt + shared_adjoint(rehearsed).prompts
    assert ahead(world).evaluation.sums.values["outcome"] == pytest.approx(adds, abs=1e-9)


def test_a_rise_is_told_prompt_by_prompt():
    """Prompts of very unequal truth: the level is uncertain, what training adds to it is not."""
    world = sharing()
    lifted = world.with_truth(world.truth + 50.0 * np.arange(24)[:, None])
    plain, moved = ahead(world).prediction, ahead(lifted).prediction
    for name in ("gain_low", "gain_high"):
        assert moved[name].to_numpy() == pytest.approx(plain[name].to_numpy(), abs=1e-6)
    assert ((moved["high"] - moved["low"]) > 100).all()
    assert (plain["gain_low"] <= plain["outcome"] - plain["start"]).all()
    assert (plain["outcome"] - plain["start"] <= plain["gain_high"]).all()
    assert {code for code, proxy in codes(culpa.audit(lifted, settings=QUICK)) if proxy == "against"} >= {
        "lowers-truth"
    }


@pytest.mark.parametrize("make", WORLDS.values(), ids=WORLDS)
def test_sets_that_are_tied_are_those_that_no_comparison_tells_apart(make):
    verdict = culpa.audit(make(), settings=QUICK)
    assert set(verdict.comparisons["measure"]) == {"rehearsal"}
    for row in verdict.comparisons.iter_rows(named=True):
        together = any({row["proxy"], row["other"]} <= set(group) for group in verdict.tied)
        assert together == (row["p_holm"] >= 0.05)
        score = dict(verdict.ranking.select("proxy", "score").iter_rows())
        assert row["difference"] == pytest.approx(score[row["proxy"]] - score[row["other"]])


# ---- algorithms ----


@pytest.mark.parametrize("make", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("learner", [reinforce(), best_of_n(4), ppo()], ids=lambda one: one.name)
def test_the_users_algorithm_stands_first_with_its_forecast(make, learner):
    found = ahead(make(), learner=learner)
    table, outcome = found.learners, found.prediction["outcome"]
    names = table["learner"].unique(maintain_order=True).to_list()
    clock = [f"{learner.name}, clock=1"] if found.facts["mode"] == SHARED and isinstance(learner, Path) else []
    assert names == [learner.name, *(one.name for one in OTHERS if one.name != learner.name), *clock]
    assert table.filter(pl.col("learner") == learner.name)["score"].to_numpy() == pytest.approx(outcome.to_numpy())
    for (_,), rows in table.group_by("learner"):
        order = rows.sort("rank")
        assert order["score"].is_sorted(descending=True)
        assert order["rank"].to_list() == list(range(1, rows.height + 1))


@pytest.mark.parametrize("make", WORLDS.values(), ids=WORLDS)
def test_the_others_are_as_if_asked_for(make):
    world = make()
    found, asked = (ahead(world, horizon="kl=0.1", **how) for how in ({}, {"learner": grpo(8)}))
    beside = found.learners.filter(pl.col("learner") == "grpo:8")["score"].to_numpy()
    asked = asked.prediction["outcome"].to_numpy()
    assert beside == pytest.approx(asked, abs=1e-9)


def test_one_clock_beside_is_as_if_asked_for():
    found, asked = (ahead(WORLDS["shared"](), horizon=horizon) for horizon in ("kl=0.4", "clock=1"))
    beside = found.learners.filter(pl.col("learner") == "reinforce, clock=1")["score"].to_numpy()
    assert beside == pytest.approx(asked.prediction["outcome"].to_numpy(), abs=1e-9)
    assert np.abs(beside - found.prediction["outcome"].to_numpy()).max() > 1e-3


@pytest.mark.parametrize("make", WORLDS.values(), ids=WORLDS)
def test_best_of_n_beside_is_at_its_end(make):
    world = make()
    beside = ahead(world).learners.filter(pl.col("learner") == "best_of_n:16")["score"].to_numpy()
    whole = simulate(world, learner=best_of_n(16), horizon=Horizon(kl=None, steps=99)).outcome
    assert beside == pytest.approx(whole, abs=1e-9)


def test_equal_proxies_share_a_rank():
    world = enumerated()
    near = world.proxies["near"]
    found = ahead(record({"flat": 0 * near, "a": near, "again": near}, world.truth, world.weight)).learners
    assert found.head(3)["rank"].to_list() == [3, 1, 1]


# ---- JSON and findings ----


@pytest.mark.parametrize("repeat", [0, 6])
def test_json_has_the_largest_errors_of_each_proxy_and_all_that_were_put_right(monkeypatch, repeat):
    assert verdict_module.WRITTEN == 100
    monkeypatch.setattr(verdict_module, "WRITTEN", 4)
    verdict = culpa.audit(sharing(), settings=Settings(100, repeat=repeat))
    written = pl.DataFrame(json.loads(verdict.to_json())["errors"], infer_schema_length=None)
    for (proxy,), rows in verdict.outlook.errors.group_by("proxy"):
        largest = rows.sort(pl.col("effect").abs(), descending=True).head(4)
        expected = pl.concat([largest, rows.filter(pl.col("method") == "counterfactual")]).unique(
            ["prompt_id", "output"]
        )
        got = written.filter(pl.col("proxy") == proxy)
        assert set(got.select("prompt_id", "output").iter_rows()) == set(
            expected.select("prompt_id", "output").iter_rows()
        )
        assert got.height == expected.height < rows.height


def test_proxies_against_the_truth_are_worth_no_training():
    world = sharing()
    against = {
        name: world.proxies["against"] + shift for name, shift in (("one", 0.0), ("two", world.features[..., 0]))
    }
    verdict = culpa.audit(record(against, world.truth, features=world.features), settings=QUICK)
    assert {("lowers-truth", "one"), ("lowers-truth", "two")} <= codes(verdict)
    found = next(one for one in verdict.warnings if one.code == "lowers-truth")
    assert found.level == "error"
    assert headline(verdict).startswith("24 prompts, 120 outputs. None of 2 is worth training on with")


def test_a_proxy_that_learns_no_more_than_a_shuffled_truth_is_named():
    named = {proxy for code, proxy in codes(culpa.audit(sharing(), settings=QUICK)) if code == "shuffled-truth"}
    assert named == {"against", "deaf"}


def test_an_error_that_only_moves_other_prompts_says_so():
    rows = ahead(swayed()).errors
    assert rows["prompt_id"].to_list() == ["prompt 2"] * 2
    assert rows["kind"].to_list() == ["harmful"] * 2
    assert rows["reason"].to_list() == [THROUGH_OTHERS] * 2


def test_a_proxy_that_moves_nothing_stays_at_the_start():
    world = sharing()
    flat = record({"flat": np.zeros((24, 5)), "near": world.proxies["near"]}, world.truth, features=world.features)
    verdict = culpa.audit(flat, settings=QUICK)
    assert ("horizon-not-reached", "flat") in codes(verdict)
    assert ("may-not-raise", "flat") in codes(verdict)
    assert value(verdict, "flat", "rehearsal") == pytest.approx(verdict.outlook.facts["start"])
    assert verdict.outlook.prediction["cosine"].to_list()[0] is None


# ---- against the truth ----


def ranks(values):
    return np.argsort(np.argsort(values))


def test_the_ranking_is_nearer_to_training_on_all_outputs_than_accuracy_is():
    """Forty prompts of thirty outputs, of which the audit sees six each. Proxies: noise that averages out, and biases.

    Single scores under noise rank pairs badly and teach well; a bias ranks most pairs rightly and leads astray.
    """
    gains = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((40, 30, 6))
        truth = x @ rng.standard_normal(6)
        levels = np.linspace(0.2, 2.2, 6)
        biases = {f"bias {level}": truth + level * x @ rng.standard_normal(6) for level in levels}
        noises = {f"noise {level}": truth + 2 * level * rng.standard_normal(truth.shape) for level in levels}
        everything = record(biases | noises, truth, features=x.astype(np.float32))
        end = feature_rehearsal(everything, learner=reinforce()).outcome
        seen = {name: score[:, :6] for name, score in everything.proxies.items()}
        verdict = culpa.audit(record(seen, truth[:, :6], features=x[:, :6].astype(np.float32)), settings=QUICK)
        scores = dict(verdict.ranking.select("proxy", "score").iter_rows())
        found = [[scores[name] for name in seen], [value(verdict, name, "hacc") for name in seen]]
        gains.append([np.corrcoef(ranks(one), ranks(end))[0, 1] for one in found])
    ahead_of, accuracy = np.mean(gains, axis=0)
    assert ahead_of > 0.7
    assert ahead_of > accuracy + 0.2, (ahead_of, accuracy)
