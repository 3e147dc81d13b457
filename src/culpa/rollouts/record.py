"""The one record that travels: what a policy said, and what everybody thinks of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.errors import InputError, shorten
from culpa.rollouts import columns as c

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_MASS_TOLERANCE = 1e-6
_FIELDS = (c.PROMPT_ID, *c.NUMBERS, c.FEATURES)


@dataclass(frozen=True, eq=False)
class Rollouts:
    """Outputs of a policy with the scores of k proxies and, where known, the truth. Validated when built, read-only.

    Axes: p prompts, s samples (outputs of one prompt; short prompts are padded), d features.
    NaN in a proxy is "no verdict", NaN in the truth is "unknown"; neither is 0. Padding is NaN with weight 0.

    >>> rollouts = Rollouts(
    ...     prompt_id=np.array(["a", "b"], dtype=object),
    ...     present=np.array([[True, True], [True, False]]),
    ...     weight=np.array([[0.5, 0.5], [1.0, 0.0]]),
    ...     proxies={"rm": np.array([[1.0, 2.0], [0.0, np.nan]])},
    ... )
    >>> rollouts
    Rollouts(2 prompts x 1-2 outputs, 3 in all; proxies: rm; truth: none)
    """

    prompt_id: npt.NDArray[np.object_]  # (p,) strings, always strings
    present: Mask  # (p, s); False = padding
    weight: Array  # (p, s) the policy's mass; 0 on a present cell = scored, but not the policy's. A row sums to 1 or 0
    proxies: Mapping[str, Array] = field(default_factory=dict)  # name -> (p, s)
    truth: Array | None = None  # (p, s)
    logprob: Array | None = None  # (p, s) summed over tokens, under the initial policy
    length: Array | None = None  # (p, s) tokens
    features: npt.NDArray[np.float32] | None = None  # (p, s, d) the policy's own representation of the output
    table: pl.DataFrame = field(default_factory=pl.DataFrame)  # one row per present cell, row-major: all other columns
    notes: tuple[str, ...] = ()  # what the file could not tell

    def __post_init__(self) -> None:
        """Check every promise of the fields, then freeze the arrays."""
        _check_ids(self.prompt_id)
        _check_names(self.proxies, self.table.columns)
        shape = (len(self.prompt_id), self.present.shape[1] if self.present.ndim == 2 else -1)
        if self.present.shape != shape or self.present.dtype != np.bool_:
            raise InputError(f"`present` has shape {self.present.shape}; expected boolean ({shape[0]}, samples).")
        if not self.present.any(axis=1).all():
            raise InputError("a prompt has no output.", remedy="Leave such prompts out.")
        cells = dict(self.proxies) | {"weight": self.weight}
        cells |= {name: array for name in ("truth", "logprob", "length") if (array := getattr(self, name)) is not None}
        for name, array in cells.items():
            if array.shape != shape or array.dtype != np.float64:
                remedy = f"Expected float64 of shape {shape}, as `present`."
                raise InputError(f"{name!r} is {array.dtype} of shape {array.shape}.", remedy=remedy)
        _check_weights(self.weight, self.present, self.prompt_id)
        for name in set(cells) - {"weight"}:
            _check_values(name, cells[name], self.present, self.prompt_id)
        if self.features is not None and (self.features.ndim != 3 or self.features.shape[:2] != shape):
            raise InputError(f"`features` has shape {self.features.shape}; expected {(*shape, 'd')}.")
        if self.table.width and self.table.height != self.size:
            raise InputError(f"`table` has {self.table.height} rows for {self.size} outputs; expected one each.")
        self._freeze()

    def __repr__(self) -> str:
        """One line: how much there is, and what is known."""
        sizes = self.present.sum(axis=1)
        per_prompt = f"{sizes.min()}" if sizes.min() == sizes.max() else f"{sizes.min()}-{sizes.max()}"
        known = 0 if self.truth is None else int((~np.isnan(self.truth)).sum())
        truth = "none" if not known else "complete" if known == self.size else f"{known} of {self.size}"
        names = ", ".join(self.proxies) or "none"
        return (
            f"Rollouts({len(self.prompt_id)} prompts x {per_prompt} outputs, {self.size} in all; "
            f"proxies: {names}; truth: {truth})"
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Prompts and samples, (p, s)."""
        return self.present.shape[0], self.present.shape[1]

    @property
    def size(self) -> int:
        """Number of outputs that are there."""
        return int(self.present.sum())

    def column(self, name: str) -> Array:
        """A numeric or boolean column of `table` as (p, s), NaN where null or absent."""
        if name not in self.table.columns:
            found = ", ".join(map(shorten, self.table.columns[:30])) or "none"
            raise InputError("there is no such column.", column=name, remedy=f"Found: {found}.")
        dtype = self.table.schema[name]
        if not (dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)):
            raise InputError(
                f"it holds {dtype}.", column=name, remedy="Name a column of numbers, or of true and false."
            )
        values = np.full(self.shape, np.nan)
        values[self.present] = self.table[name].cast(pl.Float64).to_numpy()
        return values

    def with_truth(self, truth: Array | None) -> "Rollouts":
        """The same record with another truth (`None`: with none)."""
        return replace(self, truth=truth)

    def __reduce__(self) -> tuple[type["Rollouts"], tuple[object, ...]]:
        """A view of a mapping cannot be pickled; a plain one can."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return type(self), tuple((values | {"proxies": dict(self.proxies)}).values())

    def _freeze(self) -> None:
        def frozen(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
            view = array.view()
            view.flags.writeable = False
            return view

        for name in ("prompt_id", "present", "weight", "truth", "logprob", "length", "features"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, frozen(getattr(self, name)))
        proxies = {name: frozen(array) for name, array in self.proxies.items()}
        object.__setattr__(self, "proxies", MappingProxyType(proxies))
        object.__setattr__(self, "notes", tuple(self.notes))


def _check_ids(ids: npt.NDArray[np.object_]) -> None:
    if ids.ndim != 1 or len(ids) == 0:
        raise InputError(f"`prompt_id` has shape {ids.shape}; expected (prompts,) with at least one.")
    if set(map(type, ids)) != {str} and not all(isinstance(name, str) for name in ids):
        odd = next(name for name in ids if not isinstance(name, str))
        raise InputError(f"prompt_id {odd!r} is a {type(odd).__name__}.", remedy='Ids are strings: "007" is not 7.')
    if len(set(ids)) != len(ids):
        raise InputError("a prompt_id occurs twice.", remedy="Put all outputs of a prompt into one row.")


def _check_names(proxies: Iterable[str], others: Iterable[str]) -> None:
    """Refuses names under which a table of the same record would mean something else."""
    for name in proxies:
        if name.endswith(c.REASON):
            remedy = f"The column of reasons is called so: leave out {c.REASON!r}."
            raise InputError(f"a proxy cannot be called {shorten(name)!r}.", remedy=remedy)
    for name in others:
        if name in _FIELDS or c.is_proxy(name):
            raise InputError("`table` has a column that is a field.", column=name, remedy="Put it there, or rename it.")


def _check_weights(weight: Array, present: Mask, ids: npt.NDArray[np.object_]) -> None:
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        raise InputError("a weight is negative, NaN or infinite.", remedy="A weight is the policy's mass.")
    if weight[~present].any():
        raise InputError("an absent cell has weight.", remedy="Give padding weight 0.")
    with np.errstate(over="ignore"):  # an infinite sum is refused below
        mass = weight.sum(axis=1)
    wrong = np.flatnonzero((np.abs(mass - 1) > _MASS_TOLERANCE) & (mass != 0))
    if len(wrong):
        name = shorten(ids[wrong[0]])
        problem = f"the weights of prompt {name!r} sum to {mass[wrong[0]]:.6g}; expected 1, or 0 for none of its own."
        raise InputError(problem, remedy="Divide by the sum, or leave weights out: each output then counts the same.")


def _check_values(name: str, values: Array, present: Mask, ids: npt.NDArray[np.object_]) -> None:
    infinite = np.isposinf(values) if name == "logprob" else np.isinf(values)
    if infinite.any():
        row = int(np.argwhere(infinite)[0, 0])
        raise InputError(
            f"{name!r} is infinite for prompt {shorten(ids[row])!r}.", remedy="No verdict is null or NaN, not infinity."
        )
    if not np.isnan(values[~present]).all():
        raise InputError(f"{name!r} has a value on an absent cell.", remedy="Padding is NaN.")
