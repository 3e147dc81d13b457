"""The cosine of policy gradients: against loops, against re-drawn prompts, and with truths shuffled one by one."""

import numpy as np
import pytest
from tests.dynamics.shared_world import case_of, centred, slow_push, world

from culpa.dynamics import Path, best_of_n, grpo, ppo, reinforce, rloo, tilt
from culpa.dynamics.closed import policy
from culpa.dynamics.problem import problem
from culpa.errors import InputError
from culpa.predictors.cosine import by_prompt, cosine, cosines, gradient_cosine, shuffled
from culpa.predictors.features import Features, features_of
from culpa.rollouts import Rollouts
from culpa.signals import length_penalty

PATHS = [reinforce(), rloo(4), grpo(8), grpo(4, eps=0.1), reinforce().with_kl(0.5), ppo(4)]
LEARNERS = [*PATHS, best_of_n(4), tilt(0.5)]
each_learner = pytest.mark.parametrize("learner", LEARNERS, ids=lambda one: f"{one.name}-{one.kl}")


def slow_gradients(case, features, reward, learner):
    """What each prompt adds, one prompt and one output at a time. reward: (s, p)."""
    result = np.zeros((len(case.prompts), features.shape[-1]))
    for prompt in range(len(case.prompts)):
        own = case.present[:, prompt]
        start = np.exp(case.start[own, prompt])
        if isinstance(learner, Path):
            push = slow_push(start, start, reward[own, prompt], learner)
        else:
            push = np.exp(policy(np.log(start)[:, None], reward[own, prompt][:, None], learner))[:, 0] - start
        for part, phi in zip(push, features[prompt, own], strict=True):
            result[prompt] += part * phi
    return result


def gradients_of(found):
    """What each prompt adds to every gradient, (k + 1, p, d); the truth's last."""
    return np.stack([by_prompt(push, found.features) for push in found.pushes]).astype(np.float64)


def angle(one, other):
    return one @ other / (np.linalg.norm(one) * np.linalg.norm(other))


@each_learner
def test_it_is_the_angle_of_two_sums(learner):
    case, features = world(prompts=8)
    found = cosine(case, features, learner)
    parts = [slow_gradients(case, features, reward, learner) for reward in (*case.rewards, case.truth)]
    np.testing.assert_allclose(gradients_of(found), parts, atol=1e-13)
    totals = [part.sum(axis=0) for part in parts]
    np.testing.assert_allclose(found.values, [angle(one, totals[-1]) for one in totals[:-1]], atol=1e-12)
    assert found.proxies == ("hack", "noise")


def test_a_normalising_learner_weighs_prompts_otherwise():
    case, features = world(prompts=8)
    plain, scaled = (cosine(case, features, learner) for learner in (reinforce(), grpo(8)))
    ratio = np.linalg.norm(gradients_of(scaled), axis=-1) / np.linalg.norm(gradients_of(plain), axis=-1)
    mass = np.exp(case.start)
    for reward, found in zip((*case.rewards, case.truth), ratio, strict=True):
        sd = np.sqrt((mass * (reward - (mass * reward).sum(axis=0)) ** 2).sum(axis=0))
        np.testing.assert_allclose(found, 1 / sd, rtol=1e-10)
    assert np.abs(plain.values - scaled.values).max() > 1e-3


def test_a_binary_reward_takes_the_learners_group():
    case, features = world(prompts=8, samples=4)
    binary = case._replace(rewards=(case.rewards > np.median(case.rewards, axis=1, keepdims=True)) * 1.0)
    found = cosine(binary, features, grpo(3))
    for reward, parts in zip(binary.rewards, gradients_of(found), strict=False):
        np.testing.assert_allclose(parts, slow_gradients(binary, features, reward, grpo(3)), atol=1e-12)
    assert np.abs(found.values - cosine(binary, features, grpo(3).in_the_limit()).values).max() > 1e-4


@pytest.mark.parametrize("learner", PATHS[:3], ids=lambda one: one.name)
@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_scales_and_offsets_of_prompts_change_nothing(learner, size):
    case, features = world()
    offsets = 10.0 * np.arange(len(case.prompts))
    moved = case._replace(rewards=size * (case.rewards + offsets), truth=3 * case.truth - offsets)
    np.testing.assert_allclose(
        cosine(moved, features, learner).values, cosine(case, features, learner).values, atol=1e-9
    )


@each_learner
def test_a_small_spread_far_from_zero_is_no_rounding(learner):
    case, features = world()
    far = case._replace(rewards=np.where(case.present, case.rewards + 1e7, 0.0))
    np.testing.assert_allclose(cosine(far, features, learner).values, cosine(case, features, learner).values, atol=1e-7)


