"""DCPO: can advantages alone hold the policy's entropy?

DCPO, arXiv 2601.12730: correct outputs get more advantage the likelier a warmer (or cooler) copy of the policy is to
say them, by as much as the entropy is off its target. The chain needs log-probabilities and the whole batch: the mixin
hands both to it. The target is in nats for an output; TRL logs nats for a token.
"""

from tiny import model, settings, sums, tokenizer, train
from trl import GRPOConfig, GRPOTrainer

from culpa.training.adapters.trl import SignalMixin


class Trainer(SignalMixin, GRPOTrainer):
    """GRPO with the advantages of a chain."""


def has_digit(completions, **_columns):
    """1 where the first character is a digit."""
    return [float(text[:1].isdigit()) for text in completions]


def run(signal):
    """Train, and print what becomes of the entropy."""
    words = tokenizer()
    trainer = Trainer(
        model(words),
        has_digit,
        GRPOConfig(**settings(scale_rewards="none", max_steps=40, logging_steps=10, learning_rate=1e-2)),
        train_dataset=sums(),
        processing_class=words,
        signal=signal,
    )
    print(signal)
    train(trainer, "reward", "entropy")


run("trl_grpo")
run("dcpo:16")
