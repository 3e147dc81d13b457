"""What every transform costs for a million rewards, beside the bare numpy pass x - x.mean(-1) over the same array.

python benchmarks/bench_signals.py [PAGE.md]
"""

import inspect
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from timing import row, title

from culpa import signals
from culpa.signals import Group, Tokens, Transform, equal_group

CELLS, GROUP, STEPS = 1_000_000, 8, 8
FRAME = {"apply", "by_token", "chain", "masked", "parse", "scheduled", "stateless"}  # put others together
RUNS = 5


class Input(NamedTuple):
    """A million numbers, and what is known of their outputs."""

    signal: np.ndarray
    group: Group


class Cost(NamedTuple):
    """What one kind of signal costs: a bare pass over the array, and every transform that takes it, in seconds."""

    what: str
    shape: tuple[int, ...]
    bare: float
    each: dict[str, float]  # the dearest first


def run() -> None:
    """A line for every transform of `culpa.signals`, the dearest of each kind first."""
    for one in costs():
        title(f"{one.what}, {one.shape}; bare numpy {1e3 * one.bare:.1f} ms")
        for name, seconds in one.each.items():
            row(name, f"{1e3 * seconds:.1f} ms, {seconds / one.bare:.1f} x bare numpy", "")


def costs(cells: int = CELLS) -> Iterator[Cost]:
    """Every kind of signal, measured."""
    for what, (given, cases) in kinds(np.random.default_rng(0), cells).items():
        bare = _seconds(lambda x=given.signal: x - x.mean(axis=-1, keepdims=True))
        found = {name: _seconds(_call(transform, given)) for name, transform in cases.items()}
        yield Cost(what, given.signal.shape, bare, dict(sorted(found.items(), key=lambda item: -item[1])))


def page(found: Iterable[Cost], cells: int = CELLS) -> str:
    """The same as a page in Markdown."""
    parts = [
        "# What transforms cost",
        "Written by `python benchmarks/bench_signals.py docs/signals_cost.md`; none of it by hand. Each transform once "
        f"over float64 arrays of {cells:,} numbers in groups of {GROUP}, on one thread: the median of {RUNS} calls "
        "after a first one that is not counted. Beside it, how often numpy makes the bare pass `x - x.mean(-1)` over "
        "the same array in that time.",
    ]
    for one in found:
        lines = [f"| `{name}` | {1e3 * seconds:.1f} | {seconds / one.bare:.1f} |" for name, seconds in one.each.items()]
        parts.append(
            f"## {one.what[0].upper()}{one.what[1:]}\n\n{one.shape}; the bare pass takes {1e3 * one.bare:.1f} ms."
        )
        parts.append("\n".join(["| transform | ms | x bare pass |", "| --- | ---: | ---: |", *lines]))
    return "\n\n".join(parts) + "\n"


def transforms() -> set[str]:
    """The public functions that give a step, by name."""
    found = {name: getattr(signals, name) for name in signals.__all__}
    return {
        name
        for name, value in found.items()
        if inspect.isfunction(value) and inspect.signature(value).return_annotation is Transform
    } - FRAME


def kinds(rng: np.random.Generator, cells: int = CELLS) -> dict[str, tuple[Input, dict[str, Transform]]]:
    """Each kind of signal, with the transforms that take it."""
    rewards, verdicts, several, steps = (make(rng, cells) for make in (_rewards, _verdicts, _several, _steps))
    tokens = Input(rng.normal(size=steps.signal.shape[1:]), steps.group)
    return {
        "rewards": (rewards, _on_rewards(rewards)),
        "verdicts of 0 and 1": (verdicts, _on_verdicts(rng, verdicts)),
        "several rewards to one": (several, _on_several()),
        "steps": (steps, _on_steps(rng, steps)),
        "answers' log-probabilities to one number": (steps, _on_answers()),
        f"one number to {STEPS} tokens": (tokens, _on_tokens()),
    }


def _on_rewards(given: Input) -> dict[str, Transform]:
    s = signals
    presets = [s.openrlhf(), s.trl_grpo(), s.trl_rloo(), s.verl_grpo(), s.verl_rloo()]
    names = ["openrlhf", "trl_grpo", "trl_rloo", "verl_grpo", "verl_rloo"]
    return dict(zip(names, presets, strict=True)) | {
        "center": s.center(),
        "leave_one_out": s.leave_one_out(),
        "divide_std": s.divide_std(),
        "whiten": s.whiten(),
        "drop_dead": s.drop_dead(),
        "clip": s.clip(1.0),
        "scale": s.scale(2.0),
        "clip_running": s.clip_running(),
        "minmax_running": s.minmax_running(),
        "normalise_running": s.normalise_running(),
        "gaussian_rank": s.gaussian_rank(),
        "squash": s.squash(),
        "par": s.par(np.zeros((len(given.signal), 4))),
        "kl_penalty": s.kl_penalty(0.1),
        "occupancy_penalty": s.occupancy_penalty(0.1),
        "length_penalty": s.length_penalty(0.1),
        "overlong": s.overlong(100.0, 20.0),
        "length_band": s.length_band(10.0, 20.0, 80.0, 100.0),
        "tiers": s.tiers(),
    }


