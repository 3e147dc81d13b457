"""Between the long table (one row per output, native columns) and the dense record (prompts x samples)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.errors import InputError, shorten
from culpa.rollouts import columns as c
from culpa.rollouts.record import Array, Mask, Rollouts

_WEIGHT_EXACT = 1e-12  # a sum this near 1 is 1 but for float64; such weights stay as they are, to the last bit
_WEIGHT_ROUNDING = 1e-3  # weights stored as float32 or rounded to a few digits are brought back to sum 1
_PADDING = 50  # cells per output that a record may hold before one long prompt among many short ones is refused


def from_frame(frame: pl.DataFrame, notes: Sequence[str] = ()) -> Rollouts:
    """The record of a native long table. Rows of one prompt are brought together in order of first appearance.

    Without a `weight` column every output of a prompt has 1/s.

    >>> frame = pl.DataFrame({"prompt_id": ["a", "b", "a"], "proxy.rm": [1.0, None, 2.0], "truth": [0.0, 1.0, 1.0]})
    >>> from_frame(frame).proxies["rm"]
    array([[ 1.,  2.],
           [nan, nan]])
    """
    if frame.is_empty():
        raise InputError(
            "there are no rows.", remedy="Check that the file is complete and the filters let some through."
        )
    if c.PROMPT_ID not in frame.columns:
        raise InputError("there is no such column.", column=c.PROMPT_ID, remedy="Give each row its prompt's id.")
    frame = frame if is_contiguous(frame[c.PROMPT_ID]) else gather_prompts(frame)
    starts = run_starts(frame[c.PROMPT_ID])
    sizes = np.diff(starts, append=frame.height)
    _refuse_explosion(sizes, frame[c.PROMPT_ID], starts)
    present = np.arange(sizes.max()) < sizes[:, None]
    numbers = {name: _dense(frame[name], present) for name in c.NUMBERS if name in frame.columns}
    weight = numbers.pop(c.WEIGHT, None)
    arrays = [name for name in frame.columns if c.is_proxy(name) or name in {*c.NUMBERS, c.FEATURES, c.PROMPT_ID}]
    return Rollouts(
        prompt_id=frame[c.PROMPT_ID].gather(starts).to_numpy().astype(object),
        present=present,
        weight=_equal(present) if weight is None else _tidy(weight, present),
        proxies={c.bare(name): _dense(frame[name], present) for name in frame.columns if c.is_proxy(name)},
        features=_features(frame[c.FEATURES], present) if c.FEATURES in frame.columns else None,
        table=frame.drop(arrays),
        notes=tuple(notes),
        **numbers,
    )


def to_frame(rollouts: Rollouts) -> pl.DataFrame:
    """The native long table of a record: one row per output that is there, in order.

    `from_frame(to_frame(r), r.notes)` is `r`, with the texts first in its table. NaN becomes null.
    """
    present = rollouts.present
    ids = np.repeat(rollouts.prompt_id, present.sum(axis=1))
    series = [pl.Series(c.PROMPT_ID, ids, dtype=pl.String)]
    texts = [name for name in c.TEXTS if name in rollouts.table.columns]
    series += [rollouts.table[name] for name in texts]
    cells = {c.WEIGHT: rollouts.weight} | {c.proxy_column(name): a for name, a in rollouts.proxies.items()}
    cells |= {name: a for name in (c.TRUTH, c.LOGPROB, c.LENGTH) if (a := getattr(rollouts, name)) is not None}
    series += [pl.Series(name, values[present], nan_to_null=True) for name, values in cells.items()]
    if rollouts.features is not None:
        flat = rollouts.features[present]
        series.append(pl.Series(c.FEATURES, flat, dtype=pl.Array(pl.Float32, flat.shape[1])))
    return pl.DataFrame(series).hstack(rollouts.table.drop(texts).get_columns())


def run_starts(ids: pl.Series) -> npt.NDArray[np.int64]:
    """Index of the first row of every run of equal ids."""
    changes = ids.ne_missing(ids.shift(1)).to_numpy().copy()
    changes[:1] = True
    return np.flatnonzero(changes)


def is_contiguous(ids: pl.Series) -> bool:
    """Whether each id's rows stand together."""
    starts = run_starts(ids)
    return ids.gather(starts).n_unique() == len(starts)


def gather_prompts(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows with each prompt's together, prompts and outputs in order of first appearance."""
    ids = frame[c.PROMPT_ID]
    order = ids.unique(maintain_order=True).to_frame().with_row_index("order")
    codes = ids.to_frame().join(order, on=c.PROMPT_ID, how="left", maintain_order="left", nulls_equal=True)["order"]
    return frame[np.argsort(codes.to_numpy(), kind="stable")]


def _dense(values: pl.Series, present: Mask) -> Array:
    if not (values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)):
        raise InputError(f"it holds {values.dtype}.", column=values.name, remedy="Give numbers, true or false.")
    flat = values.cast(pl.Float64).to_numpy()
    if present.all():
        return np.array(flat.reshape(present.shape))
    dense = np.full(present.shape, np.nan)
    dense[present] = flat
    return dense


def _features(values: pl.Series, present: Mask) -> npt.NDArray[np.float32] | None:
    """Outputs without features have NaN; None where there are none at all."""
    known = values.drop_nulls()
    listed = isinstance(values.dtype, pl.List)
    width = (
        values.dtype.shape[0] if isinstance(values.dtype, pl.Array) else len(known[0]) if listed and len(known) else 0
    )
    problem, remedy = "the features are no lists of equally many numbers.", "Give all d numbers."
    if not width:
        if len(known) and not (listed or isinstance(values.dtype, pl.Array)):
            raise InputError(problem, column=c.FEATURES, remedy=remedy)
        return None
    try:
        flat = values.cast(pl.Array(pl.Float32, width)).to_numpy()
    except pl.exceptions.PolarsError as error:
        raise InputError(problem, column=c.FEATURES, remedy=remedy) from error
    if flat.shape != (len(values), width):
        raise InputError(problem, column=c.FEATURES, remedy=remedy)
    dense = np.full((*present.shape, width), np.nan, dtype=np.float32)
    dense[present] = flat
    return dense


def _equal(present: Mask) -> Array:
    weight: Array = present / present.sum(axis=1, keepdims=True)
    return weight


def _tidy(weight: Array, present: Mask) -> Array:
    if np.isnan(weight[present]).any():
        count = int(np.isnan(weight[present]).sum())
        raise InputError(f"{count} weights are missing.", column=c.WEIGHT, remedy="Give all of them, or none.")
    weight = np.where(present, weight, 0.0)
    with np.errstate(over="ignore"):
        mass = weight.sum(axis=1, keepdims=True)
    off = np.abs(mass - 1)
    near = (off > _WEIGHT_EXACT) & (off < _WEIGHT_ROUNDING)
    tidy: Array = np.where(near, weight / np.where(near, mass, 1.0), weight)
    return tidy


def _refuse_explosion(sizes: npt.NDArray[np.int64], ids: pl.Series, starts: npt.NDArray[np.int64]) -> None:
    rows, largest = int(sizes.sum()), int(sizes.argmax())
    if len(sizes) * int(sizes[largest]) > _PADDING * rows + 10_000_000:
        name, size = shorten(ids[int(starts[largest])]), int(sizes[largest])
        problem = f"prompt {name!r} has {size} outputs where the median prompt has {int(np.median(sizes))}."
        raise InputError(problem, remedy="Is the prompt id right? Split or thin out that prompt.")
