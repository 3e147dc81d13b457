"""JSON records as a frame: every column of one type, and nothing of what was written lost."""

import json
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import cast

import polars as pl
from polars.exceptions import PolarsError

Json = dict[str, object]

_DEEPEST = 20  # lists in lists
_NUMBERS = (int, float)
_TYPES: Mapping[object, pl.DataType] = MappingProxyType(
    {None: pl.Null(), bool: pl.Boolean(), int: pl.Int64(), float: pl.Float64(), str: pl.String()}
)


def json_frame(rows: list[Json], strings: Collection[str] = ()) -> pl.DataFrame:
    """A frame of JSON records. Numbers become floats if any is one; mixed columns and `strings` become text."""
    names = list(dict.fromkeys(name for record in rows for name in record))
    return pl.DataFrame([_column(name, [record.get(name) for record in rows], name in strings) for name in names])


def refuse_deep(dtypes: Iterable[pl.DataType]) -> None:
    """Raises polars' own error for lists in lists beyond twenty, over which polars takes minutes."""
    level = list(dtypes)
    for _ in range(_DEEPEST):
        level = [inner for one in level for inner in _inner(one)]
    if level:
        raise pl.exceptions.ComputeError("nested too deep")


def _inner(dtype: pl.DataType) -> list[pl.DataType]:
    if isinstance(dtype, pl.Struct):
        return [cast(pl.DataType, field.dtype) for field in dtype.fields]
    return [cast(pl.DataType, dtype.inner)] if isinstance(dtype, pl.List | pl.Array) else []


def _column(name: str, values: list[object], as_text: bool) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if as_text or len(kinds - {int, float}) > (0 if kinds & {int, float} else 1):
        return _texts(name, values)
    try:
        if float in kinds:
            return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)  # type: ignore[arg-type]
        if kinds & {list, dict}:
            return pl.Series(name, values, dtype=cast(pl.List, _dtype(_shape(values))).inner, strict=True)
        return pl.Series(name, values, strict=True)
    except (PolarsError, TypeError, OverflowError, UnicodeEncodeError):
        return _texts(name, values)


def _shape(value: object, depth: int = 0) -> object:
    """What a value consists of: a type, a list of one shape, or shapes by name.

    `TypeError` where parts differ in kind or stand too deep. Left to itself polars looks at one value after the other,
    and panics where a later one has more to it.
    """
    if depth > _DEEPEST:
        raise TypeError("nested too deep")
    if isinstance(value, list):
        inner: object = None
        for one in value:
            inner = _merged(inner, _shape(one, depth + 1))
        return [inner]
    if isinstance(value, dict):
        return {key: _shape(one, depth + 1) for key, one in value.items()}
    return None if value is None else type(value)


def _merged(one: object, other: object) -> object:
    if one is None or other is None or one == other:
        return other if one is None else one
    if isinstance(one, list) and isinstance(other, list):
        return [_merged(one[0], other[0])]
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {key: _merged(one.get(key), shape) for key, shape in other.items()}
    if one in _NUMBERS and other in _NUMBERS:
        return float
    raise TypeError("parts of different kinds")


def _dtype(shape: object) -> pl.DataType:
    if isinstance(shape, list):
        return pl.List(_dtype(shape[0]))
    if isinstance(shape, dict):
        return pl.Struct({name: _dtype(one) for name, one in shape.items()})
    return _TYPES[shape]


def _texts(name: str, values: list[object]) -> pl.Series:
    """Words as they are and JSON of all else. Half of a surrogate pair, which UTF-8 cannot hold, becomes "?"."""
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    if any(text is not None and not text.isascii() for text in texts):
        texts = [None if text is None else text.encode("utf-8", "replace").decode() for text in texts]
    return pl.Series(name, texts, dtype=pl.String)
