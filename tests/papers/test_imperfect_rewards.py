"""The controlled experiments: exact runs against a solution in higher precision, the claims, and the command."""

import json
import math
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from culpa.cli.app import app
from culpa.dynamics import Columns, first_order, reinforce
from culpa.dynamics.walk import log_softmax
from culpa.errors import InputError
from culpa.papers import imperfect_rewards, names, paper
from culpa.papers.imperfect_rewards import PUNISHED, STARTS, TRUE, experiment, holds


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def high_precision(start, reward, kernel, steps):
    """The same recursion in extended precision, one probability vector at each of `steps`."""
    logits = np.log(np.asarray(start, dtype=np.longdouble))
    reward, kernel = np.asarray(reward, np.longdouble), np.asarray(kernel, np.longdouble)
    found, eta = [], np.longdouble("0.1")
    for step in range(steps[-1] + 1):
        prob = np.exp(logits - logits.max())
        prob /= prob.sum()
        if step in steps:
            found.append(prob.astype(float))
        logits = logits + eta * kernel @ (prob * (reward - prob @ reward))
    return np.stack(found)


def test_nine_exact_runs(outcome):
    assert len(outcome.data["runs"]) == 9
    assert len({run["name"] for run in outcome.data["runs"]}) == 9


@pytest.mark.parametrize("number", range(9))
def test_exact_runs_agree_with_higher_precision(outcome, number):
    run = outcome.data["runs"][number]
    p = run["settings"]["p"]
    features = run["settings"]["features"]
    features = np.eye(5) if features == "identity" else np.array(features)
    reward = run["settings"].get("reward", TRUE)
    start = [p, 0.5, *[(0.5 - p) / 3] * 3]
    slow = high_precision(start, reward, features @ features.T, run["steps"])
    np.testing.assert_allclose(run["probabilities"], slow, atol=1e-9)
    np.testing.assert_allclose(run["true_reward"], slow @ np.array(TRUE), atol=1e-9)
    np.testing.assert_allclose(run["final_probabilities"], slow[-1], atol=1e-9)


def test_initial_weights_of_the_similarity_runs_are_solvable(outcome):
    """The runs start at log pi0 in logit space, which a weight vector reaches only if the features have full rank."""
    for run in outcome.data["runs"][6:]:
        assert np.linalg.matrix_rank(np.array(run["settings"]["features"])) == 5


def test_the_punished_run_is_behind_first_and_ahead_later(outcome):
    runs = {run["name"]: run["true_reward"] for run in outcome.data["runs"]}
    for p in STARTS:
        helped, plain = runs[f"punished, p={p:.2f}"], runs[f"true, p={p:.2f}"]
        assert helped[2] > 0.99 > plain[2]
    assert runs["punished, p=0.05"][1] < runs["true, p=0.05"][1]


def test_the_claims_hold_already_in_the_quick_run(outcome):
    assert [check.claim for check in holds(outcome) if not check.holds] == []


def test_a_wrong_reward_breaks_the_claims(monkeypatch):
    monkeypatch.setattr(imperfect_rewards, "PUNISHED", TRUE)
    broken = experiment(np.random.default_rng(0), "quick")
    assert not all(check.holds for check in holds(broken))


def failing(rng=0):
    outcome = experiment(np.random.default_rng(rng), "quick")
    return [check.claim for check in holds(outcome) if not check.holds]


@pytest.mark.parametrize(
    ("taken", "instead_of", "fails"),
    [
        ("orthogonal", "positive", [0]),
        ("negative", "positive", [0]),
        ("positive", "orthogonal", [1]),
        ("orthogonal", "negative", [2]),
        ("negative", "orthogonal", [2]),
    ],
)
def test_one_similarity_does_not_pass_for_another(outcome, taken, instead_of, fails):
    runs = {run["name"]: run for run in outcome.data["runs"]}
    runs[f"similarity {instead_of}"] = runs[f"similarity {taken}"]
    held = [check.holds for check in imperfect_rewards._similar(runs)]
    assert [number for number, good in enumerate(held) if not good] == fails


