"""The language-model half of the first paper: its claims by the figures that decide them, and one small experiment."""

import json
import sys

import numpy as np
import pytest
from tests.papers.case import lost

from culpa.errors import InputError
from culpa.papers import imperfect_rewards_lm as lm
from culpa.papers.outcome import Outcome

REWARDS = 16


def outcome():
    """Figures as the claims want them: accuracies that say little, cosine and rehearsal that say all."""
    rng = np.random.default_rng(0)
    truth = np.linspace(0.1, 0.6, REWARDS)
    mixed = rng.permutation(REWARDS).astype(float)
    measures = {lm.HARM: mixed, lm.HALF: mixed, lm.COSINE: truth, lm.REHEARSAL: truth**2}
    shuffled = {name: [rng.permutation(truth).tolist() for _ in range(100)] for name in (lm.COSINE, lm.REHEARSAL)}
    dealt = {name: mixed.tolist() for name in (lm.COSINE, lm.REHEARSAL)}
    data = {"truth": truth.tolist(), "measures": {name: one.tolist() for name, one in measures.items()}}
    return Outcome(0, data | {"shuffled": shuffled, "dealt": dealt})


def claims(change):
    return lost("imperfect_rewards_lm", outcome(), change)


def test_all_hold_and_four_are_controls():
    checks = lm.holds(outcome())
    assert all(check.holds for check in checks)
    assert [check.control for check in checks] == [False, True, True, False, True, True]
    assert checks[0].figure.startswith("Spearman 1.00 v ")


def turned(data, name):
    data["measures"][name] = [-one for one in data["measures"][name]]


@pytest.mark.parametrize("name", [lm.COSINE, lm.REHEARSAL])
def test_a_measure_that_says_no_more_loses_its_claim_and_its_control(name):
    said = {lm.COSINE: "the gradient cosine", lm.REHEARSAL: "the rehearsal"}[name]
    assert claims(lambda data: turned(data, name)) == [
        f"{said} says more than harm-aware accuracy",
        "control: less by other outputs' features",
    ]


@pytest.mark.parametrize("half", [lm.HARM, lm.HALF])
def test_the_rival_is_the_better_way_to_count_ties(half):
    found = claims(lambda data: data["measures"].update({half: data["truth"]}))
    assert len(found) == 2
    assert all("says more than harm-aware accuracy" in claim for claim in found)


def test_shuffled_truths_that_say_as_much_are_no_control():
    def change(data):
        data["shuffled"][lm.COSINE] = [data["truth"]] * 5

    assert claims(change) == ["control: not by shuffled truths"]
    assert claims(lambda data: data["shuffled"].update({lm.COSINE: [data["truth"][::-1]] * 5})) == [
        "control: not by shuffled truths"
    ]


def test_features_of_others_that_say_as_much_are_no_control():
    found = claims(lambda data: data["dealt"].update({lm.REHEARSAL: data["truth"]}))
    assert found == ["control: less by other outputs' features"]


def test_a_small_experiment_gives_every_figure(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(lm, "PLANS", {"quick": lm.Plan(1, (60, 6), (8, 2), 2)})
    monkeypatch.setattr(lm, "REWARDS", {"quick": ("exact", "longer", "flip_35")})
    monkeypatch.setattr(lm, "TARGET", 0.08)
    threads = torch.get_num_threads()
    found = lm.experiment(np.random.default_rng(0), "quick")
    assert torch.get_num_threads() == threads
    data = json.loads(json.dumps(dict(found.data), allow_nan=False))
    assert data["rewards"] == ["exact", "longer", "flip_35"]
    assert len(data["truth"]) == 3
    assert all(0.0 <= value <= 1.0 for value in (data["before"], *data["truth"]))
    assert np.array(data["shuffled"][lm.COSINE]).shape == (2, 3)
    assert data["dealt"][lm.COSINE] != data["measures"][lm.COSINE]
    assert len(lm.holds(found)) == 6


def test_without_the_libraries_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        InputError, match=r"torch and transformers, which are not installed\. pip install 'culpa\[hf\]'"
    ):
        lm.experiment(np.random.default_rng(0), "quick")
