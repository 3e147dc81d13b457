"""Pairs that come with the data: a chosen and a rejected output, which the policy need not have written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from culpa.audit.measures import Measure, ratio
from culpa.audit.sums import Sums
from culpa.errors import InputError
from culpa.metrics import below, effective_sample_size, largest_weight, mean, pair_weights
from culpa.metrics.weights import Kind
from culpa.rollouts import Array, Rollouts
from culpa.rollouts.columns import CHOSEN
from culpa.rollouts.order import keys_of

WEIGHTS = {
    "uniform": "every pair counts the same",
    "length": "weighted by how likely the policy writes them, per token",
    "tempered": "weighted by the policy's likelihood, flattened until half of the pairs count",
    "per_prompt": "weighted by the policy's likelihood within each prompt",
    "raw": "weighted by the policy's likelihood",
}
_BELOW = "whose rejected output scores below the policy's mean"
_FEW = 0.05  # a smaller share of the pairs than this is no basis for a number


@dataclass(frozen=True, eq=False)
class Pairs:
    """n pairs of k proxies: scores of both sides, the policy's mean, and the log-probabilities of both sides."""

    key: npt.NDArray[np.uint64]  # (n,) hash of the prompt
    prompt: npt.NDArray[np.int64]  # (n,) running number of the prompt
    chosen: Array  # (n, k)
    rejected: Array  # (n, k)
    mean: Array  # (n, k), NaN where the policy has no scored sample
    logprob: Array  # (n, 2), NaN where unknown
    length: Array  # (n, 2), NaN where unknown


def offline_pairs(rollouts: Rollouts, scores: Mapping[str, Array]) -> Pairs | None:
    """Every chosen output with every rejected one of its prompt; None where the data has no such pairs."""
    if CHOSEN not in rollouts.table.columns:
        return None
    side = rollouts.column(CHOSEN)
    prompt, chosen, rejected = np.nonzero((side == 1)[:, :, None] & (side == 0)[:, None, :])
    if not len(prompt):
        return None
    centre = np.stack([mean(score, rollouts.weight) for score in scores.values()], axis=-1)
    cube = np.stack(list(scores.values()), axis=-1)

    def both(values: Array | None) -> Array:
        if values is None:
            return np.full((len(prompt), 2), np.nan)
        return np.stack([values[prompt, chosen], values[prompt, rejected]], axis=-1)

    return Pairs(
        keys_of(rollouts.prompt_id)[prompt],
        prompt.astype(np.int64),
        cube[prompt, chosen],
        cube[prompt, rejected],
        centre[prompt],
        both(rollouts.logprob),
        both(rollouts.length),
    )


def joined_pairs(parts: list[Pairs]) -> Pairs:
    """Pairs of several chunks as one; a prompt is never in two chunks."""
    shift = np.cumsum([0, *(int(part.prompt[-1]) + 1 for part in parts[:-1])])
    prompt = np.concatenate([part.prompt + int(start) for part, start in zip(parts, shift, strict=True)])
    names = ("chosen", "rejected", "mean", "logprob", "length")
    rest = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
    return Pairs(np.concatenate([part.key for part in parts]), prompt, *rest)


def all_weights(pairs: Pairs) -> tuple[dict[str, Array], list[str]]:
    """Pair weights of every kind that the data allows, each (n,), and why the others are missing."""
    left, right = pairs.logprob.T
    lengths = (pairs.length[:, 0], pairs.length[:, 1])
    result = {"uniform": np.full(len(left), 1 / len(left))}
    reasons = []
    unknown = int(np.isnan(pairs.logprob).any(axis=1).sum())
    if unknown:
        text = f"no log-probabilities of {unknown} of {len(left)} offline pairs: they are not weighted by the policy"
        return result, [text]
    kinds: dict[Kind, Callable[[], Array]] = {
        "length": lambda: pair_weights(left, right, kind="length", lengths=lengths),
        "tempered": lambda: pair_weights(left, right, kind="tempered"),
        "raw": lambda: pair_weights(left, right, kind="raw"),
        "per_prompt": lambda: _per_prompt(left + right, pairs.prompt),
    }
    if np.isnan(pairs.length).any():
        del kinds["length"]
        reasons.append("no length weights of the offline pairs: their lengths are unknown")
    for kind, weights in kinds.items():
        try:
            result[kind] = weights()
        except InputError as error:
            reasons.append(f"no {kind.replace('_', ' ')} weights of the offline pairs: {error}")
    return result, reasons + [text for kind, weight in result.items() if (text := _collapsed(kind, weight))]


