"""A tiny model, prompts and reward functions as files."""

import json

from tests.lm.models import llama

from culpa.lm.model import save

WORDS = ["ab=", "cd=", "efg=", "h=", "ba=", "hgf=", "ee=", "abc="]


def model(folder, seed=0):
    return save(llama(seed, hidden=16), folder)


def prompts(path):
    path.write_text("".join(json.dumps({"prompt": one, "answer": one[-2::-1]}) + "\n" for one in WORDS))
    return path


def rewards(path):
    path.write_text(
        "def score(response, answer):\n    return sum(one in answer for one in response)\n\n\n"
        "def short(response):\n    return -len(response)\n\n\n"
        "def broken(response):\n    raise ValueError('no')\n"
    )
    return path
