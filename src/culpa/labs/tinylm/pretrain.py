"""Teach a tiny model a task from right answers, and stop while it is still imperfect."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from culpa.errors import InputError
from culpa.labs.tinylm.build import build
from culpa.labs.tinylm.keep import kept
from culpa.labs.tinylm.tasks import Questions, Task
from culpa.lm.forward import forward
from culpa.lm.generate import Sampling
from culpa.lm.model import LanguageModel, save
from culpa.lm.prompts import prompts_of
from culpa.lm.sample import draw, repeat

REPORT = "pretrain.json"  # beside the model's files
_RECIPE = 1  # raised when the same settings would give another model
_BATCH = 64
_TESTS = 256  # held-out prompts of a test
_EVERY = 5  # steps from test to test; a test that has to sample is dearer:
_EVERY_SAMPLED, _SAMPLES = 25, 4
_WARM_UP = 20  # steps until the learning rate is reached
_BETAS = (0.9, 0.98)


@dataclass(frozen=True)
class PretrainReport:
    """How far a model got, and what it cost."""

    task: str
    target: float | None
    seed: int
    steps: int
    exact: float  # share of exact answers at temperature 1, on held-out prompts
    reached: bool
    parameters: int
    seconds: float


def pretrain(
    task: Task, *, target: float | None, seed: int, steps: int = 1000, rate: float = 3e-3
) -> tuple[LanguageModel, PretrainReport]:
    """A new model taught the task until `exact_rate` on held-out prompts is `target` or more, or the steps are over;
    all the steps where it is None.

    loss = mean over the tokens of answers and their ends of -log pi(token | prompt, answer so far)

    AdamW at `rate` after a short warm-up, batches of 64 fresh questions (256 take twice the time), a test every 5
    steps. The same seed gives the same model on the same machine with the same number of threads; torch's global random
    state is neither used nor moved.
    """
    _check(target, steps)
    begun = perf_counter()
    lm = build(task.alphabet, seed=seed, context=max(64, 1 + task.prompt_length + task.max_tokens))
    rng = np.random.default_rng([seed, _RECIPE])
    tests = task.draw(np.random.default_rng([seed, _RECIPE, 1]), _TESTS, held_out=True)
    optimizer = torch.optim.AdamW(lm.model.parameters(), lr=rate, betas=_BETAS)
    every = _EVERY if task.demonstrate is None else _EVERY_SAMPLED
    exact, step = 0.0, 0
    while step < steps and (target is None or exact < target):
        step += 1
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, step / _WARM_UP)
        _learn(lm, optimizer, *_lesson(lm, task, rng))
        if step == steps or (target is not None and step % every == 0):
            exact = exact_rate(lm, task, tests, seed=seed)
    size = sum(weights.numel() for weights in lm.model.parameters())
    reached = target is None or exact >= target
    return lm, PretrainReport(task.name, target, seed, step, exact, reached, size, perf_counter() - begun)


def exact_rate(lm: LanguageModel, task: Task, questions: Questions, *, seed: int = 0) -> float:
    """Share of exact answers at temperature 1.

    One right answer each: mean over prompts of pi(answer, end | prompt), which is what the share of sampled answers
    would be on average, without its noise. Instructions, with many right answers: four outputs are sampled for each.
    """
    if task.demonstrate is None:
        with torch.inference_mode():
            seen = forward(lm, token_ids(lm, questions.prompts), _ended(lm, questions.answers))
        return float(seen.logp.double().sum(1).exp().mean())
    asked = prompts_of(questions.prompts)
    drawn = draw(lm, asked, _SAMPLES, Sampling(max_tokens=task.max_tokens), seed=seed)
    return float(task.exact(repeat(questions.answers, _SAMPLES), drawn.texts).mean())


def token_ids(lm: LanguageModel, prompts: Sequence[str]) -> list[list[int]]:
    """The tokens of prompts, with the begin token and without an end."""
    ids: list[list[int]] = lm.tokenizer(list(prompts))["input_ids"]
    return ids


def checkpoint(
    task: Task, *, target: float | None, seed: int, folder: Path, steps: int = 1000, rate: float = 3e-3
) -> Path:
    """The folder of a pretrained model, made now or found where an earlier call with the same settings made it.

    An ordinary Hugging Face folder with the report beside the weights (`pretrain.json`). Torch's version is one of the
    settings. A model that misses its target is not kept.
    """

    def make(place: Path) -> None:
        lm, report = pretrain(task, target=target, seed=seed, steps=steps, rate=rate)
        if not report.reached:
            problem = f"{task.name} came to {report.exact:.3f} of {target} exact answers in {report.steps} steps."
            raise InputError(problem, remedy="Allow more steps, or ask for less.")
        save(lm, place)
        (place / REPORT).write_text(json.dumps(asdict(report), indent=2) + "\n")

    return kept(folder, task.name, [_RECIPE, target, seed, steps, rate, torch.__version__], make)


def _lesson(lm: LanguageModel, task: Task, rng: np.random.Generator) -> tuple[list[list[int]], list[list[int]]]:
    prompts, answers = task.draw(rng, _BATCH)
    if task.demonstrate is not None:
        answers = tuple(task.demonstrate(rng, answer) for answer in answers)
    return token_ids(lm, prompts), _ended(lm, answers)


def _learn(
    lm: LanguageModel, optimizer: torch.optim.Optimizer, prompts: list[list[int]], responses: list[list[int]]
) -> None:
    seen = forward(lm, prompts, responses)
    loss = -seen.logp.sum() / seen.mask.sum()
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _ended(lm: LanguageModel, answers: Sequence[str]) -> list[list[int]]:
    ids: list[list[int]] = lm.tokenizer(list(answers), add_special_tokens=False)["input_ids"]
    return [[*one, lm.tokenizer.eos_token_id] for one in ids]


def _check(target: float | None, steps: int) -> None:
    if target is not None and not 0.0 < target <= 1.0:
        raise InputError(f"the target must be a share of exact answers in (0, 1], got {target}.", remedy="0.1, say.")
    if steps < 1:
        raise InputError(f"pretraining takes at least 1 step, got {steps}.", remedy="1000, say.")
