"""Checkpoints: a run that was stopped goes on to the same bytes.

A checkpoint is a folder `checkpoint-000050`: the policy as an ordinary Hugging Face folder, the optimizer's state, and
the memory of the signal. It is written beside and renamed, and the one before is removed after that: whenever the
process is killed, a whole one is there. Everything random is drawn from the seed and the step, so nothing else is kept.
"""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import torch

from culpa.errors import InputError, shorten
from culpa.lm.model import LanguageModel, save
from culpa.training.state import from_json, to_json

_NAME = "checkpoint-"


class Checkpoint(NamedTuple):
    """Where a run was after a step."""

    step: int  # steps done
    folder: Path
    memory: Any  # of the signal
    fingerprint: str  # of the settings and the data


def write(folder: Path, found: Checkpoint, lm: LanguageModel, optimizer: torch.optim.Optimizer) -> Path:
    """The checkpoint after `found.step` steps, in the folder of the run."""
    target, part = folder / f"{_NAME}{found.step:06d}", folder / f".{_NAME}{found.step:06d}.part"
    shutil.rmtree(part, ignore_errors=True)
    save(lm, part)
    torch.save(optimizer.state_dict(), part / "optimizer.pt")
    state = {"step": found.step, "fingerprint": found.fingerprint, "memory": to_json(found.memory)}
    (part / "run.json").write_text(json.dumps(state), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    for older in folder.glob(f"{_NAME}*"):
        if older != target:
            shutil.rmtree(older, ignore_errors=True)
    return target


def latest(folder: Path) -> Checkpoint | None:
    """The last whole checkpoint of a run's folder."""
    found = sorted(folder.glob(f"{_NAME}*"))
    if not found:
        return None
    try:
        state = json.loads((found[-1] / "run.json").read_text(encoding="utf-8"))
        return Checkpoint(int(state["step"]), found[-1], from_json(state["memory"]), str(state["fingerprint"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"the checkpoint cannot be read ({error})."
        raise InputError(problem, path=found[-1], remedy="Remove the folder, or start anew with --restart.") from error


def restore(found: Checkpoint, lm: LanguageModel, optimizer: torch.optim.Optimizer) -> None:
    """The policy's weights and the optimizer's state as they were."""
    from safetensors.torch import load_model  # noqa: PLC0415 - only runs that go on need it

    try:
        load_model(lm.model, found.folder / "model.safetensors", device=str(lm.device))
        held = torch.load(found.folder / "optimizer.pt", map_location=lm.device, weights_only=True)
        optimizer.load_state_dict(held)
    except (OSError, ValueError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
        problem = f"the checkpoint does not fit this run ({shorten(error, 200)})."
        raise InputError(problem, path=found.folder, remedy="Start anew with --restart.") from error
