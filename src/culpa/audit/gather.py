"""What an audit needs of its rollouts, chunk by chunk: sums, pairs, a sample to rehearse on, outputs to ask for."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.audit.collect import collect
from culpa.audit.measures import Measure
from culpa.audit.offline import Pairs, joined_pairs, offline_pairs
from culpa.audit.outlook import UNSHARED, worth_keeping
from culpa.audit.sums import Sums, merge
from culpa.audit.unlabelled import LABEL_FIRST, SAMPLED_PROMPTS, Masses, added, disagreement, label_first
from culpa.dynamics.learner import Learner
from culpa.engines import Spread
from culpa.engines.texts import with_texts
from culpa.errors import InputError
from culpa.metrics import characters, markdown
from culpa.predictors import Subsample
from culpa.rollouts import Array, Rollouts
from culpa.rollouts.columns import RESPONSE
from culpa.rollouts.cut import Part
from culpa.rollouts.limits import refuse_large
from culpa.rollouts.order import Passed

RULERS = ("(longest)", "(shortest)", "(most markdown)")  # no proxy's name: brackets
UNLABELLED = 10_000  # outputs of prompts without labels that can be asked for
_TOO_FEW = "no prompt has two of the policy's own outputs with a truth"


@dataclass
class Gathered:
    """What the chunks add up to."""

    sums: Sums
    names: tuple[str, ...]
    pairs: Pairs | None
    apart: Masses
    first: pl.DataFrame
    notes: tuple[str, ...]
    outputs: int
    known: int
    sample: Rollouts | None  # prompts with labels
    unlabelled: Rollouts | None  # prompts without, or with one
    unseen: str = ""  # why there is no sample, where a truth is known and an outlook was asked for
    problems: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, int | bool]:
        """How much there was."""
        return {
            "prompts": self.sums.prompts,
            "outputs": self.outputs,
            "truths": self.known,
            "pairs": 0 if self.pairs is None else len(self.pairs.key),
            "resampled_units": self.sums.units,
            "binned": self.sums.binned,
        }


def gather(source: Iterable[Rollouts] | Spread, budget: int, wanted: tuple[Measure, ...], learner: Learner) -> Gathered:
    """All chunks, or all parts of files wherever they are worked on, as one."""
    wish = Wish(budget, frozenset(measure.part for measure in wanted), learner)
    if not isinstance(source, Spread):
        seen = share_of(source, wish)
        return seen.all(merge(seen.sums))
    seen, passed = Share(wish), Passed()
    joined = (
        sums
        for one in source.map(partial(_share_of_part, wish, len(source.parts) == 1))
        for sums in seen.join(one, passed)
    )
    first = next(joined, None)
    if first is None:
        raise source.empty()
    sums = merge(chain([first], joined))
    passed.finish()
    sample, unlabelled = with_texts((seen.sample.record, seen.rest.record), source)
    return replace(seen.all(sums), sample=sample, unlabelled=unlabelled)


class Wish(NamedTuple):
    """What is looked for in rollouts."""

    budget: int  # outputs to name for judging
    parts: frozenset[str]  # of the sums
    learner: Learner
    later: bool = False  # texts are read later, of the sampled prompts


def share_of(chunks: Iterable[Rollouts], wish: Wish) -> "Share":
    """What some chunks come to; the next one is read while one is worked on."""
    # The pool is closed here and not in a generator: one that is left half-way is closed by the garbage collector, at
    # any moment and in any thread, and waiting for a thread there can wait for ever.
    with ThreadPoolExecutor(1) as pool:
        return _seen(_ahead(chunks, pool), wish)


def _seen(chunks: Iterator[Rollouts], wish: Wish) -> "Share":
    seen = Share(wish)
    for first in chunks:
        seen.sums = (merge(seen.take(chunk) for chunk in chain([first], chunks)),)
    return seen


def _share_of_part(wish: Wish, alone: bool, part: Part) -> "Share":
    """What a part comes to. Several parts keep several processes busy, each its core; one alone is read ahead of."""
    asked = wish._replace(later=part.unread)
    return share_of(part.chunks(), asked) if alone else _seen(part.chunks(), asked)


class Share:
    """What was seen of the chunks so far; what was seen of later ones can join it."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.sample, self.rest = Subsample(), Subsample(UNLABELLED, known=False)
        self.sums: tuple[Sums, ...] = ()  # one, or none where there was no chunk
        self.keys: list[npt.NDArray[np.uint64]] = []  # of all prompts
        self.pairs: list[Pairs] = []
        self.apart: list[tuple[int, Masses]] = []  # prompts compared, and how
        self.first = pl.DataFrame(schema=LABEL_FIRST)
        self.notes: tuple[str, ...] = ()
        self.names: tuple[str, ...] = ()
        self.outputs = self.known = self.kept = 0

    def take(self, chunk: Rollouts) -> Sums:
        """Looks at one more chunk, and gives its sums."""
        wish = self.wish
        refuse_large(chunk)
        self.names = _same(self.names, tuple(chunk.proxies))
        self.notes, self.outputs = chunk.notes, self.outputs + chunk.size
        self.known += 0 if chunk.truth is None else int((~np.isnan(chunk.truth)).sum())
        if "outlook" in wish.parts and (worth_keeping(chunk, wish.learner) or (wish.later and chunk.truth is not None)):
            self.sample.add(chunk)
            self.rest.add(chunk)
            self.kept += 1
        found = offline_pairs(chunk, dict(chunk.proxies))
        self.pairs += [] if found is None else [found]
        self._compare([(min(chunk.shape[0], self._missing), disagreement(chunk, self._missing))])
        self._name(label_first(chunk, wish.budget))
        rulers = ruler_values(chunk) if "rulers" in wish.parts else {}
        sums = collect(chunk, dict(chunk.proxies) | _as_scores(rulers), rulers, wish.parts)
        self.keys.append(sums.key)
        return sums

    def join(self, other: "Share", passed: Passed) -> tuple[Sums, ...]:
        """Adds what was seen of the part that comes next, and gives its sums."""
        if not other.sums:
            return ()
        for keys in other.keys:
            passed.add(keys)
        self.names = _same(self.names, other.names)
        self.notes = tuple(dict.fromkeys(self.notes + other.notes))
        self.outputs, self.known = self.outputs + other.outputs, self.known + other.known
        self.kept += other.kept
        self.sample.join(other.sample)
        self.rest.join(other.rest)
        self.pairs += other.pairs
        self._compare(other.apart)
        self._name(other.first)
        return other.sums

    @property
    def _missing(self) -> int:
        """Prompts on which the proxies may still be compared."""
        return max(0, SAMPLED_PROMPTS - sum(prompts for prompts, _ in self.apart))

    def _compare(self, parts: list[tuple[int, Masses]]) -> None:
        for part in parts:
            self.apart += [part] if self._missing else []

    def _name(self, outputs: pl.DataFrame) -> None:
        both = pl.concat([self.first, outputs])
        self.first = both.sort("disagreement", descending=True, maintain_order=True).head(self.wish.budget)

    def all(self, sums: Sums) -> Gathered:
        """What all chunks add up to."""
        joined = joined_pairs(self.pairs) if self.pairs else None
        unseen = "" if not self.known or "outlook" not in self.wish.parts else _TOO_FEW if self.kept else UNSHARED
        apart: Masses = reduce(added, (masses for _, masses in self.apart), {})
        samples = self.sample.record, self.rest.record
        return Gathered(
            sums, self.names, joined, apart, self.first, self.notes, self.outputs, self.known, *samples, unseen
        )