@each_learner
def test_features_turned_scaled_or_moved_within_prompts_change_nothing(learner):
    case, features = world()
    turn, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))
    other = 7.0 * features @ turn + np.arange(6.0)[:, None, None]
    np.testing.assert_allclose(cosine(case, other, learner).values, cosine(case, features, learner).values, atol=1e-11)


@each_learner
def test_padding_and_the_order_change_nothing(learner):
    case, features = world()
    outputs, prompts = np.array([3, 1, 4, 0, 2]), np.array([5, 0, 3, 1, 4, 2])
    at = np.ix_(outputs, prompts)
    mixed = case._replace(
        start=np.vstack([case.start[at], np.full((1, 6), -np.inf)]),
        truth=np.vstack([case.truth[at], np.full((1, 6), 9.0)]),
        rewards=np.concatenate([case.rewards[(slice(None), *at)], np.full((2, 1, 6), -9.0)], axis=1),
    )
    wider = np.pad(features[prompts][:, outputs], ((0, 0), (0, 1), (0, 0)), constant_values=5.0)
    np.testing.assert_allclose(cosine(mixed, wider, learner).values, cosine(case, features, learner).values, atol=1e-12)


def test_single_precision_features_agree_with_double():
    case, features = world(prompts=30, dims=50)
    single = cosine(case, features.astype(np.float32), grpo(8))
    double = cosine(case, features, grpo(8))
    np.testing.assert_allclose(single.values, double.values, atol=1e-5)
    rng = [np.random.default_rng(0) for _ in range(4)]
    np.testing.assert_allclose(single.replicates(rng[0], 20), double.replicates(rng[1], 20), atol=1e-4)
    np.testing.assert_allclose(single.null(rng[2], 20), double.null(rng[3], 20), atol=1e-5)


@each_learner
def test_the_truth_itself_is_at_1(learner):
    case, features = world()
    own = case._replace(rewards=case.truth[None], proxies=("truth",))
    np.testing.assert_allclose(cosine(own, features, learner).values, [1.0], atol=1e-12)


@pytest.mark.parametrize("learner", PATHS, ids=lambda one: f"{one.name}-{one.kl}")
def test_its_opposite_is_at_minus_1(learner):
    case, features = world()
    against = case._replace(rewards=-case.truth[None], proxies=("against",))
    np.testing.assert_allclose(cosine(against, features, learner).values, [-1.0], atol=1e-12)


@each_learner
@pytest.mark.parametrize("level", [0.0, 0.1, -1e6 / 3])
def test_a_proxy_without_gradient_has_no_angle(learner, level):
    case, features = world()
    flat = np.where(case.present, level * np.arange(1.0, 7.0), 0.0)
    found = cosine(case._replace(rewards=np.stack([flat, case.truth])), features, learner)
    assert np.isnan(found.values[0])
    assert found.values[1] == pytest.approx(1.0)
    assert not gradients_of(found)[0].any()
    for draws in (found.replicates(np.random.default_rng(0), 5), found.null(np.random.default_rng(0), 5)):
        assert np.isnan(draws[:, 0]).all()
        assert np.isfinite(draws[:, 1]).all()


def test_a_truth_without_gradient_gives_no_angle():
    case, features = world()
    flat = case._replace(truth=np.where(case.present, 0.3, 0.0))
    assert np.isnan(cosine(flat, features, grpo(8)).values).all()


def test_cosines_are_of_every_pair():
    rng = np.random.default_rng(0)
    proxies, truths = rng.standard_normal((3, 4)), rng.standard_normal((2, 4))
    proxies[1] = 0.0
    found = cosines(proxies, truths)
    assert np.isnan(found[:, 1]).all()
    for at in ((0, 0), (1, 0), (0, 2), (1, 2)):
        assert found[at] == pytest.approx(angle(truths[at[0]], proxies[at[1]]))


def test_lengths_reach_a_learners_signal():
    case, features = world()
    length = np.random.default_rng(0).integers(1, 9, case.truth.shape).astype(float)
    learner = reinforce().with_signal(length_penalty(0.3), "length")
    found = gradients_of(cosine(case._replace(length=length), features, learner))
    penalised = case._replace(rewards=case.rewards - 0.3 * length, truth=case.truth - 0.3 * length)
    np.testing.assert_allclose(found, gradients_of(cosine(penalised, features, reinforce())), atol=1e-12)
    flat = case._replace(length=length, rewards=case.rewards * 0.0)
    assert np.isfinite(cosine(flat, features, learner).values).all()


