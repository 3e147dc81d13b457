"""Drawing and scoring by a tiny Llama on 1 and 2 processes of this machine: outputs a second once all models are there.

OMP_NUM_THREADS=1 python benchmarks/bench_engines.py
"""

import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from culpa.engines import Local
from culpa.labs.tinylm.build import build
from culpa.lm.collect import Plan, sample
from culpa.lm.generate import Sampling
from culpa.lm.model import save
from culpa.lm.open import Spec, Way
from culpa.lm.pool import policy, scorers
from culpa.lm.prompts import prompts_of
from culpa.lm.score import score

PROMPTS, SAMPLES, TOKENS, SKIPPED = 1500, 16, 24, 4  # the first blocks come while models are loaded
LETTERS = "abcdefghij="


class Rate:
    """Outputs a second between two moments: when the first blocks are there, and the end."""

    def __init__(self):
        self.seen = []

    def __call__(self, progress):
        self.seen.append((time.monotonic(), progress.outputs))

    def value(self):
        (begun, before), (ended, after) = self.seen[SKIPPED - 1], self.seen[-1]
        return (after - before) / (ended - begun)


def run():
    rng = np.random.default_rng(0)
    texts = list(dict.fromkeys("".join(rng.choice(list(LETTERS[:-1]), size=8)) + "=" for _ in range(PROMPTS)))
    plan = Plan(SAMPLES, Sampling(max_tokens=TOKENS))
    rates, found = {}, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(build(LETTERS, seed=0, context=48), folder / "lm")
        for processes in (1, 2):
            rate = Rate()
            found.append(sample(policy(str(folder / "lm"), Local(processes)), prompts_of(texts), plan, tell=rate))
            rates["drawing", processes] = rate.value()
        for processes in (1, 2):
            rate, spec = Rate(), Spec("logprob", "logprob", str(folder / "lm"))
            pool = scorers(spec, Way(chat=False), Local(processes))
            found.append(score(found[0], pool, "logprob", tell=rate))
            rates["log-probabilities", processes] = rate.value()
    same = found[0].table.equals(found[1].table) and np.array_equal(found[0].logprob, found[1].logprob)
    same = same and np.array_equal(found[2].proxies["logprob"], found[3].proxies["logprob"])
    print(f"{len(texts) * SAMPLES:,} outputs of up to {TOKENS} tokens, outputs/s once models are loaded:")
    for what in ("drawing", "log-probabilities"):
        one, two = rates[what, 1], rates[what, 2]
        print(f"  {what:<18} 1 process {one:>8,.0f}   2 processes {two:>8,.0f}   {two / one:.2f} x")
    print(f"  the results are {'the same' if same else 'NOT THE SAME'}; load of the machine {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    run()