def test_a_plateau_lasts_as_long_as_a_plain_loop_says(outcome):
    for row, wanted in zip(outcome.data["stall"], (622, 2_707, 8_601), strict=True):
        odds, steps = math.log(row["p"] / (1 - row["p"])), 0
        while odds < 0:  # two outputs: the difference of their logits moves by 2 eta D p (1 - p)
            p = 1 / (1 + math.exp(-odds))
            odds, steps = odds + 2 * 0.1 * 0.2 * p * (1 - p), steps + 1
        assert row["simulated"] == steps == wanted


def test_the_law_is_close_to_one_over_the_mass(outcome):
    """1 / (2 D p eta) is the law's leading term."""
    for row in outcome.data["stall"][1:]:
        assert row["law"] == pytest.approx(1 / (2 * 0.2 * row["p"] * 0.1), rel=0.09)


@pytest.mark.parametrize(
    "law",
    [
        lambda p, gap, _, *, eta: 31.1 / (gap * eta) + 0 * p,
        lambda p, gap, _, *, eta: 2.78 / (p**0.5 * gap * eta),
        lambda p, gap, _, *, eta: 0.48 / (p * gap * eta),
    ],
)
def test_a_wrong_law_breaks_its_claim(monkeypatch, law):
    monkeypatch.setattr(imperfect_rewards, "escape_steps", law)
    assert "the law gives the steps of a plateau from the mass at its start" in failing()


@pytest.mark.parametrize(("off", "good"), [(1.02, False), (0.98, False), (1.005, True)])
def test_the_law_may_be_off_by_one_percent(off, good):
    rows = [{"p": 0.05, "simulated": 600.0, "law": 600.0}, {"p": 0.01, "simulated": 3_000.0, "law": 3_000.0 * off}]
    assert imperfect_rewards._stalled(rows)[0].holds == good


def test_opposed_features_must_bury_the_best_output(outcome):
    runs = {run["name"]: run for run in outcome.data["runs"]}
    shallow = runs["similarity negative"] | {"probabilities": [[2e-4]] * 4}
    assert not imperfect_rewards._similar(runs | {"similarity negative": shallow})[2].holds


def test_an_error_that_helps_at_once_fails_the_control_of_the_horizon(outcome):
    runs = {run["name"]: run for run in outcome.data["runs"]}
    ahead = [0.0, 0.9, 0.995, 0.999]
    runs["punished, p=0.05"] = runs["punished, p=0.05"] | {"true_reward": ahead}
    failed = [check.claim for check in imperfect_rewards._freed(runs, []) if not check.holds]
    assert failed == ["control: at a short horizon the same error hurts (p=0.05)"]


@pytest.mark.parametrize(("p", "at", "number"), [(0.05, 2, 1), (0.10, 2, 3), (0.05, 3, 5)])
def test_a_true_reward_that_does_not_stall_fails_its_control(outcome, p, at, number):
    runs = {run["name"]: run for run in outcome.data["runs"]}
    solved = list(runs[f"true, p={p:.2f}"]["true_reward"])
    solved[at] = 0.9
    runs[f"true, p={p:.2f}"] = runs[f"true, p={p:.2f}"] | {"true_reward": solved}
    held = [check.holds for check in imperfect_rewards._freed(runs, [])]
    assert [place for place, good in enumerate(held) if not good] == [number]


def test_runs_that_are_not_solved_fail_their_claims(outcome):
    runs = {run["name"]: run for run in outcome.data["runs"]}
    runs["punished, p=0.10"] = runs["true, p=0.10"]
    lost = {"name": "punished, p=0.05, run 0", "true_reward": [0.0, 0.79]}
    failed = [check.claim for check in imperfect_rewards._freed(runs, [lost]) if not check.holds]
    assert failed == [
        "p=0.10: punishing the mediocre output solves it by 1,000 steps",
        "one sample a step: the punished run always wins",
    ]


def test_a_law_without_the_mass_must_miss():
    rows = [{"p": 0.05, "simulated": 600.0, "law": 600.0}, {"p": 0.01, "simulated": 700.0, "law": 700.0}]
    claim, without, root = imperfect_rewards._stalled(rows)
    assert claim.holds
    assert not without.holds
    assert not root.holds


