"""The trainer's own events: when a step begins and ends, what it logged, when it only evaluates."""

from typing import Any

from culpa.training.watch.run import Collector

_FIGURES = ("kl", "entropy", "completions/clipped_ratio", "grad_norm", "learning_rate", "frac_reward_zero_std")


def callback(collector: Collector, *, stop_on: tuple[str, ...] = ()) -> Any:
    """A callback for TRL's trainers: callbacks=[callback(collector)] beside reward functions that are `watched`.

    With it a step's report carries the trainer's own figures (KL per token, entropy, share of outputs cut off), groups
    are of the trainer's `num_generations`, and what is generated for evaluation is left out. `stop_on`: signals whose
    alarm ends the training after the step that is under way. The sinks are closed when the training ends.
    """
    from transformers import TrainerCallback  # noqa: PLC0415 - so that the package loads without it

    class Watch(TrainerCallback):  # type: ignore[misc]
        """Holds no state of its own: the collector does."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            collector.deferred, collector.paused = True, True
            collector.group = collector.group or getattr(args, "num_generations", None)

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            collector.paused = False
            if {alarm.signal for alarm in collector.flush()} & set(stop_on):
                control.should_training_stop = True

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            collector.paused = True

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ARG002
            found = {name: (logs or {}).get(name) for name in _FIGURES}
            collector.more |= {name: float(value) for name, value in found.items() if isinstance(value, int | float)}

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            collector.flush()
            collector.run.close()

    return Watch()
