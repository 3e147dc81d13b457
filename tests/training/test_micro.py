"""Micro-runs: rewards tried for a while, and ranked by the truth."""

import numpy as np
import pytest
from tests.training.lab import letters, policy, prompts, settings, short

from culpa.dynamics import rloo
from culpa.errors import InputError
from culpa.lm.score import Scores
from culpa.training.loop import frozen
from culpa.training.micro import Examiner, Look, gain_of, micro_runs


def against(prompts, responses, columns):
    found = letters(prompts, responses, columns)
    return Scores(-found.values, found.reasons)


def test_the_truth_itself_comes_first_and_its_opposite_last():
    plan = settings(rloo(4), steps=6, prompts=8, rate=2e-2)
    examiner = Examiner(prompts(), letters, frozen(policy()), plan.sampling)
    rewards = {"against": against, "short": short, "truthful": letters}
    found = micro_runs(policy, prompts(), rewards, plan, examiner)
    assert found[0].reward == "truthful"
    assert found[0].gain > 0 > found[-1].gain
    assert all(one.low <= one.gain <= one.high for one in found)
    assert all(one.after.kl > 0 for one in found)


def test_a_look_at_the_start_has_no_divergence():
    start = frozen(policy())
    look = Examiner(prompts(), letters, start, settings().sampling).look(policy())
    assert abs(look.kl) < 1e-4
    assert look.truth.shape == (8,)


def test_prompts_without_a_truth_leave_the_gain():
    before = Look(np.array([0.0, np.nan, 1.0]), 0.0, 1.0)
    after = Look(np.array([1.0, 1.0, 1.0]), 0.0, 1.0)
    assert gain_of("a", before, after).gain == 0.5
    with pytest.raises(InputError, match="no prompt has a truth before and after"):
        gain_of("a", before, Look(np.full(3, np.nan), 0.0, 1.0))


def test_a_truth_without_a_verdict_is_an_error():
    def nothing(_prompts, responses, _columns):
        return Scores(np.full(len(responses), np.nan), ["none"] * len(responses))

    with pytest.raises(InputError, match="no verdict on any output"):
        Examiner(prompts(), nothing, frozen(policy()), settings().sampling).look(policy())