def test_speeds_are_those_of_the_dynamics():
    """d pi(y) / dt = pi(y) <phi(y) - phibar, g>, g = sum pi A phi."""
    rng = np.random.default_rng(3)
    logits, reward, features = rng.standard_normal(5), rng.standard_normal(5), rng.standard_normal((5, 2))
    prob = np.exp(logits) / np.exp(logits).sum()
    gradient = (prob * (reward - prob @ reward)) @ features
    wanted = prob * ((features - prob @ features) @ gradient)
    found = imperfect_rewards._speeds(logits[:, None], (features @ features.T)[None], reward[:, None])
    np.testing.assert_allclose(found[:, 0], wanted, atol=1e-8)


def test_tabular_speeds_are_the_first_order_influence():
    rng = np.random.default_rng(4)
    logits, truth = rng.standard_normal((2, 6, 3))
    start = log_softmax(logits)
    columns = Columns(start, start, rng.standard_normal((6, 3)))
    speeds = imperfect_rewards._speeds(logits, np.tile(np.eye(6), (3, 1, 1)), truth)
    np.testing.assert_allclose(first_order(columns, truth, reinforce(), steps=1, eta=1.0), speeds, atol=1e-8)


def test_a_step_that_is_no_gradient_breaks_the_duality(monkeypatch):
    def squared(logits, kernel, reward, *, steps, eta):
        return logits + steps * eta * np.einsum("mst,tm->sm", kernel @ kernel, log_softmax(logits) * reward)

    monkeypatch.setattr(imperfect_rewards, "linear_walk", squared)
    claims = imperfect_rewards._dual(imperfect_rewards._duality(np.random.default_rng(0)))
    assert not any(check.holds for check in claims if not check.control)


def test_the_duality_needs_its_own_kernel():
    checks = imperfect_rewards._dual({"tabular": 1e-9, "features": 1e-8, "wrong kernel": 1e-8})
    assert [check.holds for check in checks] == [True, True, False]


def test_shares_of_errors_are_those_of_single_corrections(monkeypatch):
    """Every wrong score put right in turn, one slow run each."""
    monkeypatch.setattr(imperfect_rewards, "HORIZONS", (40,))
    (row,) = imperfect_rewards._errors_by_horizon(6, np.random.default_rng(8))
    rng = np.random.default_rng(8)
    truth = rng.standard_normal((6, 16))
    proxy = truth + (rng.random((6, 16)) < 0.4) * rng.normal(scale=1.5, size=(6, 16))
    mass = np.exp(rng.standard_normal((6, 16)))
    mass /= mass.sum(axis=1, keepdims=True)

    def end(number, reward):
        logits = np.log(mass[number])
        for _ in range(40):
            prob = np.exp(logits) / np.exp(logits).sum()
            logits = logits + 0.2 * prob * (reward - prob @ reward)
        return np.exp(logits) @ truth[number] / np.exp(logits).sum()

    spread = np.sqrt((mass * (proxy - (mass * proxy).sum(axis=1, keepdims=True)) ** 2).sum(axis=1).mean())
    wrong = np.argwhere(np.abs(proxy - truth) > spread / 4)
    mended = [np.where(np.arange(16) == y, truth[number], proxy[number]) for number, y in wrong]
    effect = np.array(
        [end(number, proxy[number]) - end(number, right) for (number, _), right in zip(wrong, mended, strict=True)]
    )
    assert row["harmful"] == pytest.approx((effect < -1e-3).mean())
    assert row["beneficial"] == pytest.approx((effect > 1e-3).mean())
    assert row["benign"] == pytest.approx((np.abs(effect) <= 1e-3).mean())
    beats = [end(number, proxy[number]) > end(number, truth[number]) + 1e-3 for number in range(6)]
    assert row["beats"] == pytest.approx(np.mean(beats))
    assert row["clean"] == 0
    assert row["steps"] == 40


def test_errors_that_are_none_break_the_claims_about_errors(monkeypatch):
    monkeypatch.setattr(imperfect_rewards, "ERROR", 0.0)
    assert len([claim for claim in failing() if "benign" in claim or "beat the truth" in claim]) == 2


