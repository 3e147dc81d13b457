"""What is planted is what was asked for, and nothing else."""

import numpy as np
import pytest

from culpa.labs.finite.defects import DEFECTS, planted
from culpa.labs.finite.worlds import KINDS, make_world, mean, spread

WORLDS = {kind: make_world(kind, 1) for kind in KINDS}
PLANTED = {kind: {(one.name, one.size): one for one in planted(WORLDS[kind], 1)} for kind in KINDS}
CASES = [(kind, *key) for kind in KINDS for key in PLANTED[kind]]


def raw(kind, name, size, seed=5):
    """The scores before they are put on the truth's scale."""
    return DEFECTS[name].plant(WORLDS[kind], size, np.random.default_rng(seed))


def ahead(world):
    return world.truth - mean(world.truth, world.prob)


@pytest.mark.parametrize(("kind", "name", "size"), CASES)
def test_graded_scores_keep_the_spread_and_mean_of_the_truth(kind, name, size):
    one, world = PLANTED[kind][name, size], WORLDS[kind]
    assert np.isfinite(one.scores).all()
    if kind != "verified" and name != "none":
        whole = np.hypot(spread(one.scores, world.prob), one.noise)
        assert whole == pytest.approx(world.unit)
        if name not in ("noise_call", "delay"):
            assert mean(one.scores, world.prob).mean() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_every_defect_of_the_kind_has_three_sizes_that_grow(kind):
    names = [name for name, one in DEFECTS.items() if kind in one.kinds]
    assert [key[0] for key in PLANTED[kind]] == ["none", *np.repeat(names, 3)]
    for name in names:
        assert list(DEFECTS[name].sizes) == sorted(DEFECTS[name].sizes)


def test_the_truth_comes_first_and_is_untouched():
    assert np.array_equal(PLANTED["shared"]["none", 0.0].scores, WORLDS["shared"].truth)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["noise_output", "noise_prompt", "spurious", "length", "staleness"])
def test_what_is_added_grows_in_proportion(kind, name):
    small, large = (raw(kind, name, size) - WORLDS[kind].truth for size in (1.0, 3.0))
    assert large == pytest.approx(3.0 * small)


def test_noise_has_its_size():
    world = WORLDS["verified"]
    assert (raw("verified", "noise_output", 2.0) - world.truth).std() == pytest.approx(2.0 * world.unit, rel=0.06)
    assert (raw("shared", "noise_prompt", 3.0) - WORLDS["shared"].truth).std() == pytest.approx(3.0, rel=0.25)


def test_a_level_of_a_prompt_is_one_for_all_its_outputs():
    gap = raw("apart", "noise_prompt", 3.0) - WORLDS["apart"].truth
    assert np.ptp(gap, axis=1) == pytest.approx(0.0, abs=1e-12)


def test_noise_at_each_call_and_delay_leave_the_scores():
    one, world = PLANTED["verified"]["noise_call", 2.0], WORLDS["verified"]
    assert np.array_equal(one.scores, world.truth)
    assert one.noise == pytest.approx(2.0 * world.unit)
    late = PLANTED["shared"]["delay", 16.0]
    assert late.lag == 16
    assert np.allclose(late.scores, WORLDS["shared"].truth - mean(WORLDS["shared"].truth, WORLDS["shared"].prob).mean())
    lags = {one.name for kind in KINDS for one in PLANTED[kind].values() if one.lag}
    noisy = {one.name for kind in KINDS for one in PLANTED[kind].values() if one.noise}
    assert (lags, noisy) == ({"delay"}, {"noise_call"})


def test_turned_prompts_are_turned_within_their_range():
    truth = WORLDS["apart"].truth
    scores = raw("apart", "turned_prompt", 0.4)
    turned = ~np.isclose(scores, truth).all(axis=1)
    assert 0 < turned.sum() < len(truth)
    assert np.array_equal(scores[turned].argsort(axis=1), truth[turned].argsort(axis=1)[:, ::-1])
    assert scores.max(axis=1) == pytest.approx(truth.max(axis=1))
    shares = [
        (raw("shared", "turned_prompt", 0.2, seed) != WORLDS["shared"].truth).any(axis=1).mean() for seed in range(40)
    ]
    assert np.mean(shares) == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
    ("name", "hit", "value"), [("false_positive", 0.0, 1.0), ("false_negative", 1.0, 0.0)], ids=["positive", "negative"]
)
def test_false_verdicts_are_a_share_of_one_side_alone(name, hit, value):
    truth = WORLDS["verified"].truth
    shares = []
    for seed in range(20):
        wrong = raw("verified", name, 0.3, seed) != truth
        assert (truth[wrong] == hit).all()
        assert (raw("verified", name, 0.3, seed)[wrong] == value).all()
        shares.append(wrong.sum() / (truth == hit).sum())
    assert np.mean(shares) == pytest.approx(0.3, abs=0.05)


