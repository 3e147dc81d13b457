"""Rewarding the unlikely: does GRPO reward a correct output less when the policy says it anyway?

He et al., arXiv 2506.02355: within a group the likelier outputs get a smaller reward, so that training does not only
sharpen what the policy already does. It compares the outputs of one prompt and needs their log-probabilities, which no
reward function knows: the mixin hands both to the chain. A group whose outputs are all correct teaches GRPO nothing;
here it still does.
"""

from tiny import model, settings, sums, tokenizer, train
from trl import GRPOConfig, GRPOTrainer

from culpa.training.adapters.trl import SignalMixin


class Trainer(SignalMixin, GRPOTrainer):
    """GRPO with the advantages of a chain."""


def has_digit(completions, **_columns):
    """1 where the first character is a digit."""
    return [float(text[:1].isdigit()) for text in completions]


words = tokenizer()
trainer = Trainer(
    model(words),
    has_digit,
    GRPOConfig(**settings(scale_rewards="none")),
    train_dataset=sums(),
    processing_class=words,
    signal="unlikeliness:0.25 | trl_grpo",
)
print("frac_reward_zero_std: groups that score alike; signal/dead_groups: groups that teach nothing")
train(trainer, "reward", "frac_reward_zero_std", "signal/dead_groups")
