"""How often the checks are passed, alone and together, with intervals over prompts."""

from itertools import combinations
from math import comb, isnan
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from culpa.advice.checks import Checks
from culpa.advice.credit import Credit
from culpa.errors import shorten
from culpa.metrics import bootstrap, percentile_interval

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

REPLICATES = 1_000
LEVEL = 0.95
_Z = 1.959964  # of the normal distribution, at that level
ALL, SOME, NONE = "all checks", "some, not all", "no check"


def rates_of(checks: Checks, rng: np.random.Generator) -> pl.DataFrame:
    """Rates under the policy, means over prompts, with bootstrap intervals: of each check, of all, some and none.

    Columns: what, rate, low, high. A rate that is 0 or 1 in every prompt has the exact binomial bound for as many
    trials as there are prompts, since a bootstrap of nothing but zeros knows no other number: 1 - 0.025^(1 / p).

    >>> from culpa.advice.checks import checks_of
    >>> from culpa.rollouts import Rollouts
    >>> cells = {"a": np.array([[1.0, 0.0], [1.0, 0.0]]), "b": np.array([[1.0, 1.0], [1.0, 0.0]])}
    >>> two = Rollouts(np.array(["x", "y"], dtype=object), np.ones((2, 2), bool), np.full((2, 2), 0.5), cells)
    >>> rates_of(checks_of(two), np.random.default_rng(0))["rate"].to_list()
    [0.5, 0.75, 0.5, 0.25, 0.25]
    """
    columns = _columns(checks)
    values = np.stack([values for _, values in columns], axis=1)
    draws = bootstrap(values, lambda sums: sums / len(values), rng=rng, replicates=REPLICATES)
    low, high = percentile_interval(draws, level=LEVEL)
    rows = []
    for number, (name, _) in enumerate(columns):
        rate = float(values[:, number].mean())
        edge = 1.0 - ((1.0 - LEVEL) / 2.0) ** (1.0 / len(values))
        ends = (0.0, edge) if rate == 0.0 else (1.0 - edge, 1.0) if rate == 1.0 else (low[number], high[number])
        rows.append((name, rate, *map(_known, ends)))
    return pl.DataFrame(rows, schema=_RATES, orient="row")


_RATES = {"what": pl.String, "rate": pl.Float64, "low": pl.Float64, "high": pl.Float64}


def prompts_of(checks: Checks, prompt_id: npt.NDArray[np.object_]) -> pl.DataFrame:
    """The same for each prompt, with Wilson's interval where its outputs are samples.

    Columns: prompt_id, outputs, and for p (all), q (some), r (none) and each check.NAME the rate, its low and high end.
    """
    frame = {"prompt_id": [str(name) for name in prompt_id[checks.prompts]], "outputs": checks.outputs.tolist()}
    called_so = [*(f"check.{name}" for name in checks.names), "p", "q", "r"]
    for called, (_, rate) in zip(called_so, _columns(checks), strict=True):
        low, high = _wilson(rate, checks.outputs) if checks.sampled else (rate, rate)
        frame |= {called: rate.tolist(), f"{called} low": low.tolist(), f"{called} high": high.tolist()}
    return pl.DataFrame(frame)


def pairs_of(checks: Checks, rng: np.random.Generator) -> pl.DataFrame:
    """Whether two checks are passed together more often than by chance, within prompts: log odds ratios.

    Mantel and Haenszel's, so that hard prompts do not look like dependent checks:
    log  sum_p n_p pi_p(both) pi_p(neither)  -  log  sum_p n_p pi_p(first only) pi_p(second only)

    Columns: first, second, log_odds, low, high; null where one of the sums is 0: then nothing is known.
    Reference: Mantel and Haenszel, J. Natl. Cancer Inst. 22 (1959).
    """
    rows = []
    for first, second in combinations(range(len(checks.names)), 2):
        one, other = checks.patterns[:, first], checks.patterns[:, second]
        cells = (one & other, ~one & ~other, one & ~other, ~one & other)
        mass = [checks.mass[:, cell].sum(axis=1) for cell in cells]
        sums = np.stack([checks.outputs * mass[0] * mass[1], checks.outputs * mass[2] * mass[3]], axis=1)
        draws = bootstrap(sums, _log_odds, rng=rng, replicates=REPLICATES)
        low, high = percentile_interval(draws, level=LEVEL)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(_log_odds(sums.sum(axis=0))[0])
        names = shorten(checks.names[first], 60), shorten(checks.names[second], 60)
        rows.append((*names, _known(value), _known(low[0]), _known(high[0])))
    return pl.DataFrame(rows, schema=_PAIRS, orient="row")


