"""One way to run every learner: the same states whoever walks, goals at their first step, and where it is looked."""

from itertools import islice

import numpy as np
import pytest
from tests.dynamics.slow import kl

from culpa.dynamics import Columns, best_of_n, grpo, ppo, reinforce, rloo, tilt
from culpa.dynamics.closed import parts
from culpa.dynamics.courses import Goal, course, marks, means, most_steps, seen_scores
from culpa.dynamics.flow import flow
from culpa.dynamics.stepwise import stepwise
from culpa.dynamics.walk import divergences, walk
from culpa.errors import InputError
from culpa.signals import center, clip, whiten

RNG = np.random.default_rng(17)
START = np.log(RNG.dirichlet(np.ones(5), 6)).T
REWARD = RNG.standard_normal((5, 6))
AT = Columns(START, START, REWARD)
CLIPPED = reinforce().with_signal(clip(0.5), "clip:0.5")
WHITE = reinforce().with_signal(whiten(), "whiten")
LEARNERS = [reinforce(), grpo(8).with_kl(0.1), ppo(3), CLIPPED, WHITE, best_of_n(40), tilt(0.1), reinforce().as_flow()]


def state(learner, step):
    """Log-probabilities after so many steps, by the one who walks."""
    if learner in (best_of_n(40), tilt(0.1)):
        return next(islice(parts(AT, learner), step, None))
    if learner.flow:
        return flow(AT, learner, np.array([0.0, 0.3 * step]))[-1]
    if learner.plain:
        return walk(AT, learner, steps=step, eta=0.3)
    return next(islice(stepwise(AT, learner, eta=0.3), step, None))


def run(learner):
    return course(AT, learner, eta=0.3)


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda one: one.name)
def test_goes_on_from_where_it_stands(learner):
    one = run(learner)
    np.testing.assert_allclose(one.logp, START, atol=1e-14)
    assert one.advance(4, None) is None
    np.testing.assert_allclose(one.logp, state(learner, 4), atol=1e-7)
    assert one.advance(5, None) is None
    np.testing.assert_allclose(one.logp, state(learner, 9), atol=1e-7)


def spent(logp):
    return float(np.mean([kl(p, q) for p, q in zip(np.exp(logp).T, np.exp(START).T, strict=True)]))


def gained(logp):
    return float(((np.exp(logp) - np.exp(START)) * REWARD).sum(axis=0).mean())


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda one: one.name)
@pytest.mark.parametrize("measure", [spent, gained])
@pytest.mark.parametrize("stretches", [(30,), (3, 27), (11, 19)])
def test_stops_at_the_first_step_of_its_goal(learner, measure, stretches):
    size = measure(state(learner, 12)) * (1 - 1e-6)
    assert measure(state(learner, 11)) < size
    one, done = run(learner), 0
    goal = Goal(size) if measure is spent else Goal(size, REWARD)
    for steps in stretches:
        count = one.advance(steps, goal)
        done += steps if count is None else count
        if count is not None:
            break
    assert done == 12
    np.testing.assert_allclose(one.logp, state(learner, 12), atol=1e-7)


def test_a_goal_that_is_met_exactly_is_reached():
    size = float(divergences(AT, reinforce(), steps=9, eta=0.3)[1][4])
    assert run(reinforce()).advance(9, Goal(size)) == 4
    assert Goal(size).reached(START, START) is False
    assert Goal(0.0).reached(START, START) is True


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda one: one.name)
def test_a_goal_out_of_reach(learner):
    one = run(learner)
    assert one.advance(7, Goal(1e9)) is None
    np.testing.assert_allclose(one.logp, state(learner, 7), atol=1e-7)


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda one: one.name)
def test_means_along_the_run(learner):
    values = np.stack([REWARD, REWARD**2])
    end, found = means(AT, learner, values, steps=6, eta=0.3)
    assert marks(learner, 6).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert found.shape == (2, 7, 6)
    if learner is WHITE:  # columns are each a batch of their own
        return
    np.testing.assert_allclose(end, state(learner, 6), atol=1e-7)
    for step in range(7):
        np.testing.assert_allclose(found[:, step], (np.exp(state(learner, step)) * values).sum(axis=1), atol=1e-7)


def test_for_means_every_column_is_a_batch_of_its_own():
    together = means(AT, WHITE, REWARD[None], steps=6, eta=0.3)[1]
    for column in range(6):
        alone = means(AT.at(slice(column, column + 1)), WHITE, REWARD[None, :, column : column + 1], steps=6, eta=0.3)
        np.testing.assert_allclose(together[:, :, column], alone[1][:, :, 0], atol=1e-12)


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda one: one.name)
def test_means_of_no_columns(learner):
    nothing = AT.at(slice(0, 0))
    assert means(nothing, learner, REWARD[None, :, :0], steps=4, eta=0.3)[1].shape == (1, 5, 0)


def test_a_flow_is_looked_at_a_thousand_times():
    looks = marks(reinforce().as_flow(), 10**6)
    assert (looks[0], looks[-1]) == (0, 10**6)
    assert 700 < len(looks) <= 1_001
    assert (np.diff(looks) > 0).all()
    late = looks[looks > 1_000]
    assert (late[1:] / late[:-1]).max() < 1.015
    assert marks(reinforce().as_flow(), 1).tolist() == [0, 1]
    assert marks(reinforce().as_flow(), 0).tolist() == [0]


def test_a_closed_form_comes_to_its_end():
    assert [most_steps(one, 100) for one in (best_of_n(5), tilt(2.0), ppo())] == [4, 40, 100]
    assert most_steps(best_of_n(500), 100) == 100


def test_scores_after_the_signal():
    np.testing.assert_array_equal(seen_scores(AT, CLIPPED), np.clip(REWARD, -0.5, 0.5))
    np.testing.assert_array_equal(seen_scores(AT, tilt()), REWARD)
    whitened = seen_scores(AT, WHITE, apart=True)
    np.testing.assert_allclose((np.exp(START) * whitened**2).sum(axis=0), 1.0)
    assert np.abs(whitened - seen_scores(AT, WHITE)).max() > 0.1


@pytest.mark.parametrize("learner", [best_of_n(4), tilt(), reinforce().as_flow()], ids=lambda one: one.name)
def test_what_draws_nothing_takes_no_generator(learner):
    with pytest.raises(InputError) as caught:
        course(AT, learner, eta=0.3, rng=np.random.default_rng(0))
    assert str(caught.value) == f"{learner.name} draws no outputs. Leave rng out, or take a learner that walks."


def test_a_plain_path_is_drawn_where_there_is_a_generator():
    one = course(AT, rloo(4), eta=0.3, rng=np.random.default_rng(3))
    one.advance(5, None)
    expected = next(islice(stepwise(AT, rloo(4), eta=0.3, rng=np.random.default_rng(3)), 5, None))
    np.testing.assert_array_equal(one.logp, expected)


def test_the_fast_walk_refuses_what_it_cannot():
    for path in (ppo(2), reinforce().as_flow(), reinforce().with_signal(center(), "center")):
        with pytest.raises(InputError) as caught:
            walk(AT, path, steps=1, eta=0.3)
        expected = f"{path.name} has no fast walk. simulate, effects and stalls take it: culpa.dynamics.courses."
        assert str(caught.value) == expected
