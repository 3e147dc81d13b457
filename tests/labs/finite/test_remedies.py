"""Every remedy can be built, is what its line says, and acts where it is said to."""

import numpy as np
import pytest

from culpa.labs.finite.defects import Planted, planted
from culpa.labs.finite.remedies import REFERENCES, REMEDIES, UNTOUCHED, base
from culpa.labs.finite.train import train
from culpa.labs.finite.worlds import KINDS, make_world

WORLDS = {kind: make_world(kind, 1) for kind in KINDS}
CASES = [(kind, name) for kind in KINDS for name, one in REMEDIES.items() if kind in one.kinds]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_every_remedy_trains_and_all_but_a_few_change_the_run(kind, name):
    world = WORLDS[kind]
    columns = planted(world, 1)[:8]
    plain = train(world, columns, base(), 1, updates=8)
    changed, path = REMEDIES[name].build(world, columns, 1)
    run = train(world, changed, path, 1, updates=8)
    assert np.isfinite(run.final).all()
    same = np.allclose(run.final, plain.final, atol=1e-9)
    assert same == (name in (UNTOUCHED, "half_time"))


@pytest.mark.parametrize("name", ["minmax_running", "normalise_running", "whiten"])
def test_one_scale_and_level_for_the_batch_leave_the_first_step(name):
    world = WORLDS["shared"]
    columns = planted(world, 1)[:8]
    changed, path = REMEDIES[name].build(world, columns, 1)
    one, two = train(world, columns, base(), 1, updates=2), train(world, changed, path, 1, updates=2)
    assert one.half == pytest.approx(two.half, abs=1e-9)
    assert one.final != pytest.approx(two.final, abs=1e-9)


def test_the_base_learner_has_groups_of_eight_and_no_spread():
    path = base()
    assert (path.group, path.normalise, path.kl, path.epochs) == (8, False, 0.0, 1)


@pytest.mark.parametrize(
    ("name", "kind", "signal", "expected"),
    [
        ("clip", "apart", [-3.0, 0.5, 3.0], [-1.0, 0.5, 1.0]),
        ("clip", "verified", [-3.0, 0.5, 3.0], [0.0, 0.5, 1.0]),
        ("clip_2", "shared", [-3.0, 1.5, 3.0], [-2.0, 1.5, 2.0]),
        ("tiers", "verified", [0.1, 0.6, 3.0], [0.0, 1.0, 1.0]),
        ("drop_dead", "shared", [0.1, 0.2, 0.9], [0.0, 0.0, 0.0]),
        ("drop_dead", "verified", [0.1, 0.2, 0.9], [0.1, 0.2, 0.9]),
    ],
)
def test_lines_by_hand(name, kind, signal, expected):
    from culpa.signals import apply

    path = REMEDIES[name].build(WORLDS[kind], [], 1)[1]
    assert apply(path.signal, [signal]).ravel().tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("name", "weight"), [("kl_0.03", 0.03), ("kl_0.1", 0.1), ("kl_0.3", 0.3)])
def test_kl_weights_are_in_the_units_of_the_truth(name, weight):
    for kind, world in WORLDS.items():
        assert REMEDIES[name].build(world, [], 1)[1].kl == pytest.approx(weight * world.unit), kind


@pytest.mark.parametrize(("name", "group", "outputs"), [("group_2", 2, 0.25), ("group_4", 4, 0.5), ("group_16", 16, 2)])
def test_groups_and_their_price(name, group, outputs):
    assert REMEDIES[name].build(WORLDS["apart"], [], 1)[1].group == group
    assert REMEDIES[name].outputs == outputs


def test_rounds_draw_once_in_four_updates():
    path = REMEDIES["rounds_4"].build(WORLDS["apart"], [], 1)[1]
    assert (path.epochs, path.clip, REMEDIES["rounds_4"].outputs) == (4, 0.2, 0.25)


def test_references_are_outputs_of_the_initial_policy_under_the_same_reward():
    """With scores that name the prompt, `par` sees references of the prompt itself: a half everywhere."""
    from culpa.signals import apply

    world = WORLDS["shared"]
    level = np.arange(len(world.truth), dtype=float)[:, None] + np.zeros_like(world.truth)
    path = REMEDIES["par"].build(world, [Planted("x", 0.0, level)], 1)[1]
    assert apply(path.signal, level[world.trained][None]) == pytest.approx(0.5)
    assert REFERENCES == 8


def test_calibration_raises_low_scores_of_good_outputs_most_and_leaves_high_ones():
    world = WORLDS["verified"]
    low = [Planted("x", 0.0, np.zeros_like(world.truth)), Planted("y", 0.0, np.full_like(world.truth, 0.9))]
    raised, high = (one.scores for one in REMEDIES["calibrate_low"].build(world, low, 1)[0])
    assert raised[world.truth == 1].mean() > raised[world.truth == 0].mean() + 0.1
    assert 0 <= raised.min() <= raised.max() <= 0.5
    assert (high == 0.9).all()
