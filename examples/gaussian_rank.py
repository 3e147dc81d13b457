"""Gaussian ranks: what does one outlier do to the advantages of its group?

OpenVLThinkerV2, arXiv 2604.08539: an advantage that is the normal quantile of an output's rank is the same whatever
the scale of the reward, and no outlier counts for more than its place. Divided by a standard deviation, one jackpot
makes the other outputs of its group alike.
"""

import numpy as np
from tiny import model, settings, sums, tokenizer, train
from trl import GRPOConfig, GRPOTrainer

from culpa.training.adapters.trl import SignalMixin


class Trainer(SignalMixin, GRPOTrainer):
    """GRPO with the advantages of a chain."""


def digits_with_a_jackpot(completions, **_columns):
    """One for each digit; a hundred more where the first character is a nine."""
    return [float(sum(map(str.isdigit, text))) + 100.0 * text.startswith("9") for text in completions]


def run(signal):
    """One batch, and the advantages of the group with the largest reward."""
    words = tokenizer()
    trainer = Trainer(
        model(words),
        digits_with_a_jackpot,
        GRPOConfig(**settings(scale_rewards="none", max_steps=1)),
        train_dataset=sums(),
        processing_class=words,
        signal=signal,
    )
    train(trainer)
    rewards = np.reshape(trainer._logs["rewards"]["digits_with_a_jackpot"], (-1, 8))
    row = rewards.max(axis=1).argmax()
    order = rewards[row].argsort()
    print(signal)
    print("  rewards   ", *(f"{one:6.0f}" for one in rewards[row][order]))
    print("  advantages", *(f"{one:6.2f}" for one in np.reshape(trainer._logs["advantages"], (-1, 8))[row][order]))


run("trl_grpo")
run("gaussian_rank")
