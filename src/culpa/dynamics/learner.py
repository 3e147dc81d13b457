"""The algorithms: those that walk, step by step, and those whose policy is known in closed form."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import ClassVar

from culpa.errors import InputError, shorten
from culpa.signals import Transform

TILT_PARTS = 40  # equal parts of the way from the initial policy to a tilted one


@dataclass(frozen=True)
class Path:
    """A learner that walks: theta += eta sum_y pi(y) A(y) grad log pi(y), A = scale (R - mean R) - kl log(pi / pi0).

    The scale is 1 without `normalise`; with it, a prompt's advantage is divided by the spread of its group. Then
    `group` matters: on binary rewards the expectation over groups of that size is exact, otherwise the limit of large
    groups is taken (scale 1 / (std + eps)). Group means cost nothing in expectation: RLOO of any size is REINFORCE.
    """

    name: str
    normalise: bool = False
    group: int | None = None  # outputs drawn per prompt; None: the limit of many
    sample_std: bool = False  # divide by n - 1 in the group's spread
    eps: float = 0.0  # added to the spread
    kl: float = 0.0  # weight of KL(pi || pi0) in the objective, outside the normalisation
    signal: Transform | None = None  # what is done to the rewards before the learner sees them
    clip: float | None = None  # the policy's ratio to that of the round's start moves no output beyond 1 -+ clip
    epochs: int = 1  # steps of a round: its advantages are those of the policy that it started from
    critic: bool = False  # sampled runs: the baseline is the policy's own mean, not that of the drawn group
    flow: bool = False  # the limit of small steps, in eta x steps

    def __post_init__(self) -> None:
        """Refuse what no trainer would run."""
        self._check_rounds()
        if self.group is not None and self.group < 2:
            problem = f"a group needs at least 2 outputs, got {self.group}."
            raise InputError(problem, remedy="Without a group: reinforce().")
        if not 0.0 <= self.eps < inf:
            raise InputError(f"eps must be zero or more, got {self.eps}.", remedy="TRL adds 1e-4, verl 1e-6.")
        if not 0.0 <= self.kl < inf:
            raise InputError(f"the KL weight must be zero or more, got {self.kl}.", remedy="0 leaves it out.")

    def _check_rounds(self) -> None:
        if self.epochs < 1:
            raise InputError(f"a round needs at least one step, got {self.epochs}.", remedy="ppo() takes 4.")
        if self.clip is not None and not 0.0 < self.clip < inf:
            raise InputError(f"the clip must be positive, got {self.clip}.", remedy="0.2 is usual.")
        if self.flow and (self.signal is not None or self.rounds):
            problem = "a gradient flow is known for learners without a signal, a clip or rounds of several steps."
            raise InputError(problem, remedy="Take the learner without as_flow(): it walks step by step.")

    @property
    def rounds(self) -> bool:
        """Whether its steps differ from those on the policy's own outputs: a single step of a round is never cut."""
        return self.epochs > 1

    @property
    def plain(self) -> bool:
        """Whether columns are independent and every step depends on the policy alone: the fast walk takes these."""
        return self.signal is None and not self.rounds and not self.flow

    def with_signal(self, transform: Transform, text: str) -> "Path":
        """The same learner on transformed rewards; the text goes before its name.

        >>> from culpa.signals import parse
        >>> grpo(8).with_signal(parse("center | clip:3"), "center | clip:3").name
        'center | clip:3 > grpo:8'
        """
        return replace(self, signal=transform, name=f"{text} > {self.name}")

    def with_rounds(self, epochs: int, clip: float | None = 0.2) -> "Path":
        """The same learner in rounds of several steps on the same outputs, with PPO's clip.

        >>> grpo(8).with_rounds(4).name
        'grpo:8 in rounds of 4'
        """
        return replace(self, epochs=epochs, clip=clip, name=f"{self.name} in rounds of {epochs}")

    def as_flow(self) -> "Path":
        """The same learner in the limit of small steps: d theta / d tau = pi A, where tau counts eta x steps.

        >>> reinforce().as_flow().name
        'reinforce as a flow'
        """
        return self if self.flow else replace(self, flow=True, name=f"{self.name} as a flow")

    def with_kl(self, weight: float) -> "Path":
        """The same learner with another weight of the divergence from the initial policy."""
        return replace(self, kl=weight)

    def in_the_limit(self) -> "Path":
        """The same learner with groups so large that their mean and spread are the policy's own."""
        return replace(self, group=None)


