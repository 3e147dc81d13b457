"""The worlds of the correlation table: reproducible, of the promised sizes, with the errors that the families name."""

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest

from culpa.dynamics import rloo
from culpa.dynamics.advantage import Advantage
from culpa.dynamics.problem import problem

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    families = importlib.import_module("proxy_families")
    worlds = importlib.import_module("worlds")
    training = importlib.import_module("world_training")
    rows = importlib.import_module("correlation_rows")
    walks = importlib.import_module("correlation_walk")
    shared = importlib.import_module("correlation_shared")
    candidates = importlib.import_module("correlation_candidates")
    optimiser = importlib.import_module("correlation_adam")
    defaults = importlib.import_module("correlation_defaults")
    table = importlib.import_module("correlation")


def small(name, **changes):
    plan = worlds.PLANS[name]
    sizes = {"trained": min(plan.trained, 40), "judged": 30, "outputs": 24} | changes
    return dataclasses.replace(plan, **sizes)


@pytest.fixture(scope="module")
def tabular():
    return worlds.make_world(small("A"), 3, 16)


@pytest.fixture(scope="module")
def linear():
    return worlds.make_world(small("B"), 3, 16)


@pytest.fixture(params=["A", "B"])
def world(request, tabular, linear):
    return {"A": tabular, "B": linear}[request.param]


def within(values, prob):
    return values - (prob * values).sum(axis=-1, keepdims=True)


def scene(rng, prompts=200, outputs=50):
    shape = (prompts, outputs)
    prob = np.full(shape, 1 / outputs, dtype=np.float32)
    truth = families.standardised(rng.standard_normal(shape, dtype=np.float32), prob)
    mark = rng.standard_normal(shape, dtype=np.float32)
    return families.Scene(truth, prob, truth, lambda: mark)


# ---- worlds ----


def test_the_same_seed_gives_the_same_world_and_another_seed_another(world):
    again = worlds.make_world(world.plan, 3, 16)
    other = worlds.make_world(world.plan, 4, 16)
    np.testing.assert_array_equal(again.rewards, world.rewards)
    np.testing.assert_array_equal(again.truth, world.truth)
    assert not np.array_equal(other.truth, world.truth)


def test_the_first_proxies_of_a_smaller_world_are_those_of_the_larger(linear):
    fewer = worlds.make_world(linear.plan, 3, 8)
    np.testing.assert_array_equal(fewer.rewards, linear.rewards[:8])


def test_truth_and_proxies_have_unit_spread_within_prompts(world):
    for values in (world.truth, *world.rewards):
        assert (world.prob * within(values, world.prob) ** 2).sum(axis=1).mean() == pytest.approx(1, abs=1e-4)


def test_the_three_parts_of_the_prompts_do_not_overlap(linear):
    prompts = np.arange(len(linear.truth))
    assert len(prompts[linear.trained]) == 40
    assert len(prompts[linear.judged]) == 30
    assert prompts[linear.trained][0] == worlds.MEASURED
    assert prompts[linear.judged][0] == prompts[linear.trained][-1] + 1


def test_a_tabular_world_trains_and_judges_the_same_prompts(tabular):
    assert tabular.trained == tabular.judged
    assert tabular.features is None


def test_features_have_mean_square_one(linear):
    assert (linear.features**2).sum(axis=-1).mean() == pytest.approx(1, abs=0.01)


def test_the_policy_knows_a_little_of_the_truth(world):
    known = [np.corrcoef(a, b)[0, 1] for a, b in zip(world.logp, world.truth, strict=True)]
    assert np.mean(known) == pytest.approx(0.3 / np.sqrt(1.09), abs=0.05)


def test_the_truth_is_half_linear_in_shared_features(linear):
    flat = linear.features.reshape(-1, worlds.DIMS).astype(float)
    truth = linear.truth.ravel().astype(float)
    fitted = flat @ np.linalg.lstsq(flat, truth)[0]
    assert fitted.var() / truth.var() == pytest.approx(0.5, abs=0.06)


# ---- rollouts ----


def test_weights_are_shares_of_the_draws(world):
    own = worlds.rollouts(world, samples=8)
    assert own.shape[0] == worlds.MEASURED
    np.testing.assert_allclose(own.weight.sum(axis=1), 1)
    np.testing.assert_allclose(own.weight * 8, np.round(own.weight * 8))
    assert ((own.weight > 0) == own.present).all()


def test_cells_hold_what_the_world_says_of_their_output(linear):
    own = worlds.rollouts(linear)
    for prompt in (0, 57):
        there = own.present[prompt]
        output = own.column("output")[prompt, there].astype(int)
        np.testing.assert_array_equal(own.truth[prompt, there], linear.truth[prompt, output])
        np.testing.assert_array_equal(own.logprob[prompt, there], linear.logp[prompt, output])
        np.testing.assert_array_equal(own.features[prompt, there], linear.features[prompt, output])
        name = linear.names[5]
        np.testing.assert_array_equal(own.proxies[name][prompt, there], linear.rewards[5, prompt, output])


