"""What the second checks share: a tiny language model, taught in seconds, trained by the real loop, and looked at.

A second check of a system NAME is the module NAME_lm: like any paper, with `experiment` and `holds`, but its policy is
a Llama-type model of 130,000 weights, and its updates are those of `culpa train`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from math import inf
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from culpa.dynamics.learner import rloo
from culpa.errors import InputError
from culpa.labs.tinylm.tasks import Task
from culpa.rollouts import Rollouts
from culpa.rollouts.columns import RESPONSE
from culpa.signals import Transform

if TYPE_CHECKING:
    from culpa.lm.model import LanguageModel
    from culpa.lm.score import Scorer
    from culpa.training.loop import Trainer

Array = npt.NDArray[np.float64]


class Course(NamedTuple):
    """How far a policy is trained."""

    steps: int
    prompts: int = 24  # of a step
    group: int = 8  # outputs of each
    rate: float = 4e-4  # of AdamW
    seed: int = 0
    most: float = 1.0  # norm at which a gradient is cut
    tokens: int | None = None  # after which an output is cut; None: as the task has it


@contextmanager
def tiny() -> Iterator[None]:
    """One thread: more are slower at this size. Refused where torch is not installed."""
    try:
        import torch  # noqa: PLC0415 - an extra
        import transformers  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        problem = "language models need torch and transformers, which are not installed."
        raise InputError(problem, remedy="pip install 'culpa[hf]'") from error
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@cache
def taught(task: Task, steps: int, *, target: float | None = None, seed: int = 0) -> "LanguageModel":
    """A policy that was taught the task; it is kept for as long as the process lasts, and `trainer` copies it."""
    from culpa.labs.tinylm.pretrain import pretrain  # noqa: PLC0415 - torch is an extra

    return pretrain(task, target=target, seed=seed, steps=steps)[0]


def fresh(lm: "LanguageModel") -> "LanguageModel":
    """A copy, which may be trained."""
    from culpa.lm.model import LanguageModel  # noqa: PLC0415 - torch is an extra

    return LanguageModel(deepcopy(lm.model), lm.tokenizer)


def trainer(policy: "LanguageModel", task: Task, told: "Scorer", advantage: Transform, course: Course) -> "Trainer":
    """The loop of `culpa train`, which trains in place; the learner is what `advantage` makes of the rewards.

    The loss is the plain policy gradient. Every step has questions of its own.
    """
    from culpa.labs.tinylm.ask import questions  # noqa: PLC0415 - torch is an extra
    from culpa.lm.generate import Sampling  # noqa: PLC0415
    from culpa.training.loop import Trainer  # noqa: PLC0415
    from culpa.training.settings import TrainSettings  # noqa: PLC0415

    longest = course.tokens or task.max_tokens
    settings = TrainSettings(
        rloo(course.group),
        steps=course.steps,
        prompts=course.prompts,
        rate=course.rate,
        sampling=Sampling(max_tokens=longest),
        reduction=f"constant:{longest}",
        most=course.most,
        micro=256,
        seed=course.seed,
    )
    asked = questions(task, np.random.default_rng([course.seed, 1]), course.steps * course.prompts)
    run = Trainer(policy, asked, {"told": told}, settings)
    run.chain = advantage
    run.memory = advantage.init((course.prompts, course.group), np.random.default_rng([course.seed, 2]))
    return run


def trained(lm: "LanguageModel", task: Task, told: "Scorer", advantage: Transform, course: Course) -> "LanguageModel":
    """A copy of the policy after all the steps of the course."""
    return walked(trainer(fresh(lm), task, told, advantage, course))


def walked(run: "Trainer") -> "LanguageModel":
    """The policy after all steps of a run."""
    for number in range(run.settings.steps):
        run.step(number)
    return run.policy


def gradients(lm: "LanguageModel", task: Task, told: "Scorer", advantage: Transform, course: Course) -> Iterator[Array]:
    """The policy gradient of every batch of the course at the policy as it is, over all weights.

    The loop's own: it takes its steps at a rate at which nothing moves in float32.
    """
    run = trainer(fresh(lm), task, told, advantage, course._replace(rate=1e-30, most=inf))
    for number in range(course.steps):
        run.step(number)
        found = [one.grad.double().numpy().ravel() for one in run.weights if one.grad is not None]
        yield -np.concatenate(found)


def mean_of(arrays: Iterable[Array]) -> Array:
    """Their mean, of which only the sum is ever held.

    >>> mean_of(np.array([one, 1.0]) for one in (1.0, 2.0)).tolist()
    [1.5, 1.0]
    """
    total, count = np.zeros(()), 0
    for one in arrays:
        total, count = total + one, count + 1
    return total / count


def examined(
    lm: "LanguageModel", task: Task, prompts: int, samples: int, *, tokens: int | None = None, seed: int = 0
) -> Rollouts:
    """What a policy says to held-out prompts, always the same ones for a seed, with its truth."""
    from culpa.labs.tinylm.ask import questions  # noqa: PLC0415 - torch is an extra
    from culpa.labs.tinylm.outputs import ANSWER  # noqa: PLC0415
    from culpa.lm.generate import Sampling  # noqa: PLC0415
    from culpa.lm.sample import draw, record  # noqa: PLC0415

    asked = questions(task, np.random.default_rng([seed, 3]), prompts, held_out=True)
    found = record(draw(lm, asked, samples, Sampling(max_tokens=tokens or task.max_tokens), seed=f"examination {seed}"))
    truth = task.truths(found.table[ANSWER].to_list(), found.table[RESPONSE].to_list())
    return found.with_truth(truth.reshape(found.shape))


def chance_of_answer(lm: "LanguageModel", task: Task, prompts: int, *, seed: int = 0) -> float:
    """The mean over held-out prompts of the chance that the policy gives the one right answer: success, exactly."""
    from culpa.labs.tinylm.pretrain import exact_rate  # noqa: PLC0415 - torch is an extra

    return exact_rate(lm, task, task.draw(np.random.default_rng([seed, 3]), prompts, held_out=True))


def plain(values: Sequence[float]) -> str:
    """A mean with its range over seeds.

    >>> plain([0.25, 0.75])
    '0.500 (0.250 to 0.750)'
    """
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
