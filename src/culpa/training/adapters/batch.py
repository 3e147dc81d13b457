"""A batch of TRL's trainers as a signal and its group, and advantages back into the batch.

A trainer's rows are one output each, `num_generations` in a row of one prompt; a process has its share of them, which
may end within a prompt. Signals are of all processes together, N rows; B of them are this process's.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from culpa.metrics.arrays import Array, Shape
from culpa.signals.tokens import Tokens


class Seen(NamedTuple):
    """What passed while the trainer sampled and scored."""

    rewards: Any  # (N, k)
    lengths: list[int]  # (B,) tokens
    passes: list[Any]  # log-probabilities (B, t): of the policy where the trainer wants them, then of the reference


def rewards_of(trainer: Any, seen: Seen, *, merged: bool) -> Array:
    """Rewards as (k, p, s) for a chain that merges them, else their weighted sum as (p, s).

    As in TRL a reward without a verdict is left out of the sum; an output without any is NaN.
    """
    size = trainer.num_generations if trainer.model.training else trainer.num_generations_eval
    each: Array = seen.rewards.double().cpu().numpy()
    if merged:
        return each.T.reshape(each.shape[1], -1, size)
    weights = trainer.reward_weights.double().cpu().numpy()
    total = np.where(np.isnan(each).all(axis=1), np.nan, np.nansum(each * weights, axis=1))
    return total.reshape(-1, size)


def fields(trainer: Any, out: Any, seen: Seen, asks: Iterable[str], shape: Shape) -> dict[str, Any]:
    """The group's `length`, and those of `logprob`, `reference` and `tokens` that are asked for.

    Lengths and sums are over the policy's own tokens, not those of tools; where the trainer hides an output, its length
    is that of all its tokens, and its log-probability NaN.
    """
    asks = set(asks)
    mask = out["completion_mask"]
    if "tool_mask" in out:
        mask = mask * out["tool_mask"]
    count = mask.sum(dim=1)
    length = count.where(count > 0, count.new_tensor(seen.lengths))
    found: dict[str, Any] = {"length": _whole(trainer, length).reshape(shape)}
    if not asks & {"logprob", "reference", "tokens"}:
        return found
    own = _whole(trainer, mask) > 0
    held = trainer.beta != 0.0
    scored = {}
    if asks & {"logprob", "tokens"}:
        scored["logprob"] = _whole(trainer, seen.passes[0] if len(seen.passes) > held else _score(trainer, out))
    if held and asks & {"reference", "tokens"}:
        scored["reference"] = _whole(trainer, seen.passes[-1])
    for name, logp in scored.items():
        total = np.where(own, logp, 0.0).sum(axis=1)
        found[name] = np.where(own.any(axis=1), total, np.nan).reshape(shape)
    by_token = {name: np.where(own, logp, np.nan).T.reshape(-1, *shape) for name, logp in scored.items()}
    found["tokens"] = Tokens(own.T.reshape(-1, *shape), **by_token)
    return found


def put(trainer: Any, out: Any, result: Array) -> None:
    """The advantages of this process's rows, of (p, s) or (t, p, s), in place of the trainer's; NaN as 0."""
    rows, mask = len(out["completion_ids"]), out["completion_mask"]
    flat = np.nan_to_num(result.reshape(*result.shape[:-2], -1).T, nan=0.0)
    start = trainer.accelerator.process_index * rows
    own = out["advantages"].new_tensor(flat[start : start + rows])
    out["advantages"] = own if own.dim() == 1 else own[:, : mask.size(1)] * mask


def write(trainer: Any, result: Array, signal: Array) -> None:
    """The advantages in the trainer's table of completions, an output's tokens as their mean; and two metrics."""
    by_output = result if result.ndim == 2 else _over_tokens(result)
    zero = np.nan_to_num(result, nan=0.0) == 0.0
    dead = (zero if result.ndim == 2 else zero.all(axis=0)).all(axis=-1)
    silent = np.isnan(signal) if signal.ndim == 2 else np.isnan(signal).all(axis=0)
    metrics = trainer._metrics["train" if trainer.model.training else "eval"]
    metrics["signal/dead_groups"].append(float(dead.mean()))
    metrics["signal/no_verdict"].append(float(silent.mean()))
    logged = trainer._logs["advantages"]
    for _ in range(min(len(logged), silent.size)):
        logged.pop()
    logged.extend(np.nan_to_num(by_output, nan=0.0).ravel().tolist())


def _over_tokens(result: Array) -> Array:
    known = ~np.isnan(result)
    return np.asarray(np.where(known, result, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def _whole(trainer: Any, tensor: Any) -> Array:
    """A tensor of this process's rows, (B,) or (B, t), as that of all processes, padded to the longest."""
    accelerator = trainer.accelerator
    if tensor.dim() > 1:
        tensor = accelerator.pad_across_processes(tensor, dim=1)
    result: Array = accelerator.gather(tensor).double().cpu().numpy()
    return result


def _score(trainer: Any, out: Any) -> Any:
    """Log-probabilities of the completions under the policy, (B, t), where the trainer had no need of them."""
    import torch  # noqa: PLC0415 - heavy

    ids = torch.cat([out["prompt_ids"], out["completion_ids"]], dim=1)
    seen = torch.cat([out["prompt_mask"], out["completion_mask"]], dim=1)
    args, length = trainer.args, out["completion_ids"].size(1)
    size = args.per_device_train_batch_size if trainer.model.training else args.per_device_eval_batch_size
    images = {name: out[name] for name in _IMAGES if name in out}
    with torch.no_grad():
        return trainer._get_per_token_logps_and_entropies(trainer.model, ids, seen, length, batch_size=size, **images)[
            0
        ]


_IMAGES = (
    "pixel_values",
    "image_grid_thw",
    "num_images",
    "pixel_attention_mask",
    "spatial_shapes",
    "num_tiles",
    "image_sizes",
    "token_type_ids",
    "mm_token_type_ids",
    "image_position_ids",
)
