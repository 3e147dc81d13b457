"""The exact policy gradient: the controlled experiments, and many prompts for many steps."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from timing import cost, row, title

_SETUP = """
import numpy as np
from culpa.dynamics import adjoint, effects, simulate
from culpa.dynamics.learner import grpo, reinforce
from culpa.dynamics.walk import Columns, walk
from culpa.papers.imperfect_rewards import STEPS, experiment, holds, _feature_runs, _identity_runs
rng = np.random.default_rng(0)
start = np.log(rng.dirichlet(np.ones(64), 1000)).T.copy()
reward, truth = rng.standard_normal((2, 64, 1000))
"""
_NINE = "_identity_runs(STEPS['full']); _feature_runs(STEPS['full'])"
_PAPER = "assert all(check.holds for check in holds(experiment(np.random.default_rng(0), {size!r})))"
_WALK = "walk(Columns(start, start, reward), {learner}, steps=10_000, eta=0.1)"
_BARE = """
logits, scores = start.T.copy(), reward.T.copy()
for step in range(10_000):
    prob = np.exp(logits - logits.max(axis=1, keepdims=True))
    prob /= prob.sum(axis=1, keepdims=True)
    logits += 0.1 * prob * (scores - (prob * scores).sum(axis=1, keepdims=True))
"""

# The rival that holds every loop in one: each column stays in registers and the nearest cache for all its steps.
_C = """
#include <math.h>
void walk(double *logits, const double *reward, long columns, long outputs, long steps, double eta) {
    double prob[outputs];
    for (long c = 0; c < columns; c++, logits += outputs, reward += outputs)
        for (long t = 0; t < steps; t++) {
            double most = logits[0], total = 0.0, mean = 0.0;
            for (long y = 1; y < outputs; y++) most = logits[y] > most ? logits[y] : most;
            for (long y = 0; y < outputs; y++) prob[y] = exp(logits[y] - most);
            for (long y = 0; y < outputs; y++) { total += prob[y]; mean += prob[y] * reward[y]; }
            mean /= total;
            for (long y = 0; y < outputs; y++) logits[y] += eta / total * prob[y] * (reward[y] - mean);
        }
}
"""
_C_FLAGS = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
_C_SETUP = """
import ctypes
double, long = ctypes.POINTER(ctypes.c_double), ctypes.c_long
library = ctypes.CDLL({path!r})
library.walk.argtypes = [double, double, long, long, long, ctypes.c_double]
def fused(columns, steps):
    logits, scores = start[:, :columns].T.copy(), reward[:, :columns].T.copy()
    library.walk(logits.ctypes.data_as(double), scores.ctypes.data_as(double), columns, 64, steps, 0.1)
    return np.exp(logits - logits.max(axis=1, keepdims=True))
few = walk(Columns(start, start, reward).at(slice(20)), reinforce(), steps=500, eta=0.1)
np.testing.assert_allclose((fused(20, 500) / fused(20, 500).sum(axis=1, keepdims=True)).T, np.exp(few), atol=1e-9)
"""

_ADJOINT = "adjoint(Columns(start, start, reward), truth, {learner}, steps=1_000, eta=0.1)"
_BARE_ADJOINT = """
logits, kept, eta = start.copy(), np.empty((1_000, *start.shape)), 0.1
for step in range(1_000):
    prob = np.exp(logits - logits.max(axis=0))
    kept[step] = prob = prob / prob.sum(axis=0)
    logits += eta * prob * (reward - (prob * reward).sum(axis=0))
prob = np.exp(logits - logits.max(axis=0))
prob /= prob.sum(axis=0)
back, total = prob * (truth - (prob * truth).sum(axis=0)), np.zeros_like(start)
for prob in kept[::-1]:
    own = prob * (back - (prob * back).sum(axis=0))
    gap = reward - (prob * reward).sum(axis=0)
    total += eta * own
    back = back + eta * (own * gap - prob * (own * gap).sum(axis=0))
"""

# 1,000 prompts of 16 outputs, of which 6 have a wrong score, each beyond doubt.
_WRONG = """
from culpa.dynamics import Horizon
from culpa.dynamics.shapley import split
from culpa.rollouts import Rollouts
right, mass = rng.standard_normal((1000, 16)), rng.dirichlet(np.ones(16), 1000)
wrong = right.copy()
wrong[:, :6] += rng.choice([-1.0, 1.0], (1000, 6)) * rng.uniform(1, 2, (1000, 6))
names = np.array([str(number) for number in range(1000)], dtype=object)
rollouts = Rollouts(names, np.ones(right.shape, dtype=bool), mass, {"rm": wrong}, right)
run = simulate(rollouts, learner=reinforce(), horizon=Horizon(kl=None, steps=200))
"""
_EFFECTS = "assert len(effects(run)) == 6_000"
_SPLIT = "assert split(run, 'rm', rng=rng).completeness < 1e-12"
_RUNS_OF_ONE = 70
_ONE_BY_ONE = f"""
for number in range({_RUNS_OF_ONE}):
    logits, scores = np.log(mass[number]), wrong[number]
    for step in range(200):
        prob = np.exp(logits - logits.max())
        prob /= prob.sum()
        logits = logits + 0.1 * prob * (scores - prob @ scores)
