"""Tiny reward models: a policy's body with a scalar head, trained on preference pairs by TRL's RewardTrainer."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from transformers import LlamaForSequenceClassification

from culpa.labs.tinylm.keep import kept
from culpa.labs.tinylm.preferences import RECIPES, Pairs, preferences
from culpa.labs.tinylm.tasks import Task
from culpa.lm.model import LanguageModel
from culpa.rollouts import Rollouts

_RATE = 1e-3
_BATCH = 64  # pairs


def reward_models(
    task: Task, lm: LanguageModel, rollouts: Rollouts, folder: Path, *, seed: int = 0, steps: int = 160
) -> dict[str, Path]:
    """The folder of one reward model for each recipe of `preferences.RECIPES`, trained now or found.

    lm: the initial policy, whose body they start from; rollouts: what it said, with a column `answer`.
    """
    rngs = np.random.default_rng([seed, 1]).spawn(len(RECIPES))
    return {
        name: train(
            lm, preferences(task, rollouts, recipe, rng), folder, stem=f"{task.name}-{name}", seed=seed, steps=steps
        )
        for (name, recipe), rng in zip(RECIPES.items(), rngs, strict=True)
    }


def train(lm: LanguageModel, pairs: Pairs, folder: Path, *, stem: str, seed: int, steps: int = 160) -> Path:
    """An ordinary Hugging Face folder of a sequence classifier with one number for prompt and response.

    loss = mean over pairs of -log sigmoid(r(chosen) - r(rejected)),  64 pairs a step, AdamW from 1e-3 linearly to 0

    r is read from the last token of prompt + response, without an end token. Found instead of trained where an earlier
    call had the same policy, pairs, seed and steps.
    """
    settings = [_digest(lm), pairs, seed, steps, torch.__version__]

    def make(place: Path) -> None:
        with _own_randomness(seed):
            model = headed(lm)
            _fit(model, lm.tokenizer, pairs, seed, steps)
        model.save_pretrained(place)
        lm.tokenizer.save_pretrained(place)

    return kept(folder, stem, settings, make)


def headed(lm: LanguageModel) -> Any:
    """A new classifier: a copy of the policy's body, and a head of random weights."""
    config = deepcopy(lm.model.config)
    config.num_labels = 1
    model = LlamaForSequenceClassification(config)
    model.model.load_state_dict(lm.model.model.state_dict())
    return model


def _fit(model: Any, tokenizer: Any, pairs: Pairs, seed: int, steps: int) -> None:
    from datasets import Dataset  # noqa: PLC0415 - they and their imports take seconds
    from transformers import PrinterCallback  # noqa: PLC0415
    from trl import RewardConfig, RewardTrainer  # noqa: PLC0415

    data = {"chosen_ids": _ids(tokenizer, pairs.prompts, pairs.chosen)}
    data["rejected_ids"] = _ids(tokenizer, pairs.prompts, pairs.rejected)
    with TemporaryDirectory() as scratch:
        settings = RewardConfig(
            output_dir=scratch,
            max_steps=steps,
            per_device_train_batch_size=_BATCH,
            learning_rate=_RATE,
            seed=seed,
            max_length=None,
            use_cpu=True,
            bf16=False,
            **{_checkpointing(RewardConfig): False},
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        trainer = RewardTrainer(
            model=model, args=settings, train_dataset=Dataset.from_dict(data), processing_class=tokenizer
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()


def _checkpointing(kind: Any) -> str:
    """What giving up activations for memory is called: the old name, without the new one, warns."""
    new = "activation_checkpointing"
    return new if new in kind.__dataclass_fields__ else "gradient_checkpointing"


def _ids(tokenizer: Any, prompts: Sequence[str], responses: Sequence[str]) -> list[list[int]]:
    found: list[list[int]] = tokenizer([a + b for a, b in zip(prompts, responses, strict=True)])["input_ids"]
    return found


def _digest(lm: LanguageModel) -> str:
    digest = blake2b(digest_size=8)
    for name, weights in sorted(lm.model.state_dict().items()):
        digest.update(name.encode())
        digest.update(weights.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def _own_randomness(seed: int) -> Iterator[None]:
    """The trainer seeds and draws from the global generators of Python, numpy and torch: here they are put back."""
    plain, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(plain)
            np.random.set_state(arrays)  # noqa: NPY002
