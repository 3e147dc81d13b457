"""A chain and what it remembers, as a trainer calls it: one batch after the other."""

import threading
from typing import Any, NamedTuple

import numpy as np

from culpa.errors import InputError
from culpa.metrics.arrays import Array, Shape, known_or_nan
from culpa.signals import Group, Transform, equal_group, parse
from culpa.signals.tokens import ANY, Tokens

_SEVERAL = 3  # rewards or steps in a trial
_MOST = 16  # rewards that a chain may merge
_ROWS = 48
_MIXIN = "Use the mixin: class Trainer(SignalMixin, GRPOTrainer), with signal=... (culpa.training.adapters.trl)."


class Stage:
    """A chain with its memory. A step like `normalise_running` goes on from one batch to the next.

    Written as text it can be pickled, memory included; as a `Transform`, a pair of functions, it cannot. `seed` starts
    the generator of steps that draw. Several threads may call it: one batch at a time passes.

    >>> stage = Stage("minmax_running")
    >>> stage([[1.0, 3.0]]).tolist(), stage([[5.0, 3.0]]).tolist()
    ([[0.0, 1.0]], [[1.0, 0.5]])
    """

    def __init__(self, signal: str | Transform, *, seed: int = 0) -> None:
        self.text = signal if isinstance(signal, str) else None
        self.transform = _chain(signal)
        self.seed = seed
        self._state: Any = None
        self._begun = False
        self._lock = threading.Lock()

    def __call__(self, signal: Any, group: Group | None = None, *, remember: bool = True) -> Array:
        """The chain on one batch, (..., p, s); `remember` false leaves the memory as it was (evaluation)."""
        given = known_or_nan(signal, "the reward")
        with self._lock:
            state = self._state if self._begun else self.fresh(given.shape)
            view = equal_group(given.shape[-2:]) if group is None else group
            result, after = self.transform.apply(np.where(view.present, given, np.nan), view, state)
            if remember:
                self._state, self._begun = after, True
        if np.isinf(result).any():
            raise InputError(
                "the signal has an infinite value.", remedy="End the chain with clip, or mind its divisor."
            )
        return np.asarray(result, dtype=np.float64)

    def fresh(self, shape: Shape) -> Any:
        """The state before the first batch."""
        return self.transform.init(shape, np.random.default_rng(self.seed))

    @property
    def merges(self) -> bool:
        """Whether it takes several rewards, (k, p, s), and gives one."""
        return self.transform.output((_SEVERAL, 2, 2)) in ((2, 2), (ANY, 2, 2))

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: the text, the seed and the memory."""
        if self.text is None:
            raise InputError("a chain made in Python cannot be pickled.", remedy="Write it as text: see culpa.parse.")
        return {"text": self.text, "seed": self.seed, "_state": self._state, "_begun": self._begun}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        """The chain again from its text."""
        self.__init__(saved["text"], seed=saved["seed"])  # type: ignore[misc]
        self._state, self._begun = saved["_state"], saved["_begun"]


class Asked(NamedTuple):
    """What a chain needs, found by a trial."""

    fields: frozenset[str]  # of the group
    by_token: bool  # whether it gives (t, p, s)


def asked(stage: Stage, shape: Shape, *, rewards: int = 1, tokens: int = 3) -> Asked:
    """Which fields of the group a chain reads, from one trial on (p, s) made-up rewards with every field there.

    rewards: how many there are, for a chain that merges them.

    >>> sorted(asked(Stage("unlikeliness"), (2, 4)).fields & {"logprob", "length", "reference"})
    ['length', 'logprob']
    """
    read: set[str] = set()

    class Watched(Group):
        def __getattribute__(self, name: str) -> Any:
            read.add(name)
            return super().__getattribute__(name)

    rng = np.random.default_rng(0)
    values = rng.uniform(size=(rewards, *shape) if stage.merges else shape)
    logp = -rng.uniform(0.5, 1.5, size=(tokens, *shape))
    mask = np.ones(logp.shape, dtype=np.bool_)
    group = Watched(
        weight=np.full(shape, 1.0 / shape[-1]),
        present=np.ones(shape, dtype=np.bool_),
        length=np.full(shape, float(tokens)),
        logprob=logp.sum(axis=0),
        reference=logp.sum(axis=0) - 0.1,
        tokens=Tokens(mask, logprob=logp, reference=logp - 0.1),
    )
    result, _ = stage.transform.apply(values, group, stage.fresh(values.shape))
    if result.shape not in (shape, logp.shape):
        raise InputError(
            f"the chain gives shape {result.shape} for {values.shape}.",
            remedy="It must end in one number for each output, (p, s), or for each token, (t, p, s).",
        )
    return Asked(frozenset(read), result.ndim > len(shape))


def refuse_groups(stage: Stage, remedy: str = _MIXIN) -> None:
    """Raises where a chain asks which outputs belong to one prompt, or what else a reward function cannot know.

    Found by trying: outputs change their partners within a batch, and no value may change. A chain that merges takes
    the scores of steps, as many as it wants. What a step asks for under rare values alone is not seen.
    """
    rng = np.random.default_rng(1)
    shape = (_ROWS, 2)
    values = rng.normal(size=(_wanted(stage), *shape) if stage.merges else shape)
    half = _ROWS // 2
    values[..., :half, :] = values[..., :half, :] > 0  # ties, and verdicts of 0 and 1
    length = rng.integers(1, 50, size=shape).astype(np.float64)
    try:
        first, second = (
            stage.transform.apply(one, equal_group(shape, length=size), stage.fresh(one.shape))[0]
            for one, size in ((values, length), (_turned(values), _turned(length)))
        )
    except InputError as error:
        raise InputError(f"this chain cannot stand in a reward function: {error}", remedy=remedy) from error
    if first.shape != shape:
        raise InputError(f"the chain gives shape {first.shape} for {values.shape}.", remedy=remedy)
    if not np.allclose(first[..., 0], second[..., 0], rtol=1e-9, atol=1e-12, equal_nan=True):
        problem = "the chain compares the outputs of one prompt, and a reward function is not told which they are."
        raise InputError(problem, remedy=remedy)


def _wanted(stage: Stage) -> int:
    """How many rewards a chain merges; three if it takes any number."""
    count: int
    for count in (_SEVERAL, *range(1, _MOST + 1)):
        try:
            stage.transform.apply(np.full((count, 2, 2), 0.5), equal_group((2, 2)), stage.fresh((count, 2, 2)))
        except InputError:
            continue
        return count
    return _SEVERAL  # what is wrong with it is said when it is tried for good


def _chain(signal: Any) -> Transform:
    if isinstance(signal, str):
        return parse(signal)
    if isinstance(signal, Transform):
        return signal
    problem = f"a signal is a chain or its text, got {type(signal).__name__}."
    raise InputError(problem, remedy='Such as "center | clip:3", or chain(center(), clip(3)).')


def _turned(values: Array) -> Array:
    turned = values.copy()
    turned[..., 1] = np.roll(values[..., 1], 1, axis=-1)
    return turned
