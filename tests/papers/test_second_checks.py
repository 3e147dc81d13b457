"""Second checks: their tasks, what rewards see, and which figure decides which claim. No policy is taught here."""

import json

import numpy as np
import polars as pl
import pytest
from tests.papers import case

from culpa.labs.tinylm.build import build
from culpa.lm.forward import measure
from culpa.papers import (
    layered_gates_lm,
    likelihood_rewards_lm,
    paper,
    role_aware_credit_lm,
    second_checks,
    shortest_correct_lm,
    tiny_runs,
)
from culpa.papers.layered_gates_lm import layers, timed_out
from culpa.papers.outcome import Outcome
from culpa.papers.outcome_pairs_lm import halves
from culpa.papers.outcome_pairs_lm import ways as pair_ways
from culpa.papers.unlikeliness_lm import TRIES, solved
from culpa.signals import Tokens, apply, equal_group
from culpa.signals.contrast import contrast_weights

OURS = [name for name in second_checks() if name != "imperfect_rewards_lm"]


@pytest.fixture
def raw(monkeypatch):
    """A policy that was taught nothing in place of every taught one; one step, little looked at."""
    monkeypatch.setattr(
        tiny_runs, "taught", lambda task, *_, **__: build(task.alphabet, seed=0, hidden=16, layers=1, context=64)
    )
    one = {"full": 1, "quick": 1}
    for name in OURS:
        for setting in ("STEPS", "SEEDS", "BATCHES", "KNOWN"):
            if hasattr(paper(name), setting):
                monkeypatch.setattr(paper(name), setting, one)


@pytest.mark.usefixtures("raw")
def test_the_same_seed_says_the_same():
    one, again = (paper("noisy_rewards_lm").experiment(np.random.default_rng(0), "quick").data for _ in range(2))
    assert one == again


@pytest.mark.usefixtures("raw")
@pytest.mark.parametrize("name", OURS)
def test_an_experiment_gives_what_its_claims_need(name):
    outcome = paper(name).experiment(np.random.default_rng(0), "quick")
    json.dumps(outcome.data, allow_nan=False)
    checks = paper(name).holds(outcome)
    assert any(check.control for check in checks)
    assert any(not check.control for check in checks)
    assert all(check.claim.startswith("control") == check.control for check in checks)
    assert all(isinstance(check.holds, bool) for check in checks)


def test_layers_are_the_letters_then_their_order():
    worth = (0.0, 0.3, 1.0)
    assert layers(["abc", "bca", "abd", "ab", ""], ["abc"] * 5, worth).tolist() == [1.0, 0.3, 0.0, 0.0, 0.0]


def test_the_teacher_of_the_layers_mostly_says_the_letters_and_seldom_sorts_them():
    rng = np.random.default_rng(0)
    said = [layered_gates_lm.TASK.demonstrate(rng, "abcd") for _ in range(4000)]
    worth = layers(said, ["abcd"] * 4000, (0.0, 0.3, 1.0))
    kept = (1 - 0.1 * 5 / 6) ** 4
    assert (worth == 1.0).mean() == pytest.approx(kept * (0.1 + 0.9 / 24), abs=0.015)
    assert (worth == 0.3).mean() == pytest.approx(kept * 0.9 * 23 / 24, abs=0.03)


def test_right_runs_time_out_more_often():
    right = np.tile([1.0, 0.0], (4000, 4))
    scored = apply(timed_out("-1"), right, rng=np.random.default_rng(0))
    lost = scored == -1
    assert lost[right == 1].mean() == pytest.approx(0.6, abs=0.02)
    assert lost[right == 0].mean() == pytest.approx(0.12, abs=0.02)
    assert np.array_equal(scored[~lost], right[~lost])
    masked = apply(timed_out("masked"), right, rng=np.random.default_rng(0))
    few = (~lost).sum(axis=1, keepdims=True) < 2
    assert np.array_equal(np.isnan(masked), lost | few)


