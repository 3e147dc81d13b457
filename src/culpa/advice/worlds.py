"""Three policies that one record may stand for: what its outputs share decides what a half-right answer is worth.

    by prompt   outputs that pass the same checks are one output; every prompt learns by itself
    skills      every check is a skill that all outputs and prompts share: one weight per check
    features    the sampled outputs, with the policy's features or n-grams of their text shared by all prompts

A pattern that a prompt never showed has unknown mass, and of those it showed the counts are chance too. In the first
two worlds a prompt of n outputs is taken for n of its own and a of a prior's: the pooled frequencies of the patterns,
half an output added to each, or the product of the checks' pooled rates, where they are independent. The number a is
what the prompts themselves say of their unlikeness (`strength`): without it, chance looks like hard and easy prompts.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.advice.checks import Checks
from culpa.advice.course import World
from culpa.predictors import features_of
from culpa.rollouts import Rollouts
from culpa.rollouts.select import select

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

ALONE, SKILLS, FEATURES = "by prompt", "skills", "features"
POOLED, PRODUCT = "pooled patterns", "product of rates"
STRONGEST, USUAL = 1_000.0, 1.0  # the most outputs that a prior counts for; where one output a prompt tells nothing
CELLS = 2_400  # sampled outputs that are walked with features


class Kinds(NamedTuple):
    """Prompts that show the same: u kinds of them."""

    seen: Array  # (u, z) outputs of each pattern
    number: Array  # (u,) prompts of that kind
    of_prompt: Index  # (p,) the kind of each prompt


def kinds_of(checks: Checks, most: int | None = None) -> Kinds:
    """Prompts with equal counts as one kind; with `most`, neighbours by success and checks passed are thrown together.

    >>> from culpa.advice.checks import checks_of
    >>> cells = {"a": np.array([[1.0, 0.0], [0.0, 1.0]]), "b": np.array([[1.0, 1.0], [1.0, 1.0]])}
    >>> two = Rollouts(np.array(["x", "y"], dtype=object), np.ones((2, 2), bool), np.full((2, 2), 0.5), cells)
    >>> kinds_of(checks_of(two)).number.tolist()
    [2.0]
    """
    counts = (checks.mass * checks.outputs[:, None]).round(9)
    seen, inverse, number = np.unique(counts, axis=0, return_inverse=True, return_counts=True)
    inverse = inverse.ravel()
    if most is None or len(seen) <= most:
        return Kinds(seen, number.astype(np.float64), inverse)
    share = seen / seen.sum(axis=1, keepdims=True)
    order = np.lexsort((share @ checks.patterns.mean(axis=1), share[:, -1]))
    at = (np.cumsum(number[order]) - 0.5 * number[order]) / number.sum()
    bin_of = np.empty(len(seen), dtype=np.int64)
    bin_of[order] = np.unique(np.minimum((at * most).astype(np.int64), most - 1), return_inverse=True)[1].ravel()
    together: Array = np.bincount(bin_of, weights=number).astype(np.float64)
    joined = np.zeros((len(together), seen.shape[1]))
    np.add.at(joined, bin_of, seen * number[:, None])
    return Kinds(joined / together[:, None], together, bin_of[inverse])


def strength(checks: Checks) -> float:
    """Outputs that the prior counts for in each prompt, from how alike two outputs of a prompt are: a = 1 / rho - 1.

    rho = (A - S) / (1 - S), A = chance that two outputs of one prompt have the same pattern, S = of two prompts; both
    without bias. Of masses drawn around the pooled ones (Dirichlet), rho = 1 / (a + 1). Prompts that are no less alike
    than chance has it get the most there is.

    >>> from culpa.advice.checks import checks_of
    >>> cells = {"a": np.array([[1.0, 1.0], [0.0, 0.0]]), "b": np.array([[1.0, 1.0], [0.0, 0.0]])}
    >>> names, there = np.array(["x", "y"], dtype=object), np.ones((2, 2), dtype=bool)
    >>> strength(checks_of(Rollouts(names, there, there / 2, cells)))
    0.0
    """
    several = checks.outputs > 1
    if several.sum() < 2:
        return USUAL
    mass, count = checks.mass[several], checks.outputs[several]
    inside = float((((mass**2).sum(axis=1) * count - 1.0) / (count - 1.0)).mean())
    across = float((mass.sum(axis=0) ** 2 - (mass**2).sum(axis=0)).sum() / (len(mass) * (len(mass) - 1.0)))
    if across >= 1.0:
        return STRONGEST
    alike = (inside - across) / (1.0 - across)
    return float(min(STRONGEST, 1.0 / alike - 1.0)) if alike > 0 else STRONGEST


def prior_mass(counts: Array, checks: Checks, prior: str) -> Array:
    """Mass of the patterns before a prompt is seen, (..., z), from pooled counts of them (..., z).

    POOLED: (N_z + 1/2) / (N + K/2) for K patterns. PRODUCT: prod_i rate_i^bit (1 - rate_i)^(1 - bit), with the rates
    (N_i + 1/2) / (N + 1), over the patterns that are listed.

    >>> from culpa.advice.checks import checks_of
    >>> cells = {"a": np.array([[1.0, 0.0]]), "b": np.array([[0.0, 0.0]])}
    >>> checks = checks_of(Rollouts(np.array(["x"], dtype=object), np.ones((1, 2), bool), np.full((1, 2), 0.5), cells))
    >>> prior_mass(np.array([1.0, 1.0, 0.0, 0.0]), checks, POOLED).tolist()
    [0.375, 0.375, 0.125, 0.125]
    >>> prior_mass(np.array([1.0, 1.0, 0.0, 0.0]), checks, PRODUCT).round(6).tolist()  # rates 1/2 and 1/6
    [0.416667, 0.416667, 0.083333, 0.083333]
    """
    total = counts.sum(axis=-1, keepdims=True)
    if prior == POOLED:
        return np.asarray((counts + 0.5) / (total + 0.5 * counts.shape[-1]))
    rate = (counts @ checks.patterns.astype(np.float64) + 0.5) / (total + 1.0)
    odds = np.where(checks.patterns, rate[..., None, :], 1.0 - rate[..., None, :]).prod(axis=-1)
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True))


def pattern_world(checks: Checks, kinds: Kinds, share: Array, *, prior: str, shared: bool) -> World:
    """Prompts over patterns, for d draws: share (d, u) of the prompts that each kind has; each draw has its own prior.

    shared: one weight for each check, instead of every prompt by itself. Masses that are no samples' are taken as they
    are: a pattern without any stays without.
    """
    counts = (share * kinds.number.sum()) @ kinds.seen
    before = prior_mass(counts, checks, prior)[:, None, :]
    whole = kinds.seen.sum(axis=1, keepdims=True)
    added = strength(checks) if checks.sampled else 0.0
    with np.errstate(divide="ignore"):
        start = np.log((kinds.seen + added * before) / (whole + added))
    bits = checks.patterns.astype(np.float64) if shared else None
    return World(start, share, None, checks.success, bits)


class Sampled(NamedTuple):
    """The sampled outputs as a world, and which prompts are in it."""

    world: World
    prompts: Index  # rows of the checks
    source: str  # of the features


def feature_world(rollouts: Rollouts, checks: Checks) -> Sampled | None:
    """The sampled outputs with shared features; None where there are none, or where no output succeeds.

    Of many prompts some that stand evenly apart, of about `CELLS` outputs in all.
    """
    fits = max(1, int(CELLS / checks.outputs.mean()))
    rows = np.unique(np.linspace(0, len(checks.prompts) - 1, min(fits, len(checks.prompts))).astype(np.int64))
    known = features_of(select(rollouts, checks.prompts[rows]))
    if known is None or known.alike or not checks.mass[rows, -1].any():
        return None
    width = known.values.shape[1]  # places that are padding in all of these are gone
    own = checks.pattern[rows, :width] >= 0
    weight = np.where(own, checks.weight[rows, :width], 0.0)
    with np.errstate(divide="ignore"):
        start = np.log(weight)
    pattern = np.where(own, checks.pattern[rows, :width], 0)
    value = checks.success[pattern]
    if checks.truth is not None:
        said = checks.truth[rows, :width]
        value = np.where(np.isnan(said), value, said)
    middle = np.einsum("us,usf->uf", weight, known.values)[:, None, :].astype(np.float32)
    centred = known.values.astype(np.float32) - middle
    share = np.full((1, len(rows)), 1.0 / len(rows))
    world = World(start[None], share, pattern, value, np.where(own[..., None], centred, np.float32(0.0)))
    return Sampled(world, rows, known.source)