_PAIRS = {"first": pl.String, "second": pl.String} | dict.fromkeys(("log_odds", "low", "high"), pl.Float64)


class Independence(NamedTuple):
    """What the log odds ratios say of all pairs together."""

    known: bool  # every pair has an interval
    holds: bool  # and none of them leaves 0 out


def independence(pairs: pl.DataFrame) -> Independence:
    """Whether the checks may be taken for independent within prompts.

    >>> row = {"first": ["a"], "second": ["b"], "log_odds": [0.1], "low": [-0.2], "high": [0.4]}
    >>> independence(pl.DataFrame(row))
    Independence(known=True, holds=True)
    """
    known = not pairs.select(pl.col("low").is_null().any() | pl.col("high").is_null().any()).item()
    apart = pairs.select(((pl.col("low") > 0) | (pl.col("high") < 0)).any()).item()
    return Independence(known, known and not apart)


def silent_share(checks: Checks, credit: Credit, group: int, mass: Array) -> float:
    """Share of groups of k outputs that all get the same credit at the start: no signal from them. Mean over prompts.

    sum_l pi_l^k over the levels l of the credit: (1 - p)^k + p^k for binary. Where every prompt has k samples or more,
    without bias from its counts, sum_l C(n_l, k) / C(n, k); else with the mass (p, z) that is given.

    >>> from culpa.advice.checks import checks_of
    >>> from culpa.rollouts import Rollouts
    >>> cells = {"a": np.array([[1.0, 1.0, 1.0]]), "b": np.array([[1.0, 0.0, 0.0]])}
    >>> three = Rollouts(np.array(["x"], dtype=object), np.ones((1, 3), bool), np.full((1, 3), 1 / 3), cells)
    >>> checks = checks_of(three)
    >>> round(silent_share(checks, Credit("binary", np.array([0.0, 0.0, 0.0, 1.0])), 2, checks.mass), 6)
    0.333333
    """
    level = _levels(credit.reward)
    if not (checks.sampled and checks.outputs.min() >= group):
        return float((_by_level(mass, level) ** group).sum(axis=1).mean())
    counts = np.rint(_by_level(checks.mass * checks.outputs[:, None], level)).astype(np.int64)
    ways = [sum(comb(n, group) for n in row) / comb(sum(row), group) for row in counts.tolist()]
    return float(np.mean(ways))


def _columns(checks: Checks) -> list[tuple[str, Array]]:
    bits = checks.patterns.astype(np.float64)
    passed = checks.patterns.sum(axis=1)
    whole = len(checks.names)
    alone = [(name, checks.mass @ bits[:, number]) for number, name in enumerate(checks.names)]
    kinds = ((ALL, passed == whole), (SOME, (passed > 0) & (passed < whole)), (NONE, passed == 0))
    return alone + [(name, checks.mass[:, kind].sum(axis=1)) for name, kind in kinds]


def _log_odds(sums: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.log(sums[..., :1]) - np.log(sums[..., 1:])
    return np.where(np.isfinite(value), value, np.nan)


def _wilson(rate: Array, count: Index) -> tuple[Array, Array]:
    whole = 1.0 + _Z**2 / count
    middle = rate + _Z**2 / (2.0 * count)
    reach = _Z * np.sqrt(rate * (1.0 - rate) / count + _Z**2 / (4.0 * count**2))
    return np.clip((middle - reach) / whole, 0.0, 1.0), np.clip((middle + reach) / whole, 0.0, 1.0)


def _levels(reward: Array) -> Index:
    return np.unique(reward.round(12), return_inverse=True)[1].ravel()


def _by_level(mass: Array, level: Index) -> Array:
    return np.stack([mass[:, level == one].sum(axis=1) for one in range(level.max() + 1)], axis=1)


def _known(value: float) -> float | None:
    return None if isnan(value) else float(value)
