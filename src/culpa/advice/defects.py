"""How large each defect of a proxy is, measured on rollouts with a truth, in the sizes of the atlas.

Each size is what the defect would have if it were the only one: sizes do not add up, and one defect shows in several
(`advice.residual` says what they are taken from). What needs more than one record is not measured (noise at every call,
delay), nor is a property that no column names (`spurious`). Some sizes come out too small: `mediocre_over` and
`mediocre_under` at about half from 8 outputs of a prompt, `hack_frequent` and `hack_rare` where a few outputs have most
of a prompt's mass.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.advice.residual import Scored, judged, scored
from culpa.errors import InputError
from culpa.rollouts import Rollouts

Array = npt.NDArray[np.float64]

DRAWS = 200  # of the prompts, for intervals
FREQUENT, RARE = 0.2, 0.02  # of the outputs carry the mark


def measured(rollouts: Rollouts, proxy: str, *, seed: int = 0) -> pl.DataFrame:
    """A row for each defect that can be measured: defect, size, low, high (95 % over draws of the prompts).

    Sizes as in the atlas. NaN where the record cannot tell: no lengths, say, or a truth of verdicts where grades are
    needed.
    """
    cells = judged(rollouts, proxy)
    count, rng = len(cells.weight), np.random.default_rng(seed)
    whole, draws = sizes(scored(cells)), []
    for _ in range(DRAWS):
        try:
            draws.append(sizes(scored(cells.drawn(rng.integers(count, size=count)))))
        except InputError:  # a draw in which the proxy does not rise with the truth
            continue
    rows = [(name, size, *_interval(size, [draw[name] for draw in draws])) for name, size in whole.items()]
    schema = {"defect": pl.String, "size": pl.Float64, "low": pl.Float64, "high": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def sizes(at: Scored) -> dict[str, float]:
    """The size of every defect of `MEASURES`; NaN where the record cannot tell."""
    return {name: float(measure(at)) for name, measure in MEASURES.items()}


def _interval(size: float, draws: list[float]) -> tuple[float, float]:
    found = [one for one in draws if not np.isnan(one)]
    if np.isnan(size) or not found:
        return np.nan, np.nan
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _noise(at: Scored) -> float:
    return float(np.sqrt(at.overall(at.residual**2)))


def _offset(at: Scored) -> float:
    """The spread of prompts' levels, less what noise within prompts makes of it."""
    level = at.level(at.proxy / at.slope - at.truth).ravel() / at.unit
    noise = (at.weight * at.residual**2).sum(axis=1) / np.maximum(at.effective - 1.0, 1.0)
    return at.shrunk * float(np.sqrt(max(0.0, level.var(ddof=1) - noise.mean())))


def _turned(at: Scored) -> float:
    """(1 - mean c / sqrt(mean c^2 - noise)) / 2 for the correlations c of the prompts: those turned count negative."""
    behind = at.ahead + at.residual
    spreads = [np.sqrt((at.weight * one**2).sum(axis=1)) for one in (at.ahead, behind)]
    both = (spreads[0] > 0) & (spreads[1] > 0) & (at.effective > 2.0)
    if both.sum() < 2:
        return np.nan
    c = (at.weight * at.ahead * behind).sum(axis=1)[both] / (spreads[0] * spreads[1])[both]
    chance = np.square(1.0 - c**2) / (at.effective[both] - 1.0)
    typical = np.sqrt(max(float((c**2 - chance).mean()), float(c.mean()) ** 2))
    return float(0.5 * (1.0 - c.mean() / typical)) if typical > 0 else np.nan


def _false(good: bool) -> Callable[[Scored], float]:
    """Of the bad outputs, the share with the higher of two scores; or of the good ones, the share with the lower."""

    def measure(at: Scored) -> float:
        if at.graded:
            return np.nan
        values = np.unique(at.proxy[at.own])
        if len(values) > 2:
            return np.nan
        right, high = at.truth > np.unique(at.truth[at.own]).mean(), at.proxy > values.mean()
        wrong, among = (high & ~right, ~right) if good else (~high & right, right)
        total = float((at.weight * among).sum())
        return float((at.weight * wrong).sum()) / total if total > 0 else np.nan

    return measure


