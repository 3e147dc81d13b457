"""What the mixin takes for granted of a trainer: private methods, which any release may change."""

import inspect
from typing import Any

from culpa.errors import InputError
from culpa.training.adapters.stage import Asked, Stage

SUPPORTED = ">=1.0,<1.17"  # the adapter's tests pass with the first and the last of these, and with 1.8 and 1.12

# The methods that the mixin overrides or calls, and the parameters by which it does.
METHODS = {
    "_generate_and_score_completions": ("inputs",),
    "_calculate_rewards": ("inputs", "prompts", "completions", "completion_ids_list"),
    "_get_per_token_logps_and_entropies": ("model", "input_ids", "attention_mask", "logits_to_keep", "batch_size"),
}
# What a trainer does to rewards by itself, and what it must be told so that the chain alone does it.
SETTINGS: dict[str, tuple[object, str]] = {
    "scale_rewards": ("none", "The chain divides: end it with divide_std, or take trl_grpo."),
    "multi_objective_aggregation": ("sum_then_normalize", "To normalise first, take trl_gdpo as the signal."),
    "normalize_advantages": (False, "The chain does it: end it with whiten."),
    "reward_clip_range": (None, "The chain does it: begin it with clip."),
}


def check_methods(trainer: type) -> None:
    """Raises unless the trainer has the methods that the mixin overrides, with their parameters."""
    for name, parameters in METHODS.items():
        method = next((vars(one)[name] for one in trainer.__mro__ if name in vars(one) and not _ours(one)), None)
        if method is None:
            raise _unfit(trainer, f"has no {name}")
        found = inspect.signature(method).parameters
        missing = [one for one in parameters if one not in found]
        if missing:
            raise _unfit(trainer, f"has a {name} without {', '.join(missing)}")


def check_settings(trainer: Any, stage: Stage, asked: Asked) -> None:
    """Raises where the trainer would do to rewards what the chain is there for, or cannot use what it gives."""
    for name, (due, remedy) in SETTINGS.items():
        if (given := getattr(trainer, name, due)) != due:
            raise InputError(f"{name} is {given!r}: with a signal it has to be {due!r}.", remedy=remedy)
    if stage.merges and trainer.args.reward_weights is not None:
        problem = "the chain merges the rewards, and the trainer has reward_weights as well."
        raise InputError(problem, remedy="Leave reward_weights out; weighted_sum has weights of its own.")
    beta, one_number = trainer.beta, _one_number(trainer)
    if "reference" in asked.fields and beta == 0.0:
        problem = "the chain needs the log-probabilities of the reference policy, and with beta 0 there is none."
        raise InputError(problem, remedy="Set beta above 0.")
    if one_number and beta != 0.0 and "reference" not in asked.fields:
        problem = f"beta is {beta}: the trainer takes a KL penalty from the reward, and the signal takes its place."
        raise InputError(problem, remedy=f'Begin the chain with "kl_penalty:{beta}", or set beta to 0.')
    if one_number and asked.by_token:
        problem = "the chain gives an advantage to each token, and this trainer has one for each output."
        raise InputError(problem, remedy="Use GRPOTrainer for token-level signals.")


def _one_number(trainer: Any) -> bool:
    """Whether the loss is that of whole outputs (RLOO)."""
    return not hasattr(trainer, "loss_type")


def _ours(one: type) -> bool:
    return one.__module__.startswith("culpa.")


def _unfit(trainer: type, what: str) -> InputError:
    bases = [one.__name__ for one in trainer.__mro__[1:] if not _ours(one)]
    return InputError(
        f"{bases[0] if bases else trainer.__name__} {what}.",
        remedy=f"Write class Trainer(SignalMixin, GRPOTrainer) or RLOOTrainer; tested with TRL {SUPPORTED}.",
    )
