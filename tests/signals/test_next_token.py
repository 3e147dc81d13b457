"""The next token's reward: its gradient is cross-entropy's at 0, and the shaped loss's elsewhere."""

import numpy as np
import pytest

from culpa.errors import InputError
from culpa.signals.next_token import next_token_reward


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def push(prob, reward):
    mass = prob * reward
    return mass - prob * mass.sum(axis=-1, keepdims=True)


def test_nothing_shaped_is_cross_entropy():
    rng = np.random.default_rng(0)
    prob, target = softmax(rng.normal(size=(5, 7))), rng.integers(0, 7, size=5)
    assert push(prob, next_token_reward(prob, target)) == pytest.approx(np.eye(7)[target] - prob)


@pytest.mark.parametrize(
    ("beta", "head", "tail", "count"), [(-0.25, 0.0, 0.0, 3), (0.5, 0.1, -0.2, 3), (1.0, 0.3, 0.0, 1)]
)
def test_the_reward_is_the_formula(beta, head, tail, count):
    rng = np.random.default_rng(1)
    prob, target = softmax(rng.normal(size=(4, 6))), rng.integers(0, 6, size=4)
    value = next_token_reward(prob, target, beta=beta, head=head, tail=tail, count=count)
    for i in range(4):
        likely = set(np.argsort(-prob[i])[:count].tolist())
        for a in range(6):
            wrong = head if a in likely else tail
            right = (1 - prob[i, a]) ** beta / prob[i, a]
            assert value[i, a] == pytest.approx(right if a == target[i] else wrong)


def test_its_gradient_is_that_of_the_torch_loss():
    torch = pytest.importorskip("torch")
    from culpa.objectives.vocabulary import shaped_xent

    rng = np.random.default_rng(2)
    logits, target = rng.normal(size=(5, 9)), rng.integers(0, 9, size=5)
    held = torch.tensor(logits, requires_grad=True)
    loss = shaped_xent(held, torch.tensor(target), beta=0.5, lam_head=0.1, lam_tail=-0.2, k=4)
    loss.sum().backward()
    prob = softmax(logits)
    reward = next_token_reward(prob, target, beta=0.5, head=0.1, tail=-0.2, count=4)
    assert push(prob, reward) == pytest.approx(-held.grad.numpy())


def test_a_sure_token_is_no_overflow():
    value = next_token_reward([[1.0, 1e-300]], [0], beta=-0.25)
    assert np.isfinite(value).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: next_token_reward([0.0, 1.0], 0),
         "prob has a value that is no chance above 0 at index 0. Give softmax(logits)."),
        (lambda: next_token_reward([0.5, 0.5], [0, 1]),
         "target must have shape (), got (2,). Give one number for each row of chances."),
        (lambda: next_token_reward([0.5, 0.5], 2), "target must be numbers from 0 to 1. They count the tokens."),
        (lambda: next_token_reward([0.5, 0.5], 0, count=0),
         "the head needs at least 1 token, got 0. The paper takes 100."),
    ],
    ids=["prob", "shape", "target", "count"],
)  # fmt: skip
def test_what_has_no_reward_is_told(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value) == message