def test_dealt_out_pairs_know_nothing_of_their_outputs():
    reward = np.tile([1.0, 1.0, 0.0, 0.0], (4000, 1))
    given = apply(pair_ways()["dealt out"], reward, rng=np.random.default_rng(0))
    assert np.abs(given.mean(axis=0)).max() < 0.05
    assert np.abs(given).max() > 0


def test_halves_of_a_pair_add_up_to_the_pair(monkeypatch):
    """On a gradient that is the advantage itself: half up and half down of all outputs, whatever the batch."""
    reward = np.array([[1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    monkeypatch.setattr(
        tiny_runs, "gradients", lambda _lm, _task, _told, advantage, _course: iter([apply(advantage, reward).ravel()])
    )
    monkeypatch.setattr(tiny_runs, "chance_of_answer", lambda *_: 0.75)
    found = halves(None, None, np.random.default_rng(0), "quick")
    whole = (reward - reward.mean(axis=1, keepdims=True)) * 4 / 3
    pairs = np.array([[0.5, 0.5, 0.5, -0.5], [0.5, -0.5, -0.5, -0.5]])
    pairs[0, :3], pairs[0, 3] = 0.75 * 0.5 * 4 / 3, -0.25 * 0.5 * 4
    pairs[1, 0], pairs[1, 1:] = 0.25 * 0.5 * 4, -0.75 * 0.5 * 4 / 3
    size = (whole * whole).sum()
    assert found["rate"] == 0.75
    assert found["all"] == pytest.approx(1.0)
    assert found["scaled, up"] == pytest.approx((whole * np.maximum(pairs, 0)).sum() / size)
    assert found["scaled, down"] == pytest.approx((whole * np.minimum(pairs, 0)).sum() / size)
    assert found["bare, down"] > found["scaled, down"]


def test_a_likelihood_is_that_of_the_reference_after_the_thought():
    lm = build(likelihood_rewards_lm.TASK.alphabet, seed=0, hidden=16, layers=1)
    columns = pl.DataFrame({"answer": ["aabc", "bcde"]})
    score = likelihood_rewards_lm.likelihood(lm, 8, "logprob", other=False)
    found = score(["caba=", "edcb="], ["abca", "bbbb"], columns).values
    ids = lm.tokenizer(["caba=abca:", "edcb=bbbb:"])["input_ids"]
    said = lm.tokenizer(["aabcaabc", "bcdebcde"], add_special_tokens=False)["input_ids"]
    assert found == pytest.approx([one.logprob for one in measure(lm, ids, said)], abs=1e-5)
    crossed = likelihood_rewards_lm.likelihood(lm, 8, "probability", other=True)
    found = crossed(["caba=", "edcb="], ["abca", "bbbb"], columns).values
    assert found == pytest.approx([np.exp(one.logprob) for one in measure(lm, ids, said[::-1])], rel=1e-4)


def test_thoughts_and_answers_of_the_teacher_are_as_right_as_is_said():
    rng, task = np.random.default_rng(0), likelihood_rewards_lm.TASK
    said = [task.demonstrate(rng, "abcd") for _ in range(400)]
    thoughts, answers = zip(*(one.split(":") for one in said), strict=True)
    right = task.truths(["abcd"] * 400, thoughts).mean()
    assert right == pytest.approx(0.4 + 0.6 / 6, abs=0.03)
    faithful = np.mean(
        [a == b for one, long in zip(thoughts, answers, strict=True) for a, b in zip(one * 10, long, strict=True)]
    )
    assert faithful == pytest.approx(0.5 + 0.5 / 6, abs=0.02)
    assert {len(one) for one in answers} == {40}


def test_pondering_is_right_by_its_last_letter_and_best_after_three_dots():
    task, chance = shortest_correct_lm.TASK, shortest_correct_lm.chance
    assert [task.truth("b", one) for one in ("b", "...b", "...a", "..", "", "bb", ".b.")] == [1, 1, 0, 0, 0, 0, 0]
    assert max(range(17), key=chance) == 3
    assert chance(3) == pytest.approx(0.9)
    assert chance(16) == pytest.approx(0.25)
    rng = np.random.default_rng(0)
    said = [task.demonstrate(rng, "b") for _ in range(2000)]
    dots = np.array([len(one) - 1 for one in said])
    right = np.array([one.endswith("b") for one in said])
    assert dots.max() == 16
    assert dots.mean() == pytest.approx(9, abs=0.3)
    assert right[dots <= 5].mean() > right[dots >= 12].mean() + 0.2


class TestSight:
    @pytest.fixture
    def lm(self):
        return build(role_aware_credit_lm.TASK.alphabet, seed=0, hidden=16, layers=1)

    @pytest.fixture
    def sight(self, lm):
        sight = role_aware_credit_lm.Sight(lm)
        sight(["abca=", "abca=", "dbdb=", "dbdb="], ["ab", "b", "bc", "aaa"], pl.DataFrame({"answer": list("aabb")}))
        return sight

    def test_success_is_the_first_letter(self, lm):
        columns = pl.DataFrame({"answer": list("aab")})
        found = role_aware_credit_lm.Sight(lm)(["abca=", "bca=", "bb="], ["ab", "ba", "bbb"], columns).values
        assert found.tolist() == [1.0, 0.0, 1.0]

    def test_other_chances_are_those_after_the_other_question(self, lm, sight):
        mask = np.ones((3, 2, 2), dtype=bool)
        mask[2, 0], mask[2, 1, 0], mask[1, 0, 1] = False, False, False
        known = sight.beside(equal_group((2, 2), tokens=Tokens(mask, logprob=np.zeros(mask.shape))))
        ids = lm.tokenizer(["dbdb=", "abca="])["input_ids"]
        said = lm.tokenizer(["ab", "aaa"], add_special_tokens=False)["input_ids"]
        first, last = measure(lm, ids, said)
        assert known.other[:2, 0, 0] == pytest.approx(first.logprobs, abs=1e-5)
        assert known.other[:, 1, 1] == pytest.approx(last.logprobs, abs=1e-5)
        assert np.isnan(known.other[~mask]).all()

    def test_shuffled_weights_are_the_same_ones_elsewhere(self):
        rng = np.random.default_rng(0)
        weights = rng.random((9, 3, 4))
        weights[6:, 1] = np.nan
        mixed = role_aware_credit_lm.shuffled(weights, rng)
        assert np.array_equal(np.isnan(mixed), np.isnan(weights))
        assert np.sort(mixed, axis=0) == pytest.approx(np.sort(weights, axis=0), nan_ok=True)
        assert not np.array_equal(mixed[:6], weights[:6])

    def test_weights_are_those_of_the_contrast(self, sight):
        mask = np.ones((2, 2, 2), dtype=bool)
        logprob = -np.random.default_rng(0).random(mask.shape)
        group = equal_group((2, 2), tokens=Tokens(mask, logprob=logprob))
        reward = np.array([[1.0, 0.0], [1.0, 0.0]])
        ways = role_aware_credit_lm.ways(sight)
        found = apply(ways["weighted"], reward, group)
        known = equal_group((2, 2), tokens=sight.beside(group))
        assert found == pytest.approx(apply(contrast_weights(4.0), [[1.0, -1.0], [1.0, -1.0]], known))
        assert apply(ways["plain"], reward, group) == pytest.approx(np.broadcast_to([[1.0, -1.0]] * 2, (2, 2, 2)))
        mixed = apply(ways["shuffled"], reward, group, rng=np.random.default_rng(0))
        assert np.sort(np.abs(mixed), axis=0) == pytest.approx(np.sort(np.abs(found), axis=0))


def test_pass_at_k_is_that_of_draws(monkeypatch):
    from culpa.labs.tinylm import tactics as room

    rng = np.random.default_rng(0)
    task = room.tactics(np.linspace(0.5, 0.0, 36), [1 / 36] * 36)
    prob = rng.dirichlet(np.ones(37), size=50)[:, :36]
    monkeypatch.setattr(room, "chances", lambda _lm, prompts: prob[: len(prompts)])
    found = solved(None, task, 50)
    words = task.draw(np.random.default_rng(0), 50, held_out=True).answers
    right = np.concatenate([room.solving(task, words), np.zeros((50, 1))], axis=1)
    whole = np.concatenate([prob, 1 - prob.sum(axis=1, keepdims=True)], axis=1)
    drawn = np.stack([rng.choice(37, size=(2000, 16), p=row) for row in whole])
    hit = np.stack([right[p][drawn[p]] for p in range(50)])
    assert TRIES[:2] == (1, 16)
    assert found[0] == pytest.approx(hit[..., 0].mean(), abs=0.01)
    assert found[1] == pytest.approx(hit.max(axis=2).mean(), abs=0.01)


GOOD = {
    "noisy_rewards": {
        "start": 0.2,
        "runs": [{"p": p, "success": s} for p, s in ((0.0, 0.5), (0.2, 0.4), (0.4, 0.3), (0.5, 0.2), (0.6, 0.1))],
    },
    "layered_gates": {
        "start": 0.05,
        "runs": [
            {"name": name, "success": s}
            for name, s in (
                ("success", 0.2), ("layers", 0.4), ("checker", 0.1), ("time-outs masked", 0.18), ("time-outs -1", 0.01)
            )
        ],
    },
    "outcome_pairs": {
        "start": 0.1,
        "runs": [
            {"name": name, "success": s}
            for name, s in (("all", 0.5), ("pairs", 0.4), ("cloned", 0.4), ("dealt out", 0.1))
        ],
        "halves": {"rate": 0.85, "scaled, up": 0.5, "scaled, down": 0.5, "bare, up": 1.0, "bare, down": 4.0},
    },
    "likelihood_rewards": {
        "start": 0.4,
        "runs": [
            {"name": name, "right": right}
            for name, right in (
                ("log-probability of 4", 0.8), ("log-probability of 40", 0.8), ("probability of 4", 0.8),
                ("probability of 40", 0.4), ("of other prompts", 0.3)
            )
        ],
    },
    "role_aware_credit": {
        "start": 0.4,
        "cosines": {"plain": [0.3, 0.3], "weighted": [0.6, 0.5], "shuffled": [0.3, 0.2]},
        "runs": [{"name": name, "success": s} for name, s in (("plain", 0.5), ("weighted", 0.7), ("shuffled", 0.5))],
    },
    "shortest_correct": {
        "runs": [
            {"way": way, "accuracy": a, "length": n, "probe": -0.1}
            for way, a, n in (
                ("start", 0.6, 10), ("GRPO", 0.8, 9), ("shortest correct", 0.8, 5), ("longest correct", 0.7, 12)
            )
        ],
    },
    "unlikeliness": {
        "runs": [
            {"beta": beta, "pass": found}
            for beta, found in (
                (None, [0.2, 0.9, 1]), (0.0, [0.3, 0.8, 1]), (0.25, [0.25, 0.85, 1]), (0.5, [0.25, 0.9, 1]),
                (-0.5, [0.3, 0.7, 1])
            )
        ],
    },
    "entropy_control": {
        "runs": [
            {"way": way, "entropy": h, "success": s}
            for way, h, s in (("start", 2.0, 0.5), ("GRPO", 1.0, 0.9), ("DCPO", 1.9, 0.8), ("ratio 1", 1.0, 0.9))
        ],
    },
}  # fmt: skip


def of(key, value, **change):
    """What changes the rows of one run."""
    return lambda data: [row.update(change) for row in data["runs"] if row[key] == value]


def put(part, **change):
    return lambda data: data[part].update(change)


@pytest.mark.parametrize("name", GOOD)
def test_every_claim_can_hold(name):
    assert f"{name}_lm" in OURS
    assert lost(name, dict) == []


def lost(name, change):
    return case.lost(f"{name}_lm", Outcome(0, GOOD[name]), change)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("noisy_rewards", of("p", 0.2, success=0.34), "at 20% turned most"),
        ("noisy_rewards", of("p", 0.4, success=0.22), "at 40% turned some"),
        ("noisy_rewards", of("p", 0.4, success=0.45), "but less"),
        ("noisy_rewards", of("p", 0.5, success=0.24), "control: at 50%"),
        ("noisy_rewards", of("p", 0.6, success=0.21), "control: at 60%"),
        ("layered_gates", of("name", "layers", success=0.22), "layers are faster"),
        ("layered_gates", of("name", "checker", success=0.3), "control: the checker"),
        ("layered_gates", of("name", "time-outs masked", success=0.1), "time-outs masked"),
        ("layered_gates", of("name", "time-outs -1", success=0.06), "control: scored -1"),
        ("outcome_pairs", of("name", "pairs", success=0.25), "scaled pairs train"),
        ("outcome_pairs", of("name", "cloned", success=0.25), "cloning what is correct"),
        ("outcome_pairs", of("name", "dealt out", success=0.2), "control: not with verdicts"),
        ("outcome_pairs", put("halves", **{"scaled, up": 0.2}), "scaled, both halves"),
        ("outcome_pairs", put("halves", **{"scaled, down": 0.2}), "scaled, both halves"),
        ("outcome_pairs", put("halves", **{"scaled, up": -0.5, "scaled, down": -0.5}), "scaled, both halves"),
        ("outcome_pairs", put("halves", **{"bare, down": 2.0}), "control: unscaled"),
        ("likelihood_rewards", of("name", "log-probability of 4", right=0.55), "log-probability of 4 tokens"),
        ("likelihood_rewards", of("name", "log-probability of 40", right=0.55), "log-probability of 40 tokens"),
        ("likelihood_rewards", of("name", "probability of 4", right=0.55), "the probability of 4 tokens"),
        ("likelihood_rewards", of("name", "probability of 40", right=0.5), "control: the probability of 40"),
        ("likelihood_rewards", of("name", "of other prompts", right=0.5), "control: nor"),
        ("role_aware_credit", put("cosines", weighted=[0.35, 0.35]), "weighted by what is seen"),
        ("role_aware_credit", put("cosines", shuffled=[0.35, 0.35]), "control: shuffled"),
        ("role_aware_credit", of("name", "weighted", success=0.52), "and training"),
        ("role_aware_credit", of("name", "shuffled", success=0.6), "control: not shuffled"),
        ("shortest_correct", of("way", "start", probe=0.1), "the policy overthinks"),
        ("shortest_correct", of("way", "shortest correct", length=8.5), "the shortest correct"),
        ("shortest_correct", of("way", "shortest correct", accuracy=0.7), "at no loss"),
        ("shortest_correct", of("way", "longest correct", length=8), "control: the longest"),
        ("unlikeliness", of("beta", 0.0, **{"pass": [0.19, 0.8, 1]}), "GRPO gains"),
        ("unlikeliness", of("beta", 0.5, **{"pass": [0.25, 0.82, 1]}), "beta .5 solves"),
        ("unlikeliness", of("beta", 0.5, **{"pass": [0.19, 0.9, 1]}), "and more in one"),
        ("unlikeliness", of("beta", -0.5, **{"pass": [0.3, 0.79, 1]}), "control: paying"),
        ("entropy_control", of("way", "GRPO", entropy=1.8), "GRPO spends"),
        ("entropy_control", of("way", "DCPO", entropy=1.4), "DCPO stays"),
        ("entropy_control", of("way", "DCPO", entropy=2.6), "DCPO stays"),
        ("entropy_control", of("way", "DCPO", success=0.6), "and success"),
        ("entropy_control", of("way", "ratio 1", entropy=1.7), "control: with a ratio"),
    ],
)  # fmt: skip
def test_each_figure_decides_its_claim(name, change, words):
    found = lost(name, change)
    assert any(words in claim for claim in found), found
