"""A record as checks: for every prompt, how much of the policy's mass falls on each pattern of passed checks."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.errors import InputError, shorten
from culpa.rollouts import Rollouts
from culpa.rollouts.columns import matching

Array = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]

ALL_PATTERNS = 6  # checks of which every pattern is listed; of more, those that were seen, and that of all passed


class Checks(NamedTuple):
    """The policy's outputs by which checks they pass. Outputs with a check without a verdict are left out."""

    names: tuple[str, ...]  # (c,)
    prompts: Index  # (p,) their rows in the record
    patterns: Bits  # (z, c) the last one passes all
    pattern: Index  # (p, s) of each output; -1 = left out
    weight: Array  # (p, s) the policy's mass on the outputs that are known, rows sum to 1
    mass: Array  # (p, z) the same by pattern
    outputs: Index  # (p,) how many of each prompt are known
    success: Array  # (z,) expected truth of a pattern: whether it passes all, or what the record's truth says
    truth: Array | None  # (p, s) the record's own truth
    notes: tuple[str, ...]

    @property
    def sampled(self) -> bool:
        """Whether every output of a prompt has the same mass: drawn, not enumerated or merged."""
        own = self.weight > 0
        even = np.where(own, self.weight * self.outputs[:, None], 1.0)
        return bool(np.abs(even - 1.0).max() < 1e-9)


def checks_of(rollouts: Rollouts, names: Sequence[str] = ()) -> Checks:
    """The checks of a record: proxies or columns of its table (shell patterns), all proxies where none are named.

    >>> cells = {"short": np.array([[1.0, 0.0]]), "right": np.array([[1.0, 1.0]])}
    >>> rollouts = Rollouts(np.array(["a"], dtype=object), np.array([[True, True]]), np.full((1, 2), 0.5), cells)
    >>> found = checks_of(rollouts)
    >>> found.patterns.astype(int).tolist(), found.mass.tolist()
    ([[0, 0], [1, 0], [0, 1], [1, 1]], [[0.0, 0.0, 0.5, 0.5]])
    """
    bits, called = _bits(rollouts, names)
    own = (rollouts.weight > 0) & ~np.isnan(bits).any(axis=-1)
    rows = np.flatnonzero(own.any(axis=1))
    if not len(rows):
        problem = "no output of the policy's own has a verdict of every check."
        raise InputError(problem, remedy="Leave out the checks without verdicts: --check NAME, or checks=[...].")
    own, passed = own[rows], np.where(np.isnan(bits[rows]), 0.0, bits[rows]).astype(np.bool_)
    patterns, pattern = _patterns(passed, own)
    weight = np.where(own, rollouts.weight[rows], 0.0)
    weight = np.asarray(weight / weight.sum(axis=1, keepdims=True))
    mass = np.stack([(weight * (pattern == z)).sum(axis=1) for z in range(len(patterns))], axis=1)
    truth = None if rollouts.truth is None else rollouts.truth[rows]
    success = _success(patterns, pattern, weight, truth)
    notes = _notes(rollouts, own, passed, called, rows)
    return Checks(called, rows, patterns, pattern, weight, mass, own.sum(axis=1), success, truth, notes)


def _bits(rollouts: Rollouts, names: Sequence[str]) -> tuple[Array, tuple[str, ...]]:
    boolean = [name for name, dtype in rollouts.table.schema.items() if dtype == pl.Boolean]
    numbers = [name for name, dtype in rollouts.table.schema.items() if dtype.is_numeric()]
    called = matching(list(rollouts.proxies), names or ["*"])
    for wanted in names:
        found = matching([*rollouts.proxies], [wanted]) or matching([*boolean, *numbers], [wanted])
        if not found:
            known = ", ".join(map(shorten, [*rollouts.proxies, *boolean])) or "none"
            raise InputError(f"no check is called {shorten(wanted)!r}.", remedy=f"Found: {known}.")
        called += [name for name in found if name not in called]
    if len(called) < 2:
        problem = f"there is one check only, {shorten(called[0])!r}." if called else "there are no checks."
        raise InputError(problem, remedy="Partial credit needs two or more: --check 'check_*', or checks=[...].")
    cells = [rollouts.proxies[name] if name in rollouts.proxies else rollouts.column(name) for name in called]
    for name, values in zip(called, cells, strict=True):
        _refuse_graded(rollouts, name, values)
    return np.stack(cells, axis=-1), tuple(called)


def _refuse_graded(rollouts: Rollouts, name: str, values: Array) -> None:
    odd = ~np.isnan(values) & (values != 0.0) & (values != 1.0)
    if odd.any():
        row, place = (int(number) for number in np.argwhere(odd)[0])
        where = f"{values[row, place]:g} for prompt {shorten(rollouts.prompt_id[row])!r}"
        problem = f"the check {shorten(name)!r} is not 0 or 1: {where}."
        raise InputError(problem, remedy="Name checks that pass or fail with --check; cut a graded score first.")


def _patterns(passed: Bits, own: Bits) -> tuple[Bits, Index]:
    """The patterns, in the order of binary numbers with the first check in front, and which each output has."""
    count = passed.shape[-1]
    seen, inverse = np.unique(passed[own], axis=0, return_inverse=True)
    if count <= ALL_PATTERNS:
        whole = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        patterns = whole.astype(np.bool_)
    else:
        rest = seen[~seen.all(axis=1)]
        patterns = np.concatenate([rest, np.ones((1, count), dtype=np.bool_)])
    place = {row.tobytes(): number for number, row in enumerate(patterns)}
    order = np.array([place[row.tobytes()] for row in np.ascontiguousarray(seen)])
    pattern = np.full(own.shape, -1)
    pattern[own] = order[inverse.ravel()]
    return patterns, pattern


def _success(patterns: Bits, pattern: Index, weight: Array, truth: Array | None) -> Array:
    """Mean truth of each pattern by mass; of one that was never seen with a truth, whether it passes all."""
    rule = np.asarray(patterns.all(axis=1), dtype=np.float64)
    if truth is None:
        return rule
    wrong = (truth < 0) | (truth > 1)
    if wrong.any():
        problem = f"the truth is {truth[wrong][0]:g} somewhere; here it says whether an output succeeds."
        raise InputError(
            problem, remedy="Use 0, 1 or a share between, or leave --truth out: success is then all checks."
        )
    known = ~np.isnan(truth) & (pattern >= 0)
    if not known.any():
        raise InputError(
            "no output has both a truth and its checks.", remedy="Leave --truth out: success is all checks."
        )
    for z in range(len(patterns)):
        mass = np.where(known & (pattern == z), weight, 0.0)
        if mass.any():
            rule[z] = (mass * np.where(known, truth, 0.0)).sum() / mass.sum()
    return rule


def _notes(rollouts: Rollouts, own: Bits, passed: Bits, names: tuple[str, ...], rows: Index) -> tuple[str, ...]:
    notes = list(rollouts.notes)
    left = int((rollouts.weight > 0).sum() - own.sum())
    if left:
        notes.append(
            f"{left} outputs lack the verdict of a check and are left out, the others of their prompt count more"
        )
    if len(rows) < rollouts.shape[0]:
        notes.append(f"{rollouts.shape[0] - len(rows)} prompts have no output with a verdict of every check")
    rates = passed[own].mean(axis=0)
    for name, rate in zip(names, rates, strict=True):
        if rate in (0.0, 1.0):
            what = "passes every output: it tells none apart" if rate else "passes no output: what would is unknown"
            notes.append(f"the check {shorten(name, 40)} {what}")
    return tuple(notes)
