"""The loss that a learner stands for: the object that drives a simulation also drives training."""

from typing import Literal

from culpa.dynamics.learner import Learner, Path
from culpa.errors import InputError
from culpa.objectives.divergence import divergence
from culpa.objectives.level import Level
from culpa.objectives.objective import Objective
from culpa.objectives.reduce import Reduction, reduction
from culpa.objectives.surrogate import policy_gradient
from culpa.objectives.tokens import Term


def objective_of(learner: Learner, *, over: Reduction | str | None = None, pull: Term | None = None) -> Objective:
    """The loss of REINFORCE, RLOO, GRPO or PPO, for advantages that `culpa.dynamics.estimated.advantage_of` gives.

    learner                over       ratio           clip, weight of the pull to the reference
    reinforce, rloo        sum        of the output   the learner's own clip and kl
    grpo                   sequence   of the token
    ppo                    token      of the token

    With "sum" an output is one action, and in expectation over drawn groups the gradient is the step of the simulated
    learner, its KL included. The other reductions are the trainers'; `over` chooses another ("token" for TRL's default,
    "constant:512" for Dr. GRPO), and with it the ratio. `pull` replaces the divergence, which is that of the simulator,
    KL(pi || pi_ref): divergence("k3") is what GRPO's trainers do. A learner without a KL weight needs no reference.

    >>> from culpa.dynamics import grpo
    >>> sorted(objective_of(grpo(8)).terms), objective_of(grpo(8).with_kl(0.04)).terms["kl"][0]
    (['policy'], 0.04)
    """
    if not isinstance(learner, Path) or learner.flow:
        problem = f"{learner.name} is not trained by steps of a loss."
        raise InputError(problem, remedy="Take a learner that walks in steps: reinforce(), rloo(4), grpo(8), ppo().")
    how = reduction(over) if isinstance(over, str) else over or Reduction(_usual(learner))
    level: Level = "output" if how.kind == "sum" else "token"
    terms: dict[str, tuple[float, Term]] = {"policy": (1.0, policy_gradient(learner.clip, level=level))}
    if learner.kl > 0.0:
        terms["kl"] = (learner.kl, divergence("kl", level=level) if pull is None else pull)
    return Objective(terms, how)


def _usual(path: Path) -> Literal["token", "sequence", "sum"]:
    if path.critic:
        return "token"
    return "sequence" if path.normalise else "sum"