def offline_sums(pairs: Pairs, names: tuple[str, ...], weights: Mapping[str, Array]) -> Sums:
    """Per prompt and proxy, the mass of pairs with two verdicts, of those ranked rightly, and of the excused."""
    judged = ~(np.isnan(pairs.chosen) | np.isnan(pairs.rejected))
    right = judged & (pairs.chosen > pairs.rejected)
    tied = judged & (pairs.chosen == pairs.rejected)
    meant = judged & ~np.isnan(pairs.mean)
    low = below(np.where(meant, pairs.rejected, np.inf), np.where(meant, pairs.mean, -np.inf))
    prompts, unit = np.unique(pairs.prompt, return_inverse=True)

    def per_prompt(mask: npt.NDArray[np.bool_], weight: Array) -> Array:
        columns = [np.bincount(unit, weights=weight * column, minlength=len(prompts)) for column in mask.T]
        return np.stack(columns)

    values = {
        "off_pairs": per_prompt(judged, np.ones(len(unit))),
        "off_meant_pairs": per_prompt(meant, np.ones(len(unit))),
    }
    for kind, weight in weights.items():
        values[f"off_{kind}"] = per_prompt(judged, weight)
        values[f"off_{kind}_right"] = per_prompt(right, weight)
        values[f"off_{kind}_tied"] = per_prompt(tied, weight)
        values[f"off_{kind}_meant"] = per_prompt(meant, weight)
        values[f"off_{kind}_harm"] = per_prompt(meant & (right | low), weight)
    first = np.unique(pairs.prompt, return_index=True)[1]
    return Sums(tuple(values), np.stack(list(values.values())), names, len(prompts), pairs.key[first])


def offline_measures(kinds: tuple[str, ...]) -> tuple[Measure, ...]:
    """The measures of `offline_sums`, for the kinds of weights that there are."""
    measures = []
    for kind in kinds:
        tail = "" if kind == "uniform" else f"_{kind}"
        title = "" if kind == "uniform" else f", {kind.replace('_', ' ')}"
        say = f"chosen-rejected pairs ranked rightly, {WEIGHTS[kind]}"
        rows = [
            (f"acc_off{tail}", f"Acc off{title}", say, _share(kind, 0.0), "pairs", None, kind),
            (
                f"acc_off{tail}_half",
                f"Acc off{title}, tie ½",
                f"{say}; a tie a half",
                _share(kind, 0.5),
                "pairs",
                0.5,
                kind,
            ),
            (
                f"hacc_off{tail}",
                f"HAcc off{title}",
                f"{say}, or {_BELOW}",
                _harm(kind),
                "meant_pairs",
                None,
                f"{kind}_meant",
            ),
        ]
        measures += [
            Measure(name, head, about, value, f"off_{count}", "offline", chance, mass=f"off_{mass}")
            for name, head, about, value, count, chance, mass in rows
        ]
    return tuple(measures)


def _share(kind: str, ties: float) -> Callable[[Mapping[str, Array]], Array]:
    return lambda sums: ratio(sums[f"off_{kind}_right"] + ties * sums[f"off_{kind}_tied"], sums[f"off_{kind}"])


def _harm(kind: str) -> Callable[[Mapping[str, Array]], Array]:
    return lambda sums: ratio(sums[f"off_{kind}_harm"], sums[f"off_{kind}_meant"])


def _collapsed(kind: str, weight: Array) -> str:
    """A warning where the weights rest on few pairs, else nothing."""
    size = effective_sample_size(weight)
    if size >= _FEW * len(weight):
        return ""
    heaviest, name = largest_weight(weight), kind.replace("_", " ")
    return f"{name} weights rest on {size:.1f} of {len(weight)} pairs (the heaviest has {heaviest:.0%}): read others"


def _per_prompt(logprob: Array, prompt: npt.NDArray[np.int64]) -> Array:
    """Softmax over the pairs of each prompt, divided by the number of prompts. Pairs of a prompt stand together."""
    starts = np.flatnonzero(np.diff(prompt, prepend=prompt[0] - 1))
    sizes = np.diff(starts, append=len(prompt))
    top = np.maximum.reduceat(logprob, starts)
    if not (top > -np.inf).all():
        raise InputError("every pair of a prompt has log-probability -inf.", remedy="Leave out impossible outputs.")
    mass = np.exp(logprob - np.repeat(top, sizes))
    weights: Array = mass / np.repeat(np.add.reduceat(mass, starts), sizes) / len(starts)
    return weights
