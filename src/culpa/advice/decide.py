"""From forecasts to one sentence: which credit, how sure, or why the data cannot tell."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.advice.credit import BINARY, CREDITS, PARTIAL
from culpa.advice.rates import Independence

Array = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]

TOLERANCE = 0.05  # of success: what a credit may lose to the best of a world and still count as good as it
SURE = 0.8  # share of draws in which a credit has to be as good as the best
RARE, SILENT, EASY, LIKELIER = 0.3, 0.5, 0.5, 5.0  # of the rule of thumb

_GUESS = "no output passes all checks, which do not look independent: success is only a guess"


class View(NamedTuple):
    """What one world says: success of the credits at the horizon, and in draws of the prompts."""

    model: str
    outcome: Array  # (credits,)
    drawn: Array  # (credits, draws)


class Decision(NamedTuple):
    """A recommendation, or none and why."""

    kind: str  # "use", "no difference" or "cannot tell"
    credit: str | None  # what is recommended, or what would be if it were surer
    confidence: float | None  # share of draws in which it is as good as the best in every world
    reasons: tuple[str, ...]


def as_good(outcome: Array) -> Bits:
    """The credits within the tolerance of the best, (credits, ...).

    >>> as_good(np.array([0.5, 0.46, 0.2])).tolist()
    [True, True, False]
    """
    return np.asarray(outcome >= outcome.max(axis=0) - TOLERANCE)


def decide(views: Sequence[View], others: Sequence[View] = (), *, unseen: bool = False) -> Decision:
    """The simplest credit that is as good as the best in every world, if it is so in enough draws of the prompts.

    others: the same worlds under another prior for what was never sampled; they can only veto. unseen: whether nothing
    tells how likely success is, neither an output nor the independence of the checks; then nothing is recommended.

    >>> sure = View("by prompt", np.array([0.9, 0.1, 0.1, 0.1]), np.tile([[0.9], [0.1], [0.1], [0.1]], 10))
    >>> decide([sure])
    Decision(kind='use', credit='binary', confidence=1.0, reasons=())
    """
    good = np.all([as_good(view.outcome) for view in views], axis=0)
    if all(as_good(view.outcome).all() for view in [*views, *others]):
        alike = _confidence(views, np.ones(len(CREDITS), dtype=bool))
        why = [_GUESS] if unseen else []
        if alike is not None and alike < SURE:
            why.append(f"all credits come to the same in only {alike:.0%} of draws")
        return Decision("cannot tell" if why else "no difference", None, alike, tuple(why))
    if not good.any():
        said = "; ".join(f"{view.model}: {CREDITS[int(as_good(view.outcome).argmax())]}" for view in views)
        return Decision("cannot tell", None, None, (f"the worlds disagree ({said})",))
    best = int(good.argmax())
    confidence = _confidence(views, np.arange(len(CREDITS)) == best)
    reasons = [
        f"with the other guess at what was never sampled, {view.model}: "
        f"{CREDITS[int(as_good(view.outcome).argmax())]} is better"
        for view in others
        if not as_good(view.outcome)[best]
    ]
    if unseen:
        reasons.append(_GUESS)
    if confidence is None:
        reasons.append("one prompt says nothing of others")
    elif confidence < SURE:
        reasons.append(f"it is as good as the best in only {confidence:.0%} of draws of the prompts")
    return Decision("cannot tell" if reasons else "use", CREDITS[best], confidence, tuple(reasons))


def rule_of_thumb(p: float, q: float, rates: Array, group: int, checks: Independence) -> str | None:
    """What the masses alone suggest, without a forecast: a credit, or nothing.

    partial   p k < 1/2, all checks passed in less than 30 % and not seen to depend on each other: successes are too
              rare to be met, and each check can be learnt alone
    binary    q > 5 p and a check that most outputs pass: a half-right output is easy to be content with

    >>> rule_of_thumb(0.001, 0.06, np.array([0.03, 0.03]), 8, Independence(True, True))
    'partial'
    """
    if p * group < SILENT and rates.max() < RARE and (checks.holds or not checks.known):
        return PARTIAL
    if q > LIKELIER * p and rates.max() > EASY:
        return BINARY
    return None


def _confidence(views: Sequence[View], which: Bits) -> float | None:
    """Share of draws in which all of these credits are as good as the best, in every world."""
    if not views[0].drawn.shape[1]:
        return None
    held = np.all([as_good(view.drawn)[which].all(axis=0) for view in views], axis=0)
    return float(held.mean())
