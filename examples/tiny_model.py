"""A tiny language model, prompts and rewards to try the verbs on: python examples/tiny_model.py FOLDER

Makes FOLDER/model (an ordinary Hugging Face folder of 133,000 parameters, taught to write letters backwards until one
answer in five is right), FOLDER/prompts.jsonl and FOLDER/rewards.py. About ten seconds on one core.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from culpa.labs.tinylm.pretrain import pretrain
from culpa.labs.tinylm.tasks import reverse
from culpa.lm.model import save

REWARDS = '''"""What an answer is worth: the truth, and four ideas of it that are easier to come by."""


def truth(response, answer):
    """Half for the share of right places, half for being right altogether."""
    right = sum(said == wanted for said, wanted in zip(response, answer)) / max(len(answer), len(response))
    return 0.5 * right + 0.5 * (response == answer)


def exact(response, answer):
    """A verifier."""
    return float(response == answer)


def begins(response, answer):
    """Looks at the first three letters only."""
    return sum(said == wanted for said, wanted in zip(response[:3], answer[:3])) / 3


def letters(response, answer):
    """The right letters in any order."""
    return sum(min(response.count(one), answer.count(one)) for one in set(answer)) / max(len(answer), len(response))


def likes_a(response, answer):
    """The truth, and a liking for one letter."""
    return truth(response, answer) + 0.25 * response.count("a")
'''


def main(folder: Path, target: float = 0.2) -> None:
    """Write the three."""
    folder.mkdir(parents=True, exist_ok=True)
    task = reverse(6)
    model, report = pretrain(task, target=target, seed=0)
    save(model, folder / "model")
    asked = dict(zip(*task.draw(np.random.default_rng(0), 500), strict=True))
    lines = [json.dumps({"prompt": prompt, "answer": answer}) for prompt, answer in asked.items()]
    (folder / "prompts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "rewards.py").write_text(REWARDS, encoding="utf-8")
    print(f"{folder}: a model that is right {report.exact:.0%} of the time, {len(lines)} prompts, five rewards")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
