"""The loss of a learner, over all groups that can be drawn, is the step that the simulator takes."""

import numpy as np
import pytest
import torch
from tests.objectives.tiny import gradient, groups, logits, over_groups, tokens, whole
from torch import tensor

from culpa import InputError
from culpa.dynamics import best_of_n, grpo, ppo, reinforce, rloo, tilt
from culpa.dynamics.advantage import Advantage
from culpa.dynamics.estimated import advantage_of
from culpa.dynamics.stepwise import Expected
from culpa.objectives import TokenBatch, divergence, objective_of
from culpa.signals import apply, parse

THETA, OLD, REF = logits(1), logits(2), logits(3)
BINARY = np.array([0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0])
GRADED = np.array([0.3, -1.0, 2.0, 0.0, 0.5, 1.0, -0.2])


def rows(theta):
    """The outputs' log-probabilities as one prompt, (1, 7)."""
    return whole(tokens(theta)).detach().numpy()[None]


def simulated(path, reward, theta=THETA, old=None):
    """The simulator's step from `old`'s round at theta, carried from the outputs to theta."""
    steps = Expected(Advantage(path, reward[None], rows(REF)))
    began = rows(theta if old is None else old)
    steps.begin(np.exp(began), began)
    return gradient((torch.as_tensor(steps.step(rows(theta))[0]) * whole(tokens(theta))).sum(), theta)


def trained(path, reward, size, **given):
    """What training does, expected: the gradient of the loss over all groups, turned round."""
    drawn = reward[groups(size).numpy()]
    advantage = torch.as_tensor(apply(advantage_of(path), drawn))
    return -over_groups(objective_of(path, over="sum", **given), THETA, size, advantage, ref=REF)


LEARNERS = [
    (reinforce(), GRADED, 1),
    (reinforce().with_kl(0.3), GRADED, 1),
    (rloo(3), GRADED, 3),
    (rloo(2).with_kl(0.2), GRADED, 2),
    (grpo(2), BINARY, 2),
    (grpo(3), BINARY, 3),
    (grpo(3, eps=0.1, sample_std=True).with_kl(0.5), BINARY, 3),
    (ppo(1, group=3).with_kl(0.1), GRADED, 3),
    (rloo(3).with_signal(parse("clip:0.4"), "clip:0.4"), GRADED, 3),
]


@pytest.mark.parametrize(("path", "reward", "size"), LEARNERS, ids=[f"{p.name} {p.kl}" for p, _, _ in LEARNERS])
def test_training_expects_the_simulated_step(path, reward, size):
    found, wanted = trained(path, reward, size), simulated(path, reward)
    assert torch.allclose(found, wanted, rtol=0, atol=1e-13)
    assert wanted.abs().max() > 0.01


ROUNDS = [ppo(4), ppo(4).with_kl(0.2), reinforce().with_rounds(2, 0.1)]


@pytest.mark.parametrize("path", ROUNDS, ids=[f"{path.name} {path.kl}" for path in ROUNDS])
def test_an_inner_step_of_a_round_is_the_simulated_one(path):
    """Outputs of the round's start, advantages over its exact critic, the clip on the ratio of outputs."""
    gap = torch.as_tensor(GRADED - (np.exp(rows(OLD)) * GRADED).sum())
    objective = objective_of(path, over="sum")
    found = -over_groups(objective, THETA, 1, gap[:, None], old=OLD, ref=REF)
    assert torch.allclose(found, simulated(path, GRADED, old=OLD), rtol=0, atol=1e-13)
    free = objective_of(reinforce().with_kl(path.kl), over="sum")
    assert not torch.allclose(found, -over_groups(free, THETA, 1, gap[:, None], old=OLD, ref=REF), atol=1e-3)


@pytest.mark.parametrize(
    ("path", "kind"),
    [(reinforce(), "sum"), (rloo(4), "sum"), (grpo(8), "sequence"), (ppo(), "token")],
    ids=["reinforce", "rloo", "grpo", "ppo"],
)
def test_the_usual_reduction(path, kind):
    assert objective_of(path).over.kind == kind
    assert set(objective_of(path).terms) == {"policy"}
    assert objective_of(path, over="constant:9").over == ("constant", 9.0)


def test_the_pull_can_be_that_of_the_trainers():
    """k3 as a loss pulls by KL(ref || pi): not what the simulator does, and what GRPO's trainers do."""
    path = grpo(2).with_kl(0.5)
    usual = objective_of(path, over="sum").terms["kl"]
    assert usual[0] == objective_of(path, pull=divergence("k3")).terms["kl"][0] == 0.5
    found = trained(path, BINARY, 2, pull=divergence("k3", level="output"))
    p, q = whole(tokens(THETA)).exp(), whole(tokens(REF)).exp().detach()
    reverse = gradient((q * (q / p).log()).sum(), THETA)
    assert torch.allclose(found, simulated(path.with_kl(0.0), BINARY) - 0.5 * reverse, rtol=0, atol=1e-13)


def test_the_clip_is_the_learners():
    """A ratio of e: without a clip the loss is -e A, with one -(1 + clip) A."""
    batch = TokenBatch(tensor([[1.0]]), torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, 1))
    for path, ratio in ((grpo(8), 2.718282), (grpo(8).with_rounds(2, 0.3), 1.3), (ppo(clip=0.1), 1.1)):
        objective = objective_of(path)
        one = torch.ones(1)
        assert objective(batch, one, objective.denominator(batch.mask, one)).value.item() == pytest.approx(-ratio)


def test_the_ratio_is_that_of_what_the_loss_is_a_mean_over():
    """Log-ratios 0.3 and -0.3, clip 0.2: nothing is cut of the output, one ratio of the tokens is."""
    batch = TokenBatch(tensor([[0.3, -0.3]]), torch.ones(1, 2, dtype=torch.bool), torch.zeros(1, 2))
    one, path = torch.ones(1), ppo(clip=0.2)
    found = {}
    for over in ("sum", "sequence", "token", "constant:2"):
        objective = objective_of(path, over=over)
        found[over] = objective(batch, one, objective.denominator(batch.mask, one)).value.item()
    tokens_mean = -(1.2 + np.exp(-0.3)) / 2
    assert found == pytest.approx(
        {"sum": -1.0, "sequence": tokens_mean, "token": tokens_mean, "constant:2": tokens_mean}
    )


@pytest.mark.parametrize("learner", [best_of_n(4), tilt(0.5), rloo(4).as_flow()], ids=["best of n", "tilt", "flow"])
def test_a_learner_without_steps_has_no_loss(learner):
    with pytest.raises(InputError, match=r"is not trained by steps of a loss\. Take a learner that walks"):
        objective_of(learner)
