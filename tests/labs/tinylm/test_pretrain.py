import json
from itertools import product
from zlib import crc32

import numpy as np
import pytest
import torch

from culpa.errors import InputError
from culpa.labs.tinylm import pretrain as room
from culpa.labs.tinylm.build import build
from culpa.labs.tinylm.constraints import instructions
from culpa.labs.tinylm.pretrain import REPORT, checkpoint, exact_rate, pretrain, token_ids
from culpa.labs.tinylm.tasks import Questions, brackets, sort
from culpa.lm.model import load

TASK = sort(3, 4)


@pytest.fixture(scope="module")
def learnt():
    return pretrain(TASK, target=0.5, seed=0, steps=100)


def probability(lm, prompt, answer):
    """Of an answer and its end, token by token, without a batch."""
    ids = [*lm.tokenizer(prompt)["input_ids"], *(4 + TASK.alphabet.index(c) for c in answer), lm.tokenizer.eos_token_id]
    first = len(ids) - len(answer) - 1
    with torch.no_grad():
        steps = [
            lm.model(torch.tensor([ids[:t]])).logits[0, -1].double().softmax(0)[ids[t]] for t in range(first, len(ids))
        ]
    return float(np.prod(steps))


def test_a_model_learns_until_the_target_and_stops(learnt):
    lm, report = learnt
    assert report.reached
    assert 0.5 <= report.exact < 0.95
    assert report.steps % 5 == 0
    assert (report.task, report.target, report.seed) == ("sort3of4", 0.5, 0)
    assert report.parameters == sum(one.numel() for one in lm.model.parameters())
    held = TASK.draw(np.random.default_rng(77), 200, held_out=True)
    assert exact_rate(lm, TASK, held) > 0.3


def test_the_same_seed_gives_the_same_model(learnt):
    lm, report = pretrain(TASK, target=0.5, seed=0, steps=100)
    assert (report.steps, report.exact) == (learnt[1].steps, learnt[1].exact)
    again, before = lm.model.state_dict(), learnt[0].model.state_dict()
    assert all(torch.equal(again[name], before[name]) for name in before)
    assert pretrain(TASK, target=0.5, seed=1, steps=60)[1].exact != report.exact


def test_torchs_random_state_stays():
    before = torch.random.get_rng_state()
    pretrain(TASK, target=0.99, seed=0, steps=2)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_exact_rate_is_the_mean_probability_of_the_answer_and_its_end(learnt):
    lm, _ = learnt
    asked = Questions(("abd=", "cba=", "caa="), ("abd", "abc", "aac"))
    wanted = np.mean([probability(lm, *one) for one in zip(*asked, strict=True)])
    assert exact_rate(lm, TASK, asked) == pytest.approx(wanted, rel=1e-5)


def test_answers_of_different_lengths_are_learnt_by_their_own_tokens():
    task = brackets(4)
    lm = build(task.alphabet, seed=0)
    asked = task.draw(np.random.default_rng(0), 20)
    assert len(set(map(len, asked.answers))) > 1
    one_by_one = [exact_rate(lm, task, Questions((p,), (a,))) for p, a in zip(*asked, strict=True)]
    assert exact_rate(lm, task, asked) == pytest.approx(np.mean(one_by_one), rel=1e-4)


def test_a_step_follows_the_gradient_of_the_answers_tokens():
    """The loss by transformers itself: prompts and begin tokens carry no loss, answers and ends do."""
    lm, prompts, answers = build(TASK.alphabet, seed=0), ["ab=", "cb="], ["ab", "bca"]
    end = lm.tokenizer.eos_token_id
    asked = token_ids(lm, prompts)
    ids = [[*asked[0], 4, 5, end, 0], [*asked[1], 5, 6, 4, end]]  # the first is padded: no loss there
    labels = torch.tensor([[-100] * 4 + ids[0][4:7] + [-100], [-100] * 4 + ids[1][4:]])
    lm.model(input_ids=torch.tensor(ids), labels=labels).loss.backward()
    wanted = [one.grad.clone() for one in lm.model.parameters()]
    seen = []
    stand_in = torch.optim.SGD(lm.model.parameters(), lr=0.0)
    stand_in.register_step_pre_hook(lambda *_: seen.extend(one.grad.clone() for one in lm.model.parameters()))
    room._learn(lm, stand_in, asked, room._ended(lm, answers))
    for found, right in zip(seen, wanted, strict=True):
        torch.testing.assert_close(found, right, rtol=1e-3, atol=1e-6)


def test_lessons_are_never_held_out_and_a_teacher_is_copied():
    task = instructions("moderate")
    lm = build(task.alphabet, seed=0, hidden=16)
    _, responses = room._lesson(lm, task, np.random.default_rng(0))
    texts = {lm.tokenizer.decode(one, skip_special_tokens=True) for one in responses}
    assert len(texts) > 30
    assert not any(" " in text for text in texts)
    prompts, _ = room._lesson(lm, TASK, np.random.default_rng(0))
    words = {lm.tokenizer.decode(one, skip_special_tokens=True) for one in prompts}
    kept = {"".join(one) + "=" for one in product("abcd", repeat=3) if crc32(("".join(one) + "=").encode()) % 8 == 0}
    assert not words & kept


def test_of_instructions_outputs_are_sampled():
    task = instructions("size_without")
    lm = build(task.alphabet, seed=0, hidden=16)
    asked = task.draw(np.random.default_rng(0), 40)
    rate = exact_rate(lm, task, asked, seed=1)
    assert rate == exact_rate(lm, task, asked, seed=1)
    assert rate * 160 == pytest.approx(round(rate * 160))


def test_without_a_target_all_steps_are_taken():
    _, report = pretrain(instructions("size_without"), target=None, seed=0, steps=3)
    assert (report.steps, report.reached, report.target) == (3, True, None)


def test_a_checkpoint_is_made_once_and_loads_anywhere(tmp_path, monkeypatch, learnt):
    settings = {"target": 0.5, "seed": 0, "folder": tmp_path, "steps": 100}
    place = checkpoint(TASK, **settings)
    lm = load(place, device="cpu")
    ids = torch.tensor(token_ids(lm, ["ab="]))
    assert torch.equal(lm.model(ids).logits, learnt[0].model(ids).logits)
    assert json.loads((place / REPORT).read_text())["exact"] == learnt[1].exact
    monkeypatch.setattr(room, "pretrain", None)
    assert checkpoint(TASK, **settings) == place
    with pytest.raises(TypeError):
        checkpoint(TASK, **{**settings, "seed": 1})


def test_a_missed_target_is_an_error_and_nothing_is_kept(tmp_path):
    with pytest.raises(InputError, match=r"sort3of4 came to 0\.\d+ of 0.9 exact answers in 2 steps. Allow more steps"):
        checkpoint(TASK, target=0.9, seed=0, folder=tmp_path, steps=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"target": 0.0}, "the target must be a share"), ({"target": 1.5}, "got 1.5"), ({"steps": 0}, "at least 1 step")],
)
def test_wrong_settings_are_refused(wrong, says):
    with pytest.raises(InputError, match=says):
        pretrain(TASK, **{"target": 0.5, "seed": 0, **wrong})