@dataclass(frozen=True)
class ClosedForm:
    """A learner whose policy is known without a walk, from the initial policy and the rewards alone.

    Its steps are the parts of its way: best_of_n takes the best of 1, 2, .. n outputs, tilt goes from b = 0 to 1 / beta
    in equal parts. Exactly one of the two numbers is given.
    """

    name: str
    best_of: int | None = None
    beta: float | None = None

    normalise: ClassVar[bool] = False  # what is asked of every learner
    kl: ClassVar[float] = 0.0
    group: ClassVar[None] = None

    def __post_init__(self) -> None:
        """Refuse what is no policy."""
        if (self.best_of is None) == (self.beta is None):
            raise InputError("a closed form is best_of or beta, one of them.", remedy="best_of_n(16) or tilt(0.5).")
        if self.best_of is not None and self.best_of < 2:
            problem = f"the best of {self.best_of} is not chosen from anything."
            raise InputError(problem, remedy="Draw at least 2: best_of_n(16).")
        if self.beta is not None and not 0.0 < self.beta < inf:
            raise InputError(
                f"beta must be positive, got {self.beta}.", remedy="Small is far from the start: tilt(0.5)."
            )

    @property
    def parts(self) -> int:
        """Steps from the initial policy to the end of its way."""
        return TILT_PARTS if self.best_of is None else self.best_of - 1

    def in_the_limit(self) -> "ClosedForm":
        """Itself: no group is normalised."""
        return self

    def with_kl(self, weight: float) -> "ClosedForm":
        """Itself for a weight of 0; no other is known."""
        if weight != 0.0:
            problem = f"{self.name} takes no KL weight, got {weight}."
            raise InputError(problem, remedy="tilt(BETA) is the policy of highest reward minus BETA times the KL.")
        return self

    def with_signal(self, transform: Transform, text: str) -> "ClosedForm":  # noqa: ARG002 - as every learner's
        """Refused: a closed form is one of the rewards as they are."""
        problem = f"{self.name} takes no signal, got {shorten(text)!r}."
        raise InputError(problem, remedy="Transform the scores before, or take a learner that walks: reinforce().")


Learner = Path | ClosedForm


def reinforce() -> Path:
    """The exact policy gradient of the expected reward.

    >>> reinforce().normalise
    False
    """
    return Path("reinforce")


def rloo(group: int = 4) -> Path:
    """REINFORCE with the mean of the other outputs as baseline: the same expected step for any group of two or more.

    >>> rloo(8).name
    'rloo:8'
    """
    return Path(f"rloo:{group}", group=group)


def grpo(group: int = 8, *, eps: float = 0.0, sample_std: bool = False) -> Path:
    """Advantages divided by the group's standard deviation (population; TRL and verl: `sample_std`, eps 1e-4, 1e-6).

    >>> grpo(16, eps=1e-4, sample_std=True).name
    'grpo:16'
    """
    return Path(f"grpo:{group}", normalise=True, group=group, eps=eps, sample_std=sample_std)


def ppo(epochs: int = 4, *, clip: float = 0.2, group: int | None = None) -> Path:
    """Rounds of several steps on the same outputs, with an exact critic and the clipped ratio to the round's start.

    A step is one of the inner ones: sum_y pi_old(y) min(r A, clip(r) A), r = pi / pi_old, A = R - V of pi_old. With one
    step to a round nothing is ever cut, and it is REINFORCE. `group`: outputs drawn per prompt in sampled runs, else 1.
    Reference: Schulman et al., arXiv 1707.06347.

    >>> ppo().name, ppo().clip
    ('ppo:4', 0.2)
    """
    return Path(f"ppo:{epochs}", group=group, clip=clip, epochs=epochs, critic=True)


def best_of_n(n: int = 16) -> ClosedForm:
    """The output of highest score among n drawn from the initial policy; ties are broken by chance.

    >>> best_of_n(16).name
    'best_of_n:16'
    """
    return ClosedForm(f"best_of_n:{n}", best_of=n)


def tilt(beta: float = 1.0) -> ClosedForm:
    """The policy of highest V_R - beta KL(pi || pi0): pi0 exp(R / beta) / Z, where every learner with that KL ends.

    >>> tilt(0.5).name
    'tilt:0.5'
    """
    return ClosedForm(f"tilt:{beta:g}", beta=beta)


def learner(text: str) -> Learner:
    """A learner by its name: "reinforce", "rloo:4", "grpo:8", "ppo:4", "best_of_n:16", "tilt:0.5".

    Without a number the usual one.

    >>> learner("grpo:16").group
    16
    """
    name, colon, number = text.strip().lower().partition(":")
    presets: dict[str, Callable[[int], Learner]] = {"rloo": rloo, "grpo": grpo, "ppo": ppo, "best_of_n": best_of_n}
    if name == "reinforce" and not colon:
        return reinforce()
    if name == "tilt" and (not colon or _is_number(number)):
        return tilt(float(number)) if number else tilt()
    if name not in presets or (colon and not number.isdecimal()):
        known = "reinforce, rloo:K, grpo:K, ppo:EPOCHS, best_of_n:N, tilt:BETA"
        raise InputError(f"no learner is called {shorten(text)!r}.", remedy=f"Known: {known}.")
    usual = {"rloo": "4", "grpo": "8", "ppo": "4", "best_of_n": "16"}
    return presets[name](int(number or usual[name]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
