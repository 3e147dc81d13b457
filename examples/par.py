"""Preference as reward: what becomes of an unbounded score when the trainer sees the chance of beating a reference?

Fu et al., arXiv 2502.18770: score some outputs of the first policy for every prompt, and reward an output by how
probably it beats them. The references change from row to row, so they travel as a column of the data, and the chain is
made from the columns of each batch. It looks at one output at a time: a reward function is the place for it.
"""

import numpy as np
import torch
from tiny import model, settings, sums, tokenizer, train
from trl import GRPOConfig, GRPOTrainer

from culpa.signals import par
from culpa.training.adapters.trl import reward

REFERENCES = 4  # outputs of the first policy for each prompt


def score(completions, **_columns):
    """An unbounded score, as a reward model gives: the more nines, the better, without end."""
    return [4.0 * text.count("9") for text in completions]


def against_references(columns):
    """The chain of a batch."""
    return par(np.array(columns["reference"]))


def with_references(data, policy, words):
    """Every prompt with the scores of some outputs of the policy."""
    torch.manual_seed(0)
    asked = words([one["prompt"] for one in data], return_tensors="pt", padding=True)
    asked.pop("token_type_ids", None)
    drawn = policy.generate(**asked, do_sample=True, max_new_tokens=6, num_return_sequences=REFERENCES)
    texts = words.batch_decode(drawn[:, asked["input_ids"].shape[1] :], skip_special_tokens=True)
    return data.add_column("reference", np.reshape(score(texts), (-1, REFERENCES)).tolist())


words = tokenizer()
policy = model(words)
trainer = GRPOTrainer(
    policy,
    reward(score, against_references),
    GRPOConfig(**settings()),
    train_dataset=with_references(sums(), policy, words),
    processing_class=words,
)
print("reward: the chance of beating the first policy; 0.5 is a draw")
train(trainer, "reward", "reward_std")
raw = np.array(trainer._logs["extra"]["score/raw"])
print(f"score before the chain, last batch: mean {raw.mean():.2f}, highest {raw.max():.2f}")
