"""What second checks share: the loop with an advantage of one's own, its gradient, and what is looked at after it."""

import sys

import numpy as np
import pytest
import torch
from tests.training.lab import weights

from culpa.errors import InputError
from culpa.labs.tinylm.ask import graded
from culpa.labs.tinylm.build import build
from culpa.labs.tinylm.tasks import is_held_out, sort
from culpa.lm.forward import forward, measure
from culpa.lm.prompts import encode
from culpa.lm.sample import draw
from culpa.papers import tiny_runs
from culpa.papers.tiny_runs import Course
from culpa.signals import leave_one_out, scale, stateless
from culpa.training.batch import rows_at

TASK = sort(3, 6)
COURSE = Course(2, prompts=3, group=4, rate=1e-2, seed=5)


@pytest.fixture
def lm():
    return build(TASK.alphabet, seed=0, hidden=16, layers=1)


def same(one, other):
    return all(np.array_equal(value, weights(other)[name]) for name, value in weights(one).items())


def test_training_moves_a_copy_and_the_seed_says_how(lm):
    before = tiny_runs.fresh(lm)
    one, again = (tiny_runs.trained(lm, TASK, graded(TASK), leave_one_out(), COURSE) for _ in range(2))
    other = tiny_runs.trained(lm, TASK, graded(TASK), leave_one_out(), COURSE._replace(seed=6))
    assert same(lm, before)
    assert same(one, again)
    assert not same(one, lm)
    assert not same(one, other)


def test_the_learner_is_the_advantage_that_was_given(lm):
    still = tiny_runs.trained(lm, TASK, graded(TASK), scale(0.0), COURSE)
    assert same(still, lm)


def test_a_step_with_a_memory_begins_anew_and_goes_on(lm):
    seen = []

    def act(signal, _group, state):
        seen.append(state)
        return signal, state + 1

    step = stateless(lambda signal, _group: signal)._replace(init=lambda *_: 0, apply=act)
    tiny_runs.trained(lm, TASK, graded(TASK), step, COURSE)
    assert seen == [0, 1]


def test_outputs_are_cut_where_the_course_says(lm):
    run = tiny_runs.trainer(tiny_runs.fresh(lm), TASK, graded(TASK), leave_one_out(), COURSE._replace(tokens=2))
    assert run.step(0).batch.length.max() == 2
    assert run.settings.sampling.max_tokens == 2


def test_questions_are_trained_on_once_and_none_is_held_out(lm):
    run = tiny_runs.trainer(tiny_runs.fresh(lm), TASK, graded(TASK), leave_one_out(), COURSE)
    assert len(set(run.prompts.texts)) == 6
    assert not any(map(is_held_out, run.prompts.texts))
    assert all(map(is_held_out, tiny_runs.examined(lm, TASK, 10, 1).table["prompt"]))


def test_a_gradient_is_that_of_the_batch_written_out(lm):
    course = COURSE._replace(steps=1)
    (found,) = tiny_runs.gradients(lm, TASK, graded(TASK), leave_one_out(), course)
    run = tiny_runs.trainer(tiny_runs.fresh(lm), TASK, graded(TASK), leave_one_out(), course)
    asked = run.prompts.take(rows_at(0, 3, 3, 5))
    drawn = draw(lm, asked, 4, run.settings.sampling, seed="5/0")
    truth = TASK.truths([one for one in asked.columns["answer"] for _ in range(4)], drawn.texts).reshape(3, 4)
    push = (truth - (truth.sum(axis=1, keepdims=True) - truth) / 3).ravel()
    said = forward(lm, [one for one in encode(lm, asked) for _ in range(4)], [one.tokens for one in drawn.outputs])
    lm.model.zero_grad()
    (torch.from_numpy(push).float() @ said.logp.sum(dim=1) / (12 * TASK.max_tokens)).backward()
    exact = np.concatenate([one.grad.numpy().ravel() for one in lm.model.parameters()])
    assert np.abs(exact).max() > 1e-4
    assert found == pytest.approx(exact, abs=1e-6)


def test_gradients_are_all_of_the_policy_as_it_is(lm):
    first = next(iter(tiny_runs.gradients(lm, TASK, graded(TASK), leave_one_out(), COURSE)))
    run = tiny_runs.trainer(lm, TASK, graded(TASK), leave_one_out(), COURSE._replace(rate=1e-30))
    before = tiny_runs.fresh(lm)
    tiny_runs.walked(run)
    assert same(lm, before)
    assert np.isfinite(first).all()


def test_the_truth_of_what_is_said_is_the_tasks(lm):
    said = tiny_runs.examined(lm, TASK, 5, 3)
    answers = ["".join(sorted(prompt[:-1])) for prompt in said.table["prompt"]]
    assert said.truth.ravel() == pytest.approx(TASK.truths(answers, said.table["response"].to_list()))
    assert tiny_runs.examined(lm, TASK, 5, 3).table.equals(said.table)
    assert not tiny_runs.examined(lm, TASK, 5, 3, seed=1).table.equals(said.table)
    assert tiny_runs.examined(lm, TASK, 5, 3, tokens=1).length.max() == 1


def test_the_chance_of_the_answer_is_that_of_its_tokens(lm):
    asked = TASK.draw(np.random.default_rng([2, 3]), 4, held_out=True)
    prompts, answers = (
        lm.tokenizer(list(texts), add_special_tokens=one)["input_ids"]
        for texts, one in zip(asked, (True, False), strict=True)
    )
    seen = measure(lm, prompts, [[*one, lm.tokenizer.eos_token_id] for one in answers])
    exact = np.mean([np.exp(one.logprob) for one in seen])
    assert tiny_runs.chance_of_answer(lm, TASK, 4, seed=2) == pytest.approx(exact, rel=1e-5)


def test_one_thread_inside_and_as_before_outside():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with tiny_runs.tiny():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_without_torch_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match=r"need torch and transformers.*pip install 'culpa\[hf\]'"), tiny_runs.tiny():
        pass
