"""A small policy, prompts with answers, and rewards, for runs of a second."""

import numpy as np
import polars as pl
from tests.lm.models import llama

from culpa.dynamics import rloo
from culpa.lm.generate import Sampling
from culpa.lm.prompts import prompts_of
from culpa.lm.score import Scores
from culpa.training.settings import TrainSettings

WORDS = ["ab=", "cd=", "efg=", "h=", "ba=", "hgf=", "ee=", "abc="]


def prompts():
    return prompts_of(WORDS, pl.DataFrame({"answer": [word[-2::-1] for word in WORDS]}))


def letters(_prompts, responses, columns):
    """How many of the response's letters are in the answer."""
    answers = columns["answer"].to_list()
    values = [sum(one in answer for one in said) for answer, said in zip(answers, responses, strict=True)]
    return Scores(np.array(values, dtype=float), [None] * len(responses))


def short(_prompts, responses, _columns):
    return Scores(np.array([-len(one) for one in responses], dtype=float), [None] * len(responses))


def sometimes(_prompts, responses, _columns):
    """No verdict on responses with an a."""
    values = np.array([np.nan if "a" in one else len(one) for one in responses], dtype=float)
    return Scores(values, ["fails: an a" if np.isnan(value) else None for value in values])


def settings(learner=None, **changes):
    usual = {"steps": 4, "prompts": 4, "rate": 1e-2, "sampling": Sampling(max_tokens=6), "save_every": 2}
    return TrainSettings(learner or rloo(4), **(usual | changes))


def policy(seed=0):
    return llama(seed, hidden=16)


def weights(lm):
    return {name: value.detach().numpy().copy() for name, value in lm.model.named_parameters()}
