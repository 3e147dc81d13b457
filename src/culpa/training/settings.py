"""How a policy is trained: the algorithm, how many steps of how many prompts, and how far each goes."""

from dataclasses import asdict, dataclass, field, replace
from hashlib import blake2b
from math import inf

from culpa.dynamics import Learner, Path, learner
from culpa.errors import InputError
from culpa.lm.generate import Sampling
from culpa.objectives import objective_of


@dataclass(frozen=True)
class TrainSettings:
    """One run. The learner is the object that drives rehearsals; its group is the number of outputs of a prompt."""

    learner: Path
    steps: int = 100
    prompts: int = 16  # a step
    rate: float = 1e-6
    decay: bool = False  # to 0 at the last step, in a straight line
    warmup: int = 0  # steps from 0 to the full rate
    sampling: Sampling = field(default_factory=Sampling)
    reduction: str | None = None  # over what the loss is a mean: token, sequence, sum, constant:LENGTH; None: as usual
    most: float = 1.0  # norm above which a gradient is scaled down; inf: never
    micro: int = 64  # outputs in a forward pass: memory, not mathematics
    seed: int = 0
    save_every: int = 50  # steps between checkpoints; 0: at the end only

    def __post_init__(self) -> None:
        """Refuse what cannot be run."""
        for name, least in (("steps", 1), ("prompts", 1), ("micro", 1), ("warmup", 0), ("save_every", 0)):
            if getattr(self, name) < least:
                problem = f"{name} must be {least} or more, got {getattr(self, name)}."
                raise InputError(problem, remedy=f"--{name.replace('_', '-')} {max(least, 1)} is the least.")
        if not 0.0 < self.rate < inf or not self.most > 0.0:
            problem = f"the learning rate and the largest norm are positive, got {self.rate} and {self.most}."
            raise InputError(problem, remedy="1e-6 suits most language models; a norm of 1 is usual.")
        if self.group < 2:
            problem = f"{self.learner.name} draws {self.group} output of a prompt; a baseline needs 2."
            raise InputError(problem, remedy="rloo:4 or grpo:8, or a learner with a group.")
        objective_of(self.learner, over=self.reduction)
        self.sampling.check()

    @property
    def group(self) -> int:
        """Outputs of a prompt."""
        return self.learner.group or 1

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, counted from 0.

        >>> from culpa.dynamics import rloo
        >>> settings = TrainSettings(rloo(2), steps=4, rate=1.0, warmup=2, decay=True)
        >>> [settings.rate_at(step) for step in range(4)]
        [0.5, 1.0, 1.0, 0.5]
        """
        rising = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        left = min(1.0, (self.steps - step) / max(1, self.steps - self.warmup)) if self.decay else 1.0
        return self.rate * rising * left

    def shortened(self, share: float) -> "TrainSettings":
        """The first part of the same run: its steps, at the rates that they have in the whole.

        >>> from culpa.dynamics import rloo
        >>> TrainSettings(rloo(2), steps=100).shortened(0.1).steps
        10
        """
        if not 0.0 < share <= 1.0:
            raise InputError(f"a part of a run lies in (0, 1], got {share}.", remedy="--micro 0.1")
        return replace(self, steps=max(1, round(share * self.steps)))

    def fingerprint(self) -> str:
        """What decides the numbers of a run, in a few letters."""
        told = asdict(replace(self, learner=replace(self.learner, signal=None), micro=1, save_every=1))
        return blake2b(repr(sorted(told.items())).encode(), digest_size=8).hexdigest()


def trainable(text: str, group: int | None = None) -> Path:
    """A learner that can train a model, by its name; `group`: outputs of a prompt, where the name has no say.

    >>> trainable("grpo:8").group, trainable("ppo:4", 8).group
    (8, 8)
    """
    found: Learner = learner(text)
    if not isinstance(found, Path):
        problem = f"{found.name} is a closed form, and no way to train."
        raise InputError(problem, remedy="reinforce, rloo:K, grpo:K or ppo:EPOCHS.")
    return found if group is None else replace(found, group=group)