def test_many_draws_approach_the_policy(linear):
    own = worlds.rollouts(linear, samples=20_000)
    output = own.column("output")
    share = np.zeros_like(linear.prob[: worlds.MEASURED])
    prompt = np.nonzero(own.present)[0]
    share[prompt, output[own.present].astype(int)] = own.weight[own.present]
    assert np.abs(share - linear.prob[: worlds.MEASURED]).max() < 0.02


def test_another_draw_is_of_the_same_world(linear):
    first, second = worlds.rollouts(linear), worlds.rollouts(linear, draw=1)
    assert not np.array_equal(first.column("output"), second.column("output"))
    np.testing.assert_array_equal(worlds.rollouts(linear, draw=1).weight, second.weight)


def test_offline_pairs_are_two_outputs_of_no_weight_the_better_one_chosen(world):
    own = worlds.rollouts(world)
    paired = worlds.offline(world, own)
    side = paired.column("chosen")
    assert ((side == 1).sum(axis=1) == 1).all()
    assert ((side == 0).sum(axis=1) == 1).all()
    assert not paired.weight[np.isfinite(side)].any()
    better, worse = paired.truth[side == 1], paired.truth[side == 0]
    assert (better > worse).all()
    np.testing.assert_array_equal(paired.weight[:, : own.shape[1]], own.weight)


def test_in_a_tabular_world_every_output_is_a_feature_of_its_own(tabular):
    own = worlds.rollouts(tabular, samples=4)
    rows_of = own.features[own.present]
    np.testing.assert_array_equal(rows_of, np.eye(len(rows_of)))


# ---- families ----


def test_families_come_in_turn_and_every_second_judge_sees_the_truth():
    names = worlds.make_world(small("A"), 1, 200).names
    assert len(names) == 200
    for family in families.FAMILIES:
        assert sum(name.rsplit("_", 1)[0] == family for name in names) == 25


def test_a_prompt_scale_never_reorders_a_prompt():
    case = scene(np.random.default_rng(1))
    spoiled = families.prompt_scale(case, np.random.default_rng(2), 0)
    assert (np.argsort(spoiled, axis=1) == np.argsort(case.truth, axis=1)).all()
    assert np.std(within(spoiled, case.prob).std(axis=1)) > 0.1


def test_the_first_judge_of_a_family_sees_the_truth_and_the_second_with_noise(linear):
    place = [linear.names.index(f"prompt_scale_0{number}") for number in (0, 1)]
    order = np.argsort(linear.truth, axis=1)
    same = [(np.argsort(linear.rewards[one], axis=1) == order).mean() for one in place]
    assert same[0] == 1
    assert same[1] < 0.9


def test_a_spurious_property_is_paid_for_in_proportion():
    case = scene(np.random.default_rng(1))
    extra = families.spurious(case, np.random.default_rng(2), 0) - case.truth
    assert np.corrcoef(extra.ravel(), case.attribute().ravel())[0, 1] == pytest.approx(1, abs=1e-5)


def test_saturation_leaves_no_output_above_the_ceiling_and_the_others_alone():
    case = scene(np.random.default_rng(1))
    spoiled = families.saturation(case, np.random.default_rng(2), 0)
    touched = spoiled != case.truth
    assert 0.05 < touched.mean() < 0.7
    assert (spoiled <= case.truth).all()
    top = np.where(touched, spoiled, np.nan)
    assert (np.nanmax(top, axis=1) == np.nanmin(top, axis=1)).all()


def test_a_verifier_says_yes_above_a_level():
    case = scene(np.random.default_rng(1))
    said = families.threshold(case, np.random.default_rng(2), 0)
    assert set(np.unique(said)) == {0.0, 1.0}
    lowest = np.where(said == 1, case.advantage, np.inf).min()
    assert lowest > np.where(said == 0, case.advantage, -np.inf).max()


@pytest.mark.parametrize(("number", "share"), [(0, 0.2), (1, 0.2), (2, 0.02), (3, 0.02), (4, 0.2)])
def test_a_hack_is_frequent_or_rare(number, share):
    case = scene(np.random.default_rng(1))
    bonus = families.hack(case, np.random.default_rng(2), number) - case.truth
    marked = bonus > 0.5
    assert marked.mean() == pytest.approx(share, rel=0.1)
    assert np.ptp(bonus[marked]) < 1e-5
    assert case.attribute()[marked].min() > case.attribute()[~marked].max()


@pytest.mark.parametrize(("number", "sign"), [(0, 1), (1, 1), (2, -1), (3, -1)])
def test_only_mediocre_outputs_are_moved(number, sign):
    case = scene(np.random.default_rng(1))
    change = families.mediocre(case, np.random.default_rng(2), number) - case.truth
    moved = np.abs(change) > 1e-4
    assert (moved == ((case.advantage > 0) & (case.advantage < 1))).all()
    assert (np.sign(change[moved]) == sign).all()


@pytest.mark.parametrize(("number", "good"), [(0, False), (1, False), (2, True)])
def test_one_sided_noise_stays_on_its_side(number, good):
    case = scene(np.random.default_rng(1))
    changed = families.one_sided(case, np.random.default_rng(2), number) != case.truth
    assert 0.2 < changed.mean() < 0.4
    assert (case.advantage[changed] > 0.5).all() if good else (case.advantage[changed] < -0.5).all()