"""


def run() -> None:
    title("Exact policy gradient, float64, one core")
    nine = cost(_NINE, setup=_SETUP)
    row("nine controlled runs of 50,000 steps", f"{nine.cpu:.2f} CPU s", "< 3 s")
    for size, aim in (("full", "< 10 s"), ("quick", "< 0.5 s")):
        whole = cost(_PAPER.format(size=size), setup=_SETUP)
        row(f"all experiments and claims of the paper, {size}", f"{whole.cpu:.2f} CPU s", aim)
    _walks()
    _influence()
    _errors()
    row("largest difference of the nine runs from extended precision", f"{_difference():.1e}", "< 1e-5")


def _walks() -> None:
    bare, fused = cost(_BARE, setup=_SETUP), _fused()
    for learner in ("reinforce()", "grpo(8)"):
        ours = cost(_WALK.format(learner=learner), setup=_SETUP)
        beside = f"{_times('bare numpy', bare.cpu, ours.cpu)}; {_compared(fused, ours.cpu)}"
        row(f"1,000 x 64 outputs x 10,000 steps, {learner}", f"{ours.cpu:.2f} CPU s", "< 4 CPU s", beside)


def _influence() -> None:
    bare = cost(_BARE_ADJOINT, setup=_SETUP)
    for learner in ("reinforce()", "grpo(8)"):
        ours = cost(_ADJOINT.format(learner=learner), setup=_SETUP)
        beside = f"{_times('bare numpy, all states kept,', bare.cpu, ours.cpu)}, {bare.peak:.2f} GB"
        figure = f"{ours.cpu:.2f} CPU s, {ours.peak:.2f} GB"
        row(f"adjoint, 1,000 x 64 outputs x 1,000 steps, {learner}", figure, "< 3 s, < 0.5 GB", beside)


def _errors() -> None:
    """Beside them: a run of each prompt and of each corrected prompt in turn, measured on a few and scaled up."""
    single = cost(_ONE_BY_ONE, setup=_SETUP + _WRONG).cpu / _RUNS_OF_ONE
    rows = (
        ("effects of 6,000 errors", _EFFECTS, 7_000, "< 5 s"),
        ("split among 6,000 errors", _SPLIT, 64_000, "< 5 s"),
    )
    for what, body, runs, aim in rows:
        ours = cost(body, setup=_SETUP + _WRONG)
        beside = _times(f"{runs:,} runs one by one", single * runs, ours.cpu)
        row(f"{what}, 1,000 x 16 outputs, 200 steps", f"{ours.cpu:.2f} CPU s", aim, beside)


def _times(rival: str, seconds: float, ours: float) -> str:
    return f"{rival} {seconds:.2f} CPU s ({seconds / ours:.1f} times ours)"


def _compared(fused: float | None, ours: float) -> str:
    if fused is None:
        return "fused C: not measured, no C compiler (cc) here"
    return f"fused C {fused:.2f} CPU s (ours {ours / fused:.1f} times it)"


def _fused() -> float | None:
    """Processor seconds of the walk as one loop in C, compiled here and now; None where nothing compiles it."""
    if shutil.which("cc") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "walk.c"), Path(folder, "walk.so")
        source.write_text(_C)
        subprocess.run(["cc", *_C_FLAGS, str(source), "-o", str(library), "-lm"], check=True)
        return cost("fused(1000, 10_000)", setup=_SETUP + _C_SETUP.format(path=str(library))).cpu


def _difference() -> float:
    """Over probabilities and true rewards at every recorded step up to 50,000."""
    import numpy as np

    from culpa.papers.imperfect_rewards import TRUE, experiment

    worst = 0.0
    for one in experiment(np.random.default_rng(0)).data["runs"]:
        features = one["settings"]["features"]
        matrix = np.eye(5) if features == "identity" else np.array(features)
        reward = np.array(one["settings"].get("reward", TRUE), np.longdouble)
        kernel = (matrix @ matrix.T).astype(np.longdouble)
        p = one["settings"]["p"]
        logits = np.log(np.array([p, 0.5, *[(0.5 - p) / 3] * 3], np.longdouble))
        wanted = dict(zip(one["steps"], np.array(one["probabilities"]), strict=True))
        for step in range(one["steps"][-1] + 1):
            prob = np.exp(logits - logits.max())
            prob /= prob.sum()
            if step in wanted:
                gap = np.abs(prob.astype(float) - wanted[step])
                worst = max(worst, float(gap.max()), abs(float(gap @ np.array(TRUE))))
            logits = logits + np.longdouble("0.1") * kernel @ (prob * (reward - prob @ reward))
    return worst
