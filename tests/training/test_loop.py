"""One loop for every algorithm, held against formulas written out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.training.lab import letters, policy, prompts, settings, short, sometimes, weights

from culpa.dynamics import grpo, ppo, reinforce, rloo
from culpa.errors import InputError
from culpa.lm.forward import forward, measure
from culpa.signals import chain, parse, stateless
from culpa.training.batch import advantages, rows_at
from culpa.training.loop import Trainer, frozen


def trainer(learner=None, scorers=None, **changes):
    return Trainer(policy(), prompts(), scorers or {"letters": letters}, settings(learner, **changes))


def first_gradient(run):
    """The gradient of a run's first step, before it is scaled, and the step."""
    held, learn = {}, run._learn
    run.optimizer.step = lambda: held.update({i: w.grad.clone() for i, w in enumerate(run.weights)})
    run._learn = lambda drawn, pull: held.update(drawn=drawn) or learn(drawn, pull)
    return run.step(0), held


def by_hand(run, found, pull, divide):
    """-sum of pull x grad log pi(y) / divide, one output at a time."""
    total = [torch.zeros_like(w) for w in run.weights]
    drawn = found["drawn"]
    for row, (asked, said) in enumerate(zip(drawn.repeated(), drawn.outputs, strict=True)):
        value = pull.flat[row]
        if np.isnan(value):
            continue
        loss = -value * forward(run.policy, [asked], [said.tokens]).logp.sum() / divide(len(said.tokens))
        total = [kept + one for kept, one in zip(total, torch.autograd.grad(loss, run.weights), strict=True)]
    return total


def close(found, expected):
    scale = max(float(one.abs().max()) for one in expected)
    assert scale > 1e-3
    for number, one in enumerate(expected):
        assert torch.allclose(found[number], one, atol=2e-4 * scale), number


def test_rloo_is_the_score_function_with_the_mean_of_the_others():
    run = trainer(rloo(4), most=np.inf)
    step, found = first_gradient(run)
    rewards = step.batch.proxies["letters"]
    pull = rewards - (rewards.sum(1, keepdims=True) - rewards) / 3
    close(found, by_hand(run, found, pull, lambda _: 16))


def test_grpo_is_divided_by_the_groups_spread_and_by_length():
    run = trainer(grpo(4), most=np.inf)
    step, found = first_gradient(run)
    rewards = step.batch.proxies["letters"]
    spread = rewards.std(1, keepdims=True)
    pull = np.divide(rewards - rewards.mean(1, keepdims=True), spread, out=np.zeros_like(rewards), where=spread > 0)
    close(found, by_hand(run, found, pull, lambda tokens: 16 * tokens))


def test_token_mean_divides_by_all_tokens():
    run = trainer(rloo(4), most=np.inf, reduction="token")
    step, found = first_gradient(run)
    rewards = step.batch.proxies["letters"]
    pull = rewards - (rewards.sum(1, keepdims=True) - rewards) / 3
    close(found, by_hand(run, found, pull, lambda _: step.batch.length.sum()))


def test_no_verdict_leaves_group_loss_and_denominator():
    run = trainer(rloo(4), {"sometimes": sometimes}, most=np.inf)
    step, found = first_gradient(run)
    rewards = step.batch.proxies["sometimes"]
    known = ~np.isnan(rewards)
    assert 0 < known.sum() < known.size
    others = known.sum(1, keepdims=True) - 1
    sums = np.nansum(rewards, 1, keepdims=True) - np.where(known, rewards, 0)
    pull = np.where(known & (others > 0), rewards - sums / np.maximum(others, 1), np.nan)
    close(found, by_hand(run, found, pull, lambda _: (~np.isnan(pull)).sum()))


@pytest.mark.parametrize("learner", [rloo(4), grpo(4), ppo(2, group=4), grpo(4).with_kl(0.1)], ids=lambda one: one.name)
def test_micro_batches_are_memory_and_not_mathematics(learner):
    ends = []
    for micro in (3, 64):
        run = trainer(learner, micro=micro)
        for number in range(3):
            run.step(number)
        ends.append(weights(run.policy))
    for name, one in ends[0].items():
        assert np.allclose(one, ends[1][name], atol=5e-5), name


def test_the_reward_rises():
    run = trainer(rloo(4), prompts=8, rate=2e-2)
    rewards = [run.step(number).metrics["reward"] for number in range(12)]
    assert np.mean(rewards[-3:]) > np.mean(rewards[:3]) + 0.5


def test_a_kl_weight_holds_the_policy_back():
    def moved(learner):
        run = trainer(learner, prompts=8)
        before = weights(run.policy)
        for number in range(8):
            step = run.step(number)
        return step.metrics, sum(float(((one - before[name]) ** 2).sum()) for name, one in weights(run.policy).items())

    (free, far), (held, near) = moved(rloo(4)), moved(rloo(4).with_kl(20.0))
    assert held["reward"] < free["reward"]
    assert "loss/kl" in held
    assert "loss/kl" not in free
    assert near < far


def test_ppo_goes_several_steps_on_the_same_outputs():
    one, four = trainer(ppo(1, group=4)), trainer(ppo(4, group=4))
    before = weights(one.policy)
    assert one.step(0).batch.table["response"].to_list() == four.step(0).batch.table["response"].to_list()
    gone = [
        sum(np.abs(now[name] - before[name]).sum() for name in before)
        for now in map(weights, (one.policy, four.policy))
    ]
    assert gone[1] > 1.5 * gone[0]


