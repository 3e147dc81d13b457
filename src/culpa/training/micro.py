"""Micro-runs: the first part of a real run with each of several rewards, ranked by what became of the truth.

The dearer and better answer beside `culpa audit`: it sees what the policy would do, and not only what it does now. A
hack that takes off later it does not see either.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from culpa.errors import InputError
from culpa.lm.forward import measure
from culpa.lm.generate import Sampling
from culpa.lm.model import LanguageModel
from culpa.lm.prompts import Prompts
from culpa.lm.sample import draw, record
from culpa.lm.score import Scorer, score
from culpa.metrics.resample import bootstrap, percentile_interval
from culpa.rollouts import Array
from culpa.training.run import train
from culpa.training.settings import TrainSettings


class Look(NamedTuple):
    """What a policy is worth: means over prompts of the truth, the divergence from the start, and the length."""

    truth: Array  # (p,) of each prompt; NaN: no verdict
    kl: float  # nats an output
    length: float  # tokens


@dataclass(frozen=True)
class Examiner:
    """Asks policies the same prompts, with the same numbers, and has the answers judged by the truth."""

    prompts: Prompts
    truth: Scorer
    start: LanguageModel
    sampling: Sampling
    samples: int = 4
    seed: str = "examination"

    def look(self, policy: LanguageModel) -> Look:
        """What the policy says now."""
        drawn = draw(policy, self.prompts, self.samples, self.sampling, seed=self.seed)
        judged = score(record(drawn), self.truth, "truth").proxies["truth"]
        known = ~np.isnan(judged)
        if not known.any():
            raise InputError("the truth gave no verdict on any output.", remedy="Try it with `culpa check`.")
        means = np.full(len(judged), np.nan)
        np.divide(np.nansum(judged, axis=1), known.sum(axis=1), out=means, where=known.any(axis=1))
        said = [one.tokens for one in drawn.outputs]
        before = measure(self.start, drawn.repeated(), said, self.sampling.temperature)
        gaps = [now.logprob - then.logprob for now, then in zip(drawn.outputs, before, strict=True)]
        return Look(means, float(np.mean(gaps)), float(np.mean([len(one) for one in said])))


class Micro(NamedTuple):
    """One reward's micro-run."""

    reward: str
    gain: float  # rise of the mean truth
    low: float  # 95 % interval over prompts
    high: float
    after: Look


def micro_runs(
    load: Callable[[], LanguageModel],
    prompts: Prompts,
    scorers: Mapping[str, Scorer],
    settings: TrainSettings,
    examiner: Examiner,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Micro]:
    """Every reward's run of `settings`, best truth first. `load` gives the initial policy anew."""
    before = examiner.look(examiner.start)
    found = []
    for name, scorer in scorers.items():
        tell(name)
        policy = train(load(), prompts, {name: scorer}, settings)
        after = examiner.look(policy)
        found.append(gain_of(name, before, after))
    return sorted(found, key=lambda one: -one.gain)


def gain_of(name: str, before: Look, after: Look) -> Micro:
    """The rise of the mean truth over the prompts that have one before and after, with its bootstrap interval."""
    gains = after.truth - before.truth
    gains = gains[~np.isnan(gains)]
    if not len(gains):
        raise InputError(f"{name}: no prompt has a truth before and after.", remedy="Draw more outputs of each prompt.")
    sums = np.stack([gains, np.ones_like(gains)], axis=1)
    draws = bootstrap(sums, lambda total: total[..., :1] / total[..., 1:], rng=np.random.default_rng(0))
    low, high = percentile_interval(draws)
    return Micro(name, float(gains.mean()), float(low[0]), float(high[0]), after)