def test_noise_is_as_strong_as_it_says():
    rng = np.random.default_rng(1)
    case = scene(rng)
    sds = [(families.noise(case, rng, 0) - case.truth).std() for _ in range(40)]
    assert min(sds) > 0.09
    assert max(sds) < 3.05
    assert np.mean(sds) == pytest.approx(1.55, abs=0.35)


# ---- training ----


def test_one_shared_step_is_the_gradient_by_finite_differences():
    plan = small("B", horizons=(1,), step=1e-3)
    world = worlds.make_world(plan, 5, 2)
    nudge, rate = 1e-3, []
    for direction in np.eye(worlds.DIMS)[:3]:
        ends = [
            training.policy(np.stack([sign * nudge * direction] * 2), world.features[world.trained],
                            world.logp[world.trained]).astype(float)
            for sign in (1, -1)
        ]  # fmt: skip
        means = [(end * world.rewards[:, world.trained]).sum(axis=2).mean(axis=1) for end in ends]
        rate.append((means[0] - means[1]) / (2 * nudge))
    moved = []
    judge = training.judge
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "judge", lambda world, weights: moved.append(weights.copy()) or judge(world, weights))
        training.outcomes(world)
    np.testing.assert_allclose(moved[0][:, :3] / plan.step, np.stack(rate, axis=1), atol=2e-3)


def test_draws_follow_their_distribution():
    rng = np.random.default_rng(1)
    prob = rng.dirichlet(np.ones(5), (2, 3)).astype(np.float32)
    drawn = training.draw(prob, 40_000, rng)
    assert drawn.shape == (2, 3, 40_000)
    share = np.stack([(drawn == output).mean(axis=2) for output in range(5)], axis=2)
    np.testing.assert_allclose(share, prob, atol=0.012)


def test_sampled_steps_are_the_exact_gradient_on_average():
    world = worlds.make_world(small("C", trained=4, outputs=6), 5, 4)
    learner, rows_of = rloo(4).with_kl(0.3), np.arange(worlds.MEASURED, worlds.MEASURED + 4)
    weights = np.random.default_rng(2).standard_normal((4, worlds.DIMS))
    phi, start, reward = world.features[rows_of], world.logp[rows_of], world.rewards[:, rows_of]
    found = training._sampled_gradient(world, weights, np.repeat(rows_of, 4000), learner, np.random.default_rng(1))
    prob = training.policy(weights, phi, start).astype(float)
    ratio = within_of(np.log(prob) - start, prob)
    push = prob * (within_of(reward, prob) / overall(reward, prob) - learner.kl * ratio)
    np.testing.assert_allclose(found, np.einsum("kps,psd->kd", push, phi) / 4, atol=0.02)


def test_grouped_steps_on_a_verifier_follow_its_finite_groups():
    world = worlds.make_world(small("C", trained=4, outputs=6), 5, 5)
    learner, rows_of = training.LEARNERS["grpo"], np.arange(worlds.MEASURED, worlds.MEASURED + 4)
    found = training._sampled_gradient(
        world, np.zeros((5, worlds.DIMS)), np.repeat(rows_of, 4000), learner, np.random.default_rng(1)
    )
    reward, prob = world.rewards[4, rows_of].astype(float), world.prob[rows_of].astype(float)
    assert world.names[4].startswith("threshold")
    gain = Advantage(learner, reward, np.log(prob))(prob, np.log(prob))
    exact = np.einsum("ps,psd->d", prob * gain, world.features[rows_of]) / 4
    np.testing.assert_allclose(found[4], exact, atol=0.02)


def overall(reward, prob):
    """Standard deviation over the outputs of all prompts, (k, 1, 1)."""
    share = prob / prob.shape[1]
    mean = (share * reward).sum(axis=(1, 2), keepdims=True)
    return np.sqrt((share * (reward - mean) ** 2).sum(axis=(1, 2), keepdims=True))


def test_a_group_without_spread_teaches_nothing():
    assert not training._group_scaled(np.full((1, 1, 8), 0.3)).any()
    assert not training._leave_one_out(training._whitened(np.full((1, 4, 4), 0.3))).any()


def test_leave_one_out_is_each_against_the_others():
    np.testing.assert_allclose(training._leave_one_out(np.array([1.0, 0, 0, 0])), [1, -1 / 3, -1 / 3, -1 / 3])


def test_grouped_advantages_have_unit_spread():
    found = training._group_scaled(np.random.default_rng(1).standard_normal((2, 3, 8)))
    np.testing.assert_allclose(found.std(axis=2), 1, atol=1e-6)


def test_tabular_training_is_step_by_step_the_plain_gradient(tabular):
    plan = dataclasses.replace(tabular.plan, horizons=(3, 7))
    world = dataclasses.replace(tabular, plan=plan)
    found = training.outcomes(world)
    logits = np.repeat(world.logp[world.judged][None].astype(float), len(world.names), axis=0)
    reward, truth = world.rewards[:, world.judged].astype(float), world.truth[world.judged]
    for step in range(1, 8):
        prob = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
        logits += plan.step * prob * within_of(reward, prob)
        prob = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
        if step in plan.horizons:
            one = found[plan.horizons.index(step)]
            np.testing.assert_allclose(one.truth, (prob * truth).sum(axis=2).mean(axis=1), rtol=1e-5)
            gap = np.log(prob) - world.logp[world.judged]
            np.testing.assert_allclose(one.kl, (prob * gap).sum(axis=2).mean(axis=1), rtol=1e-4)