def test_shuffles_stay_within_the_outputs_of_a_prompt():
    values = np.array([[1.0, 2.0, 3.0, 9.0], [5.0, 9.0, 9.0, 6.0], [9.0, 7.0, 9.0, 9.0]])
    present = values != 9.0
    mixed = shuffled(values, present, 600, np.random.default_rng(0))
    assert mixed.shape == (600, 3, 4)
    assert ((mixed == 9.0) == ~present).all()
    np.testing.assert_array_equal(np.sort(mixed, axis=-1), np.broadcast_to(np.sort(values, axis=-1), mixed.shape))
    orders, counts = np.unique(mixed[:, 0, :3], axis=0, return_counts=True)
    assert len(orders) == 6
    assert ((counts > 60) & (counts < 140)).all()
    both = (mixed[:, 1, 0] == 5.0) == (mixed[:, 0, 0] == 1.0)
    assert 0.4 < both.mean() < 0.6


@pytest.mark.parametrize("learner", [reinforce(), grpo(8), tilt(0.5)], ids=lambda one: one.name)
def test_the_null_is_that_of_truths_shuffled_one_by_one(learner):
    case, features = world(prompts=12, samples=6, dims=6)
    found = cosine(case, features, learner)
    rng, slow = np.random.default_rng(1), []
    totals = [slow_gradients(case, features, reward, learner).sum(axis=0) for reward in case.rewards]
    for _ in range(300):
        truth = case.truth.copy()
        for prompt in range(12):
            own = np.flatnonzero(case.present[:, prompt])
            truth[own, prompt] = rng.permutation(truth[own, prompt])
        against = gradients_of(cosine(case._replace(truth=truth), features, learner))[-1].sum(axis=0)
        slow.append([angle(total, against) for total in totals])
    null, slow = found.null(np.random.default_rng(2), 600), np.array(slow)
    assert null.shape == (600, 2)
    np.testing.assert_allclose(null.std(axis=0), slow.std(axis=0), rtol=0.15)
    np.testing.assert_allclose(null.mean(axis=0), slow.mean(axis=0), atol=0.1)
    even = case._replace(start=np.where(case.present, -np.log(case.present.sum(axis=0)), -np.inf))
    assert np.abs(cosine(even, features, learner).null(np.random.default_rng(2), 600).mean(axis=0)).max() < 0.07


def test_the_null_does_not_depend_on_how_many_are_worked_on_together(monkeypatch):
    case, features = world()
    found = cosine(case, features, reinforce())
    whole = found.null(np.random.default_rng(0), 7)
    monkeypatch.setattr("culpa.predictors.cosine._CELLS", 1)
    np.testing.assert_allclose(found.null(np.random.default_rng(0), 7), whole, atol=1e-13)
    monkeypatch.setattr("culpa.predictors.cosine._CELLS", 3 * case.truth.size)
    assert found.null(np.random.default_rng(0), 7).shape == (7, 2)


@pytest.mark.parametrize("learner", [reinforce(), grpo(8)], ids=lambda one: one.name)
def test_replicates_spread_as_drawing_prompts_again_does(learner):
    """Where a prompt that is drawn twice does not add its own square twice. They are moved to the value itself."""
    case, features = world(21, prompts=60, samples=5, dims=6, hack=1.0)
    found = cosine(case, features, learner)
    replicates = found.replicates(np.random.default_rng(0), 500)
    assert replicates.shape == (500, 2)
    np.testing.assert_allclose(replicates.mean(axis=0), found.values, atol=1e-12)
    draws = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), 500).astype(float)

    def product(one, other):
        return (draws @ one * (draws @ other)).sum(axis=1) - (draws * (draws - 1)) @ (one * other).sum(axis=1)

    truth = gradients_of(found)[-1]
    for number, one in enumerate(gradients_of(found)[:-1]):
        again = product(one, truth) / np.sqrt(product(one, one) * product(truth, truth))
        assert replicates[:, number].std() == pytest.approx(again.std(), rel=0.3)
        assert again.mean() == pytest.approx(found.values[number], abs=0.02)


def test_replicates_are_paired():
    """Of the same draws: two proxies that say the same never differ."""
    case, features = world(prompts=30)
    same = case._replace(rewards=np.stack([case.rewards[0], 5 * case.rewards[0] + 1, case.rewards[1]]))
    draws = cosine(same, features, reinforce()).replicates(np.random.default_rng(0), 50)
    np.testing.assert_allclose(draws[:, 0], draws[:, 1], atol=1e-12)
    assert np.abs(draws[:, 0] - draws[:, 2]).max() > 1e-3
    again = cosine(same, features, reinforce()).replicates(np.random.default_rng(0), 50)
    np.testing.assert_array_equal(draws, again)


