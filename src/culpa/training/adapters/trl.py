"""TRL: a chain behind a reward function, or in place of a trainer's own advantages."""

from typing import Any

from culpa.signals import Transform, equal_group
from culpa.training.adapters.batch import Seen, fields, put, rewards_of, write
from culpa.training.adapters.contract import SUPPORTED, check_methods, check_settings
from culpa.training.adapters.reward import AsyncShaped, Shaped, reward
from culpa.training.adapters.stage import Stage, asked

__all__ = ["SUPPORTED", "AsyncShaped", "Shaped", "SignalMixin", "reward"]


class SignalMixin:
    """Gives a GRPOTrainer or RLOOTrainer the advantages of a chain in place of its own.

        class Trainer(SignalMixin, GRPOTrainer): ...
        Trainer(model, rewards, GRPOConfig(scale_rewards="none"), signal="unlikeliness | trl_grpo", ...)

    signal   takes the rewards (p, s): p prompts, s = num_generations outputs of each, on all processes together, in
             float64; gives advantages, (p, s), or (t, p, s) with GRPO. Several reward functions are added with
             `reward_weights` first, one without a verdict left out, as TRL does; a chain that merges takes them
             as they are, (k, p, s). The chain is the whole of it: nothing is centred or divided afterwards.
    seed     of steps that draw by chance; the same on every process

    An output without any verdict leaves every statistic, and has advantage 0, as has any that the chain leaves without.
    The group knows `length`, the policy's tokens; and, where the chain asks for them, `logprob`, `reference` (where
    beta is above 0) and `tokens`, under the policy that sampled, at the temperature of sampling. Where the trainer does
    not score old outputs by itself, that costs one more forward pass. An output that `mask_truncated_completions`
    hides has no log-probability.

    A memory goes on from batch to batch, is not touched by evaluation, and is not in checkpoints: a resumed run starts
    it anew. Logged beside TRL's metrics: `signal/dead_groups`, the share of groups whose advantages are all 0, and
    `signal/no_verdict`, the share of outputs without a reward.

    What the trainer does afterwards (shuffling, clipping, `loss_type`) is untouched; advantages are in the batch that
    it shuffles. Private methods are overridden: `contract.METHODS`, tested with the releases in `SUPPORTED`.
    """

    def __init__(self, *args: Any, signal: str | Transform, seed: int = 0, **named: Any) -> None:
        check_methods(type(self))
        stage = Stage(signal, seed=seed)
        parent: Any = super()
        parent.__init__(*args, **named)
        trainer: Any = self
        size = trainer.num_generations
        shape = (max(1, trainer.args.generation_batch_size // size), size)
        needs = asked(stage, shape, rewards=len(trainer.reward_funcs))
        check_settings(self, stage, needs)
        self._signal = stage
        self._signal_asks = needs.fields
        self._signal_seen = Seen(None, [], [])
        self._signal_listens = False

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Any:
        parent: Any = super()
        rewards = parent._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        self._signal_seen = self._signal_seen._replace(
            rewards=rewards, lengths=[len(ids) for ids in completion_ids_list]
        )
        return rewards

    def _get_per_token_logps_and_entropies(self, *args: Any, **named: Any) -> Any:
        parent: Any = super()
        result = parent._get_per_token_logps_and_entropies(*args, **named)
        if self._signal_listens:
            self._signal_seen.passes.append(result[0].detach())
        return result

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        parent: Any = super()
        self._signal_seen, self._signal_listens = Seen(None, [], []), True
        try:
            out = parent._generate_and_score_completions(inputs)
        finally:
            self._signal_listens = False
        trainer: Any = self
        seen, self._signal_seen = self._signal_seen, Seen(None, [], [])
        signal = rewards_of(trainer, seen, merged=self._signal.merges)
        shape = signal.shape[-2:]
        group = equal_group(shape, **fields(trainer, out, seen, self._signal_asks, shape))
        result = self._signal(signal, group, remember=trainer.model.training)
        put(trainer, out, result)
        write(trainer, result, signal)
        return out
