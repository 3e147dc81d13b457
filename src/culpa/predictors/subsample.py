"""The prompts that predictors look at where there are too many: chosen by a hash of their id.

Neither the order of the prompts nor where a file is cut decides: chunk by chunk comes to the same as all at once, and a
prompt that is added can only push out others. What a prompt says has no say either, so the sample is a fair one.
"""

from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from culpa.errors import InputError
from culpa.rollouts import Rollouts
from culpa.rollouts.record import Mask
from culpa.rollouts.select import concat, select

CELLS = 20_000  # outputs
_FEWEST = 2  # known outputs of a prompt from which something can be learned


def subsample(rollouts: Rollouts, cells: int = CELLS) -> Rollouts:
    """The prompts with the smallest hashes of their ids that have at most `cells` outputs in all, at least one prompt.

    Only prompts that a predictor can use: with two outputs of the policy's own or more, of known truth where the record
    has one. The order stays.

    >>> rollouts = Rollouts(
    ...     prompt_id=np.array(["a", "b", "c"], dtype=object),
    ...     present=np.ones((3, 2), dtype=bool),
    ...     weight=np.full((3, 2), 0.5),
    ... )
    >>> subsample(rollouts, cells=4).prompt_id.tolist()
    ['a', 'c']
    """
    sample = Subsample(cells)
    sample.add(rollouts)
    return sample.found()


class Subsample:
    """`subsample` while chunks stream by: holds what it has chosen so far, at most `cells` outputs, and one chunk.

    known=False: only the prompts that it leaves out, with two outputs of the policy's own of which one has a known
    truth at most.

    >>> Subsample(100).record is None
    True
    """

    def __init__(self, cells: int = CELLS, *, known: bool = True) -> None:
        if cells < 1:
            raise InputError(f"got a sample of {cells} outputs.", remedy="Use at least one.")
        self.cells, self.known = cells, known
        self.seen = 0  # prompts that a predictor could use
        self.record: Rollouts | None = None  # the sample; None while no prompt can be used
        self._bar: np.uint64 | None = None  # hash of the first that had no room: no later one has any

    def add(self, chunk: Rollouts) -> None:
        """Looks at the prompts of another chunk."""
        usable = _usable(chunk) if self.known else _owned(chunk) & ~_usable(chunk)
        self.seen += int(usable.sum())
        if self._bar is not None:
            usable &= _keys(chunk) < self._bar
        if not usable.any():
            return
        self._keep(select(chunk, usable))

    def join(self, other: "Subsample") -> None:
        """Adds what another has chosen from later prompts: the same as if all had been seen by this one."""
        self.seen += other.seen
        bars = [bar for bar in (self._bar, other._bar) if bar is not None]
        self._bar = min(bars, default=None)
        records = [record for record in (self.record, other.record) if record is not None]
        if records:
            both, self.record = concat(records), None
            self._keep(both if self._bar is None else select(both, _keys(both) < self._bar))

    def found(self) -> Rollouts:
        """The sample; complains where no prompt can be used."""
        if self.record is None:
            problem = "no prompt has two outputs of the policy's own whose truth is known."
            raise InputError(problem, remedy="Give some prompts two or more, with weights above 0.")
        return self.record

    def _keep(self, new: Rollouts) -> None:
        """Those with the smallest hashes, of what was kept and what is new."""
        both = new if self.record is None else concat([self.record, new])
        keys = _keys(both)
        order = np.argsort(keys, kind="stable")
        room = both.present.sum(axis=1)[order].cumsum() <= self.cells
        room[0] = True
        if not room.all():
            self._bar = keys[order[int(room.argmin())]]
        self.record = select(both, np.sort(order[room]))


def _owned(rollouts: Rollouts) -> Mask:
    return np.asarray((rollouts.weight > 0).sum(axis=1) >= _FEWEST)


def _usable(rollouts: Rollouts) -> Mask:
    own = rollouts.weight > 0
    if rollouts.truth is not None:
        own &= ~np.isnan(rollouts.truth)
    return np.asarray(own.sum(axis=1) >= _FEWEST)


def _keys(rollouts: Rollouts) -> npt.NDArray[np.uint64]:
    """The same in every process, on every platform and with every version of everything."""
    names = (name.encode("utf-8", "surrogatepass") for name in rollouts.prompt_id)
    digests = b"".join(blake2b(name, digest_size=8).digest() for name in names)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)
