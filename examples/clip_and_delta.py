"""Clip and delta: do scores of steps pay for more steps?

Gao et al., arXiv 2410.15115: the sum of a process reward model's scores grows with the number of steps, so a policy
learns to write more of them. Clipped from above and each less the next, they cannot: whatever the length, an output
earns at most 0. The reward function returns a list of scores for each output, and the chain makes one number of it.
"""

from tiny import model, settings, sums, tokenizer, train
from trl import GRPOConfig, GRPOTrainer

from culpa.signals import chain, clip_steps, delta_steps, weighted_sum
from culpa.training.adapters.trl import reward


def step_scores(completions, **_columns):
    """Every character is a step, and so is the end; digits are good steps."""
    return [[0.9 if letter.isdigit() else 0.4 for letter in text] + [0.4] for text in completions]


def run(title, signal):
    """Train on the chain's reward, and print how long outputs become."""
    words = tokenizer()
    trainer = GRPOTrainer(
        model(words),
        reward(step_scores, signal),
        GRPOConfig(**settings(max_steps=20, logging_steps=10)),
        train_dataset=sums(),
        processing_class=words,
    )
    print(title)
    train(trainer, "reward", "completions/mean_length")


run("the sum of the scores", weighted_sum(missing="skip"))
run("clipped at 0.8, each less the next", chain(clip_steps(0.8), delta_steps(), weighted_sum(missing="skip")))