def test_the_training_again_is_on_the_measured_prompts():
    plan = small("B", trained=worlds.MEASURED, horizons=(2, 4))
    world = worlds.make_world(plan, 5, 3)
    order = np.r_[worlds.MEASURED : 2 * worlds.MEASURED, : worlds.MEASURED, 2 * worlds.MEASURED : len(world.truth)]
    swapped = dataclasses.replace(world, logp=world.logp[order], truth=world.truth[order],
                                  rewards=world.rewards[:, order], features=world.features[order])  # fmt: skip
    for one, other in zip(training.again(world), training.outcomes(swapped), strict=True):
        np.testing.assert_array_equal(one.truth, other.truth)
    assert not np.allclose(training.again(world)[0].truth, training.outcomes(world)[0].truth)


def within_of(reward, prob):
    return reward - (prob * reward).sum(axis=2, keepdims=True)


def test_adam_by_the_sums_over_all_gradients():
    """A running mean that begins at 0, divided by the weights that it has given, is a weighted mean of all so far."""
    gradients = np.random.default_rng(1).standard_normal((5, 3, 2))
    memory = training.Adam.fresh((3, 2))
    for gradient in gradients:
        memory = memory.seen(gradient)
    near, far = (keep ** np.arange(5)[::-1, None, None] for keep in (0.9, 0.999))
    mean, square = (near * gradients).sum(axis=0) / near.sum(), (far * gradients**2).sum(axis=0) / far.sum()
    np.testing.assert_allclose(memory.step, mean / (np.sqrt(square) + 1e-8))


def test_the_first_step_of_adam_has_no_scale_and_a_tiny_one_is_damped():
    first = training.Adam.fresh((4,)).seen(np.array([3.0, -1e-3, 0.0, 1e-8]))
    np.testing.assert_allclose(first.step, [1, -1, 0, 0.5], atol=1e-4)


@pytest.fixture(scope="module")
def stepped():
    """World C under both optimisers."""
    plain = worlds.make_world(small("C", horizons=(5,)), 5, 8)
    return plain, dataclasses.replace(plain, plan=small("C-Adam", horizons=(5,)))


def test_the_world_of_another_optimiser_is_the_same(stepped):
    plain, other = stepped[0], worlds.make_world(stepped[1].plan, 5, 8)
    np.testing.assert_array_equal(other.rewards, plain.rewards)
    np.testing.assert_array_equal(worlds.rollouts(other).weight, worlds.rollouts(plain).weight)


def test_the_same_sampled_gradients_go_through_adam(stepped):
    first = [next(training.sampled(one, rloo(4), 0)) for one in stepped]
    gradient = first[0] / stepped[0].plan.step
    np.testing.assert_allclose(first[1], stepped[1].plan.adam * training.Adam.fresh(gradient.shape).seen(gradient).step)


def test_columns_say_which_optimiser_and_which_learner(stepped):
    assert [one.column for one in training.outcomes(stepped[0])] == ["C rloo", "C grpo"]
    columns = training.outcomes(stepped[1])
    assert [(one.column, one.whitened) for one in columns] == [("C rloo Adam", True), ("C grpo Adam", False)]
    assert (columns[0].kl != training.outcomes(stepped[0])[0].kl).all()


def test_the_outcome_is_that_of_the_last_step(stepped):
    world = stepped[1]
    *_, weights = (one for _, one in zip(range(5), training.sampled(world, rloo(4).with_kl(0.01), 0), strict=False))
    truth, kl = training.judge(world, weights)
    np.testing.assert_array_equal(training.outcomes(world)[0].truth, truth)
    np.testing.assert_array_equal(training.outcomes(world)[0].kl, kl)


def test_the_rollouts_as_a_world_have_their_policy_and_truth_three_times(stepped):
    own = worlds.rollouts(stepped[1], samples=6)
    small_world = optimiser.on_samples(stepped[1], own)
    truth, kl = training.judge(small_world, np.zeros((8, worlds.DIMS)))
    np.testing.assert_allclose(truth, np.where(own.present, own.weight * own.truth, 0.0).sum(axis=1).mean(), rtol=1e-5)
    np.testing.assert_allclose(kl, 0, atol=1e-6)
    for rows_of in (small_world.trained, small_world.judged):
        np.testing.assert_allclose(small_world.prob[rows_of], np.where(own.present, own.weight, 0.0), atol=1e-6)
        score = own.proxies[stepped[1].names[3]]
        np.testing.assert_array_equal(
            small_world.rewards[3, rows_of][own.present], score[own.present].astype(np.float32)
        )
        np.testing.assert_array_equal(small_world.features[rows_of], own.features)


# ---- rows ----


def test_reading_off_is_in_proportion_between_points_and_stops_at_the_end():
    kl, truth = [np.array([0.0, 1.0, 2.0])] * 2, [np.array([0.0, 10.0, 0.0])] * 2
    np.testing.assert_allclose(rows.read_off(kl, truth, np.array([0.5, 9.0])), [5.0, 0.0])


