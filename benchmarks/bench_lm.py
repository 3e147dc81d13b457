"""Language models: drawing against bare `generate`, and a policy-gradient step against TRL's, on one thread.

The same Llama from a config on both sides, the same number of outputs and tokens. Medians of several turns, ours and
theirs in turn, so that a busy machine slows both alike.
"""

import os
import statistics
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import polars as pl
import torch

from culpa.dynamics import grpo, rloo
from culpa.labs.tinylm.build import build
from culpa.lm.features import Sketch
from culpa.lm.generate import Sampling, generate, uniforms
from culpa.lm.prompts import prompts_of
from culpa.lm.score import Scores
from culpa.training.loop import Trainer
from culpa.training.settings import TrainSettings

TURNS = 7
PROMPTS, GROUP, TOKENS = 32, 16, 32
LETTERS = "abcdefghij="


def ragged(rng, count):
    """Prompts of 4 to 24 letters."""
    return ["".join(rng.choice(list(LETTERS[:-1]), size=size)) + "=" for size in rng.integers(4, 24, size=count)]


def in_turn(*works):
    """Median CPU seconds of each, after one turn that does not count."""
    seconds = [[] for _ in works]
    for turn in range(TURNS + 1):
        for one, kept in zip(works, seconds, strict=True):
            began = time.process_time()
            one()
            if turn:
                kept.append(time.process_time() - began)
    return [statistics.median(kept) for kept in seconds]


def sampling():
    """Tokens per second of `generate` with and without features, and of the model's own."""
    lm = build(LETTERS, seed=0, context=96)
    texts = ragged(np.random.default_rng(0), PROMPTS)
    rows = [row for row in lm.tokenizer(texts)["input_ids"] for _ in range(GROUP)]
    draws = np.concatenate([uniforms(0, text, GROUP, TOKENS) for text in texts])
    how, counts = Sampling(max_tokens=TOKENS), {}

    def ours(features=None):
        found = generate(lm, rows, draws, how, features=features)
        counts["ours"] = sum(len(one.tokens) for one in found)

    def theirs():
        batch = lm.tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        found = lm.model.generate(**batch, do_sample=True, max_new_tokens=TOKENS, pad_token_id=lm.pad_id, top_k=0)
        said = found[:, batch["input_ids"].shape[1] :]
        counts["theirs"] = int((said != lm.pad_id).sum())

    bare, plain, full = in_turn(theirs, ours, lambda: ours(Sketch()))
    speed = [counts["theirs"] / bare, counts["ours"] / plain, counts["ours"] / full]
    print(f"drawing {len(rows)} outputs of up to {TOKENS} tokens, CPU tokens/s:")
    print(f"  transformers' generate       {speed[0]:>9,.0f}")
    print(f"  culpa                        {speed[1]:>9,.0f}   {speed[1] / speed[0]:.2f} x")
    print(f"  culpa with features          {speed[2]:>9,.0f}   {speed[2] / speed[0]:.2f} x")


def stepping():
    """A step of GRPO and of RLOO: drawing, rewards, loss, optimizer."""
    for name, learner in (("GRPO", grpo(8)), ("RLOO", rloo(8))):
        ours = our_seconds(learner)
        theirs = their_seconds(name)
        what = f"{name}, 256 outputs of up to 12 tokens a step"
        print(f"{what}: culpa {ours:.3f} CPU s, TRL {theirs:.3f}, {theirs / ours:.2f} x")


def our_seconds(learner):
    texts = [*dict.fromkeys(ragged(np.random.default_rng(1), 700))]
    settings = TrainSettings(learner, steps=20, prompts=32, rate=1e-4, micro=256, sampling=Sampling(max_tokens=12))
    trainer = Trainer(build(LETTERS, seed=0, context=96), prompts_of(texts, pl.DataFrame()), {"a": letters}, settings)
    trainer.step(0)
    seconds = []
    for number in range(1, 1 + TURNS * 2):
        began = time.process_time()
        trainer.step(number)
        seconds.append(time.process_time() - began)
    return statistics.median(seconds)


def letters(_prompts, responses, _columns):
    return Scores(np.array([one.count("a") for one in responses], dtype=float), [None] * len(responses))


def their_seconds(name):
    """The time between the beginnings of TRL's steps."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

    begins = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_given, **_more):
            begins.append(time.process_time())

    lm = build(LETTERS, seed=0, context=96)
    rows = Dataset.from_dict({"prompt": ragged(np.random.default_rng(1), 700)})
    trainer, config = {"GRPO": (GRPOTrainer, GRPOConfig), "RLOO": (RLOOTrainer, RLOOConfig)}[name]
    with tempfile.TemporaryDirectory() as folder:
        settings = config(
            output_dir=folder, use_cpu=True, report_to=[], save_strategy="no", bf16=False, gradient_checkpointing=False,
            per_device_train_batch_size=256, num_generations=8, max_completion_length=12, max_steps=2 + TURNS * 2,
            learning_rate=1e-4, beta=0.0, logging_steps=1000, disable_tqdm=True,
        )  # fmt: skip
        run = trainer(
            model=lm.model, processing_class=lm.tokenizer, args=settings, train_dataset=rows, callbacks=[Clock()],
            reward_funcs=[lambda completions, **_: [float(one.count("a")) for one in completions]],
        )  # fmt: skip
        run.train()
    return statistics.median(np.diff(begins)[1:])


def run():
    torch.set_num_threads(1)
    sampling()
    stepping()


if __name__ == "__main__":
    run()
