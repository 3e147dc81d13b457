"""The law of plateaus against runs that have only two outputs left, and against whole runs."""

import numpy as np
import pytest
from tests.dynamics.slow import PUNISHED, TRUE, initial, record

from culpa.dynamics import Columns, Horizon, best_of_n, escape_steps, grpo, ppo, reinforce, rloo, simulate, stalls
from culpa.dynamics.stall import STALLS
from culpa.dynamics.walk import expectations
from culpa.errors import InputError
from culpa.signals import clip


def simulated(p, gap, path, most, eta=0.1):
    """First step at which the better of two outputs has half of the mass."""
    start = np.log(np.array([[p], [1 - p]]))
    first = np.array([[1.0], [0.0]])
    _, mass = expectations(Columns(start, start, gap * first), path, first[None], steps=most, eta=eta)
    assert mass.max() >= 0.5
    return int((mass[0, :, 0] >= 0.5).argmax())


@pytest.mark.parametrize(("lowest", "steps"), [(0.05, 622), (0.01, 2_707), (0.003, 8_601), (0.001, 25_324)])
def test_the_four_known_plateaus(lowest, steps):
    law = float(escape_steps(np.array([lowest]), np.array([0.2]), reinforce(), eta=0.1)[0])
    assert law == pytest.approx(steps, abs=5)
    assert simulated(lowest, 0.2, reinforce(), 26_000) == steps
    assert law == pytest.approx(1 / (2 * 0.2 * lowest * 0.1), rel=0.25)  # the law in its short form


@pytest.mark.parametrize("path", [grpo(2), grpo(8), grpo(64), grpo(8, eps=0.1, sample_std=True)])
@pytest.mark.parametrize("p", [0.2, 0.01, 2e-3])
@pytest.mark.parametrize("gap", [1.0, 0.2])
def test_groups_escape_as_simulated(path, p, gap):
    law = escape_steps(np.array([p]), np.array([gap]), path, eta=0.05, binary=True)[0]
    assert law == pytest.approx(simulated(p, gap, path, int(2 * law) + 50, eta=0.05), rel=0.02, abs=2)


@pytest.mark.parametrize("p", [0.2, 0.01, 1e-4])
def test_large_groups_escape_as_simulated(p):
    path = grpo(8).in_the_limit()
    law = escape_steps(np.array([p]), np.array([0.2]), grpo(8), eta=0.05)[0]
    assert law == pytest.approx((1 - 2 * p) / np.sqrt(p * (1 - p)) / 0.05, rel=1e-3)
    assert law == pytest.approx(simulated(p, 0.2, path, int(2 * law) + 50, eta=0.05), rel=0.05, abs=2)


@pytest.mark.parametrize("path", [reinforce(), rloo(4), grpo(8)])
def test_from_a_half_on_it_takes_no_time_and_without_a_gap_forever(path):
    mass, gap = np.array([0.5, 0.9, 1.0, 0.1, 0.1, 0.0]), np.array([1.0, 1.0, 1.0, 0.0, -1.0, 1.0])
    assert escape_steps(mass, gap, path, eta=0.1).tolist() == [0.0, 0.0, 0.0, np.inf, np.inf, np.inf]


def test_time_goes_with_one_over_gap_and_step_size():
    p = np.array([0.03])
    one = escape_steps(p, np.array([1.0]), reinforce(), eta=1.0)
    np.testing.assert_allclose(escape_steps(p, np.array([0.2]), reinforce(), eta=0.1), one / 0.02)


STARTS = np.stack([initial(p) for p in (0.05, 0.10, 0.15)])
WHOLE = record(STARTS, np.tile(TRUE, (3, 1)), true=np.tile(TRUE, (3, 1)), punished=np.tile(PUNISHED, (3, 1)))


def test_the_controlled_runs():
    table = stalls(simulate(WHOLE, learner=reinforce()), steps=1_000).to_dict(as_series=False)
    assert table["proxy"] == ["true"] * 3 + ["punished"] * 3
    assert table["prompt_id"] == ["p0", "p1", "p2"] * 2
    assert table["best"] == [0] * 6
    assert table["rival"][:3] == [1, 1, 1]
    assert table["plateau"][:3] == [0.8] * 3
    np.testing.assert_allclose(table["gap"][:3], 0.2)
    np.testing.assert_allclose(table["mass"], [0.05, 0.1, 0.15] * 2)
    assert table["seen"] == [False, False, False, True, True, True]
    assert table["escape"][0] > 10_000
    assert 3_000 < table["escape"][1] < 10_681  # simulated; the bad outputs still hold it down
    assert table["escape"][2] == pytest.approx(1_365, rel=0.05)  # simulated
    assert max(table["escape"][3:]) < 300


def test_where_all_are_best_the_rival_is_one_of_them():
    mass = np.array([[0.3, 0.7, 0.0], [1.0, 0.0, 0.0], [0.2, 0.3, 0.5]])
    truth = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    table = stalls(simulate(record(mass, truth, rm=truth), learner=reinforce()))
    assert table.select("best", "rival").rows() == [(1, 0), (0, 0), (0, 2)]
    assert table["seen"].to_list() == [True, True, True]
    assert table["pair"][:2].to_list() == [pytest.approx(1.0), pytest.approx(1.0)]