def test_tilting_is_the_softmax_of_the_scores(linear):
    own = worlds.rollouts(linear, samples=6)
    name = linear.names[3]
    prompt = []
    for weight, score, truth, there in zip(own.weight, own.proxies[name], own.truth, own.present, strict=True):
        mass = weight[there] * np.exp(score[there])
        prompt.append((mass * truth[there]).sum() / mass.sum())
    assert rows.tilted(own)[3] == pytest.approx(np.mean(prompt))


def test_wrong_learners():
    assert rows.wrong(rloo(4)).normalise
    assert not rows.wrong(training.LEARNERS["grpo"]).normalise


def test_a_walk_on_all_outputs_is_the_training_itself(linear):
    """With every output in the rollouts at its own probability, the same steps give the real run."""
    plan = dataclasses.replace(linear.plan, horizons=(20,))
    whole = dataclasses.replace(linear, plan=plan, logp=linear.logp[-130:], truth=linear.truth[-130:],
                                rewards=linear.rewards[:, -130:], features=linear.features[-130:])  # fmt: skip
    order = np.broadcast_to(np.arange(plan.outputs), (worlds.MEASURED, plan.outputs))
    prob = whole.prob[: worlds.MEASURED].astype(float)
    own = worlds._record(whole, order, prob / prob.sum(axis=1, keepdims=True), order >= 0)
    column = training.Outcome("B 20", training.reinforce(), 20, np.zeros(16), np.zeros(16))
    weights = np.zeros((16, worlds.DIMS))
    flat = whole.features[: worlds.MEASURED].reshape(-1, worlds.DIMS)
    for _ in range(20):
        now = training.policy(weights, whole.features[: worlds.MEASURED], whole.logp[: worlds.MEASURED])
        gain = now * within_of(whole.rewards[:, : worlds.MEASURED], now)
        weights += plan.step / worlds.MEASURED * (gain.reshape(16, -1) @ flat)
    now = training.policy(weights, whole.features[: worlds.MEASURED], whole.logp[: worlds.MEASURED])
    expected = (now * whole.truth[: worlds.MEASURED]).sum(axis=2).mean(axis=1)
    found = shared.clock_rows(own, column, plan.step, np.random.default_rng(1))["feature rehearsal, same steps"]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_walk_takes_whitened_rewards_less_the_divergence(linear):
    own = worlds.rollouts(linear, samples=6)
    case, learner = problem(own), rloo(4).with_kl(0.3)
    walk = walks.states(case, own.features, learner, step=3.0, whitened=True)
    first, second = next(walk), next(walk)
    np.testing.assert_allclose(second.weights, 3.0 * first.gradient)
    present, reward = case.present.T, case.rewards.transpose(0, 2, 1)
    ratio = np.where(present, second.logp - np.where(present, case.start.T, 0.0), 0.0)
    gain = within_of(reward, second.prob) / overall(reward, second.prob) - 0.3 * within_of(ratio, second.prob)
    expected = np.einsum("kps,psd->kd", second.prob * gain, own.features) / len(case.prompts)
    np.testing.assert_allclose(second.gradient, expected, atol=1e-6)
    np.testing.assert_allclose(second.kl, (second.prob * ratio).sum(axis=2).mean(axis=1))
    assert first.kl == pytest.approx(0)
    assert (second.kl > 0).all()


def test_one_clock_stops_when_the_median_proxy_has_diverged(linear, monkeypatch):
    monkeypatch.setattr(shared, "MEDIANS", {".4": 0.4, "1": 1.0})
    own = worlds.rollouts(linear, samples=20)
    column = training.Outcome("B 30", training.reinforce(), 30, np.zeros(16), np.zeros(16))
    found = shared.one_clock(own, column, linear.plan)
    path = walks.states(problem(own), own.features, column.learner, step=4.0)
    seen = [(np.median(state.kl), state.truth) for _, state in zip(range(100), path, strict=False)]
    for name, most in (".4", 0.4), ("1", 1.0):
        first = next(truth for kl, truth in seen if kl >= most)
        np.testing.assert_allclose(found[f"feature rehearsal, one clock to median KL {name}"], first)


def test_one_clock_knows_nothing_of_when_the_run_ended(linear):
    own = worlds.rollouts(linear, samples=6)
    runs = [training.Outcome(f"B {n}", training.reinforce(), n, np.zeros(16), np.zeros(16)) for n in (2, 400)]
    short, long = (shared.one_clock(own, one, linear.plan) for one in runs)
    for row in short:
        np.testing.assert_array_equal(short[row], long[row])
    assert not np.allclose(
        short["feature rehearsal, one clock to median KL 1"], short["feature rehearsal, one clock to median KL 2"]
    )


def test_one_clock_is_for_all_portions(linear, monkeypatch):
    monkeypatch.setattr(shared, "MOST_CLOCK", 12)
    own = worlds.rollouts(linear, samples=6)
    column = training.Outcome("B 30", training.reinforce(), 30, np.zeros(16), np.zeros(16))
    whole = shared.one_clock(own, column, linear.plan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walks, "PORTION", 3)
        found = shared.one_clock(own, column, linear.plan)
    for row in whole:
        np.testing.assert_allclose(found[row], whole[row])


