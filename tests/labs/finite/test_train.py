"""Training: the scale of a reward, the delay, the noise, and the world that is judged."""

import numpy as np
import pytest

from culpa.dynamics import rloo
from culpa.dynamics.sampled import Drawn
from culpa.labs.finite.defects import Planted
from culpa.labs.finite.train import ETA, MEMORY, train
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


def first_push(world, seed):
    """Slow form: the gradient of the first drawn groups, with the mean of the others as baseline."""
    prob, rng = world.prob[world.trained], stream(seed, "training")
    rng.integers(2**63)  # the seed of the noise
    spots = rng.random((len(prob), 8))
    push = np.zeros_like(prob)
    for row, upto in enumerate(np.cumsum(prob, axis=1)):
        places = [int((upto <= spot * upto[-1]).sum()) for spot in spots[row]]
        scores = world.truth[row][places]
        for place, score in zip(places, scores, strict=True):
            others = (scores.sum() - score) / 7
            push[row] += (score - others) / 8 * (np.eye(prob.shape[1])[place] - prob[row])
    way = None if world.features is None else np.einsum("ps,psd->d", push, world.features[world.trained])
    return push, way


def judged(world, moved):
    logits = world.start[world.judged] + moved
    policy = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return float((policy * world.truth[world.judged]).sum(axis=1).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_step_moves_logits_by_eta_along_the_drawn_gradient(kind):
    world = WORLDS[kind]
    run = train(world, of(world.truth), rloo(8), 4, updates=2)
    push, way = first_push(world, 4)
    if way is None:
        moved = push * ETA / np.sqrt((push**2).mean())
    else:
        moved = world.features[world.judged] @ (way * ETA / np.linalg.norm(way))
    assert run.half[0] == pytest.approx(judged(world, moved), abs=1e-9)


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


def test_a_delay_of_all_updates_leaves_the_start():
    world = WORLDS["apart"]
    none = train(world, of(world.truth, lag=6), rloo(8), 1, updates=6)
    assert none.final[0] == pytest.approx(start(world))


def test_the_first_late_step_is_along_the_first_gradient():
    """After five updates at which nothing had come, v is a tenth of its square, freed of bias by 1 - .9^6."""
    world = WORLDS["apart"]
    late = train(world, of(world.truth, lag=5), rloo(8), 4, updates=6)
    push, _ = first_push(world, 4)
    larger = np.sqrt((1 - MEMORY**6) / (1 - MEMORY))
    assert late.final[0] == pytest.approx(judged(world, push * larger * ETA / np.sqrt((push**2).mean())), abs=1e-9)


def test_rounds_keep_their_outputs_for_all_their_steps():
    world = WORLDS["apart"]
    drawn = []
    real = Drawn.begin
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Drawn, "begin", lambda self, *at: (drawn.append(1), real(self, *at))[1])
        train(world, of(world.truth), rloo(8).with_rounds(4), 1, updates=12)
    assert len(drawn) == 3


def test_noise_at_each_call_is_drawn_anew_and_hurts():
    world = WORLDS["verified"]
    ends = []
    for noise in (0.0, 6.0):
        runs = [train(world, of(world.truth, noise=noise), rloo(8), seed, updates=60) for seed in (1, 2, 3)]
        ends.append(np.mean([run.final[0] for run in runs]))
    assert ends[1] < ends[0] - 0.05
    assert ends[1] > start(world)  # a noise that was the same at every call would be learned instead