def test_a_signal_goes_before_the_advantage():
    flipped = trainer(rloo(4).with_signal(parse("scale:-1"), "scale:-1"), most=np.inf)
    plain = trainer(rloo(4), most=np.inf)
    (_, one), (_, other) = first_gradient(flipped), first_gradient(plain)
    close(one, [-other[number] for number in range(len(plain.weights))])


def test_a_group_signal_can_be_the_advantage():
    run = trainer(reinforce_of("gaussian_rank"))
    step = run.step(0)
    assert np.isfinite(step.metrics["grad_norm"])
    assert step.metrics["grad_norm"] > 0


def reinforce_of(text):
    return replace(reinforce(), group=4).with_signal(parse(text), text)


def test_other_scorers_are_only_looked_at():
    alone, both = trainer(), trainer(scorers={"letters": letters, "truth": short})
    one, other = alone.step(0), both.step(0)
    for name, value in weights(alone.policy).items():
        assert np.array_equal(value, weights(both.policy)[name])
    assert other.batch.truth is not None
    assert other.metrics["truth"] == -np.mean([len(text) for text in other.batch.table["response"]])
    assert "truth" not in one.metrics
    assert other.metrics["completions/mean_length"] == other.batch.length.mean()
    assert other.metrics["completions/clipped_ratio"] == 1 - other.batch.table["ended"].mean()


def test_training_on_the_truth_itself():
    run = trainer(scorers={"truth": letters})
    metrics = run.step(0).metrics
    assert metrics["reward"] == metrics["truth"]


def test_every_epoch_sees_every_prompt_once():
    seen = [row for step in range(4) for row in rows_at(step, 9, 2, 3)]
    assert len(set(seen)) == 8
    assert rows_at(4, 9, 2, 3) != rows_at(0, 9, 2, 3)
    assert rows_at(0, 9, 2, 4) != rows_at(0, 9, 2, 3)
    with pytest.raises(InputError, match="3 prompts for steps of 4"):
        rows_at(0, 3, 4, 0)


def test_rates_rise_and_fall():
    plan = settings(steps=10, rate=1.0, warmup=2, decay=True)
    rates = [plan.rate_at(step) for step in range(10)]
    assert rates[0] == 0.5
    assert rates[1] == rates[2] == 1.0
    assert rates[-1] == 0.125
    assert settings(rate=1.0).rate_at(3) == 1.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 0}, "steps must be 1 or more, got 0"),
        ({"rate": 0.0}, "learning rate and the largest norm are positive"),
        ({"learner": reinforce()}, "reinforce draws 1 output of a prompt"),
        ({"reduction": "mean"}, "no reduction is called 'mean'"),
    ],
)
def test_what_cannot_be_run(changes, words):
    with pytest.raises(InputError, match=words):
        settings(changes.pop("learner", None), **changes)


def test_an_infinite_advantage_is_refused():
    batch = trainer().step(0).batch
    step = stateless(lambda signal, _group: np.where(signal >= 0, np.inf, signal))
    with pytest.raises(InputError, match="infinite advantage"):
        advantages(batch, "letters", step, ())
    merged = stateless(lambda signal, _group: signal.mean(axis=1))
    with pytest.raises(InputError, match=r"advantages of shape \(4,\) for rewards of shape \(4, 4\)"):
        advantages(batch, "letters", merged, ())
    with pytest.raises(InputError, match="no reward 'truth'"):
        advantages(batch, "truth", step, ())


def test_a_signal_that_reads_the_reference_gets_that_of_the_start():
    """In the first step the policy is its reference and the penalty 0; later it is what both say of the outputs."""
    seen = []
    spy = stateless(lambda signal, group: seen.append(group) or signal)
    run = trainer(rloo(4).with_signal(chain(parse("kl_penalty:0.5"), spy), "kl_penalty:0.5"))
    plain = trainer(rloo(4))
    assert plain.reference is None
    seen.clear()  # what was made up to find out what the signal reads
    first, start = run.step(0), frozen(run.reference)
    assert seen[0].reference == pytest.approx(seen[0].logprob, abs=1e-5)
    assert first.metrics["grad_norm"] == pytest.approx(plain.step(0).metrics["grad_norm"], rel=1e-4)
    held, learn = {}, run._learn
    run._learn = lambda drawn, pull: held.update(drawn=drawn, pull=pull) or learn(drawn, pull)
    step = run.step(1)
    drawn = held["drawn"]
    said = measure(start, drawn.repeated(), [one.tokens for one in drawn.outputs])
    due = np.array([one.logprob for one in said]).reshape(4, 4)
    gap = seen[1].logprob - seen[1].reference
    assert seen[1].reference == pytest.approx(due, abs=1e-5)
    assert np.nansum(seen[1].tokens.reference, axis=0) == pytest.approx(due, abs=1e-5)
    assert np.abs(gap).max() > 1e-3
    shaped = step.batch.proxies["letters"] - 0.5 * gap
    assert held["pull"] == pytest.approx(shaped - (shaped.sum(1, keepdims=True) - shaped) / 3)