def test_a_clock_that_never_gets_so_far_is_read_off_at_its_end():
    kl = np.array([[0.0, 0, 0], [0.1, 0.3, 0.9], [0.2, 0.6, 2.0]])
    truth = np.array([[0, 0, 0], [1, 2, 3], [4, 5, 6]])
    assert rows.clocked(kl, truth, 0.3).tolist() == [1, 2, 3]
    assert rows.clocked(kl, truth, 0.4).tolist() == [4, 5, 6]
    assert rows.clocked(kl, truth, 5.0).tolist() == [4, 5, 6]
    assert rows.clocked(kl, truth, 0.0).tolist() == [0, 0, 0]


def test_a_clock_where_nothing_is_shared_is_that_of_the_worlds_steps(tabular):
    own = worlds.rollouts(tabular, samples=6)
    plan = dataclasses.replace(tabular.plan, horizons=(3, 12))
    cosine = np.arange(16.0)
    found = rows.tabular_candidates(own, training.reinforce(), cosine, plan)
    run = rows.simulate(own, learner=training.reinforce(), horizon=rows.Horizon(kl=None, steps=12), eta=plan.step)
    np.testing.assert_array_equal(found["tabular rehearsal, one clock to median KL 2"], run.outcome)
    slow = rows.simulate(own, learner=training.reinforce(), horizon=rows.Horizon(kl=1.0), eta=0.05)
    far = found["tabular rehearsal, KL 1"]
    np.testing.assert_allclose(far, slow.outcome, atol=0.012)
    expected = np.argsort(np.argsort(cosine)) + candidates.ranks(far)
    np.testing.assert_array_equal(found["mean rank of cosine and tabular rehearsal KL 1"], expected)


def test_a_walk_by_adam_moves_by_its_rate(linear):
    own = worlds.rollouts(linear, samples=6)
    walk = walks.states(problem(own), own.features, training.reinforce(), step=0.02, adam=True)
    first, second, third = (next(walk) for _ in range(3))
    memory = training.Adam.fresh(first.weights.shape).seen(first.gradient)
    np.testing.assert_allclose(second.weights, 0.02 * memory.step)
    np.testing.assert_allclose(third.weights, 0.02 * (memory.step + memory.seen(second.gradient).step))


