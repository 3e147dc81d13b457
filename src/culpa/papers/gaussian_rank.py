"""OpenVLThinkerV2: A Generalist Multimodal Reasoning Model (2604.08539): Gaussian ranks as advantages (G2RPO).

Claim: normal quantiles of ranks, shared by ties, give tasks whose rewards have different shapes advantages of like
size, without letting an outlier count for more than its place; a mean alone does not, and a standard deviation does
not bound them.

Experiment: the paper's four worked groups, to its two digits; the root mean square of the advantages of three tasks
(right or wrong; overlaps between .80 and .83; a heavy-tailed score) in groups of 16.

Departures: 1. no language model: the benchmarks are not reproduced. 2. the bands for length and entropy are not tested
here: `length_band` is the first, the second is a term of a loss. 3. "of variance 1" holds without ties only: one right
output of 8 has .34, half of them .59, which is checked.
"""

import numpy as np
import numpy.typing as npt

from culpa.papers.outcome import Check, Outcome, Size
from culpa.signals import Transform, apply, center, chain, divide_std, gaussian_rank

SYSTEM = 6
Array = npt.NDArray[np.float64]

EXAMPLES = (
    ((0.0, 0.0, 0.0, 0.0, 1.0), (-0.32, -0.32, -0.32, -0.32, 1.28)),
    ((0.1, 0.1, 0.1, 0.2, 1.0), (-0.60, -0.60, -0.60, 0.52, 1.28)),
    ((0.0, 0.0, 1.0, 1.0, 1.0), (-0.90, -0.90, 0.60, 0.60, 0.60)),
    ((0.81, 0.81, 0.82, 0.82, 0.83), (-0.90, -0.90, 0.26, 0.26, 1.28)),
)
GROUP, GROUPS = 16, {"full": 20_000, "quick": 4_000}
WAYS: dict[str, Transform] = {
    "mean": center(),
    "mean and deviation": chain(center(), divide_std()),
    "Gaussian rank": gaussian_rank(),
}

# Thresholds, set before the first run
DIGITS = 0.005  # as printed
ALIKE, APART = 1.5, 50.0  # largest over smallest size of a task's advantages
BOUND = 1.87  # of a group of 16: Phi^-1(15.5 / 16) = 1.863
OUTLIER = 3.0
TIED = ((1, 8, 0.34), (4, 8, 0.59))  # right outputs, outputs, variance


def experiment(rng: np.random.Generator, size: Size = "full") -> Outcome:
    """The worked groups, the size of advantages by task, and their variance under ties."""
    shape = (GROUPS[size], GROUP)
    tasks = {
        "right or wrong": (rng.random(shape) < 0.5).astype(np.float64),
        "overlap": rng.uniform(0.80, 0.83, shape),
        "heavy tail": rng.standard_t(1.5, shape),
    }
    examples = [
        {
            "rank": apply(gaussian_rank(), [list(given)])[0].tolist(),
            "middle": _of_mean_rank(given),
            "paper": list(paper),
        }
        for given, paper in EXAMPLES
    ]
    sizes = []
    for name, way in WAYS.items():
        values = {task: apply(way, reward) for task, reward in tasks.items()}
        row = {task: float(np.sqrt(np.square(value).mean())) for task, value in values.items()}
        sizes.append({"name": name, **row, "largest": max(float(np.abs(value).max()) for value in values.values())})
    tied = [
        {
            "right": right,
            "outputs": n,
            "variance": float(apply(gaussian_rank(), [[1.0] * right + [0.0] * (n - right)]).var()),
        }
        for right, n, _ in TIED
    ]
    return Outcome(0, {"examples": examples, "sizes": sizes, "tied": tied})


def _of_mean_rank(values: tuple[float, ...]) -> list[float]:
    """The rival: the quantile of the mean rank of a tie, in place of the mean of its quantiles."""
    from scipy.special import ndtri  # noqa: PLC0415 - slow to import

    signal = np.array(values)
    below, tied = ((op(signal[None, :], signal[:, None])).sum(axis=1) for op in (np.less, np.equal))
    return [float(one) for one in ndtri((below + 0.5 * tied) / signal.size)]


def holds(outcome: Outcome) -> list[Check]:
    """The claims, each beside the way that must not show it."""
    rows = {row["name"]: row for row in outcome.data["sizes"]}
    rank, middle = (_gaps(outcome, way) for way in ("rank", "middle"))
    checks = [
        Check("the paper's four groups", f"at most {max(rank):.4f} off", max(rank) <= DIGITS),
        Check(
            "control: not so by the mean rank of a tie", f"{max(middle):.2f} off", max(middle) > DIGITS, control=True
        ),
    ]
    ours, mean, deviation = (rows[name] for name in ("Gaussian rank", "mean", "mean and deviation"))
    checks += [
        Check("tasks have advantages of like size", _sizes(ours), _ratio(ours) < ALIKE),
        Check("control: less a mean alone, they have not", _sizes(mean), _ratio(mean) > APART, control=True),
        Check("no outlier counts for more than its place", f"at most {ours['largest']:.2f}", ours["largest"] < BOUND),
        Check(
            "control: divided by a deviation, one does",
            f"up to {deviation['largest']:.2f}",
            deviation["largest"] > OUTLIER,
            control=True,
        ),
    ]
    found = [row["variance"] for row in outcome.data["tied"]]
    near = all(abs(value - paper) <= DIGITS for value, (_, _, paper) in zip(found, TIED, strict=True))
    return [*checks, Check("with ties the variance is below 1", ", ".join(f"{value:.3f}" for value in found), near)]


def _gaps(outcome: Outcome, way: str) -> list[float]:
    return [
        abs(value - paper)
        for row in outcome.data["examples"]
        for value, paper in zip(row[way], row["paper"], strict=True)
    ]


def _of_tasks(row: dict[str, float]) -> list[float]:
    return [value for name, value in row.items() if name not in ("name", "largest")]


def _ratio(row: dict[str, float]) -> float:
    return max(_of_tasks(row)) / min(_of_tasks(row))


def _sizes(row: dict[str, float]) -> str:
    return ", ".join(f"{value:.3f}" for value in _of_tasks(row))