def _on_verdicts(rng: np.random.Generator, given: Input) -> dict[str, Transform]:
    s = signals
    shape = given.signal.shape
    return {
        "flip": s.flip(0.2),
        "calibrate_low": s.calibrate_low(rng.random(shape)),
        "only_valid": s.only_valid(rng.random(shape) < 0.9),
        "unlikeliness": s.unlikeliness(),
        "dcpo": s.dcpo(1.0),
        "balanced_pairs": s.balanced_pairs(),
        "add_selected": s.add_selected(0.1),
        "selection_ratio": s.selection_ratio("shortest_correct"),
    }


def _on_several() -> dict[str, Transform]:
    s = signals
    return {
        "weighted_sum": s.weighted_sum(),
        "normalise_then_sum": s.normalise_then_sum(),
        "trl_gdpo": s.trl_gdpo(),
        "layered": s.layered(),
        "outcome_plus": s.outcome_plus(),
    }


def _on_steps(rng: np.random.Generator, given: Input) -> dict[str, Transform]:
    s = signals
    shape = given.signal.shape
    features = rng.normal(size=(*shape, 4))
    return {
        "clip_steps": s.clip_steps(),
        "delta_steps": s.delta_steps(),
        "potential": s.potential(rng.normal(size=shape)),
        "look_back": s.look_back(rng.normal(size=shape)),
        "count_bonus": s.count_bonus(rng.integers(100, size=shape), 100),
        "novelty_bonus": s.novelty_bonus(features, features),
    }


def _on_answers() -> dict[str, Transform]:
    s = signals
    return {
        "answer_likelihood": s.answer_likelihood(),
        "token_probability_gain": s.token_probability_gain(0.1),
        "perplexity_rank": s.perplexity_rank(),
        "marginal_gain": s.marginal_gain(),
        "answer_weights": s.answer_weights(),
    }


def _on_tokens() -> dict[str, Transform]:
    s = signals
    return {
        "spread_tokens": s.spread_tokens(),
        "token_weights": s.token_weights(lambda _signal, tokens: tokens.score),
        "process_weights": s.process_weights(),
        "token_gate": s.token_gate(),
        "contrast_weights": s.contrast_weights(),
    }


def _group(rng: np.random.Generator, shape: tuple[int, int]) -> Group:
    length = rng.integers(1, 120, size=shape).astype(np.float64)
    logprob = -rng.random(shape) * length
    return equal_group(shape, length=length, logprob=logprob, reference=logprob + 0.1 * rng.normal(size=shape))


def _rewards(rng: np.random.Generator, cells: int) -> Input:
    shape = (cells // GROUP, GROUP)
    return Input(rng.normal(size=shape), _group(rng, shape))


def _verdicts(rng: np.random.Generator, cells: int) -> Input:
    shape = (cells // GROUP, GROUP)
    return Input((rng.random(shape) < 0.4).astype(np.float64), _group(rng, shape))


def _several(rng: np.random.Generator, cells: int) -> Input:
    shape = (cells // (2 * GROUP), GROUP)
    return Input((rng.random((2, *shape)) < 0.4).astype(np.float64), _group(rng, shape))


def _steps(rng: np.random.Generator, cells: int) -> Input:
    shape = (STEPS, cells // (STEPS * GROUP), GROUP)
    other, score = -rng.random(shape), rng.random(shape)
    tokens = Tokens(np.ones(shape, dtype=bool), score=score, logprob=-rng.random(shape), other=other)
    return Input(-rng.random(shape), replace(_group(rng, shape[1:]), tokens=tokens))


def _call(transform: Transform, given: Input) -> Callable[[], object]:
    """The step from its first state, which is made before the clock runs."""
    state = transform.init(given.signal.shape, np.random.default_rng(0))
    return lambda: transform.apply(given.signal, given.group, state)


def _seconds(call: Callable[[], object]) -> float:
    call()
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    if sys.argv[1:]:
        Path(sys.argv[1]).write_text(page(costs()), encoding="utf-8")
    else:
        run()
