"""The policy-gradient loop: draw, judge, turn rewards into advantages, step. One loop for every algorithm.

    theta <- optimizer(grad of objective),    objective = sum over terms of coefficient x term / denominator

Rewards and advantages are numpy on the whole batch, the same on every process; the loss is torch, summed over
micro-batches and processes with one denominator, so that neither how a batch is cut nor how many share it matters.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from culpa.dynamics.estimated import advantage_of
from culpa.lm.forward import by_prompt, forward, measure
from culpa.lm.model import LanguageModel
from culpa.lm.prompts import Prompts
from culpa.lm.sample import Drawn, draw
from culpa.objectives import Denominator, Objective, TokenBatch, objective_of
from culpa.rollouts import Array, Rollouts
from culpa.rollouts.select import concat
from culpa.training.batch import Scorers, advantages, asks_reference, judge, rows_at, tokens_of
from culpa.training.log import metrics_of
from culpa.training.settings import TrainSettings
from culpa.training.world import World


class Step(NamedTuple):
    """What one step was."""

    number: int  # from 0
    batch: Rollouts  # of all processes
    metrics: Mapping[str, float]


Listener = Callable[[Step], None]


class Trainer:
    """A policy on its way. `step(n)` is the same whatever came before in this process: all that lasts is in its fields.

    policy     trained in place
    scorers    by name; the first is trained on, the others are looked at
    reference  the policy that it is held to, where the learner has a KL weight or its signal asks for one; made here of
               the policy as it comes
    """

    def __init__(
        self,
        policy: LanguageModel,
        prompts: Prompts,
        scorers: Scorers,
        settings: TrainSettings,
        world: World | None = None,
    ) -> None:
        self.policy, self.prompts, self.scorers, self.settings = policy, prompts, scorers, settings
        self.world = World() if world is None else world
        self.reward = next(iter(scorers))
        self.objective: Objective = objective_of(settings.learner, over=settings.reduction)
        shape = (settings.prompts, settings.group)
        self.asks = asks_reference(settings.learner.signal, shape)
        self.reference = frozen(policy) if settings.learner.kl > 0.0 or self.asks else None
        self.weights = [one for one in policy.model.parameters() if one.requires_grad]
        self.optimizer = torch.optim.AdamW(self.weights, lr=settings.rate, weight_decay=0.0)
        self.chain = advantage_of(settings.learner)
        self.memory: Any = self.chain.init(shape, np.random.default_rng([settings.seed, 1]))

    def step(self, number: int) -> Step:
        """Draw, judge, learn."""
        rows = rows_at(number, len(self.prompts.ids), self.settings.prompts, self.settings.seed)
        own = self.prompts.take(self.world.share(rows))
        seed = f"{self.settings.seed}/{number}"
        drawn = draw(self.policy, own, self.settings.group, self.settings.sampling, seed=seed)
        batch = concat(self.world.gather([judge(drawn, self.scorers, step=number)]))
        outputs = tuple(self.world.gather(drawn.outputs))
        known = tokens_of(outputs, batch.shape, self.world.gather(self._held(drawn)) if self.asks else None)
        found = advantages(batch, self.reward, self.chain, self.memory, known)
        self.memory = found.memory
        mine = found.values[self.world.share(range(len(rows)))]
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate_at(number)
        told = self._learn(drawn, mine)
        told |= {"learning_rate": self.settings.rate_at(number)}
        return Step(number, batch, metrics_of(batch, self.reward) | told)

    def _held(self, drawn: Drawn) -> list[Array]:
        """The outputs' log-probabilities under the reference policy, token by token, as a signal reads them."""
        assert self.reference is not None
        said = [one.tokens for one in drawn.outputs]
        heat = self.settings.sampling.temperature
        return [
            one.logprobs for one in measure(self.reference, drawn.repeated(), said, heat, batch=self.settings.micro)
        ]

    def _learn(self, drawn: Drawn, advantage: Array) -> dict[str, float]:
        """The steps of the optimizer on one batch: one, or as many as the learner's rounds have."""
        parts = micro_batches(drawn, advantage, self.settings.micro, self.policy.device)
        if self.reference is not None and self.settings.learner.kl > 0.0:
            parts = [one.held_to(self.reference, self.settings.sampling.temperature) for one in parts]
        by = self._denominator(parts)
        told: dict[str, float] = {}
        for epoch in range(self.settings.learner.epochs):
            self.optimizer.zero_grad(set_to_none=False)
            for one in parts:
                said = forward(self.policy, one.prompts, one.responses, self.settings.sampling.temperature)
                tokens = TokenBatch(
                    said.logp, said.mask, one.old if self.settings.learner.rounds else None, one.reference
                )
                loss = self.objective(tokens, one.advantage, by)
                loss.value.backward()  # type: ignore[no-untyped-call]
                if epoch == 0:
                    for name, part in loss.parts.items():
                        told[f"loss/{name}"] = told.get(f"loss/{name}", 0.0) + float(part)
            told["grad_norm"] = self._move()
        names = [name for name in told if name.startswith("loss/")]
        sums = np.sum(self.world.gather([[told[name] for name in names]]), axis=0)
        return told | {name: float(value) for name, value in zip(names, sums, strict=True)}

    def _move(self) -> float:
        """One step along the gradient of all processes; its norm before it was scaled down."""
        gradients = [one.grad for one in self.weights if one.grad is not None]
        self.world.add(gradients)
        norm = torch.nn.utils.clip_grad_norm_(self.weights, self.settings.most)
        self.optimizer.step()
        return float(norm)

    def _denominator(self, parts: Sequence["Part"]) -> Denominator:
        own = [self.objective.denominator(one.mask, one.advantage) for one in parts]
        total = own[0]
        for one in own[1:]:
            total = total + one
        sizes = self.world.gather([total.size])
        return Denominator(total.over, sum(sizes))


