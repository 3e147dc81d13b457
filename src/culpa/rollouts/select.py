"""Some prompts of a record, and records one below the other."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.errors import InputError, shorten
from culpa.rollouts import columns as c
from culpa.rollouts.dump import stacked
from culpa.rollouts.record import Mask, Rollouts

_Number = TypeVar("_Number", bound=np.generic)
_OPTIONAL = (c.TRUTH, c.LOGPROB, c.LENGTH, c.FEATURES)


def select(rollouts: Rollouts, rows: npt.NDArray[np.int64] | Mask | Sequence[int]) -> Rollouts:
    """The prompts of these rows, in the order given, with their part of the table.

    rows: indices, each at most once, or a mask (p,). Places that are padding in all of them are left out.

    >>> rollouts = Rollouts(
    ...     prompt_id=np.array(["a", "b"], dtype=object),
    ...     present=np.array([[True, True], [True, False]]),
    ...     weight=np.array([[0.5, 0.5], [1.0, 0.0]]),
    ...     table=pl.DataFrame({"response": ["x", "y", "z"]}),
    ... )
    >>> select(rollouts, [1]), select(rollouts, [1]).table["response"].to_list()
    (Rollouts(1 prompts x 1 outputs, 1 in all; proxies: none; truth: none), ['z'])
    """
    chosen = np.arange(rollouts.shape[0])[np.asarray(rows, dtype=None if len(rows) else np.int64)]
    if not len(chosen):
        raise InputError("no prompt is selected.", remedy="Select at least one.")
    width = int(np.flatnonzero(rollouts.present[chosen].any(axis=0))[-1]) + 1
    present = rollouts.present[chosen, :width]
    row = np.zeros(rollouts.shape, dtype=np.int64)  # of the table
    row[rollouts.present] = np.arange(rollouts.size)
    optional: dict[str, Any] = {
        name: array[chosen, :width] for name in _OPTIONAL if (array := _field(rollouts, name)) is not None
    }
    return replace(
        rollouts,
        prompt_id=rollouts.prompt_id[chosen],
        present=present,
        weight=rollouts.weight[chosen, :width],
        proxies={name: scores[chosen, :width] for name, scores in rollouts.proxies.items()},
        table=rollouts.table[row[chosen, :width][present]] if rollouts.table.width else rollouts.table,
        **optional,
    )


def concat(records: Sequence[Rollouts]) -> Rollouts:
    """All prompts of some records, in order, padded to the longest of them.

    All records have the same proxies, and truth, log-probabilities, lengths and features in all or in none. A column of
    the table that only some have is null elsewhere; equal notes are said once.

    >>> one = Rollouts(np.array(["a"], dtype=object), present=np.array([[True]]), weight=np.array([[1.0]]))
    >>> concat([one, replace(one, prompt_id=np.array(["b"], dtype=object))])
    Rollouts(2 prompts x 1 outputs, 2 in all; proxies: none; truth: none)
    """
    if not records:
        raise InputError("there are no rollouts.", remedy="Give at least one record.")
    for record in records[1:]:
        _check_alike(records[0], record)
    width = max(record.shape[1] for record in records)
    optional = {name: [_field(record, name) for record in records] for name in _OPTIONAL}
    return Rollouts(
        prompt_id=np.concatenate([record.prompt_id for record in records]),
        present=_below([record.present for record in records], width, False),
        weight=_below([record.weight for record in records], width, 0.0),
        proxies={
            name: _below([record.proxies[name] for record in records], width, np.nan) for name in records[0].proxies
        },
        table=_tables(records),
        notes=tuple(dict.fromkeys(note for record in records for note in record.notes)),
        **{
            name: _below([part for part in parts if part is not None], width, np.nan)
            for name, parts in optional.items()
            if parts[0] is not None
        },
    )


def _field(rollouts: Rollouts, name: str) -> npt.NDArray[Any] | None:
    array: npt.NDArray[Any] | None = getattr(rollouts, name)
    return array


def _below(parts: Sequence[npt.NDArray[_Number]], width: int, padding: float) -> npt.NDArray[_Number]:
    wide: list[npt.NDArray[_Number]] = []
    for part in parts:
        missing = ((0, 0), (0, width - part.shape[1]), *((0, 0) for _ in part.shape[2:]))
        wide.append(np.pad(part, missing, constant_values=padding))
    return np.concatenate(wide)


def _tables(records: Sequence[Rollouts]) -> pl.DataFrame:
    """A record without a table has a row of nulls for each of its outputs."""
    names = [record.table.columns[0] for record in records if record.table.width]
    if not names:
        return pl.DataFrame()
    none = pl.Series(names[0], [None], dtype=pl.Null)
    return stacked([r.table if r.table.width else none.new_from_index(0, r.size).to_frame() for r in records])


def _check_alike(first: Rollouts, other: Rollouts) -> None:
    odd = sorted({*first.proxies} ^ {*other.proxies})
    odd += [name for name in _OPTIONAL if (_field(first, name) is None) != (_field(other, name) is None)]
    if odd:
        names = ", ".join(map(shorten, odd[:5]))
        raise InputError(f"only some of the records have {names}.", remedy="Give it to all of them, or to none.")
    if first.features is not None and other.features is not None:
        widths = first.features.shape[-1], other.features.shape[-1]
        if widths[0] != widths[1]:
            problem = f"the features have {widths[0]} dimensions in one record and {widths[1]} in another."
            raise InputError(problem, remedy="Take the features of all outputs from the same policy.")