def test_adam_rehearsals_are_read_off_at_the_runs_length_and_by_one_clock(stepped):
    world = stepped[1]
    own, (column, _) = worlds.rollouts(world), training.outcomes(world)
    column = column._replace(steps=25)
    world = dataclasses.replace(world, plan=dataclasses.replace(world.plan, adam=0.4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walks, "PORTION", 3)
        found = optimiser.adam_rows(world, own, column)
    assert set(found) == {row.name for row in optimiser.ADAM}
    path = walks.states(problem(own), own.features, column.learner, world.plan.adam, whitened=True, adam=True)
    exact = [state for _, state in zip(range(26), path, strict=False)]
    np.testing.assert_allclose(found["Adam rehearsal, same steps"], exact[-1].truth)
    first = next(state for state in exact if np.median(state.kl) >= 1)
    np.testing.assert_allclose(found["Adam rehearsal, one clock to median KL 1"], first.truth)
    small_world = optimiser.on_samples(world, own)
    path = training.sampled(small_world, column.learner, 2)
    ends = [training.judge(small_world, weights) for _, weights in zip(range(25), path, strict=False)]
    np.testing.assert_allclose(found["sampled Adam rehearsal, same steps"], ends[-1][0])
    first = next(truth for truth, kl in ends[9::10] if np.median(kl) >= 1)
    np.testing.assert_allclose(found["sampled Adam rehearsal, one clock to median KL 1"], first)
    assert not np.allclose(first, ends[-1][0])


# ---- rules for a default ----


@pytest.mark.parametrize("name", ["A", "B"])
def test_every_rule_is_a_row_of_the_table_and_reads_the_same(name, monkeypatch):
    monkeypatch.setattr(shared, "MOST_CLOCK", 20)
    world = worlds.make_world(small(name, outputs=16, horizons=(2, 4)), 5, 16)
    found, whole = defaults.ruled(world), table.measured(world)
    for rule, names in defaults.RULES.items():
        for one in (f"{name} 2", f"{name} 4"):
            row = names[name != "A"]
            np.testing.assert_allclose(found[rule, one], whole[row, one], atol=1e-3, err_msg=rule)
            np.testing.assert_array_equal(found["", one], whole["", one])


def test_worlds_count_alike_and_gains_are_over_seeds():
    figures = {
        (defaults.USUAL, "A 1"): [0.0, 0.0],
        (defaults.USUAL, "A 2"): [0.4, 0.2],
        (defaults.USUAL, "B"): [0.4, 0.5],
        ("other", "A 1"): [1.0, 1.0],
        ("other", "A 2"): [1.0, 1.0],
        ("other", "B"): [0.0, 0.0],
    }
    places = {"A": ["A 1", "A 2"], "B": ["B"]}
    np.testing.assert_allclose(defaults.together(figures, places)[defaults.USUAL], [0.3, 0.3])
    lines = defaults.markdown(figures, places).splitlines()
    assert lines[2].startswith("| other | 0.50 ± 0.00 | 0.20 ± 0.00 | 1.00 ± 0.00 |")
    assert lines[3].startswith(f"| {defaults.USUAL} | 0.30 ± 0.00 | 0.00 ± 0.00 | 0.00 ± 0.00 |")


def test_the_columns_of_both_optimisers_are_worlds_of_their_own(stepped, monkeypatch):
    monkeypatch.setattr(shared, "MOST_CLOCK", 20)
    plans = [dataclasses.replace(one.plan, outputs=8, horizons=(2,)) for one in stepped]
    figures, places = defaults.table(plans, (5,), 4)
    assert [*places.values()] == [["C rloo", "C grpo"], ["C rloo Adam", "C grpo Adam"]]
    assert len(figures) == 4 * len(defaults.RULES)


def test_a_rehearsal_in_portions_is_the_rehearsal(linear):
    own = worlds.rollouts(linear, samples=6)
    features, learner = shared.feature_set(own), training.reinforce()
    until = np.linspace(0.3, 0.5, 16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walks, "PORTION", 3)
        found = shared.ask(own, features, learner, until)
    whole = shared.rehearse(problem(own), features.values, learner, kl=0.3)
    np.testing.assert_allclose(rows.read_off(found.kl, found.truth, 0.3), whole.outcome, atol=2e-4)


def test_rows_of_the_wrong_learner_are_its_own(linear):
    own = worlds.rollouts(linear, samples=6)
    features, until = shared.feature_set(own), np.full(16, 0.4)
    one = training.Outcome("B 3", training.reinforce(), 3, np.zeros(16), np.full(16, 0.2))
    right, other = (shared.ask(own, features, who, until) for who in (one.learner, rows.wrong(one.learner)))
    found = shared.shared_rows(one, right, other)
    for name, whose in (("", right), (", wrong learner", other)):
        np.testing.assert_array_equal(found[f"gradient cosine{name}"], whose.cosine.values)
        for rule, kl in (("KL .4", 0.4), ("matched", 0.2)):
            expected = rows.read_off(whose.kl, whose.truth, kl)
            np.testing.assert_array_equal(found[f"feature rehearsal, {rule}{name}"], expected)
    assert not np.allclose(right.cosine.values, other.cosine.values)


def test_weights_of_pairs_by_the_policy_change_nothing_where_it_is_even(linear):
    own = worlds.rollouts(linear, samples=6)
    even = dataclasses.replace(own, logprob=np.where(own.present, -1.0, np.nan))
    found = rows._weighted_twice(even)
    cube, truth, weight = np.stack(list(own.proxies.values())), own.truth, own.weight
    for place in (0, 4):
        share = []
        for cells in zip(cube[place], truth, weight, strict=True):
            score, good, mass = (one[cells[2] > 0] for one in cells)
            pair = (good[:, None] > good) * mass[:, None] * mass
            right = (score[:, None] > score) | (score < mass @ score - 1e-9)
            share.append((pair * right).sum() / pair.sum())
        assert found["HAcc on, π weights"][place] == pytest.approx(np.mean(share))


def test_held_out_prompts_that_share_nothing_stay_where_they_were(linear):
    own = worlds.rollouts(linear, samples=6)
    half = np.random.default_rng(7).permutation(worlds.MEASURED) < worlds.MEASURED // 2
    apart = np.zeros((*own.present.shape, 2 * worlds.DIMS))
    apart[half, :, : worlds.DIMS], apart[~half, :, worlds.DIMS :] = own.features[half], own.features[~half]
    cosine = shared.gradient_cosine(own, learner=training.reinforce(), features=shared.Features(apart, ""))
    known = shared.Known(cosine, [], [])
    found = candidates.held_out(known, (0.4,), np.random.default_rng(7))
    start = np.where(own.present, own.weight * own.truth, 0.0).sum(axis=1)
    np.testing.assert_allclose(found[0], (start[half].mean() + start[~half].mean()) / 2)


def test_held_out_prompts_are_judged_by_the_weights_of_the_others(linear):
    own = worlds.rollouts(linear, samples=6)
    cosine = shared.gradient_cosine(own, learner=training.reinforce(), features=shared.feature_set(own))
    found = candidates.held_out(shared.Known(cosine, [], []), (0.3,), np.random.default_rng(7))
    half = np.random.default_rng(7).permutation(worlds.MEASURED) < worlds.MEASURED // 2
    means = []
    for here in (half, ~half):
        some = candidates.part(cosine.case, here)
        weights = candidates._ends(some, cosine.features[here], cosine.learner, (0.3,))[0, 4]
        mass = np.where(own.present, own.weight, 0.0) * np.exp(cosine.features @ weights)
        value = (mass * np.where(own.present, own.truth, 0.0)).sum(axis=1) / mass.sum(axis=1)
        means.append(value[~here].mean())
    assert found[0, 4] == pytest.approx(np.mean(means))
    assert means[0] != pytest.approx(means[1])


def test_halves_of_what_is_the_same_everywhere_are_reliable():
    proxy = np.broadcast_to(np.array([[1.0, 2.0]])[:, None], (1, 10, 2))
    found = candidates._halves(proxy, proxy[0] * [1, 0], np.random.default_rng(1))
    for value in found.values():
        np.testing.assert_allclose(value, 1 / np.sqrt(5))


def test_halves_of_pure_noise_agree_on_nothing_though_the_whole_does():
    noise = np.random.default_rng(1).standard_normal((1, 10, 4000))
    found = candidates._halves(noise, noise[0], np.random.default_rng(1))
    assert abs(found["cosine between halves"][0]) < 0.03
    assert found["cosine x √reliability"][0] < 0.2


def test_whitening_is_the_metric_of_the_inverse_covariance(linear):
    own = worlds.rollouts(linear, samples=6)
    case, features = problem(own), shared.feature_set(own).values
    rng = np.random.default_rng(1)
    proxy, truth = rng.standard_normal((2, 5, worlds.DIMS)), rng.standard_normal((5, worlds.DIMS))
    covariance = np.einsum("ps,psd,pse->de", own.weight, features, features) / worlds.MEASURED
    metric = np.linalg.inv(covariance + 0.1 * np.trace(covariance) / worlds.DIMS * np.eye(worlds.DIMS))
    a, b = proxy.sum(axis=1), truth.sum(axis=0)
    expected = (a @ metric @ b) / np.sqrt(np.einsum("kd,de,ke->k", a, metric, a) * (b @ metric @ b))
    np.testing.assert_allclose(candidates.whitened(case, features, proxy, truth), expected, rtol=1e-5)


def test_what_prompts_add_to_a_gradient_by_the_slow_sum(linear):
    own = worlds.rollouts(linear, samples=6)
    cosine = shared.gradient_cosine(own, learner=training.reinforce(), features=shared.feature_set(own))
    found = shared.gradients(cosine)
    for place, reward in ((2, own.proxies[linear.names[2]]), (-1, own.truth)):
        prompt = 31
        there = own.present[prompt]
        mass, score = own.weight[prompt, there], reward[prompt, there]
        push = mass * (score - mass @ score)
        expected = push @ cosine.features[prompt, there]
        np.testing.assert_allclose(found[place, prompt], expected, atol=1e-6)


def test_along_the_way_begins_with_the_cosine_itself(linear):
    own = worlds.rollouts(linear, samples=6)
    features = shared.feature_set(own)
    cosine = shared.gradient_cosine(own, learner=training.reinforce(), features=features)
    found = candidates.along(shared.Known(cosine, [], []), (1e-9, 0.3))
    np.testing.assert_allclose(found[0], cosine.values, atol=1e-5)
    assert not np.allclose(found[1], cosine.values, atol=1e-3)


def test_correlations_are_with_the_outcome_and_means_over_draws():
    found = {
        ("", "B"): np.array([1.0, 2.0, 3.0]),
        ("same", "B"): np.array([2.0, 4.0, 9.0]),
        ("draws", "B"): np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]),
    }
    assert table.correlations(found) == {("same", "B"): pytest.approx(1), ("draws", "B"): pytest.approx(0)}


