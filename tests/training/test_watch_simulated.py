"""The simulated runs: their policy is a policy, their truth is exact, their groups are drawn from where it stands."""

import numpy as np
import pytest

from culpa.training.watch.simulated import FALLEN, HACKED, HONEST, KEPT, Runs, make_world, simulated, walk


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("kind", [*HONEST, *HACKED])
def test_a_kind_does_what_its_formula_says(kind):
    world = make_world(kind, rng(), 3, 5)
    same = np.allclose(world.reward, world.truth)
    assert same == (kind in ("true", "verifier"))
    binary = set(np.unique(world.reward)) <= {0.0, 1.0}
    assert binary == (kind in ("verifier", "passed"))
    assert np.exp(world.start).sum(axis=-1) == pytest.approx(np.ones((3, 5)))
    assert world.length.max() <= 250


def test_the_policy_stays_one_and_follows_the_reward():
    world = make_world("true", rng(), 2, 6)
    path = list(walk(world, rng(1), 8, 30))
    assert np.exp(path[-1]).sum(axis=-1) == pytest.approx(np.ones((2, 6)))
    value = [(np.exp(logp) * world.reward).sum(axis=-1).mean(axis=-1) for logp in (path[0], path[-1])]
    assert (value[1] > value[0] + 0.3).all()


def test_outputs_that_share_features_move_together():
    world = make_world("true", rng(), 1, 4)
    before, after = list(walk(world, rng(1), 8, 2))
    moved = (after - before)[0] - (after - before)[0].mean(axis=-1, keepdims=True)
    phi = world.features[0].reshape(4, 40, -1)
    phi = phi - phi.mean(axis=1, keepdims=True)
    solved = np.linalg.lstsq(phi.reshape(160, -1), moved.reshape(160), rcond=None)
    assert solved[1][0] == pytest.approx(0.0, abs=1e-20)  # one weight vector explains every move


def test_the_mark_has_nothing_to_do_with_quality():
    world = make_world("harmless", rng(), 1, 60)
    phi = world.features.reshape(2400, -1)
    truth, mark = world.truth.reshape(2400), (world.reward - world.truth).reshape(2400)
    (by_truth, rest, *_), (by_mark, none, *_) = (np.linalg.lstsq(phi, values, rcond=None) for values in (truth, mark))
    assert none[0] == pytest.approx(0.0, abs=1e-12)
    assert 1 - rest[0] / (truth**2).sum() == pytest.approx(0.6, abs=0.05)
    assert abs(by_truth @ by_mark) / np.linalg.norm(by_truth) / np.linalg.norm(by_mark) < 0.1


def test_what_a_watch_sees_is_drawn_from_the_policy_at_that_step():
    seen = simulated("true", rng(), runs=2, prompts=200, group=16, steps=12)
    for reports, value in zip(seen.reports, seen.value, strict=True):
        spread = reports[0].probe.truth_spread
        sampled = np.array([report.probe.truth for report in reports]) / spread
        assert sampled == pytest.approx(value, abs=0.12)
    assert seen.reports[0][0].health.kl == 0.0


def test_the_same_seed_gives_the_same_runs():
    one, two = (simulated("rare", rng(3), runs=2, prompts=3, steps=4) for _ in range(2))
    np.testing.assert_array_equal(one.value, two.value)
    assert repr(one.reports) == repr(two.reports)


def test_a_fall_is_from_the_best_so_far():
    value = np.array([[0.0, 1.0, 0.5, 2.0, 1.9], [0.0, 1.0, 2.0, 3.0, 4.0]])
    assert Runs([], value).fall.tolist() == [0.5, 0.0]
    assert Runs([], value).peak.tolist() == [3, 4]


def test_honest_rewards_seldom_let_the_truth_fall_and_hacked_ones_do():
    honest = [simulated(kind, rng(5), runs=4, prompts=8, steps=60).fall for kind in HONEST[:3:2]]
    hacked = [simulated(kind, rng(5), runs=5, prompts=16, steps=80).fall for kind in ("rare",)]
    assert np.mean(np.concatenate(honest) <= KEPT) >= 0.8
    assert np.mean(np.concatenate(hacked) >= FALLEN) >= 0.4
