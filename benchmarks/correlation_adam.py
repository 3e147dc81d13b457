"""Rehearsals with the optimiser of the run, for world C-Adam alone: the rate is known, and how many steps there were.

"Adam rehearsal" puts the exact gradient of the sampled outputs through Adam. "sampled Adam rehearsal" is the training
itself, with groups drawn from the sampled outputs of the measured prompts: its gradients are as noisy as the run's.
"""

from dataclasses import replace
from itertools import islice

import numpy as np
import numpy.typing as npt
from correlation_rows import Row, Scores
from correlation_shared import clocked
from correlation_walk import portions, states
from world_training import Outcome, judge, sampled
from worlds import MEASURED, World

from culpa import Rollouts
from culpa.dynamics.problem import problem

Array = npt.NDArray[np.float64]

ADAM = tuple(
    Row(name, "+")
    for name in (
        "Adam rehearsal, same steps",
        "Adam rehearsal, one clock to median KL 1",
        "Adam rehearsal, one clock to median KL 2",
        "sampled Adam rehearsal, same steps",
        "sampled Adam rehearsal, one clock to median KL 1",
    )
)
NOWHERE = -80.0  # log-probability of a cell that holds no output
EVERY = 10  # steps between two looks at a sampled rehearsal


def adam_rows(world: World, own: Rollouts, column: Outcome) -> Scores:
    """Both rehearsals, as far as the run went and to the divergences of one clock, which they may not reach."""
    kl, truth = _exact(world, own, column)
    noisy_kl, noisy = _sampled(world, own, column)
    return {
        "Adam rehearsal, same steps": truth[-1],
        "Adam rehearsal, one clock to median KL 1": clocked(kl, truth, 1.0),
        "Adam rehearsal, one clock to median KL 2": clocked(kl, truth, 2.0),
        "sampled Adam rehearsal, same steps": noisy[-1],
        "sampled Adam rehearsal, one clock to median KL 1": clocked(noisy_kl, noisy, 1.0),
    }


def _exact(world: World, own: Rollouts, column: Outcome) -> tuple[Array, Array]:
    """Divergence and truth after each step, (t, k)."""
    case, rate = problem(own), world.plan.adam
    kl, truth = np.zeros((2, column.steps + 1, len(case.proxies)))
    for places, some in portions(case, np.arange(len(case.proxies))):
        path = states(some, own.features, column.learner, rate, whitened=column.whitened, adam=True)
        for number, state in enumerate(islice(path, column.steps + 1)):
            kl[number, places], truth[number, places] = state.kl, state.truth
    return kl, truth


def _sampled(world: World, own: Rollouts, column: Outcome) -> tuple[Array, Array]:
    """The same after every tenth step, and the last."""
    small, seen = on_samples(world, own), []
    path = sampled(small, column.learner, training=2)
    for step, weights in enumerate(islice(path, column.steps), start=1):
        if step % EVERY == 0 or step == column.steps:
            seen.append(judge(small, weights))
    return np.stack([kl for _, kl in seen]), np.stack([truth for truth, _ in seen])


def on_samples(world: World, own: Rollouts) -> World:
    """The measured prompts as a world of their own, trained on and judged: outputs are cells, at the samples' weights.

    Cells without an output are as good as impossible.
    """
    cells = own.present
    cube = np.stack([np.where(cells, score, 0.0) for score in own.proxies.values()])
    logp = np.where(cells, np.log(np.where(cells, own.weight, 1.0)), NOWHERE)
    plan = replace(world.plan, outputs=cells.shape[1], trained=MEASURED, judged=MEASURED)
    return replace(
        world,
        plan=plan,
        logp=np.tile(logp, (3, 1)).astype(np.float32),
        truth=np.tile(np.where(cells, own.truth, 0.0), (3, 1)).astype(np.float32),
        rewards=np.tile(cube, (1, 3, 1)).astype(np.float32),
        features=np.tile(own.features, (3, 1, 1)),
    )
