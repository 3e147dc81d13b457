"""Reward functions, good and hostile, as users write them. Loaded by the worker, never imported by a test."""
# ruff: noqa: ARG001 - trainers give what they give

import itertools
import os
import random
import re
import signal
import sys
import threading
import time

COUNT = itertools.count()
SHARED = {"response": ""}


def right(text, answer):
    return float(re.findall(r"boxed\{([^{}]*)\}", text)[-1:] == [answer])


# --- styles -----------------------------------------------------------------------------------------------------


def trl(prompts, completions, ground_truth, **kwargs):
    assert len(prompts) == len(completions) == len(ground_truth)
    assert kwargs["trainer_state"].global_step == 0
    assert kwargs["log_metric"]("a", 1.0) is None
    return [right(text, answer) for text, answer in zip(completions, ground_truth, strict=True)]


def trl_strict(completions, answer):
    assert None not in answer
    return [right(text, gold) for text, gold in zip(completions, answer, strict=True)]


def trl_chat(completions, answer, **_):
    return [right(one[0]["content"], gold) for one, gold in zip(completions, answer, strict=True)]


async def trl_async(completions, solution, completion_ids):
    assert all(isinstance(ids[0], int) for ids in completion_ids)
    return [right(text, answer) for text, answer in zip(completions, solution, strict=True)]


def verl(data_source, solution_str, ground_truth, extra_info=None):
    assert data_source == "openai/gsm8k"
    assert extra_info["split"] == "train"
    return {"score": right(solution_str, ground_truth), "acc": 1}


def openrlhf(queries, prompts, labels):
    assert all(query.startswith(prompt) for query, prompt in zip(queries, prompts, strict=True))
    return {"rewards": [[right(query, label)] for query, label in zip(queries, labels, strict=True)], "scores": None}


async def verifiers(completion, answer, state, info):
    assert state["answer"] == answer
    assert info == {}
    return right(completion, answer)


def verifiers_chat(prompt, completion, answer):
    assert prompt[0]["role"] == "user"
    return right(completion[-1]["content"], answer)


def plain(response, answer):
    return right(response, answer)


def plain_prompt(prompt, response):
    return float(len(response) > len(prompt))


def by_place(a, b, c):
    return right(b, c)


def positional(response, answer, /):
    return bool(right(response, answer))


def needs_column(completions, difficulty):
    return [float(one) for one in difficulty]


def unclear(first, second):
    return 1.0


# --- what goes wrong --------------------------------------------------------------------------------------------


def loops(response):
    while True:
        pass


def hog(response):
    return float(len(bytearray(8 << 30)))


def leaves(response):
    sys.exit(4)


def dies(response):
    os._exit(5)


def raises(response):
    raise ValueError("no parse")


def raises_sometimes(response, answer):
    return right(response, answer) if "Paris" not in response else 1 / 0


def shouts(response, answer):
    print('{"id": 2, "number": 0, "value": 1}')
    return right(response, answer)


def forks(response, answer):
    if os.fork() == 0:
        time.sleep(30)
        os._exit(0)
    return right(response, answer)


def too_few(completions, **_):
    return [1.0] * (len(completions) - 1)


def no_list(completions, **_):
    return 1.0


def text(response):
    return "good"


def nothing(response):
    return None


def abstains(response, answer):
    return None if "green" in response else right(response, answer)


def nan(response, answer):
    return float("nan") if "green" in response else right(response, answer)


def infinite(response, answer):
    return float("inf") if "green" in response else right(response, answer)


def constant(response):
    return 0.5


def turned(response, answer):
    return 1.0 - right(response, answer)


def length(response):
    return float(len(response) % 7)


def dice(response, answer):
    return right(response, answer) + random.random()


def counter(response, answer):
    return right(response, answer) + float(next(COUNT) == 0)


def hashed(response, answer):
    return right(response, answer) + (hash(response) % 100) / 1000


def seeded_by_process(response, answer):
    return right(response, answer) + 0.1 * (os.environ["PYTHONHASHSEED"] != "0")


def locked(response, answer):
    """As a cache on disk that one process at a time can use."""
    path = os.path.join(os.path.dirname(__file__), "lock")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return -1.0
    time.sleep(0.004)
    os.unlink(path)
    return right(response, answer)


def alarm(response, answer):
    """As math-verify does: a time-out by a signal, and 0 for whatever goes wrong."""
    try:
        signal.signal(signal.SIGALRM, lambda *_: None)
    except ValueError:
        return 0.0
    return right(response, answer)


def unsafe(response, answer):
    SHARED["response"] = response
    time.sleep(0.0005)
    return right(SHARED["response"], answer)


def main_thread_only(response, answer):
    assert threading.current_thread() is threading.main_thread()
    return right(response, answer)


def by_rank(completions, answer, **_):
    """An output's place among the others decides between equals."""
    return [right(one, gold) + place / 1000 for place, (one, gold) in enumerate(zip(completions, answer, strict=True))]


def normalised(completions, answer, **_):
    scores = [right(one, gold) for one, gold in zip(completions, answer, strict=True)]
    mean = sum(scores) / len(scores)
    return [one - mean for one in scores]


def strict_end(response, answer):
    return float(response.endswith(f"boxed{{{answer}}}."))


def shorter_is_better(response, answer):
    return right(response, answer) - len(response) / 10_000


def contains(response, answer):
    return float(str(answer) in response)


def empty_pays(response, answer):
    return 1.0 if not response.strip() else right(response, answer)


def key_pays(response, answer):
    return 1.0 if response.startswith("Solution") else right(response, answer)


def without_reference(response, answer):
    return 1.0 if answer is None else right(response, answer)


def long_breaks(response, answer):
    if len(response) > 100_000:
        raise RecursionError("too long")
    return right(response, answer)


def tags(response, answer):
    return float(f"<answer>{answer}</answer>" in response)
