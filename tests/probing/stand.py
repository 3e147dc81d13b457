"""A bench for one of the rewards of `rewards.py`, and cases for it."""

from pathlib import Path

import numpy as np
import polars as pl

from culpa.probing.bench import Bench
from culpa.probing.case import bundled
from culpa.probing.seen import Seen
from culpa.probing.style import known_style
from culpa.rollouts import Rollouts
from culpa.verifiers.process import Limits, Target

FILE = Path(__file__).with_name("rewards.py")


def target(name):
    return Target("", FILE, name)


def bench(name, style=None, **limits):
    chosen = None if style is None else known_style(style)
    return Bench(target(name), Limits(**{"seconds": 5.0, "memory": 1024} | limits), bundled("boxed")[0], chosen)


def seen(one, cases=None, some=24):
    cases = bundled("boxed") if cases is None else cases
    return Seen(one, cases, one.score_each(cases), some=some)


def found(rule, name, **how):
    """The findings of one rule about one reward."""
    with bench(name, how.pop("style", None), **how) as one:
        return list(rule(seen(one)))


def rollouts(prompts=6):
    """Four outputs of each prompt: right, wrong, a wrong one that names the answer, and one that says nothing."""
    rows = []
    for number in range(prompts):
        answer = str(20 + number)
        texts = [f"\\boxed{{{answer}}}", "\\boxed{1}", f"not {answer}", "no idea"]
        for text, mass, truth in zip(texts, (0.3, 0.3, 0.3, 0.1), (1.0, 0.0, 0.0, 0.0), strict=True):
            rows.append((f"q{number}", f"Which? ({number})", text, answer, mass, truth))
    names = ("id", "prompt", "response", "answer", "mass", "truth")
    table = pl.DataFrame(rows, schema=names, orient="row")
    shape = (prompts, 4)
    return Rollouts(
        np.array([f"q{number}" for number in range(prompts)], dtype=object),
        np.ones(shape, dtype=bool),
        table["mass"].to_numpy().reshape(shape),
        {},
        table["truth"].to_numpy().reshape(shape),
        table=table.select("prompt", "response", "answer"),
    )
