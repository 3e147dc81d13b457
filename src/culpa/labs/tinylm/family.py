"""All proxies of a task as functions of texts, on one scale: the hand-made ones and reward models."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from culpa.errors import InputError
from culpa.labs.tinylm.outputs import Outputs, asked, judged, pooled_sd, scale_of
from culpa.labs.tinylm.proxies import PROXIES, Proxy
from culpa.labs.tinylm.tasks import Array, Task
from culpa.rollouts import Rollouts

Scorer = Callable[[Sequence[str], Sequence[str], Sequence[str]], Array]  # prompts, responses, answers to (n,)
_NOTHING: Mapping[str, Path] = MappingProxyType({})


def family(task: Task, rollouts: Rollouts, reward_models: Mapping[str, Path] = _NOTHING) -> dict[str, Scorer]:
    """Every proxy of a task by its name, scaled to unit spread within prompts.

    R(x, y) = raw score / sd,  sd: of the raw scores on the rollouts, within prompts, pooled

    rollouts: what the initial policy said, with a column `answer`; they set the scale and what counts as mediocre, and
    are not needed again. The true reward is not among the proxies: see `truth`. Reward models come from their folders.
    """
    seen = _seen(task, rollouts)
    made = {name: _scaled(name, proxy, seen, rollouts) for name, proxy in PROXIES.items()}
    for name, folder in reward_models.items():
        if name in made:
            raise InputError(f"two proxies are called {name!r}.", remedy="Give the reward model another name.")
        raw = reward_model(folder)
        made[name] = _divided(raw, _spread(name, raw(*asked(rollouts)), rollouts))
    return made


def truth(task: Task, rollouts: Rollouts) -> Scorer:
    """The true reward on the scale of the proxies."""
    return _scaled("truth", Proxy("", "", lambda seen: seen.score), _seen(task, rollouts), rollouts)


def reward_model(folder: Path) -> Scorer:
    """The scores of a sequence classifier, not scaled."""
    from culpa.lm.reward_model import load_reward_model, reward_scores  # noqa: PLC0415 - only where one is used

    model = load_reward_model(folder, device="cpu")
    return lambda prompts, responses, answers: reward_scores(model, prompts, responses, chat=False).values  # noqa: ARG005


def _seen(task: Task, rollouts: Rollouts) -> Outputs:
    return judged(task, scale_of(task, rollouts), *asked(rollouts))


def _scaled(name: str, proxy: Proxy, seen: Outputs, rollouts: Rollouts) -> Scorer:
    task, scale = seen.task, seen.scale
    return _divided(
        lambda prompts, responses, answers: proxy.score(judged(task, scale, prompts, responses, answers)),
        _spread(name, proxy.score(seen), rollouts),
    )


def _divided(raw: Scorer, sd: float) -> Scorer:
    return lambda prompts, responses, answers: raw(prompts, responses, answers) / sd


def _spread(name: str, values: Array, rollouts: Rollouts) -> float:
    sd = pooled_sd(values, rollouts)
    if not sd > 0.0:
        problem = f"the proxy {name} does not vary within any of {len(rollouts.prompt_id)} prompts."
        raise InputError(problem, remedy="Draw more samples of the initial policy.")
    return sd