@pytest.mark.parametrize("proxy", ["true", "punished"])
def test_what_was_seen_is_what_was_there(proxy):
    steps = 1_500
    run = simulate(WHOLE, [proxy], learner=reinforce())
    table = stalls(run, steps=steps)
    start = np.log(STARTS).T
    itself = np.zeros_like(start)
    itself[0] = 1.0
    at = Columns(start, start, run.problem.rewards[0])
    _, mass = expectations(at, reinforce(), itself[None], steps=steps, eta=0.1)
    np.testing.assert_allclose(table["lowest"], mass[0].min(axis=0))
    assert table["lowest_at"].to_list() == mass[0].argmin(axis=0).tolist()
    assert table["seen"].to_list() == (mass[0].max(axis=0) >= 0.5).tolist()
    assert table["seen"][2]
    for number in np.flatnonzero(table["seen"]):
        assert table["escape"][int(number)] == (mass[0, :, number] >= 0.5).argmax()


def test_a_longer_rehearsal_comes_closer():
    run = simulate(WHOLE, ["true"], learner=reinforce())
    escapes = [stalls(run, steps=steps)["escape"][1] for steps in (500, 1_000, 3_000, 8_000, 11_000)]
    assert escapes == sorted(escapes)
    assert escapes[-1] == 10_681


def test_a_proxy_that_prefers_the_rival_never_lets_go():
    rollouts = record(initial(0.05), TRUE, rm=[0.8, 1.0, -1, -1, -1], tied=[1.0, 1.0, -1, -1, -1])
    assert stalls(simulate(rollouts, learner=reinforce()))["escape"].to_list() == [np.inf, np.inf]


def test_of_several_best_outputs_the_one_that_wins():
    rollouts = record([0.1, 0.2, 0.7], [1, 1, 0], rm=[1, 1, 0])
    table = stalls(simulate(rollouts, learner=reinforce()))
    assert table.select("best", "rival").rows() == [(1, 2)]
    assert table["pair"].item() < 0.99  # the other best one, no rival, is likelier than that by now


def test_the_size_of_a_portion_does_not_matter(monkeypatch):
    run = simulate(WHOLE, learner=grpo(8))
    whole = stalls(run, steps=200)
    monkeypatch.setattr("culpa.dynamics.stall._CELLS", 1)
    part = stalls(run, steps=200)
    assert part.schema == STALLS
    for name in ("lowest", "escape"):
        np.testing.assert_allclose(part[name], whole[name])
    assert part.drop("lowest", "escape", "pair", "mass").equals(whole.drop("lowest", "escape", "pair", "mass"))


def test_refusals():
    with pytest.raises(InputError) as caught:
        stalls(simulate(WHOLE, learner=reinforce()), steps=0)
    assert str(caught.value) == "a rehearsal needs at least one step, got 0. 1000 is usual."
    with pytest.raises(InputError) as caught:
        escape_steps(np.array([0.1]), np.array([0.2]), reinforce().with_kl(0.1), eta=0.1)
    assert str(caught.value) == (
        "the way out of a plateau is not known for a KL weight of 0.1. "
        "Take learner.with_kl(0), or simulate for as long as it takes."
    )


def test_a_round_without_its_clip_stalls_as_its_law_says():
    table = stalls(simulate(WHOLE, ["true"], learner=ppo(4)), steps=2_000)
    plain = stalls(simulate(WHOLE, ["true"], learner=reinforce()), steps=2_000)
    np.testing.assert_allclose(table["escape"], plain["escape"], rtol=0.02)
    assert table["seen"].to_list() == plain["seen"].to_list()


def test_a_closed_form_lets_go_on_its_way_or_never():
    run = simulate(WHOLE, ["true"], learner=best_of_n(16))
    table = stalls(run)
    for number, p in enumerate((0.05, 0.10, 0.15)):
        half = int(np.ceil(np.log(0.5) / np.log(1 - p)))  # the best of n is the best output unless all n miss it
        assert table["escape"][number] == (half - 1 if half <= 16 else np.inf)
        assert table["seen"][number] == (half <= 16)
    assert stalls(run, steps=2)["escape"].to_list() == [np.inf] * 3


def test_a_million_steps_of_a_flow():
    start = np.array([[1e-4, 1 - 1e-4]])
    scores = np.array([[0.2, 0.0]])
    run = simulate(record(start, scores, rm=scores), learner=reinforce().as_flow(), horizon=Horizon(kl=None, steps=1))
    row = stalls(run, steps=1_000_000).row(0, named=True)
    law = escape_steps(start[:, 0], np.array([0.2]), reinforce(), eta=0.1)[0]
    assert row["seen"]
    assert law <= row["escape"] <= 1.015 * law
    assert stalls(run, steps=1_000).row(0, named=True)["escape"] == pytest.approx(law, rel=1e-6)


def test_the_lowest_point_of_a_flow_is_near_that_of_the_walk():
    steps, flow = (
        stalls(simulate(WHOLE, ["true"], learner=path, horizon=Horizon(None, 1), eta=0.02), steps=5_000)
        for path in (reinforce(), reinforce().as_flow())
    )
    np.testing.assert_allclose(flow["lowest"], steps["lowest"], rtol=5e-3)
    np.testing.assert_allclose(flow["lowest_at"], steps["lowest_at"], rtol=0.1)
    assert steps["lowest_at"].min() > 100


def test_no_law_for_a_signal():
    path = reinforce().with_signal(clip(1.0), "clip:1")
    with pytest.raises(InputError) as caught:
        stalls(simulate(WHOLE, learner=path, horizon=Horizon(None, 2)), steps=3)
    assert str(caught.value) == (
        "the way out of a plateau is not known for a signal: clip:1 > reinforce. "
        "Transform the scores before, or simulate for as long as it takes."
    )
