"""A causal language model and its tokenizer, loaded together from a folder or a hub."""

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from culpa.errors import InputError, shorten


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A policy: a transformers model with the tokenizer that goes with it."""

    model: Any  # PreTrainedModel
    tokenizer: Any  # PreTrainedTokenizerBase

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        found: torch.device = next(self.model.parameters()).device
        return found

    @property
    def end_ids(self) -> frozenset[int]:
        """The tokens that end an output: those of the generation settings and the tokenizer's own."""
        settings = getattr(self.model, "generation_config", None)
        named = getattr(settings, "eos_token_id", None)
        several = named if isinstance(named, list | tuple) else [named]
        return frozenset(int(one) for one in (*several, self.tokenizer.eos_token_id) if one is not None)

    @property
    def pad_id(self) -> int:
        """What fills a batch up; never looked at, so any token will do where there is none for it."""
        own = self.tokenizer.pad_token_id
        return int(own) if own is not None else min(self.end_ids, default=0)

    @property
    def vocabulary(self) -> int:
        """The number of logits."""
        return int(self.model.get_output_embeddings().weight.shape[0])

    @property
    def context(self) -> int:
        """Tokens of prompt and output together that the model was made for; very many where it does not say."""
        return context_of(self.model.config)


def context_of(config: Any) -> int:
    """Tokens that a model of this configuration was made for; very many where it does not say."""
    return int(getattr(config.get_text_config(), "max_position_embeddings", None) or 1 << 30)


def load(name: str | Path, *, device: str = "auto", dtype: str = "auto") -> LanguageModel:
    """A causal model by its folder or its hub name, ready to be asked. No code from the folder is ever run.

    device  "auto": the first CUDA device where there is one
    dtype   "auto": float32 on a CPU, what the weights were saved in on a GPU
    """
    place = pick_device(device)
    model = from_folder(AutoModelForCausalLM, name, dtype=pick_dtype(dtype, place))
    lm = LanguageModel(model.to(place).eval(), load_tokenizer(name))
    if not lm.end_ids:
        problem = f"{shorten(name)} names no token that ends an output."
        raise InputError(problem, remedy="Set eos_token_id in its generation_config.json or its tokenizer.")
    return lm


def save(lm: LanguageModel, folder: Path) -> Path:
    """An ordinary Hugging Face folder, safetensors only."""
    folder.mkdir(parents=True, exist_ok=True)
    quiet()
    lm.model.save_pretrained(folder)
    lm.tokenizer.save_pretrained(folder)
    return folder


def pick_device(device: str) -> torch.device:
    """The device by its name; "auto" is the first CUDA device, else the CPU.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        problem = f"the device {shorten(repr(device))} cannot be used ({shorten(error, 120)})."
        raise InputError(problem, remedy="auto, cpu, cuda or cuda:1.") from error
    return found


def pick_dtype(dtype: str, device: torch.device) -> Any:
    """The number format by its name; "auto" is float32 on a CPU and the saved one elsewhere.

    >>> pick_dtype("bfloat16", torch.device("cpu"))
    torch.bfloat16
    """
    if dtype == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype not in known:
        raise InputError(f"no number format is called {shorten(repr(dtype))}.", remedy=f"auto, {', '.join(known)}.")
    return known[dtype]


def load_tokenizer(name: str | Path) -> Any:
    """The tokenizer of a folder or a hub name."""
    return from_folder(AutoTokenizer, name)


def from_folder(kind: Any, name: str | Path, **settings: Any) -> Any:
    """`kind.from_pretrained`, with one clear error where nothing can be loaded."""
    local = Path(name).is_dir()
    if not local and str(name).startswith((".", "/", "~")):
        raise InputError("there is no such folder.", path=Path(name), remedy="Name the folder of a model.")
    quiet()
    try:
        return kind.from_pretrained(name, trust_remote_code=False, **settings)
    except (OSError, ValueError, KeyError, RuntimeError, UnpicklingError) as error:
        what = "tokenizer" if kind is AutoTokenizer else "model"
        problem = f"no {what} can be loaded from {shorten(name)} ({shorten(error, 200)})."
        remedy = "Give a folder that save_pretrained wrote, or the name of a model on the hub."
        raise InputError(problem, remedy=remedy) from error


def quiet() -> None:
    """No bars of others on stderr: loading takes a moment, and what is said there is ours."""
    from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415 - only where something is loaded

    disable_progress_bar()
