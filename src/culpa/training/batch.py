"""One step's outputs: which prompts, what the policy says, what it is told, and the advantage of every output."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from culpa.errors import InputError
from culpa.lm.generate import Output
from culpa.lm.sample import Drawn, record
from culpa.lm.score import Scorer, score
from culpa.rollouts import Array, Rollouts
from culpa.rollouts.columns import TRUTH
from culpa.signals import Group, Transform, group_of
from culpa.signals.tokens import Tokens
from culpa.training.adapters.stage import Stage, asked

Scorers = Mapping[str, Scorer]  # the first is what is trained on; one called "truth" is only looked at


def rows_at(step: int, count: int, size: int, seed: int) -> list[int]:
    """The prompts of a step: every epoch is a shuffle of all, and what does not fill a step is left out of it.

    >>> sorted(rows_at(0, 4, 2, 0) + rows_at(1, 4, 2, 0))
    [0, 1, 2, 3]
    """
    if count < size:
        problem = f"there are {count} prompts for steps of {size}."
        raise InputError(problem, remedy="Give more prompts, or take fewer a step.")
    epoch, place = divmod(step, count // size)
    order = np.random.default_rng([seed, epoch]).permutation(count)
    return [int(row) for row in order[place * size : (place + 1) * size]]


def judge(drawn: Drawn, scorers: Scorers, *, step: int) -> Rollouts:
    """The record of one step: every scorer's verdicts, the one called "truth" as the truth.

    A prompt comes again in later steps, under another policy: its id here ends with the step.
    """
    found = record(drawn)
    for name, scorer in scorers.items():
        found = score(found, scorer, name, block=found.size)
    if TRUTH in found.proxies:
        others = {name: values for name, values in found.proxies.items() if name != TRUTH}
        found = replace(found, truth=found.proxies[TRUTH], proxies=others)
    ids = np.array([f"{name}@{step}" for name in found.prompt_id], dtype=object)
    table = found.table.with_columns(pl.lit(step, dtype=pl.Int64).alias("step"))
    return replace(found, prompt_id=ids, table=table)


class Advantages(NamedTuple):
    """Of every output, and what the steps of the chain remember."""

    values: Array  # (p, s), or (p, s, t) where tokens have their own; NaN: no verdict
    memory: Any


def advantages(batch: Rollouts, reward: str, chain: Transform, memory: Any, tokens: Tokens | None = None) -> Advantages:
    """The chain applied to the batch's rewards. All prompts of the step are seen together, whoever drew them."""
    signal = batch.truth if reward == TRUTH else batch.proxies[reward]
    if signal is None:
        raise InputError(f"there is no reward {reward!r} in the batch.", remedy="Name one of the scorers.")
    held = None if tokens is None or tokens.reference is None else np.nansum(tokens.reference, axis=0)
    group: Group = replace(group_of(batch, reference=held), tokens=tokens)
    values, after = chain.apply(signal, group, memory)
    if values.ndim == 3:
        values = np.moveaxis(values, 0, -1)
    if values.shape[:2] != signal.shape:
        problem = f"the signal gives advantages of shape {values.shape} for rewards of shape {signal.shape}."
        raise InputError(problem, remedy="Train with a chain that gives every output, or every token, a number.")
    if np.isinf(values).any():
        raise InputError("the signal gives an infinite advantage.", remedy="Clip it, or divide with an eps.")
    return Advantages(values, after)


def tokens_of(outputs: tuple[Output, ...], shape: tuple[int, int], reference: Sequence[Array] | None = None) -> Tokens:
    """What signals may know of single tokens: which there are, and how likely they were. Arrays (t, p, s).

    reference: (t,) of every output, its tokens' log-probabilities under the policy that it is held to.
    """
    logprob = _stood([one.logprobs for one in outputs], shape)
    held = None if reference is None else _stood(reference, shape)
    return Tokens(mask=~np.isnan(logprob), logprob=logprob, reference=held)


def asks_reference(signal: Transform | None, shape: tuple[int, int]) -> bool:
    """Whether a learner's signal reads the reference policy; what else is wrong with it is said at the first step.

    >>> from culpa.signals import parse
    >>> asks_reference(parse("kl_penalty:0.1 | center"), (2, 4)), asks_reference(parse("center"), (2, 4))
    (True, False)
    """
    if signal is None:
        return False
    try:
        return "reference" in asked(Stage(signal), shape).fields
    except InputError:
        return False


def _stood(rows: Sequence[Array], shape: tuple[int, int]) -> Array:
    """(t,) of every output as (t, p, s), NaN where one has ended."""
    found = np.full((len(rows), max(map(len, rows))), np.nan)
    for row, one in enumerate(rows):
        found[row, : len(one)] = one
    return np.moveaxis(found.reshape(*shape, -1), -1, 0)