def test_places_share_ties():
    assert candidates.ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [2.5, 0.0, 2.5, 1.0]


def test_without_own_prompt_by_the_slow_sum():
    rng = np.random.default_rng(1)
    proxy, truth = rng.standard_normal((2, 5, 3)), rng.standard_normal((5, 3))
    slow = [sum(one[p] @ truth[q] for p in range(5) for q in range(5) if p != q) for one in proxy]
    length = np.linalg.norm(proxy.sum(axis=1), axis=1) * np.linalg.norm(truth.sum(axis=0))
    found = candidates._without_own(proxy, truth)["cosine without own prompt"]
    np.testing.assert_allclose(found, np.array(slow) / length)


def test_coordinates_of_pure_noise_are_shrunk_away():
    rng = np.random.default_rng(1)
    proxy, truth = 0.01 * rng.standard_normal((3, 400, 2)), 0.01 * rng.standard_normal((400, 2))
    proxy[:, :, 0] += np.array([1.0, -1.0, 1.0])[:, None]
    truth[:, 0] += 1.0
    proxy[:, ::2, 1] += 5.0
    proxy[:, 1::2, 1] -= 5.0
    np.testing.assert_allclose(candidates.shrunk(proxy, truth), [1, -1, 1], atol=0.01)


def test_a_figure_is_a_mean_with_a_students_interval():
    assert table.cell([0.5]) == "0.50"
    assert table.cell([0.4, 0.5, 0.6]) == f"0.50 ± {4.303 * 0.1 / np.sqrt(3):.2f}"


def test_every_row_of_the_table_gets_a_figure_and_no_other():
    figures = table.table([small("B", outputs=16, horizons=(2, 4))], (5,), 8)
    found = {row for row, _ in figures}
    assert found == {row.name for row in (*rows.ROWS, *candidates.CANDIDATES) if "B" in row.worlds}
    assert all(-1 <= value <= 1 for values in figures.values() for value in values)
    assert table.markdown(figures).count("\n") == 1 + len(rows.ROWS) + len(candidates.CANDIDATES) + len(optimiser.ADAM)
