"""Likelihood rewards: one update by a loop, the gradients by theory, and each run decides its claim."""

from functools import partial

import numpy as np
import pytest
from tests.papers import case

from culpa.papers.likelihood_rewards import GROUP, PROMPTS, experiment, gradient, holds, rewards, train
from culpa.signals import apply

lost = partial(case.lost, "likelihood_rewards")


@pytest.fixture(scope="module")
def outcome():
    return experiment(np.random.default_rng(0), "quick")


def test_every_claim_holds_and_has_its_controls(outcome):
    checks = holds(outcome)
    assert [check.claim for check in checks if not check.holds] == []
    assert sum(check.control for check in checks) == 2
    assert all(check.claim.startswith("control") == check.control for check in checks)


def test_the_gradient_is_that_of_a_loop():
    rng = np.random.default_rng(0)
    prob, chosen, value = rng.dirichlet(np.ones(5), size=3), rng.integers(5, size=(3, 4)), rng.normal(size=(3, 4))
    slow = np.zeros((3, 5))
    for p in range(3):
        for s in range(4):
            slow[p] += value[p, s] * (np.eye(5)[chosen[p, s]] - prob[p]) / 4
    assert gradient(value, chosen, prob) == pytest.approx(slow)


def test_training_in_expectation_goes_where_the_probability_does():
    """One step from even chances: on average eta times the covariance of chain and answer."""
    logq = np.log(np.tile(np.linspace(0.3, 0.9, 16), (4_000, 1)))
    end = train(rewards()["probability"], logq, 1, 1, np.random.default_rng(0))
    q = np.exp(logq[0])
    expected = logq[0].mean() + 0.5 * (q - q.mean()) @ (logq[0] - logq[0].mean()) / 16 / 16
    assert end.mean() == pytest.approx(expected, abs=3 * end.std() / np.sqrt(len(end)))
    assert abs(expected - logq[0].mean()) > 10 * end.std() / np.sqrt(len(end)) / 3


def test_a_sampled_answer_is_right_with_the_probability_of_all_its_tokens():
    told = np.log(np.full((2, 500, GROUP), 0.6))
    value = apply(rewards()["sampled answer"], told, rng=np.random.default_rng(0))
    spread = (value * (GROUP - 1) / GROUP) ** 2
    assert spread.mean() == pytest.approx(0.36 * 0.64 * (GROUP - 1) / GROUP, rel=0.05)


def test_noise_is_that_of_theory(outcome):
    """Chains that fill 0 to 1: variance 1 / 12 of the probability, 1 / 4 of the verdict."""
    found = outcome.data["noise"]
    ratio = found["probability"]["variance"] / found["sampled answer"]["variance"]
    assert ratio == pytest.approx(1 / 3, abs=0.03)


@pytest.mark.parametrize(
    ("length", "name", "words"),
    [(60, "log-probability", "60 tokens: log-p"), (60, "marginal", "marginal"), (60, "perplexity rank", "rank"),
     (60, "mean log-probability", "mean"), (1, "probability", "at one token probability"),
     (1, "sampled answer", "at one token sampled")],
)  # fmt: skip
def test_each_run_decides_its_claim(outcome, length, name, words):
    def change(data):
        for row in data["runs"]:
            if (row["length"], row["name"]) == (length, name):
                row["end"] = data["start"]

    assert any(words in claim for claim in lost(outcome, change))


@pytest.mark.parametrize("name", ["probability", "sampled answer"])
def test_a_control_that_trains_is_no_control(outcome, name):
    def change(data):
        for row in data["runs"]:
            if (row["length"], row["name"]) == (60, name):
                row["end"] = data["best"]

    assert [f"control: at 60 tokens {name} does not"] == lost(outcome, change)


def test_noise_decides_its_claims(outcome):
    wide = outcome.data["noise"]["sampled answer"]["variance"]
    assert lost(outcome, lambda data: data["noise"]["probability"].update(variance=wide)) == [
        "the probability's is the calmer"
    ]
    found = lost(outcome, lambda data: data["noise"]["probability"].update(mean=[0.0] * 16))
    assert found == ["probability and sampled answer have the gradient of the mean probability"]
    assert len(outcome.data["start"]) == PROMPTS