class Part(NamedTuple):
    """A micro-batch: outputs that go through the model together."""

    prompts: Sequence[Sequence[int]]
    responses: Sequence[Sequence[int]]
    advantage: Tensor  # (n,) or (n, t)
    mask: Tensor  # (n, t)
    old: Tensor  # (n, t) log-probabilities as the outputs were drawn
    reference: Tensor | None = None  # (n, t)

    def held_to(self, reference: LanguageModel, temperature: float) -> "Part":
        """With the log-probabilities of the reference policy."""
        found = measure(reference, self.prompts, self.responses, temperature, batch=len(self.responses))
        return self._replace(reference=padded([one.logprobs for one in found], self.old))


def micro_batches(drawn: Drawn, advantage: Array, size: int, device: torch.device) -> list[Part]:
    """The outputs sorted by prompt and length and cut: little is padded, and few prompts are read twice."""
    prompts, outputs = drawn.repeated(), drawn.outputs
    flat = advantage.reshape(len(outputs), *advantage.shape[2:])
    order = by_prompt(prompts, [one.tokens for one in outputs])
    parts = []
    for first in range(0, len(order), size):
        rows = order[first : first + size]
        longest = max(len(outputs[row].tokens) for row in rows)
        blank = torch.zeros(len(rows), longest, device=device)
        pull = torch.from_numpy(flat[rows, :longest] if flat.ndim == 2 else flat[rows]).to(device, torch.float32)
        lengths = torch.tensor([len(outputs[row].tokens) for row in rows], device=device)
        mask = torch.arange(longest, device=device)[None] < lengths[:, None]
        old = padded([outputs[row].logprobs for row in rows], blank)
        said = [outputs[row].tokens for row in rows]
        parts.append(Part([prompts[row] for row in rows], said, pull, mask, old))
    return parts


def padded(rows: Sequence[Array], like: Tensor) -> Tensor:
    """Rows of numbers as (n, t), 0 behind each, of the kind and on the device of `like`."""
    found = np.zeros(tuple(like.shape))
    for row, one in enumerate(rows):
        found[row, : len(one)] = one
    return torch.from_numpy(found).to(like)


def frozen(policy: LanguageModel) -> LanguageModel:
    """A copy that does not move."""
    copied = copy.deepcopy(policy.model).eval()
    for one in copied.parameters():
        one.requires_grad_(False)
    return LanguageModel(copied, policy.tokenizer)
