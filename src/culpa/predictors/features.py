"""What outputs have in common across prompts: the policy's own representation of them, or n-grams of their text.

Features are centred within each prompt under the policy's weights and scaled to unit mean square, so that neither a
prompt's own place in the space nor the unit of a block matters:

    phi(y) = (x(y) - sum_y w x) / rms,        rms^2 = mean over prompts of sum_y w |x(y) - sum_y w x|^2
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from culpa.errors import InputError, shorten
from culpa.predictors.ngrams import DIMS, ngram_shares
from culpa.rollouts import Rollouts
from culpa.rollouts.columns import FEATURES, RESPONSE

Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]
Kind = Literal["auto", "policy", "text", "joined"]

_BLOCK = 1 << 17  # numbers that are turned to float64 together
_FAR = 1e15  # roots of the mean square from the policy's mean: where outputs end that are not the policy's


class Features(NamedTuple):
    """Features of every output, and where they come from."""

    values: Floats  # (p, s, d) mean 0 in each prompt and mean square 1, under the policy's weights; 0 on absent cells
    source: str  # a part of a sentence
    alike: bool = False  # they do not tell the policy's outputs of a prompt apart: no direction, and values are 0


def features_of(rollouts: Rollouts, kind: Kind = "auto", *, dims: int = DIMS) -> Features | None:
    """Features of the outputs of a record; None where there are none and `kind` is "auto".

    kind    "policy": the record's own; "text": hashed n-grams of the responses in `dims` slots; "joined": both, each of
            the same mean square; "auto": all that there is

    Outputs that are not the policy's (of weight 0) have features, measured from its mean, but do not enter mean and
    scale. In a prompt without any output of the policy's the mean is that of all.

    >>> rollouts = Rollouts(
    ...     prompt_id=np.array(["a"], dtype=object),
    ...     present=np.array([[True, True, False]]),
    ...     weight=np.array([[0.5, 0.5, 0.0]]),
    ...     features=np.array([[[3.0], [5.0], [np.nan]]], dtype=np.float32),
    ... )
    >>> features_of(rollouts)
    Features(values=array([[[-1.], [ 1.], [ 0.]]], dtype=float32), source="the policy's 1-d features", alike=False)
    """
    if kind not in get_args(Kind):
        known = ", ".join(get_args(Kind))
        raise InputError(f"no features are of the kind {shorten(repr(kind))}.", remedy=f"Known: {known}.")
    policy = None if kind == "text" else _policy(rollouts)
    text = None if kind == "policy" else _text(rollouts, dims)
    if policy is None and kind in ("policy", "joined"):
        remedy = f'Give the column {FEATURES!r}, or use the features of the "text".'
        raise InputError("the rollouts have no features of the policy's.", remedy=remedy)
    if text is None and kind in ("text", "joined"):
        remedy = f'Name the column of responses {RESPONSE!r}, or use the features of the "policy".'
        raise InputError("the rollouts have no texts.", remedy=remedy)
    return _joined(policy, text) if policy and text else policy or text


def needed(rollouts: Rollouts, kind: Kind = "auto") -> Features:
    """`features_of`, for those who cannot do without."""
    found = features_of(rollouts, kind)
    if found is None:
        remedy = f"Give a column {FEATURES!r} or {RESPONSE!r}: without them nothing is shared between prompts."
        raise InputError("the rollouts have neither features of the policy's nor texts.", remedy=remedy)
    return found


def _policy(rollouts: Rollouts) -> Features | None:
    if rollouts.features is None or not rollouts.features.shape[-1]:
        return None
    wrong = (~np.isfinite(rollouts.features).all(axis=-1) & rollouts.present).any(axis=1)
    if wrong.any():
        name = shorten(rollouts.prompt_id[int(wrong.argmax())])
        problem = f"the features of prompt {name!r} are missing, NaN or infinite ({int(wrong.sum())} such prompts)."
        raise InputError(problem, remedy='Give every output its own, leave them all out, or use the kind "text".')
    return _scaled(rollouts, rollouts.features, f"the policy's {rollouts.features.shape[-1]}-d features")


def _text(rollouts: Rollouts, dims: int) -> Features | None:
    if RESPONSE not in rollouts.table.columns or rollouts.table[RESPONSE].null_count() == rollouts.size:
        return None
    values: npt.NDArray[np.float32] = np.zeros((*rollouts.shape, dims), dtype=np.float32)
    values[rollouts.present] = ngram_shares(rollouts.table[RESPONSE], dims)
    return _scaled(rollouts, values, f"{dims} hashed n-grams of the text")


def _scaled(rollouts: Rollouts, values: npt.NDArray[np.float32], source: str) -> Features:
    """Twice over the blocks, in float64, rather than once with a copy of everything in float64."""
    square = sum(
        float(np.einsum("ps,psd,psd->", rollouts.weight[rows], block, block))
        for rows, block in _centred(rollouts, values)
    )
    scaled: npt.NDArray[np.float32] = np.zeros_like(values)
    if not square:
        return Features(scaled, f"{source} (the same for all outputs of a prompt: no direction)", True)
    rms = np.sqrt(square / rollouts.weight.any(axis=1).sum())
    for rows, block in _centred(rollouts, values):
        scaled[rows] = np.clip(block / rms, -_FAR, _FAR)
    return Features(scaled, source)


def _centred(rollouts: Rollouts, values: npt.NDArray[np.float32]) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
    """Measured from the first of the outputs that count, so that equal outputs differ by 0, not by a rounding."""
    own = np.where(rollouts.weight.any(axis=1, keepdims=True), rollouts.weight, rollouts.present)
    own = own / own.sum(axis=1, keepdims=True)
    first = (own > 0).argmax(axis=1)
    step = max(1, _BLOCK // values[0].size)
    for start in range(0, len(values), step):
        rows = slice(start, start + step)
        block = np.where(rollouts.present[rows, :, None], values[rows], 0.0).astype(np.float64)
        block -= block[np.arange(len(block)), first[rows]][:, None]
        block -= np.matmul(own[rows, None, :], block)
        block[~rollouts.present[rows]] = 0.0
        yield rows, block


def _joined(first: Features, second: Features) -> Features:
    """Side by side; what is alike everywhere adds nothing."""
    source = f"{first.source} joined with {second.source}"
    if first.alike or second.alike:
        return Features(second.values if first.alike else first.values, source, first.alike and second.alike)
    values = np.concatenate([first.values, second.values], axis=-1)
    return Features(values * np.float32(np.sqrt(0.5)), source)