def _ahead(chunks: Iterable[Rollouts], pool: ThreadPoolExecutor) -> Iterator[Rollouts]:
    """The chunks, the next one being read while this one is worked on."""
    source = iter(chunks)
    coming = pool.submit(next, source, None)
    while (chunk := coming.result()) is not None:
        coming = pool.submit(next, source, None)
        yield chunk


def ruler_values(rollouts: Rollouts) -> dict[str, Array]:
    """The measures that need no judge: "len" (tokens, else characters) and "md" (markdown marks), where known."""
    result: dict[str, Array] = {}
    text = rollouts.table[RESPONSE] if RESPONSE in rollouts.table.columns else None
    if rollouts.length is not None:
        result["len"] = rollouts.length
    for name, measure in (("len", characters), ("md", markdown)):
        if text is not None and name not in result:
            values = np.full(rollouts.shape, np.nan)
            values[rollouts.present] = measure(text)
            result[name] = values
    return result


def _as_scores(rulers: dict[str, Array]) -> dict[str, Array]:
    scores: dict[str, Array] = {}
    if "len" in rulers:
        scores |= {RULERS[0]: rulers["len"], RULERS[1]: -rulers["len"]}
    if "md" in rulers:
        scores[RULERS[2]] = rulers["md"]
    return scores


def _same(before: tuple[str, ...], now: tuple[str, ...]) -> tuple[str, ...]:
    if not now:
        raise InputError("there is no proxy to audit.", remedy="Name one with --proxy; the truth is not its own proxy.")
    if before and before != now:
        raise InputError(
            f"the chunks have different proxies: {', '.join(before)}, then {', '.join(now)}.",
            remedy="Name those that all have with --proxy.",
        )
    return now
