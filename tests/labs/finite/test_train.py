"""Training: the scale of a reward, the delay, the noise, and the world that is judged."""

import numpy as np
import pytest

from culpa.dynamics import rloo
from culpa.labs.finite.defects import Planted
from culpa.labs.finite.train import ETA, train
from culpa.labs.finite.worlds import KINDS, make_world, stream

WORLDS = {kind: make_world(kind, 1) for kind in KINDS}


def of(*scores, **more):
    return [Planted("x", 0.0, one, **more) for one in scores]


def start(world):
    return float((world.prob * world.truth)[world.judged].sum(axis=1).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_a_scale_and_a_constant_change_nothing(kind):
    world = WORLDS[kind]
    one = train(world, of(world.truth), rloo(8), 1, updates=20)
    two = train(world, of(1000.0 * world.truth - 7.0), rloo(8), 1, updates=20)
    assert one.final == pytest.approx(two.final, abs=1e-9)
    assert one.kl == pytest.approx(two.kl, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_raises_and_its_opposite_lowers(kind):
    world = WORLDS[kind]
    run = train(world, of(world.truth, -world.truth), rloo(8), 1, updates=60)
    assert run.final[0] > run.half[0] > start(world) > run.final[1]
    assert (run.kl > run.half_kl).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_step_moves_logits_by_eta_along_the_drawn_gradient(kind):
    """Slow form: after two updates from equal draws, half of them is one step of size eta."""
    world = WORLDS[kind]
    run = train(world, of(world.truth), rloo(8), 4, updates=2)
    start_, prob = world.start[world.trained], world.prob[world.trained]
    rng = stream(4, "training")
    rng.integers(2**63)  # the seed of the noise
    spots = rng.random((1, *start_.shape[:1], 8))[0]
    upto = np.cumsum(prob, axis=1)
    push = np.zeros_like(prob)
    for row in range(len(prob)):
        places = [int((upto[row] <= spot * upto[row, -1]).sum()) for spot in spots[row]]
        scores = world.truth[row][places]
        for place, score in zip(places, scores, strict=True):
            others = (scores.sum() - score) / 7
            push[row] += (score - others) / 8 * (np.eye(prob.shape[1])[place] - prob[row])
    if world.features is None:
        moved = push * ETA / np.sqrt((push**2).mean())
    else:
        way = np.einsum("ps,psd->d", push, world.features[world.trained])
        moved = world.features[world.judged] @ (way * ETA / np.linalg.norm(way))
    logits = world.start[world.judged] + moved
    policy = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert run.half[0] == pytest.approx(float((policy * world.truth[world.judged]).sum(axis=1).mean()), abs=1e-9)


def test_a_reward_without_differences_moves_nothing():
    world = WORLDS["shared"]
    run = train(world, of(np.ones_like(world.truth)), rloo(8), 1, updates=10)
    assert run.final[0] == pytest.approx(start(world))
    assert run.kl[0] == pytest.approx(0.0, abs=1e-12)


def test_columns_do_not_touch_each_other_but_for_their_draws():
    """Equal columns draw differently, so they end differently; a delayed one does not delay its neighbour."""
    world = WORLDS["apart"]
    plain = train(world, of(world.truth, world.truth), rloo(8), 1, updates=10)
    late = train(world, [*of(world.truth), *of(world.truth, lag=5)], rloo(8), 1, updates=10)
    assert plain.final[0] != plain.final[1]
    assert late.final[0] == pytest.approx(plain.final[0], abs=1e-12)
    assert late.final[1] < plain.final[1]


def test_a_delay_of_all_updates_leaves_the_start_and_of_all_but_one_makes_one_step():
    world = WORLDS["apart"]
    none, one = (train(world, of(world.truth, lag=lag), rloo(8), 1, updates=6) for lag in (6, 5))
    assert none.final[0] == pytest.approx(start(world))
    first = train(world, of(world.truth), rloo(8), 1, updates=2)
    assert one.final[0] > start(world)
    assert one.kl[0] == pytest.approx(first.half_kl[0], rel=10.0)
    assert one.kl[0] > 0


def test_noise_at_each_call_is_drawn_anew_and_hurts():
    world = WORLDS["verified"]
    ends = []
    for noise in (0.0, 6.0):
        runs = [train(world, of(world.truth, noise=noise), rloo(8), seed, updates=60) for seed in (1, 2, 3)]
        ends.append(np.mean([run.final[0] for run in runs]))
    assert ends[1] < ends[0] - 0.05
    assert ends[1] > start(world)  # a noise that was the same at every call would be learned instead