def test_a_single_prompt_has_no_replicates():
    weight = np.array([[0.5, 0.5]])
    case = case_of(weight, np.array([[1.0, 0.0]]), rm=np.array([[1.0, 0.0]]))
    found = cosine(case, centred(np.array([[[1.0], [0.0]]]), weight), reinforce())
    assert np.isnan(found.replicates(np.random.default_rng(0), 3)).all()
    assert found.replicates(np.random.default_rng(0), 3).shape == (3, 1)


def record(seed=0, prompts=6, samples=5, **changes):
    rng = np.random.default_rng(seed)
    truth, noise = rng.standard_normal((2, prompts, samples))
    fields = {
        "prompt_id": np.array([f"p{number}" for number in range(prompts)], dtype=object),
        "present": np.ones((prompts, samples), dtype=bool),
        "weight": np.full((prompts, samples), 1.0 / samples),
        "proxies": {"rm": truth + noise, "other": noise},
        "truth": truth,
        "features": rng.standard_normal((prompts, samples, 3)).astype(np.float32),
    }
    return Rollouts(**(fields | changes))


def test_the_records_own_features_are_taken():
    rollouts = record()
    found = gradient_cosine(rollouts, learner=grpo(8))
    values = features_of(rollouts).values
    np.testing.assert_array_equal(found.values, cosine(problem(rollouts), values, grpo(8)).values)
    assert found.proxies == ("rm", "other")
    given = gradient_cosine(rollouts, ["other"], learner=grpo(8), features=Features(values[:, :, :1], "one"))
    assert given.proxies == ("other",)
    np.testing.assert_array_equal(given.values, cosine(problem(rollouts, ["other"]), values[:, :, :1], grpo(8)).values)


@pytest.mark.parametrize("learner", LEARNERS[:5], ids=lambda one: f"{one.name}-{one.kl}")
def test_an_output_without_a_verdict_pushes_nowhere(learner):
    """Its features do not matter to the proxy's gradient, and the others keep theirs."""
    rollouts = record()
    holed = rollouts.proxies["rm"].copy()
    holed[1, 2] = holed[4, 0] = np.nan
    holed[5] = np.nan
    own = features_of(rollouts).values.astype(np.float64)
    other = own.copy()
    other[1, 2], other[4, 0], other[5] = 50.0, -50.0, 50.0 * own[5]
    cut = record(proxies={"rm": holed})
    found = [gradients_of(gradient_cosine(cut, learner=learner, features=Features(one, "")))[0] for one in (own, other)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)
    assert not found[0][5].any()
    whole = gradients_of(gradient_cosine(rollouts, ["rm"], learner=learner, features=Features(own, "")))[0]
    np.testing.assert_allclose(found[0][[0, 2, 3]], whole[[0, 2, 3]], atol=1e-12)
    assert np.abs(found[0][[1, 4]]).min() > 0


@each_learner
def test_missing_verdicts_among_equal_scores_push_nowhere(learner):
    """The mean of equal scores may differ from them in its last digit, and a spread divides."""
    for seed in range(20):
        level = 0.3 * np.arange(1.0, 7.0)[:, None] + np.zeros((6, 5))
        level[:, 1] = np.nan
        weight = np.random.default_rng(seed).dirichlet(np.ones(5), 6)
        found = gradient_cosine(record(seed, proxies={"rm": level}, weight=weight), learner=learner)
        assert np.isnan(found.values[0])


def test_outputs_of_unknown_truth_are_left_out():
    rollouts = record()
    truth = rollouts.truth.copy()
    truth[2, 1] = truth[0, :4] = np.nan
    values = features_of(rollouts).values.astype(np.float64)
    found = gradient_cosine(record(truth=truth), learner=grpo(8), features=Features(values, ""))
    assert found.case.prompts.tolist() == [1, 2, 3, 4, 5]
    kept = [np.flatnonzero(~np.isnan(row)) for row in truth]
    total = np.zeros((3, 3))
    for prompt in range(1, 6):
        rows = (rollouts.proxies["rm"], rollouts.proxies["other"], truth)
        start = np.full(len(kept[prompt]), 1 / len(kept[prompt]))
        for number, row in enumerate(rows):
            push = slow_push(start, start, row[prompt, kept[prompt]], grpo(8))
            total[number] += push @ values[prompt, kept[prompt]]
    np.testing.assert_allclose(found.values, [angle(one, total[-1]) for one in total[:-1]], atol=1e-10)


def test_a_record_without_features_or_texts_is_refused():
    with pytest.raises(InputError, match="the rollouts have neither features of the policy's nor texts"):
        gradient_cosine(record(features=None), learner=reinforce())