def _length(at: Scored) -> float:
    if at.length is None:
        return np.nan
    away = at.length - at.level(at.length)
    spread = np.sqrt(at.overall(away**2))
    return at.overall(at.residual * away) / float(spread) if spread > 0 else np.nan


def _bonus(share: float) -> Callable[[Scored], float]:
    """From the residual's third moment, which noise of equal tails does not have: size^3 q (1 - q) (1 - 2 q)."""

    def measure(at: Scored) -> float:
        n = at.effective
        some = n > 2.0
        if not some.any():
            return np.nan
        third = (at.weight * at.residual**3).sum(axis=1)[some] * (n**2 / ((n - 1.0) * np.maximum(n - 2.0, 1.0)))[some]
        return at.shrunk * float(np.cbrt(max(0.0, third.mean()) / (share * (1.0 - share) * (1.0 - 2.0 * share))))

    return measure


def _mediocre(sign: float) -> Callable[[Scored], float]:
    """The regression of the proxy on the truth and on being a little above the mean, within prompts."""

    def measure(at: Scored) -> float:
        if not at.graded:
            return np.nan
        middling = ((at.ahead > 0) & (at.ahead < 1)).astype(np.float64)
        parts = [at.ahead, middling - at.level(middling)]
        behind = at.ahead + at.residual
        gram = np.array([[at.overall(x * y) for y in parts] for x in parts])
        found = np.linalg.lstsq(gram, np.array([at.overall(x * behind) for x in parts]), rcond=None)[0]
        return float(max(0.0, sign * found[1] / found[0])) if found[0] > 0 else np.nan

    return measure


def _saturated(at: Scored) -> float:
    """The policy's mass of the proxy's highest score, where more than one output has it and there are grades."""
    own = at.own
    values = at.proxy[own]
    if not at.graded or len(np.unique(values)) <= 2:
        return np.nan
    top = own & (at.proxy == values.max())
    return at.overall(top.astype(np.float64)) if top.sum() > 1 else 0.0


def _sparse(at: Scored) -> float:
    """The policy's mass without pay, where a graded truth is paid by two scores."""
    values = at.proxy[at.own]
    if not at.graded or len(np.unique(values)) > 2:
        return np.nan
    return at.overall((at.proxy == values.min()).astype(np.float64))


def _scales(at: Scored) -> float:
    """The spread of log(sd of the proxy / sd of the truth) over prompts, less what shuffled residuals make of it."""
    if not at.graded:
        return np.nan
    own = at.own
    mixed = np.zeros_like(at.residual)
    mixed[own] = np.random.default_rng(0).permutation(at.residual[own])
    seen, chance = (_log_ratio(at, at.ahead + one) for one in (at.residual, mixed))
    return float(np.sqrt(max(0.0, seen - chance)))


def _log_ratio(at: Scored, behind: Array) -> float:
    away = behind - at.level(behind)
    own, other = ((at.weight * one**2).sum(axis=1) for one in (away, at.ahead))
    both = (own > 0) & (other > 0)
    return float(np.var(0.5 * np.log(own[both] / other[both]), ddof=1)) if both.sum() > 1 else np.nan


def _stale(at: Scored) -> float:
    """The regression of e^2 on squared surprise (over its mean) and a constant: noise that grows with it."""
    if at.logprob is None:
        return np.nan
    surprise = -at.logprob
    level = at.overall(surprise)
    if not level > 0:
        return np.nan
    square = np.square(surprise / level)
    away = square - at.overall(square)
    spread = at.overall(away**2)
    return float(np.sqrt(max(0.0, at.overall(away * at.residual**2) / spread))) if spread > 0 else np.nan


MEASURES: Mapping[str, Callable[[Scored], float]] = MappingProxyType(
    {
        "noise_output": _noise,
        "noise_prompt": _offset,
        "turned_prompt": _turned,
        "false_positive": _false(good=True),
        "false_negative": _false(good=False),
        "length": _length,
        "hack_frequent": _bonus(FREQUENT),
        "hack_rare": _bonus(RARE),
        "mediocre_over": _mediocre(1.0),
        "mediocre_under": _mediocre(-1.0),
        "saturation": _saturated,
        "scale_prompt": _scales,
        "sparsity": _sparse,
        "staleness": _stale,
    }
)