def test_false_graded_scores_are_those_of_the_other_side():
    world = WORLDS["shared"]
    for name, own, other in (("false_positive", -1, 1), ("false_negative", 1, -1)):
        scores = raw("shared", name, 0.3)
        wrong = scores != world.truth
        assert (own * ahead(world)[wrong] > 0.5).all()
        there = other * ahead(world) > 0.5
        assert scores[wrong] == pytest.approx((world.truth * world.prob)[there].sum() / world.prob[there].sum())


def test_false_positives_are_of_one_kind():
    """Whether a bad output is hit hangs on one property: those hit lie above those that are not."""
    world = WORLDS["shared"]
    own = world.attribute(np.random.default_rng(5))
    wrong, bad = raw("shared", "false_positive", 0.3) != world.truth, ahead(world) < -0.5
    assert own[wrong].min() > own[bad & ~wrong].max()


@pytest.mark.parametrize(("name", "share"), [("hack_frequent", 0.2), ("hack_rare", 0.02)])
def test_marks_are_as_frequent_as_they_are_called(name, share):
    gaps = [raw("apart", name, 4.0, seed) - WORLDS["apart"].truth for seed in range(20)]
    assert set(np.round(np.unique(gaps), 9)) == {0.0, 4.0}
    assert (np.array(gaps) > 0).mean() == pytest.approx(share, rel=0.15)


@pytest.mark.parametrize(("name", "sign"), [("mediocre_over", 1.0), ("mediocre_under", -1.0)])
def test_mediocre_outputs_lie_between_the_mean_and_one_deviation_above(name, sign):
    world = WORLDS["apart"]
    gap = raw("apart", name, 2.0) - world.truth
    middling = (ahead(world) > 0) & (ahead(world) < 1)
    assert gap[middling] == pytest.approx(2.0 * sign)
    assert gap[~middling] == pytest.approx(0.0)


@pytest.mark.parametrize("size", [0.15, 0.5])
def test_a_ceiling_holds_its_share_of_the_policy(size):
    world = WORLDS["shared"]
    scores = raw("shared", "saturation", size)
    top = scores == scores.max()
    assert (world.prob * top).sum(axis=1).mean() == pytest.approx(size, abs=0.01)
    assert scores[~top] == pytest.approx(ahead(world)[~top])
    assert ahead(world)[top].min() >= ahead(world)[~top].max()


def test_prompts_on_their_own_scales_keep_their_order():
    world = WORLDS["apart"]
    ratio = raw("apart", "scale_prompt", 1.0) / ahead(world)
    assert np.ptp(ratio, axis=1) == pytest.approx(0.0, abs=1e-6)
    assert (ratio > 0).all()
    logs = [np.log((raw("apart", "scale_prompt", 1.0, seed) / ahead(world))[:, 0]).std() for seed in range(20)]
    assert np.mean(logs) == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize("size", [0.7, 0.97])
def test_sparse_pay_goes_to_the_best_of_every_prompt(size):
    world = WORLDS["shared"]
    paid = raw("shared", "sparsity", size)
    assert set(np.unique(paid)) == {0.0, 1.0}
    for truth, prob, row in zip(world.truth, world.prob, paid == 1.0, strict=True):
        assert row[truth.argmax()]
        assert row.all() or truth[row].min() > truth[~row].max()
        least = truth[row].min()
        assert prob[truth < least].sum() <= size
        assert row.sum() == 1 or prob[truth <= least].sum() > size


def test_stale_noise_is_in_proportion_to_surprise():
    world = WORLDS["apart"]
    gaps = np.array([raw("apart", "staleness", 1.0, seed) - world.truth for seed in range(200)])
    surprise = -world.start
    expected = surprise / mean(surprise, world.prob).mean()
    assert (gaps.std(axis=0) / expected).mean() == pytest.approx(1.0, abs=0.02)
    assert np.corrcoef(gaps.std(axis=0).ravel(), expected.ravel())[0, 1] > 0.97


def test_length_is_paid_for_in_deviations():
    world = WORLDS["shared"]
    gap = raw("shared", "length", 1.0) - world.truth
    away = world.length - mean(world.length, world.prob)
    assert np.corrcoef(gap.ravel(), away.ravel())[0, 1] == pytest.approx(1.0)
    assert spread(gap, world.prob) == pytest.approx(1.0)
