"""What the verbs are given where faults are planted: small inputs, and commands of a few seconds."""

import json
import os
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import polars as pl

PROMPTS, SAMPLES = 2000, 8
REWARDS = """
import time


def length(response):
    return float(len(response))


def slow(response):
    time.sleep(0.002)
    return float(len(response))
"""


class Case(NamedTuple):
    """A command, what it writes, and how many kills it gets."""

    verb: str
    processes: int  # 0: the verb has no such flag
    kills: int  # at any moment
    aimed: int  # kills once something is being written
    spread: float  # seconds within which they come then
    arguments: tuple[str, ...]
    output: str

    @property
    def name(self):
        return self.verb + (f", {self.processes} process{'es' * (self.processes > 1)}" if self.processes else "")

    def command(self, inputs):
        """Behind `culpa`, with paths of the inputs put in."""
        flags = ("--processes", str(self.processes)) if self.processes else ()
        return [self.verb, *(one.format(i=inputs) for one in self.arguments), *flags]


_SCORE = ("{i}/few.parquet", "--with", "s={i}/rewards.py:slow", "--block", "40", "--output", "o.parquet")
_SAMPLE = ("{i}/lm", "{i}/prompts.jsonl", "--samples", "16", "--max-tokens", "6", "--output", "o.parquet")
_AUDIT = ("{i}/many.parquet", "--truth", "gold", "--replicates", "200", "--output", "o.json", "--stream")
_REHEARSE = ("{i}/many.parquet", "--truth", "gold", "--output", "o.json", "--stream")
_TRAIN = ("{i}/lm", "{i}/prompts.jsonl", "--reward", "n={i}/rewards.py:length", "--learner", "rloo:4", "--steps", "4")
_TRAIN += ("--step-prompts", "8", "--max-tokens", "6", "--save-every", "1", "--rate", "1e-3", "--output", "run")
CASES = (
    Case("convert", 0, 16, 6, 0.005, ("{i}/many.jsonl", "o.parquet"), "o.parquet"),
    Case("score", 1, 20, 6, 2, _SCORE, "o.parquet"),
    Case("score", 2, 12, 5, 1, _SCORE, "o.parquet"),
    Case("sample", 1, 10, 4, 2, _SAMPLE, "o.parquet"),
    Case("sample", 2, 8, 2, 2, _SAMPLE, "o.parquet"),
    Case("audit", 1, 10, 5, 0.002, _AUDIT, "o.json"),
    Case("audit", 2, 8, 3, 0.002, _AUDIT, "o.json"),
    Case("rehearse", 1, 8, 5, 0.002, _REHEARSE, "o.json"),
    Case("rehearse", 2, 8, 3, 0.002, _REHEARSE, "o.json"),
    Case("train", 0, 8, 5, 2, _TRAIN, "run"),
)


def prepare(folder: Path) -> Path:
    """The inputs, made anew."""
    from culpa.labs.tinylm.build import build
    from culpa.lm.model import save

    folder.mkdir(parents=True)
    table(PROMPTS).write_ndjson(folder / "many.jsonl")
    table(PROMPTS).write_parquet(folder / "many.parquet", row_group_size=1600)
    table(100).write_parquet(folder / "few.parquet")
    (folder / "rewards.py").write_text(REWARDS)
    save(build("abcdefghij=", seed=0, context=32), folder / "lm")
    rng = np.random.default_rng(0)
    texts = dict.fromkeys("".join(rng.choice(list("abcdefghij"), size=6)) + "=" for _ in range(256))
    (folder / "prompts.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
    return folder


def table(prompts):
    """Rollouts with a truth and three scores."""
    rng = np.random.default_rng(1)
    count = prompts * SAMPLES
    gold = rng.normal(size=count).round(3)
    noise = rng.normal(size=(3, count))
    return pl.DataFrame(
        {
            "prompt_id": np.repeat([f"q{number}" for number in range(prompts)], SAMPLES),
            "prompt": np.repeat([f"Ask {number}" for number in range(prompts)], SAMPLES),
            "response": [f"answer {number % 97} " + "so " * (number % 7) for number in range(count)],
            "gold": gold,
            "rm_good": (gold + 0.3 * noise[0]).round(3),
            "rm_bad": (-gold + 0.3 * noise[1]).round(3),
            "rm_mid": (gold + noise[2]).round(3),
        }
    )