def row(harmful, benign, beneficial, beats, steps=30, clean=0):
    shares = {"harmful": harmful, "benign": benign, "beneficial": beneficial, "beats": beats}
    return shares | {"steps": steps, "clean": clean}


@pytest.mark.parametrize(
    ("early", "late", "fails"),
    [
        (row(0.4, 0.2, 0.4, 0.5), row(0.1, 0.8, 0.1, 0.2), None),
        (row(0.7, 0.2, 0.1, 0.5), row(0.1, 0.85, 0.05, 0.2), 0),
        (row(0.1, 0.2, 0.7, 0.5), row(0.1, 0.85, 0.05, 0.2), 0),
        (row(0.4, 0.2, 0.4, 0.5), row(0.3, 0.5, 0.2, 0.2), 1),
        (row(0.4, 0.2, 0.4, 0.5), row(0.0, 0.65, 0.35, 0.2), 1),
        (row(0.15, 0.7, 0.15, 0.5), row(0.1, 0.85, 0.05, 0.2), 2),
        (row(0.4, 0.2, 0.4, 0.5), row(0.1, 0.8, 0.1, 0.4), 3),
        (row(0.4, 0.2, 0.4, 0.1), row(0.1, 0.8, 0.1, 0.0), 3),
        (row(0.4, 0.2, 0.4, 0.5), row(0.1, 0.8, 0.1, 0.2, clean=1), 4),
    ],
)
def test_each_claim_about_shares_can_fail_alone(early, late, fails):
    held = [check.holds for check in imperfect_rewards._shares([early, late])]
    assert held == [number != fails for number in range(5)]


def test_every_claim_stands_beside_a_control(outcome):
    checks = holds(outcome)
    assert len(checks) == 22
    assert sum(check.control for check in checks) == 11


def test_the_experiment_survives_json(outcome):
    assert set(outcome.data) == {"runs", "sampled", "stall", "duality", "errors"}
    json.dumps(outcome.data, allow_nan=False)
    assert all(type(check.holds) is bool for check in holds(outcome))


def test_sampled_runs_have_seeds():
    first, second = (experiment(np.random.default_rng(5), "quick").data["sampled"] for _ in range(2))
    assert first == second
    assert first != experiment(np.random.default_rng(6), "quick").data["sampled"]


def test_rewards_are_those_of_the_paper():
    assert TRUE == (1.0, 0.8, -1.0, -1.0, -1.0)
    assert PUNISHED == (1.0, -1.0, -1.0, -1.0, -1.0)


def test_papers_are_found_by_walking():
    assert "imperfect_rewards" in names()
    assert "outcome" not in names()
    with pytest.raises(InputError, match=r"no paper is called 'nothing'\. Known: .*imperfect_rewards"):
        paper("nothing")


@pytest.mark.parametrize("name", names())
def test_every_paper_keeps_the_contract(name):
    module = paper(name)
    text = module.__doc__ or ""
    lines = text.splitlines()
    assert re.search(r"\(\d{4}\.\d{5}\)|\(NeurIPS \d{4}", " ".join(lines[:3]))
    assert any(line.startswith("Claim: ") for line in lines)
    assert any(line.startswith("Departures: 1.") for line in lines)
    assert callable(module.experiment)
    assert callable(module.holds)


def test_the_command_prints_the_runs_as_json():
    result = CliRunner().invoke(app, ["papers", "run", "imperfect_rewards", "--quick", "--format", "json"])
    document = json.loads(result.stdout)
    assert document["paper"] == "imperfect_rewards"
    assert document["runs"][0]["steps"] == [0, 100, 1000, 5000]
    assert {"name", "settings", "steps", "true_reward", "probabilities", "final_probabilities"} <= set(
        document["runs"][0]
    )
    assert result.exit_code == (0 if all(check["holds"] for check in document["checks"]) else 1)


def test_the_command_prints_claims_and_verdict():
    result = CliRunner().invoke(app, ["papers", "run", "imperfect_rewards", "--quick"])
    assert "When Errors Can Be Beneficial" in result.stdout
    assert "reproduced" in result.stdout


def test_the_command_lists_papers():
    assert "imperfect_rewards" in CliRunner().invoke(app, ["papers", "list"]).stdout
